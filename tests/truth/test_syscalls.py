"""syscalls against a program that makes known calls."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun.tracer import Tracer
from workloads import Workload

from .conftest import Trace
from .kernel_facts import wait_until_asleep

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]
ITS_OWN = {"read": 2, "write": 1}  # of a workload: the rest of the line that lets it go, and its result


def test_each_call_is_counted_and_timed(trace: Trace, workload: Start) -> None:
    work = workload("calls", "getppid=1000", "close=7", "openat=5", "create=3", "pwrite64=40", "nanosleep=4")
    with trace("syscalls", "--pid", work.pid) as traced:
        truth = work.go()
        wait_until_asleep(work.pid)
    expected = Counter(ITS_OWN)
    failed: Counter[tuple[str, str]] = Counter()
    for call in truth["calls"]:
        expected[call["syscall"]] += call["count"]
        if call["errors"]:
            failed[call["syscall"], {9: "EBADF", 2: "ENOENT"}[call["errno"]]] += call["errors"]
    assert {row["labels"]["syscall"]: row["count"] for row in traced.totals("latency")} == expected
    assert {(row["labels"]["syscall"], row["labels"]["error"]): row["value"] for row in traced.totals("errors")} == failed
    (process,) = traced.totals("processes")
    assert process["labels"] == {"pid": work.pid, "comm": "calls"}
    assert process["value"] == expected.total()
    assert traced.lost() == []
    slept = traced.total("latency", syscall="clock_nanosleep")
    assert slept
    assert 4 * 1000 <= slept["sum"] <= truth["calls"][-1]["ns"] // 1000  # a millisecond each, within what the program measured
    assert all(low >= 512 for low, _, _ in slept["buckets"])


def test_calls_that_never_return_leave_nothing(artefact: Callable[[str], Path], python: Callable[[str], Workload]) -> None:
    """Threads end inside exit: were its beginning kept for an end that never comes, the map would fill."""
    work = python("for _ in range(32): t = threading.Thread(target=int); t.start(); t.join()\nprint('{}', flush=True)\ninput()")
    with Tracer(str(artefact("syscalls")), filters={"pid": work.pid}) as tracer:
        work.go()
        wait_until_asleep(work.pid)
        in_flight = [struct.unpack("=I", key)[0] for key, _ in tracer.dump("call_in_flight")]
    assert in_flight == [work.pid]  # in its last read
