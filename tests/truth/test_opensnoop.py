"""opensnoop against a program that opens files of known names."""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workloads import Workload, Workloads

from .conftest import Row, Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]


def words(flags: int) -> str:
    """The flags that the workload uses, by name."""
    access = {os.O_RDONLY: "O_RDONLY", os.O_WRONLY: "O_WRONLY", os.O_RDWR: "O_RDWR"}[flags & os.O_ACCMODE]
    return "|".join([access, *(name for name in ("O_APPEND", "O_NONBLOCK", "O_CLOEXEC") if flags & getattr(os, name))])


def expected(truth: dict[str, Any]) -> list[tuple[str, str, int | str]]:
    opens = truth["opens"]
    return [(o["path"], words(o["flags"]), o["result"] if o["result"] >= 0 else errno.errorcode[-o["result"]]) for o in opens]


def seen(rows: list[Row], under: Path) -> list[tuple[str, str, int | str]]:
    return [(row["path"], row["flags"], row["result"]) for row in rows if row["path"].startswith(str(under))]


def test_each_open_is_a_row_with_what_came_of_it(trace: Trace, workload: Start, tmp_path: Path) -> None:
    work = workload("files", tmp_path, 300, 40)
    with trace("opensnoop", "--pid", work.pid) as traced:
        truth = work.go()
    rows = traced.events("open")
    assert seen(rows, tmp_path) == expected(truth)
    assert len(rows) == 340
    assert {(row["pid"], row["tid"], row["comm"]) for row in rows} == {(work.pid, work.pid, "files")}
    assert all(row["latency"] > 0 for row in rows)
    assert [row["time"] for row in rows] == sorted(row["time"] for row in rows)
    assert traced.lost() == []


def test_failed(trace: Trace, workload: Start, tmp_path: Path) -> None:
    work = workload("files", tmp_path, 5, 7)
    with trace("opensnoop", "--pid", work.pid, "--failed") as traced:
        truth = work.go()
    assert seen(traced.events("open"), tmp_path) == expected(truth)[5:]
    assert traced.lost() == []


def test_a_path_longer_than_the_field_is_cut_and_marked(trace: Trace, workload: Start, tmp_path: Path) -> None:
    # Once with a name that just fits (255 bytes and the NUL), once with one byte more.
    room = 255 - len(str(tmp_path)) - len("/") - len("/found-0000")
    for length in (room, room + 1):
        folder = tmp_path / ("d" * length)
        folder.mkdir()
        work = workload("files", folder, 1, 0)
        with trace("opensnoop", "--pid", work.pid) as traced:
            truth = work.go()
        (row,) = traced.events("open")
        path = truth["opens"][0]["path"]
        assert row["path"] == path[:255]
        assert row.get("truncated") == (["path"] if len(path) > 255 else None)
        assert traced.lost() == (["open.path: 1 cut, because longer than the field"] if len(path) > 255 else [])


def test_a_ring_that_is_full_loses_rows_and_says_how_many(trace: Trace, workload: Start, tmp_path: Path) -> None:
    work = workload("files", tmp_path, 1900, 0)
    with trace("opensnoop", "--pid", work.pid, "--ring", "4KiB") as traced:
        traced.stop()
        truth = work.go()
        traced.go_on()
    rows = seen(traced.events("open"), tmp_path)
    assert 0 < len(rows) < 1900
    assert rows == expected(truth)[: len(rows)]
    lost = f"open: 1900 produced = {len(rows)} delivered + {1900 - len(rows)} lost in the full ring buffer"
    assert traced.lost()[0] == lost


def test_a_command_is_traced_from_its_first_open_and_gives_its_exit_status(
    trace: Trace, workloads: Workloads, tmp_path: Path
) -> None:
    command = shlex.join(workloads.command("files", tmp_path, 3, 1))
    with trace("opensnoop", "-c", f"/usr/bin/env WORKLOAD_NOW=1 {command}") as traced:
        pass
    names = [Path(row["path"]).name for row in traced.events("open")]
    made = ["found-0000", "found-0001", "found-0002"]
    assert [name for name in names if name.startswith(("found", "missing"))] == [*made, *made, "missing-0000"]
    assert len({row["pid"] for row in traced.events("open")}) == 1
    assert {"env", "files"} <= {row["comm"] for row in traced.events("open")}
    assert traced.status == 0

    with trace("opensnoop", "-c", "/bin/sh -c 'exit 7'") as traced:
        pass
    assert traced.status == 7
