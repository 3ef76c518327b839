"""biolatency against direct reads and writes of a loop device of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload

from .conftest import Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]


def loop_device(pid: int) -> str:
    """The name of the loop device that the process has open."""
    opened = (link.readlink() for link in Path(f"/proc/{pid}/fd").iterdir())
    (name,) = {path.name for path in opened if path.match("/dev/loop*") and path.name != "loop-control"}
    return name


def test_each_request_is_counted(trace: Trace, workload: Start, tmp_path: Path) -> None:
    work = workload("block", tmp_path, 40, 25, 8192)
    disk = loop_device(work.pid)
    with trace("biolatency", "--disk", disk) as traced:
        truth = work.go()
    assert (truth["kernel"]["writes"], truth["kernel"]["reads"]) == (40, 25)
    counts = {(row["labels"]["disk"], row["labels"]["op"]): row["count"] for row in traced.totals("latency")}
    assert counts == {(disk, "WRITE"): 40, (disk, "READ"): 25}
    assert all(row["sum"] > 0 for row in traced.totals("latency"))
    assert traced.lost() == []


def test_another_disk_is_left_out(trace: Trace, workload: Start, tmp_path: Path) -> None:
    work = workload("block", tmp_path, 5, 5, 4096)
    with trace("biolatency", "--disk", loop_device(work.pid) + "0") as traced:  # its name is the beginning of that one's
        work.go()
    assert traced.totals("latency") == []
