"""SIGINT and SIGTERM at any moment: the command ends by itself, says no more than it should, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from signal import SIGHUP, SIGINT, SIGKILL, SIGTERM

import pytest

from .commands import (
    CLANG,
    EBPFGEN,
    EBPFRUN,
    LONGEST,
    Started,
    children,
    descendants,
    our_programs,
    rubbish,
    run,
    running,
    started,
    tree,
    wait_until,
)

pytestmark = [pytest.mark.root, pytest.mark.kernel]

ENDS = [SIGINT, SIGTERM, SIGHUP]


def catches(process: Started, number: signal.Signals) -> bool:
    """Whether it has a handler for the signal."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught, 16) >> (number - 1) & 1)


def worked(process: Started, seconds: float) -> bool:
    """Whether it has used so much of a processor, which it does at its own pace however busy the machine is; or it waits for its
    own command with nothing left to do; or it has ended."""
    ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    if ended or any(running(child) == "sleep" for child in children(process.pid)):
        return True
    return time.clock_gettime(~process.pid << 3 | 2) >= seconds  # MAKE_PROCESS_CPUCLOCK of the kernel's posix-timers.h


def all_gone(processes: list[int]) -> bool:
    return not any(map(running, processes))


@pytest.mark.parametrize("number", ENDS, ids=lambda n: n.name)
def test_while_it_observes(number: signal.Signals, home: Path) -> None:
    with started(EBPFRUN, "build/call", "--pid", str(os.getpid()), "--sink", "jsonl:rows", cwd=home) as tracer:
        tracer.wait_for("attached")
        assert our_programs()
        for _ in range(7):
            os.getppid()
        done = tracer.end(number)
    assert done.status == 0
    assert done.err.splitlines()[1:] == [done.err.splitlines()[1], "  call: 7 produced = 7 delivered"]
    assert len((home / "rows").read_text().splitlines()) == 7


def test_a_hasty_end(home: Path) -> None:
    """The second SIGINT does not wait for the summary."""
    with started(EBPFRUN, "build/call", "-c", "sleep 60", cwd=home) as tracer:
        tracer.wait_for("attached")
        command = descendants(tracer.pid)
        wait_until(lambda: [running(pid) for pid in command] == ["sleep"], "the command runs")
        tracer.process.send_signal(SIGINT)
        while tracer.process.poll() is None:
            tracer.process.send_signal(SIGINT)
        done = tracer.end()
    assert done.status in (0, 130)  # 0 where the first was enough
    assert "Traceback" not in done.err
    wait_until(lambda: not any(map(running, command)), "the command has ended")


@pytest.mark.parametrize("number", [SIGINT, SIGTERM, SIGKILL], ids=lambda n: n.name)
def test_the_command_ends_with_the_run(number: signal.Signals, home: Path) -> None:
    with started(EBPFRUN, "build/call", "-c", "sleep 60", cwd=home) as tracer:
        tracer.wait_for("attached")
        (command,) = descendants(tracer.pid)
        wait_until(lambda: running(command) == "sleep", "the command runs")
        tracer.send(number)
        assert tracer.process.wait(LONGEST) == (-SIGKILL if number == SIGKILL else 0)
        if number == SIGKILL:  # nobody is there to end it; what was attached is gone all the same
            os.kill(command, SIGKILL)
    wait_until(lambda: not running(command), "the command has ended")


def test_a_command_that_does_not_want_to_end(home: Path) -> None:
    (home / "stay.py").write_text(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nopen('ready', 'w')\nsignal.pause()\n"
    )
    with started(EBPFRUN, "build/call", "-c", f"{sys.executable} stay.py", cwd=home) as tracer:
        wait_until((home / "ready").exists, "the command runs")
        (command,) = descendants(tracer.pid)
        done = tracer.end(SIGTERM)
    assert (done.status, running(command)) == (0, "")


