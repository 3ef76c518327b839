"""Shipped specs, run as a person would run them, against programs whose effect is known.

with trace("opensnoop", "--pid", work.pid) as traced:    # building, attaching; inside, everything is attached
    truth = work.go()
assert traced.events("open") == ...                      # detached, drained, ended; traced has all that came out
"""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from workloads import Workload

ROOT = Path(__file__).parents[2]
LONGEST = 60.0  # seconds to wait for what hangs; a limit, not a measure
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "generator"), str(ROOT / "runtime")])}
ATTACHED = re.compile(r": attached \d+ programs?")

Row = dict[str, Any]


class Traced:
    """A run of ebpfrun. ``rows``, ``summary`` (its standard error) and ``status`` are there once it has ended."""

    def __init__(self, process: subprocess.Popen[bytes], sink: Path) -> None:
        self.process = process
        self.summary = ""
        self.rows: list[Row] = []
        self.status: int | None = None
        self._sink = sink

    def events(self, name: str) -> list[Row]:
        """The rows of one event, in the order of their arrival."""
        return [row for row in self.rows if row.get("event") == name]

    def totals(self, name: str) -> list[Row]:
        """The figures of one metric since the start, one row for each label set."""
        return [row for row in self.rows if row.get("metric") == name and row["seconds"] is None]

    def total(self, name: str, **labels: Any) -> Row | None:
        """The row of one label set; labels not named may be anything. None when nothing was measured."""
        found = [row for row in self.totals(name) if labels.items() <= row["labels"].items()]
        assert len(found) <= 1, found
        return found[0] if found else None

    def lost(self) -> list[str]:
        """The lines of the summary that tell of anything but complete delivery."""
        lines = [line.strip() for line in self.summary.splitlines() if line.startswith("  ")]
        return [line for line in lines if not re.fullmatch(r"\w+: (\d+) produced = \1 delivered", line)]

    def wait_until_attached(self) -> None:
        assert self.process.stderr
        with selectors.DefaultSelector() as selector:
            selector.register(self.process.stderr, selectors.EVENT_READ)
            while not ATTACHED.search(self.summary):
                assert selector.select(LONGEST), f"not attached, and silent: {self.summary!r}"
                piece = os.read(self.process.stderr.fileno(), 1 << 16)
                assert piece, f"ebpfrun ended with {self.process.wait()}: {self.summary}"
                self.summary += piece.decode()

    def finish(self, ask: bool) -> None:
        """Waits for the end, asking for it first if it does not come by itself."""
        if ask and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        _, said = self.process.communicate(timeout=LONGEST)
        self.summary += said.decode()
        self.status = self.process.returncode
        self.rows = [json.loads(line) for line in self._sink.read_text().splitlines()] if self._sink.exists() else []

    def stop(self) -> None:
        """Stops the process where it is, as Ctrl-Z would, so that nobody empties the ring."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Cgroup:
    """A cgroup (version 2) of a test's own."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, pid: int) -> None:
        """Moves a process into it, with the children that it will have."""
        (self.path / "cgroup.procs").write_text(str(pid))

    @contextmanager
    def below(self, name: str) -> Iterator[Cgroup]:
        path = self.path / name
        path.mkdir()
        try:
            yield Cgroup(path)
        finally:
            path.rmdir()


Artefact = Callable[[str | Path], Path]
Trace = Callable[..., AbstractContextManager[Traced]]


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Artefact:
    """``artefact(name)``: the folder of a shipped spec's artefact, built when it is first asked for. A path is another spec's."""
    built = os.environ.get("EBPFGEN_TEST_ARTEFACTS")  # a folder that has them: guests of the kernel lab build nothing
    out = Path(built) if built else tmp_path_factory.mktemp("artefacts")

    def build(spec: str | Path) -> Path:
        source = ROOT / "specs" / f"{spec}.yaml" if isinstance(spec, str) else spec
        folder = out / source.stem
        if not folder.exists():
            command = [sys.executable, "-m", "ebpfgen.cli", "build", str(source), "--out", str(out)]
            done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
        return folder

    return build


@pytest.fixture
def cgroup() -> Iterator[Cgroup]:
    """To be asked for before ``workload``, whose processes must have ended when it goes."""
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if " - cgroup2 " in line]
    if not mounts:
        pytest.skip("cgroup v2 is not mounted")
    with Cgroup(Path(mounts[0])).below(f"ebpfgen-test-{os.getpid()}") as own:
        yield own


@pytest.fixture
def python(tmp_path: Path) -> Iterator[Callable[[str], Workload]]:
    """``python(text)`` starts Python, which waits for ``start()`` and then does what the text says."""
    imports = "import ctypes, json, os, signal, sys, threading"
    waits = f"{imports}\nprint(json.dumps({{'pid': os.getpid()}}), flush=True)\nsys.stdin.readline()\n"
    with ExitStack() as stack:
        yield lambda text: stack.enter_context(Workload([sys.executable, "-c", waits + text], tmp_path))


@pytest.fixture
def trace(artefact: Artefact, tmp_path: Path) -> Trace:
    """``trace(spec, *options)``: see above. With ``-c`` among the options the block's end waits for the command's."""
    runs = 0

    @contextmanager
    def run(spec: str | Path, *options: object) -> Iterator[Traced]:
        nonlocal runs
        runs += 1
        sink = tmp_path / f"rows-{runs}.jsonl"
        command = [sys.executable, "-m", "ebpfrun.cli", str(artefact(spec)), *map(str, options), "--sink", f"jsonl:{sink}"]
        process = subprocess.Popen(command, env=ENVIRONMENT, cwd=tmp_path, stderr=subprocess.PIPE, bufsize=0)
        traced = Traced(process, sink)
        try:
            traced.wait_until_attached()
            yield traced
            traced.finish(ask="-c" not in options)
            assert traced.status == 0 or "-c" in options, traced.summary
        finally:
            process.kill()
            process.communicate()

    return run
