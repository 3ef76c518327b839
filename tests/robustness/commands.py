"""The real commands, run as a person runs them, and what is expected of them when they can't do what was asked."""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ebpfgen import freshness, identity

ROOT = Path(__file__).parents[2]
EBPFGEN = str(Path(sys.executable).with_name("ebpfgen"))
EBPFRUN = str(Path(sys.executable).with_name("ebpfrun"))
CLANG = identity.tools()[0] or "clang"
LONGEST = 60.0  # seconds; a limit for what hangs, not a measure

SPEC, USAGE, MACHINE, BUG, NO_PROGRAM, NOT_FOUND = 1, 2, 3, 70, 126, 127

CALL = """\
ebpfgen: 1
name: {name}
summary: {summary}
params: {{least: {{type: u32, default: 1, min: 1, max: 9, help: a number}}}}
events: {{call: {{fields: {{time: timestamp, pid: pid, comm: comm}}}}}}
probes:
  - {{name: {probe}, on: "{on}", where: pid >= $least, emit: call}}
"""
TRACEPOINT = "tracepoint:syscalls:sys_enter_getppid"
OUR_PROGRAMS = f"t{os.getpid():x}"
"""How the kernel programs of these tests are called: nobody else's are, and so what is left of them can be seen."""


class Done(NamedTuple):
    """A command that has ended. A negative ``status`` is the signal that killed it."""

    status: int
    out: str
    err: str


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, **more: Any) -> Done:
    """``env`` goes over this process's environment; what is "" in it is taken away."""
    more = {"stdin": subprocess.DEVNULL, "timeout": LONGEST, **more}
    process = subprocess.run([*map(str, command)], cwd=cwd, env=environment(env), capture_output=True, check=False, **more)
    return Done(process.returncode, process.stdout.decode(), process.stderr.decode())


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    return {name: value for name, value in {**os.environ, **(changes or {})}.items() if value}


def one_message(done: Done, status: int, *words: str, lines: int = 1) -> str:
    """Asserts that the command ended with ``status`` and said one thing, in which ``words`` are; returns it."""
    said = done.err.splitlines()
    assert "Traceback" not in done.err, done.err
    assert "a bug of" not in done.err, done.err
    assert "a mistake in ebpfgen itself" not in done.err, done.err
    assert done.status == status, done
    assert len(said) == lines, done.err
    for word in words:
        assert word in done.err, f"{word!r} is not in: {done.err}"
    return done.err


def spec(folder: Path, name: str = "call", text: str = CALL, **changes: str) -> Path:
    """Writes a spec that counts calls of getppid, with ``changes``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    values = {"name": name, "summary": "Calls of getppid.", "probe": OUR_PROGRAMS, "on": TRACEPOINT, **changes}
    path.write_text(text.format(**values), encoding="utf-8")
    return path


def build(*paths: Path, out: Path, **more: Any) -> None:
    done = run(EBPFGEN, "build", *paths, "--out", out, "--quiet", **more)
    assert done.status == 0, done.err


def reseal(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Changes a manifest as somebody would who knows how it is made: what is wrong with it then is its content alone."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    del manifest["digest"]
    change(manifest)
    path.write_bytes(freshness.sealed(json.dumps(manifest, indent=1, ensure_ascii=False).encode()))


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` and its content."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Started:
    """A command that runs; what it says is collected while something is waited for."""

    def __init__(self, *command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None, **more: Any) -> None:
        self.process = subprocess.Popen(
            [*map(str, command)], cwd=cwd, env=environment(env), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, **more,
        )  # fmt: skip
        self.pid = self.process.pid
        self.said = b""

    def wait_for(self, words: str) -> None:
        """Until ``words`` are on the standard error."""
        assert self.process.stderr is not None
        while words.encode() not in self.said:
            ready, _, _ = select.select([self.process.stderr], [], [], LONGEST)
            assert ready, f"silent, after {self.said!r}"
            piece = os.read(self.process.stderr.fileno(), 1 << 16)
            assert piece, f"ended with {self.process.wait()} after {self.said!r}"
            self.said += piece

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, number: signal.Signals | None = None) -> Done:
        """Waits for its end, after a signal if one is given."""
        if number is not None and self.process.poll() is None:
            self.send(number)
        out, err = self.process.communicate(timeout=LONGEST)
        return Done(self.process.returncode, out.decode(), (self.said + err).decode())


@contextmanager
def started(*command: str | Path, **more: Any) -> Iterator[Started]:
    """Whatever happens, it is gone afterwards."""
    process = Started(*command, **more)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.communicate()


def wait_until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.005)


def children(pid: int) -> list[int]:
    """The processes that ``pid`` has started and not yet waited for."""
    try:
        return [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except FileNotFoundError:
        return []


def descendants(pid: int) -> list[int]:
    found = children(pid)
    return found + [below for child in found for below in descendants(child)]


def running(pid: int) -> str:
    """The program that a process runs, "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return ""


# --- what the kernel holds ---

_BPF = {"x86_64": 321, "aarch64": 280}.get(os.uname().machine, 280)
_GET_NEXT_ID, _GET_FD_BY_ID, _INFO_BY_FD = 11, 13, 15  # enum bpf_cmd of include/uapi/linux/bpf.h
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attr: bytes) -> tuple[int, bytes]:
    buffer = ctypes.create_string_buffer(attr, len(attr))
    return int(_libc.syscall(_BPF, command, buffer, len(attr))), buffer.raw


def our_programs() -> list[str]:
    """Names of the kernel programs of these tests that are loaded now."""
    return [name for name in _program_names() if name.startswith(OUR_PROGRAMS)]


def _program_names() -> Iterator[str]:
    number = 0
    while True:
        failed, attr = _bpf(_GET_NEXT_ID, number.to_bytes(4, sys.byteorder) + bytes(8))
        if failed:
            return
        number = int.from_bytes(attr[4:8], sys.byteorder)
        fd, _ = _bpf(_GET_FD_BY_ID, number.to_bytes(4, sys.byteorder) + bytes(12))
        if fd < 0:  # gone meanwhile
            continue
        try:
            info = ctypes.create_string_buffer(256)
            where = ctypes.addressof(info).to_bytes(8, sys.byteorder)
            _bpf(_INFO_BY_FD, fd.to_bytes(4, sys.byteorder) + len(info).to_bytes(4, sys.byteorder) + where)
            yield info.raw[64:80].split(b"\0")[0].decode()  # struct bpf_prog_info: name
        finally:
            os.close(fd)


def pinned() -> set[str]:
    """What is in the BPF file system."""
    return {os.path.join(folder, name) for folder, _, names in os.walk("/sys/fs/bpf") for name in names}  # noqa: PTH118


def rubbish(folder: Path) -> list[str]:
    """Names in a folder of artefacts that are no artefact's."""
    return [p.name for p in folder.iterdir() if not re.fullmatch(r"[a-z0-9_]+", p.name)]
