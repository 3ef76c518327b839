"""Each line of a generated function knows the place in the spec that asks for it."""

from __future__ import annotations

import fake_kernel
from ebpfgen import data
from ebpfgen.check import check
from ebpfgen.emit import Emitter
from ebpfgen.loader import load
from ebpfgen.rendering import Templates

SPEC = """\
ebpfgen: 1
name: t
summary: a test
events:
  seen: {fields: {pid: pid, state: i64, late: bool}}
maps:
  last: {type: hash, max_entries: 8, key: {pid: u32}, value: u64}
probes:
  - on: tracepoint:sched:sched_switch
    let:
      before: last[pid] ?? 0
    where: args.prev_prio < 100 and args.next_pid != 0
    do:
      - if: before != 0
        emit: seen
        with:
          state: args.prev_state
          late: >-
            nsecs - before
            > 5s
      - set: last[pid]
        to: nsecs
"""


def test_each_line_has_the_place_that_asks_for_it() -> None:
    kernel = fake_kernel.kernel()
    emitted = Emitter(Templates(data.templates())).emit(check(load(SPEC.encode(), "t.yaml"), kernel), kernel.btf)
    lines = emitted.bpf_c.split("\n")
    found = {lines[number - 1].strip(): (at.line, at.column) for number, at in emitted.places.items()}
    assert {at.file for at in emitted.places.values()} == {"t.yaml"}

    def place(*words: str) -> tuple[int, int]:
        (at,) = {at for line, at in found.items() if all(word in line for word in words)}
        return at

    assert place("if (", "prev_prio >=") == (12, 12)
    assert place("if (", "next_pid") == (12, 37)
    assert place("bpf_map_lookup_elem(&last") == (11, 15)
    assert place("bpf_ringbuf_reserve") == place("submit(e") == place("RING_FULL_SEEN", "count(") == (14, 9)
    assert place("e->state =") == (17, 23)  # the member
    assert place("e->late") == (18, 17)  # of a text on several lines: where it begins
    assert place("bpf_map_update_elem(&last") == (21, 9)


def test_what_no_statement_asks_for_has_no_place() -> None:
    kernel = fake_kernel.kernel()
    emitted = Emitter(Templates(data.templates())).emit(check(load(SPEC.encode(), "t.yaml"), kernel), kernel.btf)
    without = {line.strip() for i, line in enumerate(emitted.bpf_c.split("\n"), 1) if i not in emitted.places}
    assert {"return 0;", "__sync_fetch_and_add(n, 1);", "} events SEC(\".maps\");"} <= without
