"""runqlat against the kernel's own record of what it did with a process."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from workloads import Workload

from .conftest import Cgroup, Trace, Traced
from .kernel_facts import Waits, schedule, switches, wait_until_asleep

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]
CPU = max(os.sched_getaffinity(0))


def check(traced: Traced, pid: int, recorded: Waits, switched: int) -> None:
    """``recorded``: what the kernel's own record of its tracepoints says; ``switched``: the scheduler's counter. Each time that it was
    put on a CPU it had waited; some of these are not in the record, or not as the end of a wait, and may have been there for the
    tracer to see."""
    (wait,) = traced.totals("wait")
    assert recorded.left == switched, "the record is complete"
    assert recorded.ended <= wait["count"] <= switched
    processes = traced.totals("processes")
    assert {row["labels"]["pid"] for row in processes} == {pid}
    waited = sum(row["value"] for row in processes)
    assert 0 <= waited // 1000 - wait["sum"] <= wait["count"]  # the histogram's are whole microseconds
    assert traced.lost() == []


def test_woken(trace: Trace, workload: Start) -> None:
    """Each time it runs, it was woken before."""
    work = workload("wakeups", 500, CPU)
    wait_until_asleep(work.pid)
    before = switches(work.pid)
    with schedule(work.pid) as kernel, trace("runqlat", "--pid", work.pid) as traced:
        work.go()
        wait_until_asleep(work.pid)
        recorded, switched = kernel.waits(), switches(work.pid) - before
    assert recorded.ended > 400
    check(traced, work.pid, recorded, switched)


def test_put_aside_while_it_could_run(trace: Trace, workload: Start) -> None:
    """Two that compute on one CPU: each waits while the other runs, without sleeping."""
    work, other = workload("burn", 200, CPU), workload("burn", 200, CPU)
    wait_until_asleep(work.pid)
    before = switches(work.pid)
    with schedule(work.pid) as kernel, trace("runqlat", "--pid", work.pid) as traced:
        other.start()
        truth = work.go()
        other.result()
        wait_until_asleep(work.pid)
        recorded, switched = kernel.waits(), switches(work.pid) - before
    assert recorded.ended > 3
    check(traced, work.pid, recorded, switched)
    assert traced.totals("processes")[0]["value"] > truth["cpu_ns"] / 10  # the other took its share


def test_new_processes(cgroup: Cgroup, trace: Trace, workload: Start) -> None:
    """A process that never sleeps waits once at least: when it has just been made. Not exact: there are kernels whose tracepoint
    leaves out a switch now and then, and whose own record of switches does as well."""
    work = workload("exits", *[0] * 30)
    cgroup.add(work.pid)
    wait_until_asleep(work.pid)
    with trace("runqlat", "--cgroup", cgroup.path) as traced:
        truth = work.go()
        wait_until_asleep(work.pid)
    children = {child["pid"] for child in truth["children"]}
    seen = {row["labels"]["pid"] for row in traced.totals("processes")}
    assert len(children) == 30
    assert len(children & seen) > 25
    assert traced.lost() == []