@pytest.mark.parametrize(
    ("command", "status"), [("false", 1), ("sh -c 'exit 42'", 42), ("sh -c 'kill -TERM $$'", 143), ("sh -c 'kill -KILL $$'", 137)]
)
def test_the_exit_status_is_the_commands(command: str, status: int, home: Path) -> None:
    assert run(EBPFRUN, "build/call", "-c", command, cwd=home).status == status


@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=lambda n: n.name)
def test_sweep(number: signal.Signals, home: Path) -> None:
    """At random moments of its work, from the first at which the command can hear of it."""
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    for _ in range(8):
        rows = home / "rows"
        rows.unlink(missing_ok=True)
        with started(EBPFRUN, "build/call", "--sink", "jsonl:rows", "-c", "sleep 60", cwd=home) as tracer:
            wait_until(partial(catches, tracer, SIGTERM), "the command takes signals")
            wait_until(partial(worked, tracer, moments.random() * 0.15), "it has worked for so long, or all is done")
            before = descendants(tracer.pid)
            done = tracer.end(number)
        assert done.status == 0, (seed, done)
        assert "Traceback" not in done.err, (seed, done)
        assert not done.err or "unaccounted" not in done.err, (seed, done)
        for line in rows.read_text().splitlines() if rows.exists() else []:
            json.loads(line)
        wait_until(partial(all_gone, before), "its processes have ended")


@pytest.mark.skipif(not shutil.which("strace"), reason="strace: not installed")
@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("call", ["bpf", "perf_event_open", "fork,vfork,clone", "clone3", "epoll_wait,epoll_pwait"])
def test_in_the_middle_of(call: str, number: signal.Signals, home: Path) -> None:
    """Between loading and attaching, while the command is made: the signal comes with one system call after another."""
    for nth in (1, 8, 16, 24, 32, 40) if call == "bpf" else (1,):
        trace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "trace",
            "-e",
            f"trace={call}",
            "-e",
            f"inject={call}:signal={number.name}:when={nth}",
        ]
        done = run(*trace, EBPFRUN, "build/call", "--duration", "0.01", "-c", "true", cwd=home)
        assert "Traceback" not in done.err, done.err
        assert "a bug of" not in done.err, done.err
        assert done.status == 0, (nth, done)


# --- builds ---

WAITING = f"""#!/bin/bash
for word; do case $word in *.bpf.o) echo $$ > "$GATE.at"; read < "$GATE";; esac; done
exec {CLANG} "$@"
"""


@pytest.fixture
def gate(home: Path) -> Path:
    """A named pipe; a build in which ``CLANG`` is ``clang`` stands still until somebody writes to it."""
    (home / "clang").write_text(WAITING)
    (home / "clang").chmod(0o755)
    os.mkfifo(home / "gate")
    return home / "gate"


def at_the_gate(gate: Path) -> int:
    marker = gate.with_name("gate.at")
    wait_until(lambda: marker.exists() and marker.read_text(), "the compiler runs")
    return int(marker.read_text())


@contextmanager
def opened(gate: Path) -> Iterator[None]:
    """Whoever stands at the gate, or comes to it, goes on."""
    fd = os.open(gate, os.O_RDWR)
    os.write(fd, b"go\n" * 100)
    try:
        yield
    finally:
        os.close(fd)


def edit(home: Path) -> None:
    path = home / "specs/call.yaml"
    path.write_text(path.read_text() + "# edited\n")


@pytest.mark.parametrize("number", ENDS, ids=lambda n: n.name)
def test_ctrl_c_in_the_middle_of_a_build(number: signal.Signals, home: Path, gate: Path) -> None:
    """As a terminal does it: the compiler gets it too."""
    before = tree(home / "build")
    edit(home)
    env = {"CLANG": str(home / "clang"), "GATE": str(gate)}
    with started(EBPFGEN, "build", "specs", cwd=home, env=env, start_new_session=True) as build:
        at_the_gate(gate)
        os.killpg(build.pid, number)
        done = build.end()
    assert (done.status, done.err) == (128 + number, "ebpfgen: interrupted; nothing half-written is left\n")
    assert tree(home / "build") == before
    assert not rubbish(home / "build")


