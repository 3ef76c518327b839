"""vfsstat against system calls of known number; on a kernel that can't be hooked, its refusal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload

from .conftest import ENVIRONMENT, LONGEST, Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]

HOOKS = Path("/sys/bus/event_source/devices/kprobe").exists()


@pytest.mark.skipif(not HOOKS, reason="the kernel has no kprobes (CONFIG_KPROBES)")
def test_each_call_is_counted(trace: Trace, workload: Start) -> None:
    work = workload("calls", "openat=5", "create=7", "pread64=11", "pwrite64=13", "fsync=2")
    with trace("vfsstat", "--pid", work.pid) as traced:
        work.go()
    counts = {row["labels"]["call"]: row["value"] for row in traced.totals("calls")}
    # The line that lets the work begin is one more read, the result one more write; an open that finds nothing opens nothing.
    assert counts["vfs_open"] == 7
    assert counts["vfs_read"] == 11 + len("go\n")
    assert counts["vfs_write"] == 13 + 1
    assert counts["fsync"] == 2
    assert set(counts) == {"vfs_open", "vfs_read", "vfs_write", "fsync"}
    assert traced.lost() == []


@pytest.mark.skipif(HOOKS, reason="the kernel has kprobes: there is nothing that it would refuse")
def test_a_kernel_without_hooks_is_told_in_one_line(artefact: Callable[[str], Path]) -> None:
    command = [sys.executable, "-m", "ebpfrun.cli", str(artefact("vfsstat"))]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 3
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("ebpfrun: vfsstat.yaml:")
    for word in ("fentry:vfs_open", "kprobe:vfs_open", "CONFIG_KPROBES", "tracepoint"):
        assert word in line
