"""Records that end with a text take no more of the ring than what it holds."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from ebpfgen.lower.nesting import LEVELS
from ebpfrun import account, manifest
from ebpfrun.tracer import Tracer

from .running import Lab, each, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]

HEAD, MASK = 8, 4095
PROBE = "{{on: '{on}', where: '{where}', emit: e, with: {{text: '{text}'}}}}"
TRACEPOINT = {"on": "tracepoint:syscalls:sys_enter_prctl", "where": "args.option == 0x7f00"}
TEXT = "str(uptr(args.arg2))"


class Seen(NamedTuple):
    rows: list[dict[str, Any]]
    sizes: list[int]
    """Of the records, as their heads in the ring say."""
    counts: dict[tuple[str, str], int]
    used: list[int]
    """Bytes of the ring that each batch took."""


def run(artefact: Path, work: Callable[[], object], **options: Any) -> Seen:
    known = manifest.read(str(artefact))
    rows: list[dict[str, Any]] = []
    sizes: list[int] = []
    used: list[int] = []
    with Tracer(known, filters={"pid": os.getpid()}, **options) as tracer:
        work()
        tracer.detach()
        while batch := tracer.take():
            with batch:
                rows += batch.rows()
                used.append(len(batch.data))
                at = 0
                while at < len(batch.data):
                    size = struct.unpack_from("=I", batch.data, at)[0]
                    assert not any(batch.data[at + HEAD + size : at + HEAD + size + -size % 8])
                    sizes.append(size)
                    at += HEAD + size + -size % 8
        return Seen(rows, sizes, dict(account.read_counters(known, tracer)), used)


def texts(*given: bytes) -> Callable[[], None]:
    """Calls prctl with the address of each; one that is empty after a NUL is no address at all."""

    def work() -> None:
        for text in given:
            buffer = ctypes.create_string_buffer(text)
            prctl(ctypes.addressof(buffer), len(text))
        prctl(8, 0)  # nothing can be read there

    return work


def event(type: str) -> str:
    return f"events:\n  e: {{fields: {{n: u32, time: timestamp, text: {type}}}}}\n"


def emitting(type: str, text: str, **probe: str) -> str:
    return event(type).replace("n: u32, ", "") + "probes:\n  - " + PROBE.format(**(TRACEPOINT | probe), text=text) + "\n"


@pytest.mark.parametrize(
    "length",
    [
        pytest.param(64, id="on the stack"),
        pytest.param(100, id="on the stack, with padding behind the text"),
        pytest.param(256, id="on the stack, of the largest part of it"),
        pytest.param(1000, id="in scratch memory"),
        pytest.param(4096, id="in much scratch memory"),
    ],
)
def test_a_string(lab: Lab, length: int) -> None:
    given = [b"", b"a", b"x" * 6, b"x" * 7, b"x" * 20, b"x" * (length - 2), b"x" * (length - 1), b"x" * length, b"x" * 3 * length]
    artefact = lab.build(emitting(f"string({length})", TEXT))
    (told,) = manifest.read(str(artefact)).events
    assert (told.least, told.size) == (17, 16 + length + -length % 8)
    seen = run(artefact, texts(*given))
    kept = [text[: length - 1] for text in given] + [b""]
    assert [row["text"].encode() for row in seen.rows] == kept
    assert seen.sizes == [16 + len(text) + 1 for text in kept]
    assert [row.get("truncated") for row in seen.rows] == [None] * 7 + [["text"]] * 2 + [None]
    assert [row.get("unreadable") for row in seen.rows] == [None] * 9 + [["text"]]
    counts = seen.counts["produced", "e"], seen.counts["truncated", "e.text"], seen.counts["faulted", "e.text"]
    assert counts == (10, 2, 1)


@pytest.mark.parametrize("text", ["buf(uptr(args.arg2), args.arg3)", "argv(uptr(args.arg2))"])
def test_words(lab: Lab, text: str) -> None:
    whole = [[], [b""], [b"ls"], [b"ls", b"-l"], [b"x" * 30] * 3, [b"y" * 80, b"z"]]
    whole += [[b"v" * 127]] if text.startswith("buf") else []  # argv is read in pieces, and stops a little before the end
    words = [*whole, [b"w" * 128], [b"x" * 30] * 9]
    joined = [b"".join(word + b"\0" for word in argv) for argv in words]

    def work() -> None:
        for argv, data in zip(words, joined, strict=True):
            pointers, buffer = (ctypes.c_char_p * (len(argv) + 1))(*argv, None), ctypes.create_string_buffer(data)
            prctl(ctypes.addressof(pointers if text.startswith("argv") else buffer), len(data))

    artefact = lab.build(emitting("argv(128)", text))
    (told,) = manifest.read(str(artefact)).events
    assert (told.least, told.size) == (20, 152)
    seen = run(artefact, work)
    n = len(whole)
    assert seen.sizes[:n] == [20 + len(data) for data in joined[:n]]
    assert [row["text"] for row in seen.rows[:n]] == [[word.decode() for word in argv] for argv in whole]
    assert all(130 < size <= 148 for size in seen.sizes[n:])
    assert [row.get("truncated") for row in seen.rows] == [None] * n + [["text"]] * 2


@pytest.mark.parametrize(
    ("type", "least"), [("string(31)", 0), ("string(32)", 17), ("argv(24)", 0), ("argv(28)", 20), ("comm", 0)]
)
def test_only_where_it_is_worth_it(lab: Lab, type: str, least: int) -> None:
    text = "comm" if type == "comm" else "buf(uptr(args.arg2), 3)"
    artefact = lab.build(emitting(type, text))
    assert manifest.read(str(artefact)).events[0].least == least
    seen = run(artefact, texts(b"abc"))
    assert len(seen.rows) == 2
    assert set(seen.sizes) == ({least, least + 3} if least else {manifest.read(str(artefact)).events[0].size})


KEPT = {4: 39, 8: 4, 9: 39, 10: 199}
"""Bytes that some of the sources below hold: what was cut there is marked in the event."""


def test_any_source_of_text(lab: Lab) -> None:
    """What is kept, looked up, given as a parameter, written in the spec; one of two; the text of a name."""
    spec = (
        "params: {given: {type: string(20), default: parameter, help: x}}\n"
        "maps: {m: {type: hash, max_entries: 1, key: u32, value: {text: string(300), small: string(40)}}}\n"
        + event("string(64)")
        + """
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    do:
      - {set: 'm[1]', to: {text: str(uptr(args.arg2)), small: str(uptr(args.arg2))}}
      - {emit: e, with: {n: (u32)1, text: '"written"'}}
      - if: args.arg3 > 5
        then: [{emit: e, with: {n: (u32)2, text: '"long"'}}]
        else: [{emit: e, with: {n: (u32)2, text: str(uptr(args.arg2))}}]
      - {emit: e, with: {n: (u32)3, text: 'm[1].text'}}
      - {emit: e, with: {n: (u32)4, text: 'm[1].small'}}
      - {emit: e, with: {n: (u32)5, text: '$given'}}
      - {emit: e, with: {n: (u32)6, text: comm}}
      - {emit: e, with: {n: (u32)7, text: 'buf(uptr(args.arg2), args.arg3)'}}
      - {emit: e, with: {n: (u32)8, text: 'str(uptr(args.arg2), 5)'}}
