"""runqlat against the kernel's own count of how often a process was put on a CPU."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from workloads import Workload

from .conftest import Cgroup, Trace, Traced
from .kernel_facts import switches, wait_until_asleep

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]
CPU = max(os.sched_getaffinity(0))


def check(traced: Traced, work: Workload, waits: int) -> None:
    (wait,) = traced.totals("wait")
    (process,) = traced.totals("processes")
    assert wait["count"] == waits
    assert process["labels"]["pid"] == work.pid
    assert 0 <= process["value"] // 1000 - wait["sum"] <= waits  # the histogram's are whole microseconds
    assert traced.lost() == []


def test_woken(trace: Trace, workload: Start) -> None:
    """Each time it runs, it was woken before."""
    work = workload("wakeups", 500, CPU)
    wait_until_asleep(work.pid)
    before = switches(work.pid)
    with trace("runqlat", "--pid", work.pid) as traced:
        work.go()
        wait_until_asleep(work.pid)
        waits = switches(work.pid) - before
    assert waits >= 500
    check(traced, work, waits)


def test_put_aside_while_it_could_run(trace: Trace, workload: Start) -> None:
    """Two that compute on one CPU: each waits while the other runs, without sleeping."""
    work, other = workload("burn", 200, CPU), workload("burn", 200, CPU)
    wait_until_asleep(work.pid)
    before = switches(work.pid)
    with trace("runqlat", "--pid", work.pid) as traced:
        other.start()
        truth = work.go()
        other.result()
        wait_until_asleep(work.pid)
        waits = switches(work.pid) - before
    assert waits > 3
    check(traced, work, waits)
    assert traced.totals("processes")[0]["value"] > truth["cpu_ns"] / 10  # the other took its share


def test_new_processes(cgroup: Cgroup, trace: Trace, workload: Start) -> None:
    """A process that never sleeps waits once at least: when it has just been made."""
    work = workload("exits", *[0] * 30)
    cgroup.add(work.pid)
    with trace("runqlat", "--cgroup", cgroup.path) as traced:
        truth = work.go()
    waited = {row["labels"]["pid"] for row in traced.totals("processes")}
    assert waited == {work.pid, *(child["pid"] for child in truth["children"])}
    assert traced.lost() == []
