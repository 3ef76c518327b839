"""The budget: what follows from what was used, and a run that holds to it, or ends."""

from __future__ import annotations

import errno
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codegen.running import Lab
from ebpfgen.problems import SpecError
from ebpfrun import values
from ebpfrun.errors import DriverError, MachineError
from ebpfrun.manifest import Program
from ebpfrun.overhead.budget import Budget, OverBudget
from ebpfrun.overhead.usage import Meter, ProgramUsage, Usage
from ebpfrun.overhead.watch import Watch
from ebpfrun.tracer import HEAVIEST
from workloads import Workload

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "generator"), str(ROOT / "runtime")])}
PROGRAM = Program("p", "", "tracepoint", {}, "t.yaml", 3, "tracepoint:a:b")


def used(per_cent: float, seconds: float = 1.0) -> Usage:
    """Half of it in the kernel."""
    half = per_cent / 200 * seconds
    return Usage(seconds, half, (ProgramUsage(PROGRAM, 10, round(half * 1e9), 0),))


def test_what_is_within_changes_nothing() -> None:
    budget = Budget(1.0, True)
    assert [budget.next_weight(used(share)) for share in (0.0, 0.5, 1.0)] == [1, 1, 1]


@pytest.mark.parametrize(("share", "weight"), [(1.01, 2), (2.0, 2), (2.1, 4), (8.0, 8), (90.0, 128), (1e9, HEAVIEST)])
def test_what_is_over_is_halved_until_it_fits(share: float, weight: int) -> None:
    assert Budget(1.0, True).next_weight(used(share)) == weight


def test_events_come_back_one_step_at_a_time_and_not_too_early() -> None:
    budget = Budget(1.0, True)
    shares = [8.0, 0.9, 0.26, 0.25, 0.1, 0.1, 0.1, 0.1]
    assert [budget.next_weight(used(share)) for share in shares] == [8, 8, 8, 4, 2, 1, 1, 1]
    assert budget.heaviest == 8


def test_it_gives_up_when_sampling_is_at_its_end() -> None:
    budget = Budget(1.0, True)
    budget.next_weight(used(1e9))
    assert budget.next_weight(used(3)) == budget.next_weight(used(3)) == HEAVIEST
    with pytest.raises(OverBudget, match=r"3 % of a core \(1.5 % in the kernel, 1.5 % ebpfrun\), of 1 % .* one event in 32768"):
        budget.next_weight(used(3))


def test_it_gives_up_where_nothing_can_be_sampled_unless_it_was_a_moment() -> None:
    budget = Budget(1.0, False)
    for share in (3, 3, 0.5, 3, 3):
        assert budget.next_weight(used(share)) == 1
    with pytest.raises(OverBudget, match="it has nothing that can be sampled"):
        budget.next_weight(used(3))


def test_the_meter_gives_differences() -> None:
    """Of everything since the last lap, and since the start."""

    class Kernel:
        def __init__(self) -> None:
            self.laps = itertools.count()

        def stats(self) -> list[tuple[Program, int, int, int]]:
            n = next(self.laps)
            return [(PROGRAM, 100 * n, 10**9 * n, n)]

    seconds, cpu = itertools.count(5), itertools.count(100)
    meter = Meter(Kernel(), lambda: float(next(seconds)), lambda: float(next(cpu)) / 4)
    assert meter.lap() == Usage(1.0, 0.25, (ProgramUsage(PROGRAM, 100, 10**9, 1),))
    assert meter.lap().share == 125.0
    assert meter.total() == Usage(3.0, 0.75, (ProgramUsage(PROGRAM, 300, 3 * 10**9, 3),))


@pytest.mark.parametrize(("text", "value"), [("1%", 1.0), ("0.5 %", 0.5), ("150%", 150.0), ("off", values.NO_LIMIT)])
def test_shares(text: str, value: float) -> None:
    assert values.percent(text) == value


@pytest.mark.parametrize("text", ["1", "", "%", "0%", "-1%", "1%%", "1e3%", "a lot"])
def test_what_is_no_share(text: str) -> None:
    with pytest.raises(ValueError, match="expected a share of one core"):
        values.percent(text)


# Real runs

EVENTS = """
ring: 4MiB
events:
  call: {fields: {time: timestamp, n: u64}}
metrics:
  calls: {kind: counter, help: x}
probes:
  - {on: "tracepoint:syscalls:sys_enter_getppid", do: [{emit: call, with: {n: pid}}, {count: calls}]}
"""
STATE = """
maps:
  seen: {type: hash, max_entries: 10000, key: u64, value: u64}
probes:
  - {on: "tracepoint:syscalls:sys_enter_getppid", set: "seen[1]", to: nsecs}
"""
ENDLESS = 1 << 60
SINK_AND_RECORD = ("--sink", "jsonl:out,queue=1GiB", "--record", "run.rec")