spans:
  call:
    start: tracepoint:syscalls:sys_enter_prctl
    end: tracepoint:syscalls:sys_exit_prctl
    where: args.option == 0x7f00
    keep: {little: 'str(uptr(args.arg2), 40)', much: 'str(uptr(args.arg2), 200)'}
    do:
      - {emit: e, with: {n: (u32)9, text: little}}
      - {emit: e, with: {n: (u32)10, text: much}}
"""
    )
    given = [b"", b"abc", b"abcdefgh", b"m" * 39, b"l" * 63, b"c" * 64, b"d" * 250]
    seen = run(lab.build(spec), texts(*given))
    for text, rows in zip([*given, b""], zip(*[iter(zip(seen.rows, seen.sizes, strict=True))] * 10, strict=True), strict=True):
        wanted = [b"written", b"long" if len(text) > 5 else text, text, text[:39], b"parameter", b"python"]
        wanted += [text, text[:4], text[:39], text[:199]]
        for number, want, (row, size) in zip(range(1, 11), wanted, rows, strict=True):
            assert row["n"] == number
            if number != 6:
                assert (row["text"].encode(), size) == (want[:63], 24 + len(want[:63]) + 1), number
            cut = len(want) > 63 or len(text) > KEPT.get(number, 250)
            assert row.get("truncated") == (["text"] if cut else None), number
    unreadable = [row["n"] for row in seen.rows[-10:] if row.get("unreadable")]
    assert unreadable == [2, 3, 4, 8, 9, 10]  # of 7 nothing is asked for


@pytest.mark.parametrize("length", [64, 1000])
@pytest.mark.parametrize("kind", ["raw_tracepoint", "uprobe"])
def test_of_other_kinds(lab: Lab, kind: str, length: int) -> None:
    """Those that can interrupt one another take memory of the CPU for themselves."""
    if kind == "uprobe":
        probe, source = {"on": "uprobe:libc.so.6:prctl", "where": "arg0 == 0x7f00"}, "str(uptr(arg1))"
    else:
        where = "args.id == SYS_prctl and ((struct pt_regs *)args.regs).di == 0x7f00"
        probe, source = {"on": "raw_tracepoint:sys_enter", "where": where}, "str(uptr(((struct pt_regs *)args.regs).si))"
    artefact = lab.build(emitting(f"string({length})", source, **probe))
    (told,) = manifest.read(str(artefact)).events
    assert told.least == 17
    seen = run(artefact, texts(b"", b"abc", b"x" * 63, b"y" * 2000))
    kept = [b"", b"abc", b"x" * 63, b"y" * (length - 1), b""]
    assert [row["text"].encode() for row in seen.rows] == kept
    assert seen.sizes == [16 + len(text) + 1 for text in kept]


def test_what_finds_no_memory_has_full_size(lab: Lab) -> None:
    """Each program begins in the midst of the one before it, by the fault that this one makes when it reads its text."""
    levels, step = LEVELS + 1, 0x1008
    on = "on: 'tp_btf:sys_enter', where: args.id == SYS_prctl and ((struct pt_regs *)args.regs).di == 0x7f00"
    probes = [f"{on}, emit: e, with: {{n: 1, text: 'str(uptr(((struct pt_regs *)args.regs).si))'}}"]
    probes += [
        f"on: 'tp_btf:page_fault_kernel', where: args.address == {step * (n - 1)}, "
        f"emit: e, with: {{n: {n}, text: 'str(uptr(args.address + {step}))'}}"
        for n in range(2, levels + 1)
    ]
    spec = event("string(1000)").replace("time: timestamp, ", "") + "probes:\n" + "".join(f"  - {{{probe}}}\n" for probe in probes)
    seen = run(lab.build(spec), lambda: prctl(step))
    assert {row["n"]: size for row, size in zip(seen.rows, seen.sizes, strict=True)} == {
        n: 13 if n <= LEVELS else 1012 for n in range(1, levels + 1)
    }
    assert [row["unreadable"] for row in seen.rows] == [["text"]] * len(seen.rows)
    assert seen.counts["produced", "e"] == len(seen.rows)


@pytest.mark.parametrize(("length", "text"), [(256, b"/etc/hosts"), (256, b"x" * 200), (2000, b"0123456"), (2000, b"y" * 700)])
@pytest.mark.parametrize("rings", ["all", "event"])
def test_the_ring_holds_more_of_them(lab: Lab, length: int, text: bytes, rings: str) -> None:
    """A ring of one page, and nobody who reads: records fit into it as long as they are together smaller than it is."""
    buffer = ctypes.create_string_buffer(text)
    spec = f"ring: 4KiB\nrings: {rings}\n" + emitting(f"string({length})", TEXT)
    seen = run(lab.build(spec), lambda: each([ctypes.addressof(buffer)] * 300))
    step = HEAD + 16 + len(text) + 1
    step += -step % 8
    assert len(seen.rows) == MASK // step
    assert sum(seen.used) == len(seen.rows) * step
    assert {row["text"].encode() for row in seen.rows} == {text}
    assert seen.counts["produced", "e"] == 300 == len(seen.rows) + seen.counts["ring_full", "e"]


def test_nothing_of_the_stack_goes_out(lab: Lab) -> None:
    """Texts within a record that is built there are followed by zeroes."""
    spec = (
        "events:\n  e: {fields: {first: string(40), flag: bool, last: string(64)}}\nprobes:\n"
        "  - {on: 'tracepoint:syscalls:sys_enter_prctl', where: args.option == 0x7f00, emit: e, "
        "with: {first: 'str(uptr(args.arg2))', flag: 'args.arg3 > 2', last: '\"end\"'}}\n"
    )
    known = manifest.read(str(lab.build(spec)))
    buffer = ctypes.create_string_buffer(b"abc")
    with Tracer(known, filters={"pid": os.getpid()}) as tracer:
        prctl(ctypes.addressof(buffer), 3)
        tracer.detach()
        batch = tracer.take()
        assert batch is not None
        assert bytes(batch.data[16:]) == b"abc".ljust(40, b"\0") + b"\1" + b"end\0" + bytes(3)
        batch.release()


@pytest.mark.parametrize(("fields", "last"), [("n: u32, text: string(64)", True), ("text: string(64), n: u32", False)])
def test_cut_texts_of_records_that_found_no_room(lab: Lab, fields: str, last: bool) -> None:
    """A record that ends with a text is made before the ring is asked for room; in all others each that is counted comes, marked."""
    spec = f"ring: 4KiB\nevents:\n  e: {{fields: {{{fields}}}}}\nprobes:\n"
    spec += f"  - {{{', '.join(f'{k}: {v}' for k, v in TRACEPOINT.items())}, emit: e, with: {{n: (u32)1, text: '{TEXT}'}}}}\n"
    buffer = ctypes.create_string_buffer(b"x" * 100)
    seen = run(lab.build(spec), lambda: each([ctypes.addressof(buffer)] * 300))
    assert 0 < len(seen.rows) < 300 == seen.counts["produced", "e"]
    assert all(row["truncated"] == ["text"] for row in seen.rows)
    assert seen.counts["truncated", "e.text"] == (300 if last else len(seen.rows))
