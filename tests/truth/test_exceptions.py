"""exceptions against a C++ program that throws known numbers of known types."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from workloads import Workload

from .conftest import Trace
from .kernel_facts import HAS_COOKIES

pytestmark = [
    pytest.mark.root,
    pytest.mark.kernel,
    pytest.mark.skipif(not HAS_COOKIES, reason="this kernel has no attach cookies"),
]
Start = Callable[..., Workload]


def test_each_type_is_counted(trace: Trace, workload: Start) -> None:
    work = workload("throws", 3, 5, 7)
    with trace("exceptions", "--pid", work.pid) as traced:
        thrown = work.go()["thrown"]
    counted = {row["labels"]["type"]: row["value"] for row in traced.totals("exceptions")}
    assert counted == thrown == {"i": 3, "l": 5, "N3own7failureE": 7}
    assert traced.events("thrown") == []
    assert traced.lost() == []


def test_each_is_a_row(trace: Trace, workload: Start) -> None:
    work = workload("throws", 2, 1, 4)
    with trace("exceptions", "--each", "--pid", work.pid) as traced:
        thrown = work.go()["thrown"]
    assert Counter(row["type"] for row in traced.events("thrown")) == thrown
    assert {(row["pid"], row["tid"], row["comm"]) for row in traced.events("thrown")} == {(work.pid, work.pid, "throws")}
    assert traced.lost() == []
