"""Tools as processes: started, waited for, and what their failures mean to a person.

Every failure is a :class:`~ebpfgen.problems.MachineError`. Knows no tool's options.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
from pathlib import Path
from typing import Self

from .cache import cache_folder
from .problems import MachineError


class Running:
    """A tool that has been started; it ends with the ``with`` block, however that ends."""

    def __init__(self, command: list[str], cwd: Path | None = None, reads: bool = False) -> None:
        """``reads``: it waits for its input, which :meth:`give` gives."""
        self._tool, self._cwd = Path(command[0]).name, cwd
        # The compiler's own temporary files stand beside what it makes: they end with it, and a full disk is that of --out.
        environment = {**os.environ, "TMPDIR": str(cwd)} if cwd else None
        pipe = subprocess.PIPE
        stdin = pipe if reads else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=stdin, stdout=pipe, stderr=pipe)
        except FileNotFoundError:
            raise MachineError(_absent(command[0])) from None
        except OSError as e:
            raise MachineError(f"{command[0]} can't be started: {e.strerror}") from None

    def give(self, text: bytes) -> None:
        """All of its input."""
        stdin, self._process.stdin = self._process.stdin, None
        assert stdin is not None
        with contextlib.suppress(BrokenPipeError), stdin:  # it has failed already, and says so
            stdin.write(text)

    def finish(self) -> bytes:
        """What it said, once it has ended. Raises MachineError when it failed."""
        said, complained = self._process.communicate()
        status = self._process.returncode
        if status < 0:
            raise MachineError(f"{self._tool} was killed by {signal.Signals(-status).name}")
        if status:
            words = (complained or said).decode(errors="replace").strip()
            failed = f"{self._tool} failed with status {status}: {words or 'it said nothing'}"
            raise MachineError(_advice(words, self._cwd) or failed)
        return said

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process:
            self._process.kill()  # nothing, when it has ended


class _Nothing:
    """What has not to be done."""

    def finish(self) -> bytes:
        return b""

    def __enter__(self) -> _Nothing:
        return self

    def __exit__(self, *_: object) -> None: ...


NOTHING = _Nothing()


def run(command: list[str], cwd: Path | None = None) -> bytes:
    """What it says, once it has ended."""
    with Running(command, cwd) as tool:
        return tool.finish()


def _absent(tool: str) -> str:
    package = {"as": "binutils", "ld": "binutils"}.get(tool)
    if package is None:
        return f"{tool} can't be started: {os.strerror(errno.ENOENT)}"
    return f"{tool} is not installed; on Debian: apt install {package}"


_LACKS = {
    "fatal error: 'bpf/": ("libbpf's headers", "libbpf-dev"),
    "cannot find -lbpf": ("libbpf", "libbpf-dev"),
    "unable to find library -lbpf": ("libbpf", "libbpf-dev"),
    "linux/bpf.h' file not found": ("the kernel's headers for programs", "linux-libc-dev"),
    "asm/types.h' file not found": ("the kernel's headers for programs", "linux-libc-dev"),
    "errno.h' file not found": ("the C library's headers", "libc6-dev"),
    "stdio.h' file not found": ("the C library's headers", "libc6-dev"),
    "No available targets are compatible": ("a clang that compiles for BPF", "clang-19"),
}
"""What tools say where something is missing: what, and Debian's package of it."""


def _advice(words: str, cwd: Path | None) -> str:
    """One line in place of the tool's words, where those tell of a cause that a person can remove."""
    if os.strerror(errno.ENOSPC) in words:
        return f"{cwd.parent if cwd else cache_folder()}: {os.strerror(errno.ENOSPC)}"
    for said, (what, package) in _LACKS.items():
        if said in words:
            return f"{what} can't be found; on Debian: apt install {package}"
    return ""