@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=lambda n: n.name)
def test_a_build_that_is_told_to_end_finishes_what_it_began(number: signal.Signals, home: Path, gate: Path) -> None:
    edit(home)
    (home / "specs/other.yaml").write_text((home / "specs/call.yaml").read_text().replace("name: call", "name: other"))
    env = {"CLANG": str(home / "clang"), "GATE": str(gate)}
    with started(EBPFGEN, "build", "specs", "--jobs", "1", cwd=home, env=env) as build:
        at_the_gate(gate)
        build.send(number)
        with opened(gate):
            done = build.end()
    assert (done.status, done.err) == (128 + number, "ebpfgen: interrupted; nothing half-written is left\n")
    assert not rubbish(home / "build")
    assert run(EBPFGEN, "build", "specs/call.yaml", "--check", cwd=home, env=env).status == 0


def test_a_build_that_is_killed_leaves_the_old_artefact_and_its_rubbish_goes(home: Path, gate: Path) -> None:
    before = tree(home / "build/call")
    edit(home)
    env = {"CLANG": str(home / "clang"), "GATE": str(gate)}
    with started(EBPFGEN, "build", "specs", cwd=home, env=env) as build:
        compiler = at_the_gate(gate)
        build.end(SIGKILL)
    os.kill(compiler, SIGKILL)
    wait_until(lambda: not running(compiler), "the compiler has ended")
    assert tree(home / "build/call") == before
    assert len(rubbish(home / "build")) == 1
    assert run(EBPFRUN, "build/call", "-c", "true", cwd=home).status == 0
    assert run(EBPFGEN, "build", "specs", "--quiet", cwd=home).status == 0
    assert not rubbish(home / "build")
    assert tree(home / "build/call") != before


@pytest.mark.parametrize("number", [SIGINT, SIGTERM], ids=lambda n: n.name)
def test_a_run_that_is_told_to_end_while_it_builds(number: signal.Signals, home: Path, gate: Path) -> None:
    """The artefact is finished, nothing is attached."""
    edit(home)
    env = {"CLANG": str(home / "clang"), "GATE": str(gate)}
    with started(EBPFRUN, "specs/call.yaml", cwd=home, env=env, start_new_session=True) as tracer:
        at_the_gate(gate)
        os.killpg(tracer.pid, number)
        with opened(gate):
            done = tracer.end()
    assert done.status == 0
    assert "Traceback" not in done.err
    assert "attached 1" not in done.err
    assert not rubbish(home / "build")
    assert run(EBPFGEN, "build", "specs", "--check", cwd=home, env=env).status == 0


def test_sweep_over_builds(home: Path) -> None:
    """Signals at random moments of its work: the artefact is the old one or the new one, whole, and nothing else is there."""
    seed = random.randrange(1 << 32)
    moments = random.Random(seed)
    for _ in range(4):
        edit(home)
        number = moments.choice([SIGINT, SIGTERM, SIGKILL])
        with started(EBPFGEN, "build", "specs", cwd=home, start_new_session=True) as build:
            wait_until(partial(catches, build, SIGTERM), "the command takes signals")
            wait_until(partial(worked, build, moments.random() * 0.5), "it has worked for so long, or all is done")
            os.killpg(build.pid, number)
            done = build.end()
        assert done.status in (0, 130, 143, -9, -2, -15), (seed, done)  # at its very end Python has let go of signals
        assert "Traceback" not in done.err, (seed, done)
        assert run(EBPFRUN, "build/call", "--quiet", "-c", "true", cwd=home).status == 0, seed
        assert number == SIGKILL or not rubbish(home / "build"), seed
    assert run(EBPFGEN, "build", "specs", "--force", "--quiet", cwd=home).status == 0
    assert not rubbish(home / "build")
