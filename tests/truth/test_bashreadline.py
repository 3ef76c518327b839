"""bashreadline against a bash into which known lines are typed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workloads import Workload

from .conftest import Row, Trace, Traced

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]

LINES = ["true", "", "x='two  words'; : $x", ": naïve", "# only a comment", "false || :"]


def of(traced: Traced, pid: int) -> list[Row]:
    return [row for row in traced.events("line") if row["pid"] == pid]


def test_each_line_typed_is_a_row(trace: Trace, workload: Start) -> None:
    with trace("bashreadline", "--comm", "bash") as traced:
        bash = workload("readline", *LINES).go()["bash_pid"]
    rows = of(traced, bash)
    assert [row["line"] for row in rows] == LINES  # and none for the end of the input
    assert {row["uid"] for row in rows} == {0}
    assert traced.lost() == []


def test_a_bash_that_waits_already_is_seen_from_its_next_line_on(trace: Trace, workload: Start) -> None:
    """The kernel sees the return of calls that began after the attaching."""
    works = [workload("readline", *LINES) for _ in range(2)]
    bash = works[0].ready["bash_pid"]
    with trace("bashreadline", "--pid", bash) as traced:
        for work in works:
            work.go()
    assert [(row["pid"], row["line"]) for row in traced.events("line")] == [(bash, line) for line in LINES[1:]]


def test_a_long_line_is_cut_and_marked(trace: Trace, workload: Start) -> None:
    lines = [": " + "x" * 1021, ": " + "x" * 1022]  # 1023 bytes and the NUL fit
    with trace("bashreadline", "--comm", "bash") as traced:
        bash = workload("readline", *lines).go()["bash_pid"]
    rows = of(traced, bash)
    assert [row["line"] for row in rows] == [line[:1023] for line in lines]
    assert [row.get("truncated") for row in rows] == [None, ["line"]]