class Run:
    """A run of ebpfrun, whose words can be waited for."""

    def __init__(self, folder: Path, *words: str) -> None:
        command = [sys.executable, "-m", "ebpfrun.cli", *words]
        self.process = subprocess.Popen(command, env=ENVIRONMENT, cwd=folder, stderr=subprocess.PIPE, text=True)
        self.said = ""

    def wait_for(self, words: str) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.said += line
            if words in line:
                return
        raise AssertionError(f"ended without {words!r}: {self.said}")

    def end(self) -> int:
        assert self.process.stderr
        self.said += self.process.stderr.read()
        return self.process.wait()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.slow
def test_a_run_samples_down_and_its_account_holds(lab: Lab, workload: Callable[..., Workload], tmp_path: Path) -> None:
    work = workload("getppids", ENDLESS, 50_000)
    with Run(tmp_path, str(lab.build(EVENTS)), "--pid", str(work.pid), "--budget", "0.1%", *SINK_AND_RECORD) as run:
        run.wait_for("attached")
        work.start()
        run.wait_for("is taken from now on")
        run.process.send_signal(signal.SIGINT)
        work.kill()
        assert run.end() == 0
    assert "of a core (" in run.said and "of 0.1 % that it may use: one event in " in run.said
    assert "t: sampled: an event's weight, 1 to " in run.said and "they are estimates" in run.said
    (line, *_) = [line.strip() for line in run.said.splitlines() if "produced" in line]
    produced, *parts = [int(word) for word in line.split() if word.isdigit()]
    assert "DOES NOT BALANCE" not in run.said
    assert " = " not in line or produced == sum(parts), line
    rows: list[dict[str, Any]] = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    events = [row for row in rows if "event" in row]
    weights = {row["weight"] for row in events}
    assert 1 in weights and all(weight & (weight - 1) == 0 for weight in weights)
    with Run(tmp_path, "--replay", "run.rec", "--sink", "jsonl:again") as again:
        assert again.end() == 0
    if "dropped" not in run.said:  # each sink has a queue of its own
        assert (tmp_path / "again").read_bytes() == (tmp_path / "out").read_bytes()


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.slow
def test_a_run_that_keeps_state_ends(lab: Lab, workload: Callable[..., Workload], tmp_path: Path) -> None:
    """By the spec's own budget; and without it, it goes on."""
    work = workload("getppids", ENDLESS)
    work.start()
    artefact = str(lab.build("budget: 0.01%\n" + STATE))
    with Run(tmp_path, artefact, "--pid", str(work.pid)) as run:
        assert run.end() == 3
    assert "t: ended, because it does not keep to its budget" in run.said and "nothing that can be sampled" in run.said
    assert "t: ran for" in run.said, "the account is told all the same"
    with Run(tmp_path, artefact, "--pid", str(work.pid), "--budget", "off", "--duration", "10ms") as run:
        assert run.end() == 0


@pytest.mark.root
@pytest.mark.kernel
def test_stats_show_every_program_and_event(lab: Lab, workload: Callable[..., Workload], tmp_path: Path) -> None:
    work = workload("getppids", 5000)
    artefact = str(lab.build(EVENTS))
    with Run(tmp_path, artefact, "--pid", str(work.pid), "--stats", "--sink", "jsonl:out", "--interval", "50ms") as run:
        run.wait_for("attached")
        work.go()
        run.wait_for("the last ")
        run.process.send_signal(signal.SIGINT)
        assert run.end() == 0
    *_, whole = run.said.split("t: all of ")
    (program,) = [line.split() for line in whole.splitlines() if "sys_enter_getppid" in line]
    assert program[0] == "tracepoint:syscalls:sys_enter_getppid" and program[1].startswith("(t.yaml:")
    assert int(program[2]) >= 5000
    assert "ebpfrun itself" in whole
    (event,) = [line.split() for line in whole.splitlines() if line.startswith("  call ")]
    assert (event[1], event[3], event[4]) == ("5000", "0", "0")


def test_a_kernel_that_does_not_time_programs_is_named() -> None:
    class Refusing:
        def measure(self) -> None:
            raise DriverError("measuring the programs' run time", errno.EPERM)

    refusing: Any = Refusing()
    with pytest.raises(
        MachineError, match=r"does not time programs here \(it can since Linux 5.8, for CAP_SYS_ADMIN\): measuring"
    ):
        Watch(refusing, refusing, 1.0, None, print)


@pytest.mark.root
def test_a_budget_in_a_spec_takes_the_name_weight(lab: Lab) -> None:
    with pytest.raises(SpecError, match="with a budget, weight is a field of every event"):
        lab.check("budget: 1%\n" + EVENTS.replace("n: u64", "weight: u64").replace("n: pid", "weight: pid"))
