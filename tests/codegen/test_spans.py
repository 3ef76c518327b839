"""Spans in the running kernel: what is paired, what is kept, when conditions are tested, what is counted."""

from __future__ import annotations

import ctypes

import pytest

from codegen.running import Lab, each, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]

SPEC = """
params: {least: {type: u64, default: 5, help: the least number}}
events:
  call: {fields: {n: u64, m: u64, twice: u64, text: string(8), at: string(16), result: result, latency: duration, ordered: bool}}
  late: {fields: {n: u64}}
  started: {fields: {which: u8, a: u64}}
spans:
  call:
    start:
      first:
        - tracepoint:no:such
        - {on: "tracepoint:syscalls:sys_enter_prctl", let: {number: args.arg2}, where: args.option == 0x7f00}
    end: tracepoint:syscalls:sys_exit_prctl
    let: {number: args.arg3, twice: n * 2, slow: elapsed / 1000000000}
    keep: {n: number, m: args.arg3, text: "str(uptr(args.arg4), 8)", p: uptr(args.arg4)}
    where: number >= $least and retval < 0 and m != 99
    do:
      - {emit: call, with: {at: str(p), result: retval, latency: elapsed, ordered: started < nsecs and slow < 60}}
      - {if: n == 7, stop: true}
      - {emit: late}
  several:
    start:
      - {on: "tracepoint:syscalls:sys_enter_prctl", let: {a: args.arg2, which: 1}, where: args.option == 0x7f00}
      - {on: "tracepoint:syscalls:sys_enter_getpriority", let: {a: (u64)(u32)args.who, which: 2}}
      - {on: "?tracepoint:syscalls:sys_enter_no_such", let: {a: 3, which: 3}}
    end: [tracepoint:syscalls:sys_exit_prctl, tracepoint:syscalls:sys_exit_getpriority, "?tracepoint:syscalls:sys_exit_no_such"]
    key: [tid, 1]
    keep: {a: a, which: "(u8)which"}
    emit: started
  unpaired:
    start: {on: "tracepoint:syscalls:sys_enter_getpriority", where: args.which == 77}
    end: tracepoint:syscalls:sys_exit_prctl
    do: [{emit: late, with: {n: 0}}]
  lost:
    start: tracepoint:syscalls:sys_enter_getpriority
    end: tracepoint:syscalls:sys_exit_prctl
    do: [{emit: late, with: {n: 1000}}]
"""


def test_spans(lab: Lab) -> None:
    libc = ctypes.CDLL(None)
    text = ctypes.create_string_buffer(b"kept text")
    address = ctypes.addressof(text)

    def work() -> None:
        prctl(5, 1, address)
        prctl(4, 1, address)  # below the least
        prctl(7, 2, 0)
        prctl(8, 99, address)  # refused at the end
        libc.getpriority(5, 1234)
        prctl(6, 1, address)

    traced = lab.run(SPEC, work)
    rows = traced.events("call")
    for row in rows:
        assert 0 < row.pop("latency") < 10**9
    same = {"result": -22, "ordered": True}
    cut, unreadable = 1, 2  # the text where it is kept, and counted there
    assert rows == [
        {"n": 5, "m": 1, "twice": 10, "text": "kept te", "at": "kept text", "marks": cut, **same},
        {"n": 7, "m": 2, "twice": 14, "text": "", "at": "", "marks": unreadable | unreadable << 2, **same},
        {"n": 6, "m": 1, "twice": 12, "text": "kept te", "at": "kept text", "marks": cut, **same},
    ]
    assert traced.counted("truncated", "call.text") == 3
    assert traced.counted("faulted", "call.text") == 1
    assert sorted(row["n"] for row in traced.events("late")) == [5, 6, 1000]
    assert [(row["which"], row["a"]) for row in traced.events("started")] == [
        (1, 5), (1, 4), (1, 7), (1, 8), (2, 1234), (1, 6)
    ]  # fmt: skip
    assert traced.counted("unpaired", "lost") == 4
    assert traced.counted("unpaired", "call") == traced.counted("unpaired", "several") == 0
    assert traced.counted("unpaired", "unpaired") == 0  # starts were left out on purpose


def test_a_full_map_of_starts(lab: Lab) -> None:
    traced = lab.run(
        """
events: {seen: {fields: {n: u64}}}
spans:
  s:
    start: {on: "tracepoint:syscalls:sys_enter_prctl", where: args.option == 0x7f00, let: {n: args.arg2}}
    end: {on: "tracepoint:syscalls:sys_enter_getpriority", let: {n: (u64)(u32)args.who}}
    key: n
    max_entries: 4
    emit: seen
    with: {n: 1}
""",
        lambda: each(range(6)),
    )
    assert traced.counted("map_full", "s") == 2
    assert traced.events("seen") == []
