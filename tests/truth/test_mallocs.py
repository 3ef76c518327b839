"""mallocs against a program whose allocations are known one by one."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from workloads import Workload, Workloads

from .conftest import Trace, Traced

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]
Asked = tuple[int, int, dict[tuple[int, int], int]]


def asked(truth: dict[str, Any]) -> Asked:
    """Number, sum and histogram of the sizes that a program asked for."""
    sizes = [call["size"] for call in truth["calls"] if call["call"] != "free"]
    buckets = Counter(max(size.bit_length() - 1, 0) for size in sizes)
    return len(sizes), sum(sizes), {(1 << k if k else 0, 2 << k): n for k, n in buckets.items()}


def seen(traced: Traced) -> Asked:
    row = traced.total("sizes")
    assert row
    return row["count"], row["sum"], {(low, high): n for low, high, n in row["buckets"]}


@pytest.mark.parametrize(
    "calls",
    [
        ["malloc=100x200", "malloc=0x3", "malloc=1x2", "malloc=4096x10", "malloc=4095x10"],
        ["calloc=10,8x20", "calloc=0,8x1", "calloc=3,1000x5"],
        ["malloc=64x10", "realloc=65x5", "realloc=90000x3", "realloc=10x10"],
        ["malloc=1000x50", "free=20", "malloc=500x30", "free=40", "malloc=1000x10"],
        ["renew=300x7", "malloc=20x3", "free=4"],  # the C library serves realloc of nothing by its malloc
        ["malloc=128x9", "drop=4", "realloc=256x2"],
        ["malloc=128x2", "nothing=20", "refused=10", "realloc=500x1", "refused=1"],
    ],
)
def test_each_size_and_what_is_outstanding(trace: Trace, workload: Start, calls: list[str]) -> None:
    work = workload("heap", *calls)
    with trace("mallocs", "--pid", work.pid) as traced:
        truth = work.go()
    assert seen(traced) == asked(truth)
    outstanding = traced.total("outstanding")
    assert outstanding
    assert outstanding["labels"] == {"pid": work.pid, "comm": "heap"}
    assert outstanding["value"] == truth["outstanding"]
    assert traced.lost() == []


def test_blocks_from_before_are_not_counted_when_they_go(trace: Trace, workload: Start) -> None:
    work = workload("heap", "malloc=100x10", "before", "realloc=200x1", "free=10", "malloc=30x1")
    with trace("mallocs", "--pid", work.pid) as traced:
        truth = work.go()
    assert seen(traced) == asked(truth)
    outstanding = traced.total("outstanding")
    assert outstanding
    assert outstanding["value"] == truth["outstanding"] == 30


def test_several_threads_at_once(trace: Trace, workload: Start) -> None:
    work = workload("heap_threads", 4, 500, 24)
    with trace("mallocs", "--pid", work.pid) as traced:
        truth = work.go()
    row, outstanding = traced.total("sizes"), traced.total("outstanding")
    assert row
    assert outstanding
    assert row["count"] == truth["asked"]
    assert row["buckets"] == [[16, 32, truth["asked"] // 2], [32, 64, truth["asked"] // 2]]
    assert outstanding["value"] == truth["outstanding"]
    assert traced.lost() == []


def test_processes_apart(trace: Trace, workload: Start) -> None:
    works = [workload("heap", "malloc=1000x3"), workload("heap", "malloc=50x4", "free=1")]
    with trace("mallocs", "--comm", "heap") as traced:
        for work in works:
            work.go()
    values = {row["labels"]["pid"]: row["value"] for row in traced.totals("outstanding")}
    assert values == {works[0].pid: 3000, works[1].pid: 150}


def test_a_command_shows_what_it_never_freed(trace: Trace, workloads: Workloads) -> None:
    command = ["/usr/bin/env", "WORKLOAD_NOW=1", *workloads.command("heap", "malloc=777x5", "free=3")]
    with trace("mallocs", "-c", shlex.join(command)) as traced:
        pass
    outstanding = traced.total("outstanding", comm="heap")
    assert outstanding
    assert outstanding["value"] == 2 * 777
