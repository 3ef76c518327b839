"""vfscount against system calls of known number, each of which makes known calls of the virtual file system."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload

from .conftest import Trace
from .kernel_facts import HAS_COOKIES

pytestmark = [
    pytest.mark.root,
    pytest.mark.kernel,
    pytest.mark.skipif(
        not Path("/sys/bus/event_source/devices/kprobe").exists(), reason="the kernel has no kprobes (CONFIG_KPROBES)"
    ),
    pytest.mark.skipif(not HAS_COOKIES, reason="this kernel has no attach cookies"),
]
Start = Callable[..., Workload]


def test_calls_by_name(trace: Trace, workload: Start) -> None:
    work = workload("calls", "openat=5", "create=7", "pread64=11", "pwrite64=13")
    with trace("vfscount", "--pid", work.pid, "--verbose") as traced:
        work.go()
    counts = {row["labels"]["func"]: row["value"] for row in traced.totals("calls")}
    # The line that lets the work begin is one more read, the result one more write; an open that finds nothing opens nothing.
    assert counts["vfs_open"] == 7
    assert counts["vfs_read"] == 11 + len("go\n")
    assert counts["vfs_write"] == 13 + 1
    assert all(name.startswith("vfs_") for name in counts)
    assert "kprobe:vfs_*: " in traced.summary
