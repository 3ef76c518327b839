"""cpu against a program that computes for a known time on a known processor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest

from workloads import Workload

from .conftest import Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]


@pytest.mark.parametrize("cpu", [min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))])
def test_samples_are_where_the_time_goes(trace: Trace, workload: Start, cpu: int) -> None:
    work = workload("burn", 300, cpu)
    with trace("cpu", "--pid", work.pid, "--frequency", 999) as traced:
        start = time.monotonic()
        truth = work.go()
        most = (time.monotonic() - start) * 999 + 1  # ticks there were while it ran at all
    (process,) = traced.totals("processes")
    assert process["labels"] == {"pid": work.pid, "comm": "burn"}
    # A sample is a chance, not a count. Half: a virtual machine that is not given its processor misses ticks.
    assert truth["cpu_ns"] * 999 / 1e9 / 2 < process["value"] <= most
    (of_cpu,) = traced.totals("cpus")
    assert of_cpu["labels"] == {"cpu": cpu, "idle": False}
    assert of_cpu["value"] == process["value"]
    assert traced.lost() == []


def test_every_sample_of_a_busy_cpu_is_somebodys(trace: Trace, workload: Start) -> None:
    cpu = max(os.sched_getaffinity(0))
    work = workload("burn", 200, cpu)
    with trace("cpu", "--frequency", 499) as traced:
        work.go()
    busy = sum(row["value"] for row in traced.totals("cpus") if not row["labels"]["idle"])
    assert busy == sum(row["value"] for row in traced.totals("processes"))
    assert traced.total("processes", pid=work.pid)
    assert 0 not in {row["labels"]["pid"] for row in traced.totals("processes")}
