"""A ring for each event: what is frequent crowds out nothing else."""

from __future__ import annotations

import os

import pytest

from ebpfrun import account, manifest
from ebpfrun.tracer import Tracer

from .running import Lab, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]

SPEC = """
ring: 4KiB
rings: {rings}
events:
  often: {{fields: {{time: timestamp, n: u64}}}}
  seldom: {{fields: {{time: timestamp, n: u64}}}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    do:
      - {{if: args.arg2 < 1000, emit: often, with: {{n: args.arg2}}}}
      - {{if: args.arg2 >= 1000, emit: seldom, with: {{n: args.arg2}}}}
"""


@pytest.mark.parametrize("rings", ["all", "event"])
@pytest.mark.parametrize("order", [None, 0.01], ids=["as they come", "in order"])
def test_what_is_frequent(lab: Lab, rings: str, order: float | None) -> None:
    known = manifest.read(str(lab.build(SPEC.format(rings=rings))))
    assert known.rings == (("events",) if rings == "all" else ("events_often", "events_seldom"))
    rows: list[dict[str, object]] = []
    with Tracer(known, filters={"pid": os.getpid()}, order=order) as tracer:
        for n in range(1000):
            prctl(n)
        prctl(1000)
        tracer.detach()
        while batch := tracer.take():
            with batch:
                rows += batch.rows()
        counts = account.read_counters(known, tracer)
    often, seldom = ([row["n"] for row in rows if row["event"] == name] for name in ("often", "seldom"))
    assert len(often) + counts["ring_full", "often"] == 1000
    assert 0 < len(often) < 1000
    assert often == list(range(len(often)))
    assert seldom == ([1000] if rings == "event" else [])
    assert counts["ring_full", "seldom"] == (0 if rings == "event" else 1)
    assert rows[-1]["n"] == (1000 if rings == "event" and order else rows[-1]["n"])


def test_the_size_on_the_command_line_is_that_of_each(lab: Lab) -> None:
    known = manifest.read(str(lab.build(SPEC.format(rings="event"))))
    with Tracer(known, filters={"pid": os.getpid()}, ring=1 << 16) as tracer:
        for n in range(1000):
            prctl(n)
        tracer.detach()
        counts = account.read_counters(known, tracer)
    assert (counts["produced", "often"], counts["ring_full", "often"]) == (1000, 0)
