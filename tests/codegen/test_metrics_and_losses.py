"""Metrics count exactly, and what is lost is counted."""

from __future__ import annotations

import ctypes

import pytest

from codegen.running import Lab, each

pytestmark = [pytest.mark.root, pytest.mark.kernel]

METRICS = """
maps:
  few: {type: hash, max_entries: 2, key: u64, value: u64}
  slots: {type: array, max_entries: 3, value: {n: u32, m: i64}}
metrics:
  log: {kind: histogram, help: x}
  even: {kind: histogram, buckets: {min: 10, max: 40, step: 10}, help: x}
  times: {kind: histogram, unit: us, help: x}
  calls: {kind: counter, help: x, labels: {n: u64, name: string(8), who: ip, odd: bool}}
  total: {kind: counter, help: x}
  nanos: {kind: counter, unit: ms, help: x}
  last: {kind: gauge, help: x, labels: {k: u8}}
  level: {kind: gauge, help: x}
  least: {kind: gauge, help: x}
  most: {kind: gauge, help: x, labels: {k: i16}}
  full: {kind: counter, help: x, labels: {n: u64}, max_entries: 3}
events:
  absent: {fields: {n: u64}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    let: {n: args.arg2, s: (i64)args.arg3, late: 5ms}
    do:
      - {observe: log, of: n}
      - {observe: even, of: n}
      - {observe: times, of: late}
      - {count: calls, by: {n: n % 2, name: str(uptr(args.arg4)), who: ip((u32)0x0100007f), odd: (n & 1) == 1}}
      - {sum: total, of: n}
      - {sum: nanos, of: late}
      - {set: last, to: s, by: {k: (u8)n}}
      - {add: level, of: s}
      - {min: least, of: s}
      - {max: most, of: s, by: {k: -1}}
      - {count: full}
      - {set: "few[n]", to: 1}
      - {add: "few[n]", of: 1}
      - {add: "slots[(u32)n].n", of: 1}
      - {set: "slots[1].m", to: s}
      - {if: n == 1000, emit: absent, with: {n: "few[n]"}}
"""


def test_metrics(lab: Lab) -> None:
    name = ctypes.create_string_buffer(b"a name that is long")
    numbers = [0, 1, 2, 3, 4, 7, 8, 9, 10, 19, 20, 39, 40, 41, (1 << 32) - 1, 1 << 32, (1 << 64) - 1, 1000]
    signs = [5, -7, 3] * 6
    traced = lab.run(METRICS, lambda: each(numbers, (s & (1 << 64) - 1 for s in signs), [ctypes.addressof(name)] * len(numbers)))

    def slots(metric: str) -> dict[int, int]:
        (sample,) = traced.metrics[metric].values()
        assert sample.observations == len(numbers) == sum(sample.slots)
        return {slot: count for slot, count in enumerate(sample.slots) if count}

    by_log: dict[int, int] = {}
    for n in numbers:
        by_log[max(n.bit_length() - 1, 0)] = by_log.get(max(n.bit_length() - 1, 0), 0) + 1
    assert slots("log") == by_log
    assert traced.metrics["log"][()].value == sum(numbers) % 2**64
    assert slots("even") == {0: 8, 1: 2, 2: 1, 3: 1, 4: 6}
    assert slots("times") == {12: len(numbers)}  # 5000 us
    odd = sum(n & 1 for n in numbers)
    loopback = bytes(10) + b"\xff\xff" + bytes([127, 0, 0, 1])
    assert {labels: sample.value for labels, sample in traced.metrics["calls"].items()} == {
        (0, "a name ", loopback, False): len(numbers) - odd,
        (1, "a name ", loopback, True): odd,
    }
    assert traced.metrics["total"][()].value == sum(numbers) % 2**64
    assert traced.metrics["nanos"][()].value == 5 * len(numbers)
    assert traced.metrics["last"][(1000 % 256,)].value == signs[-1]
    assert traced.metrics["level"][()].value == sum(signs)
    assert traced.metrics["least"][()].value == -7
    assert {labels: sample.value for labels, sample in traced.metrics["most"].items()} == {(-1,): 5}
    assert len(traced.metrics["full"]) == 3
    assert traced.counted("map_full", "full") == len(numbers) - 3
    assert traced.counted("map_full", "few") == 2 * (len(numbers) - 2)
    assert traced.counted("map_full", "slots") == len([n for n in numbers if n % 2**32 > 2])
    assert traced.counted("absent", "few") == 1
    assert traced.events("absent") == []
    assert {int.from_bytes(k, "little"): int.from_bytes(v[0][:4], "little") for k, v in traced.maps["slots"].items()} == {
        0: 2,
        1: 1,
        2: 1,
    }
    assert int.from_bytes(traced.maps["slots"][bytes([1, 0, 0, 0])][0][8:], "little", signed=True) == signs[-1]


def test_a_full_ring(lab: Lab) -> None:
    """Nobody reads while the work is done: what does not fit is counted, and the rest arrives."""
    calls = 200
    traced = lab.run(
        """
ring: 4KiB
events: {seen: {fields: {n: u64, padding: string(100)}}}
probes:
  - {on: "tracepoint:syscalls:sys_enter_prctl", where: args.option == 0x7f00, emit: seen, with: {n: args.arg2, padding: '"x"'}}
""",
        lambda: each(range(calls)),
    )
    rows = traced.events("seen")
    assert [row["n"] for row in rows] == list(range(len(rows)))
    assert 0 < len(rows) < calls
    assert traced.counted("produced", "seen") == calls == len(rows) + traced.counted("ring_full", "seen")
