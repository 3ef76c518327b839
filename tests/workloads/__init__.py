"""Programs that do exactly what they are told, and say what it was: the ground truth of the tracers' tests.

A test asks the ``workload`` fixture for one of the programs in this folder (``files``, ``tcp``, ``heap``…; each file's leading
comment says what it does and takes), attaches its tracer, and lets it go::

    work = workload("files", tmp_path, 5, 2)    # started, waiting; work.pid is known
    ...                                         # attach here, filter by work.pid
    truth = work.go()                           # does its work; what it did, as a dict
    ...                                         # the process is still there, until work.end() or the end of the test
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
NOT_MOVABLE = ("fires",)
"""Those that are to lie at the addresses that their files say."""
LIBRARIES = ("known",)
"""Those of the folder that are no programs but libraries."""
LONGEST = 60.0  # seconds to wait for a line; a limit for what hangs, not a measure
COMPILERS = ("clang-19", "clang", "gcc", "cc")


class Workload:
    """A started program, ready to work. ``pid`` is the process's; ``ready`` is all that it said of itself."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd=cwd, process_group=0
        )
        try:
            self.ready = self._line()
        except BaseException:
            self.kill()
            raise
        self.pid: int = self.ready["pid"]

    def start(self) -> None:
        """Lets the work begin, and returns at once."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")

    def done(self, seconds: float) -> bool:
        """Whether the result is there, after waiting for it for so long."""
        with selectors.DefaultSelector() as selector:
            assert self._process.stdout is not None
            selector.register(self._process.stdout, selectors.EVENT_READ)
            return bool(selector.select(seconds))

    def result(self) -> dict[str, Any]:
        """What was done, once it is done. The process stays."""
        return self._line()

    def go(self) -> dict[str, Any]:
        """:meth:`start` and :meth:`result`."""
        self.start()
        return self.result()

    def end(self) -> None:
        """Lets the process end (without its work, if that did not begin) and waits for it."""
        status = self.wait()
        assert status == 0, f"{self._process.args!r} ended with {status}"

    def wait(self) -> int:
        """The same, for a process that may end otherwise: its exit code, or the signal's number with a minus sign."""
        self._process.communicate(timeout=LONGEST)
        return int(self._process.returncode)

    def kill(self) -> None:
        """Ends the process and its children wherever they are; fine if they have ended."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe
            pipe.close()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _line(self) -> dict[str, Any]:
        """The next line. A line is written at once, but may arrive in pieces."""
        stdout = self._process.stdout
        assert stdout is not None
        text = b""
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not text.endswith(b"\n"):
                assert selector.select(LONGEST), f"{self._process.args!r} said nothing"
                piece = os.read(stdout.fileno(), 1 << 16)
                assert piece, f"{self._process.args!r} ended with {self._process.wait()} after {text!r}"
                text += piece
        line: dict[str, Any] = json.loads(text)
        return line


class Workloads:
    """Compiles the programs, each when it is first asked for, into ``folder``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def command(self, name: str, *args: object) -> list[str]:
        """The command line of a program. With WORKLOAD_NOW in its environment it waits for nothing and prints the result only."""
        script = HERE / f"{name}.py"
        program = [sys.executable, str(script)] if script.exists() else [str(self._compiled(name))]
        return [*program, *map(str, args)]

    def library(self, name: str) -> Path:
        """A library to be loaded into the test's own process."""
        return self._compiled(name, ".so")

    def _compiled(self, name: str, suffix: str = "") -> Path:
        program = self._folder / f"{name}{suffix}"
        if not program.exists():
            compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
            assert compiler, f"none of {', '.join(COMPILERS)} is installed"
            options = ["-O1", "-Wall", "-Wextra", "-Werror", "-fno-builtin"]  # no-builtin: each call of malloc is one
            options += ["-shared", "-fPIC"] if suffix else ["-no-pie", "-fno-pie"] if name in NOT_MOVABLE else []
            (source,) = HERE.glob(f"{name}.c*")
            after = ["-l:libstdc++.so.6"] if source.suffix == ".cc" else []  # by its name: what developers have is not needed
            subprocess.run([compiler, *options, "-o", str(program), str(source), *after], check=True)
        return program
