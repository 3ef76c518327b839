"""Fields that this kernel's tracepoints do not have: other kernels may, so a spec may ask for them if it says what else will do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload

from .conftest import Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]

SPEC = """
ebpfgen: 1
name: other_fields
summary: Ends of processes, seen through fields that there are and are not.
events:
  exit:
    summary: one end
    fields: {never: bool, number: u64, first: u32, has: bool, lacks: bool, tid: tid}
probes:
  - on: tracepoint:sched:sched_process_exit
    let:
      never: [args.never_was, tid == pid]
      number: [args.never_was_either, "(u64)args.nor_this", "7"]
      first: [(u32)args.pid, (u32)args.never_was]
      has: exists(args.prio)
      lacks: exists(args.never_was)
    emit: exit
"""


def test_the_first_that_there_is(trace: Trace, workload: Start, tmp_path: Path) -> None:
    spec = tmp_path / "other_fields.yaml"
    spec.write_text(SPEC)
    work = workload("exits", 0)
    with trace(spec, "--pid", work.pid) as traced:
        work.end()
    pid = work.pid
    expected = {"event": "exit", "never": True, "number": 7, "first": pid, "has": True, "lacks": False, "tid": pid}
    assert traced.rows == [expected]
