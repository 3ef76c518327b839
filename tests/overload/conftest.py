"""A tracer of getppid, a program that calls it just as often as it is told, and the account that a run of ebpfrun prints."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EBPFGEN, EBPFRUN = (str(Path(sys.executable).with_name(name)) for name in ("ebpfgen", "ebpfrun"))
LONGEST = 60.0  # seconds; a limit for what hangs, not a measure
SPEC = """\
ebpfgen: 1
name: calls
summary: calls of getppid, for tests of overload
events:
  call: {fields: {time: timestamp, pid: pid, comm: comm, caller: u64}}
probes:
  - {on: "tracepoint:syscalls:sys_enter_getppid", emit: call, with: {caller: pid}}
"""
CALLER = """
import os, sys
print(os.getpid(), flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        os.getppid()
    print(flush=True)
"""
WAYS = re.compile(r"(\d+) (delivered|lost in the full|dropped from|not taken|given up|beyond)")


class Caller:
    """A process that calls getppid."""

    def __init__(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-c", CALLER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout
        self.pid = int(self._process.stdout.readline())

    def begin(self, times: int) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{times}\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        assert self._process.stdout
        assert self._process.stdout.readline() == "\n"

    def call(self, times: int) -> None:
        self.begin(times)
        self.wait()

    def end(self) -> None:
        self._process.communicate(timeout=LONGEST)


@pytest.fixture
def caller() -> Iterator[Caller]:
    caller = Caller()
    yield caller
    caller.end()


@pytest.fixture(scope="session")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overload")
    spec = folder / "calls.yaml"
    spec.write_text(SPEC)
    done = subprocess.run([EBPFGEN, "build", spec, "--out", folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder / "calls"


class Run:
    """ebpfrun at work, and what it said once it has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        self.status: int | None = None

    def wait_for(self, words: str) -> None:
        assert self.process.stderr
        while words not in self.said:
            line = self.process.stderr.readline()
            assert line, f"ended with {self.process.wait()} without saying {words!r}: {self.said}"
            self.said += line

    def wait_until(self, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + LONGEST
        while not condition():
            assert self.process.poll() is None and time.monotonic() < end, self.process.communicate()

    def stop(self) -> None:
        """As Ctrl-Z would."""
        self.process.send_signal(signal.SIGSTOP)
        os.waitpid(self.process.pid, os.WUNTRACED)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.said += self.process.communicate(timeout=LONGEST)[1]
        self.status = self.process.returncode

    def account(self, sink: str = "") -> dict[str, int]:
        """What the summary says of one sink: ``produced``, and how many went each way. They add up, or this fails."""
        assert "DOES NOT BALANCE" not in self.said
        produced = re.search(r"call: (\d+) produced", self.said)
        assert produced, self.said
        line = next(line for line in self.said.splitlines() if (f"{sink}: " if sink else "call: ") in line and "delivered" in line)
        ways = {way.split()[-1]: int(n) for n, way in WAYS.findall(line)}
        assert sum(ways.values()) == int(produced[1]), self.said
        return {"produced": int(produced[1]), "delivered": 0, "full": 0, "from": 0, "taken": 0, "up": 0} | ways



@pytest.fixture
def start(artefact: Path, caller: Caller, tmp_path: Path) -> Callable[..., object]:
    """``with start(*options) as run``: attached to the caller inside, or to the process ``pid``."""

    @contextmanager
    def started(*options: object, pid: int = caller.pid) -> Iterator[Run]:
        command = [EBPFRUN, str(artefact), "--pid", str(pid), *map(str, options)]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        run = Run(process)
        try:
            run.wait_for("attached")
            yield run
        finally:
            process.kill()
            process.communicate()

    return started
