"""The artefact's encoder against the reference in Python: the same bytes, whatever is in the records."""

from __future__ import annotations

import struct
import sys
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfrun import door
from ebpfrun.decode import CODES, text_size
from ebpfrun.errors import DriverError
from ebpfrun.lines import Cells, DriverLines, Format, Json, PythonLines, Words, lines
from ebpfrun.manifest import Event, Slot
from ebpfrun.names import Names
from ebpfrun.records import Records
from properties import examples

from .conftest import TABLES, Library, manifest, put

FORMATS: tuple[type[Format], ...] = (Json, Cells, Words)
OFFSET = 10**18
TYPES = (
    *(t for t in CODES if t not in ("enum", "flags")), "enum:color", "flags:open", "flags:clone", "flags:mmap", "ip", "mac",
    "comm", "string(3)", "string(16)", "string(41)", "argv(5)", "argv(24)",
)  # fmt: skip
NAMES = Names(TABLES | {"enum:color": {0: "RED", 7: 'hostile ", \\ \n', 2**63 - 1: "a,b"}})
SIZES = {"comm": 16, "ip": 16, "mac": 6}


def code_of(type: str) -> str:
    return CODES[type.partition(":")[0]]


def size_of(type: str) -> int:
    if "(" in type:
        n = int(type[type.index("(") + 1 : -1])
        return 4 + (n + 3 & ~3) if type.startswith("argv") else n
    return SIZES.get(type) or struct.calcsize("=" + code_of(type))


def lay_out(types: list[str], marked: bool, cut: bool = False) -> Event:
    """``cut``: records end with what a last text holds."""
    offset, slots = 8, []
    for i, type in enumerate(types):
        align = 4 if type.startswith("argv") else 1 if size_of(type) > 8 or type == "mac" or "(" in type else size_of(type)
        offset += -offset % align
        mark = i if marked and i < 16 and ("(" in type or type == "comm") else None
        slots.append(Slot(f"f{i}", type, offset, size_of(type), mark))
        offset += size_of(type)
    least = {"s": 1, "a": 4}.get(types[-1][0], 0) if cut and types and "(" in types[-1] else 0
    return Event(len(types), "event", "", offset + -offset % 8, tuple(slots), least and slots[-1].offset + least)


TEXTS = st.one_of(
    st.binary(max_size=48),
    st.text(max_size=20).map(str.encode),
    st.sampled_from(["a,b", "it's", '"q"', "\\x41", "e\u0301", "日本語", "\u202e", "\U0001f600", "x\x7fy", "tab\tline\r\n", "", " ", "'"]).map(str.encode),
    st.sampled_from([b"\xff", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82A", b"plain/path.txt"]),
)  # fmt: skip


def value(draw: Any, type: str) -> bytes:
    """Bytes of a value: extremes, what has a name, anything."""
    if type == "comm" or type.startswith("string"):
        return bytes((draw(TEXTS)[: size_of(type) - 1] + bytes(size_of(type)))[: size_of(type)])
    if type.startswith("argv"):
        room = size_of(type) - 4
        words = b"".join(w + b"\0" for w in draw(st.lists(TEXTS, max_size=5)))[:room]
        words = words.removesuffix(b"\0") if draw(st.booleans()) else words
        return struct.pack("=I", len(words)) + words + bytes(room - len(words))
    if type == "ip" and draw(st.booleans()):
        return bytes(10) + b"\xff\xff" + bytes(draw(st.binary(min_size=4, max_size=4)))
    if type == "timestamp":
        return struct.pack("=Q", draw(st.integers(0, 5 * 10**18)))
    if type in ("duration", "bytes"):
        edges = [0, 999, 1000, 999_499, 999_500, 9_995_000, 99_950_000, 59_949_999_999, 59_950_000_000, 3_599_500_000_000, 2**63]
        near = st.sampled_from(edges).flatmap(lambda n: st.integers(max(n - 2, 0), n + 2))
        return struct.pack("=Q", draw(st.one_of(near, st.integers(0, 64).map(lambda bits: 2**bits - 1), st.integers(0, 2**64 - 1))))
    if type in ("errno", "result", "signal", "syscall", "enum:color"):
        code = code_of(type)
        limit = 1 << 8 * struct.calcsize("=" + code) - 1
        few = st.integers(-4200, 600)
        return struct.pack("=" + code, draw(st.one_of(few, st.integers(-limit, limit - 1), st.just(limit - 1))))
    if type in ("u64", "i64", "hex", "u32"):
        bits = 8 * size_of(type)
        tens = st.tuples(st.sampled_from([n for n in range(20) if 10**n < 2**bits]), st.sampled_from([-1, 0])).map(lambda t: 10 ** t[0] + t[1])
        number: int = draw(tens | st.integers(0, bits).flatmap(lambda b: st.integers(0, 2**b - 1)))
        return number.to_bytes(bits // 8, sys.byteorder)
    return bytes(draw(st.binary(min_size=size_of(type), max_size=size_of(type))))


@st.composite
def batches(draw: Any) -> tuple[list[Event], bytes]:
    events = {}
    for _ in range(draw(st.integers(1, 3))):
        event = lay_out(draw(st.lists(st.sampled_from(TYPES), max_size=8)), draw(st.booleans()), draw(st.booleans()))
        events[event.id] = event._replace(name=f"event{event.id}")
    data = b""
    for event in draw(st.lists(st.sampled_from(list(events.values())), max_size=6)):
        record = bytearray(event.size)
        possible = sum(3 << 2 * s.mark for s in event.fields if s.mark is not None)
        marks = draw(st.one_of(st.just(0), st.integers(0, 2**32 - 1))) & possible
        struct.pack_into("=II", record, 0, event.id, marks)
        for slot in event.fields:
            record[slot.offset : slot.offset + slot.size] = value(draw, slot.type)
        if event.least and draw(st.booleans()):
            empty = event.least - event.constant
            del record[event.constant + text_size(record[event.constant :], empty) :]
        data += put(bytes(record))
    return list(events.values()), data


def records_of(events: list[Event], driver: Library | None = None) -> Records:
    loops = None if driver is None else door.DriverLoops(driver, {})
    return Records(manifest(events), OFFSET, NAMES, loops)


def both(driver: Library, format: Format, events: list[Event], data: bytes) -> tuple[bytes, bytes]:
    batch = records_of(events).batch(data)
    with_driver, reference = lines(format, records_of(events, driver)), lines(format, records_of(events))
    assert (type(with_driver), type(reference)) == (DriverLines, PythonLines)
    return b"".join(map(bytes, with_driver.encode(batch))), b"".join(reference.encode(batch))


@pytest.mark.parametrize("format", FORMATS)
@examples(300)
@given(batch=batches())
def test_the_same_bytes(format: type[Format], driver: Library, batch: tuple[list[Event], bytes]) -> None:
    found, wanted = both(driver, format(NAMES), *batch)
    assert found == wanted


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns", "Asia/Kathmandu"])
def test_times(format: type[Format], zone: str, driver: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    from ebpfrun import render

    monkeypatch.setenv("TZ", zone)
    time.tzset()
    render._LOCAL.clear()
    event = lay_out(["timestamp"], False)
    times = [0, 999_999_999, 10**9, 10**9, 7 * 10**17, 2**63, 2**64 - 1 - OFFSET, 2**64 - 10**18, 2**64 - 1]
    data = b"".join(put(struct.pack("=IIQ", 1, 0, t)) for t in times)
    found, wanted = both(driver, format(NAMES), [event], data)
    assert found == wanted


def test_many_names_long_lines_and_little_room(driver: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """More names than are remembered, and lines longer than the first buffer."""
    monkeypatch.setattr(door, "_PIECE", 256)
    event = lay_out(["enum:color", "string(4096)", "comm"], True)
    texts = ["é".encode() * (i % 40) for i in range(10_000)]
    records = (struct.pack("=IIq4096s16s", 3, 0, i % 5000, text, b"comm") for i, text in enumerate(texts))
    data = b"".join(put(record.ljust(event.size, b"\0")) for record in records)
    for format in FORMATS:
        found, wanted = both(driver, format(NAMES), [event], data)
        assert found == wanted


def test_one_event_alone(driver: Library) -> None:
    first, second = lay_out(["u64"], False), lay_out(["comm", "u32"], False)
    a, b = put(struct.pack("=IIQ", 1, 0, 7)), put(struct.pack("=II16sI4x", 2, 0, b"x", 8))
    batch = records_of([first, second]).batch(a + b + a + b)
    for records in (records_of([first, second], driver), records_of([first, second])):
        assert b"".join(map(bytes, lines(Cells(NAMES), records, first).encode(batch))) == b"7\r\n" * 2
        assert b"".join(map(bytes, lines(Cells(NAMES), records, second).encode(batch))) == b"x,8\r\n" * 2


def test_a_record_may_end_within_its_last_text(driver: Library) -> None:
    event = lay_out(["u64", "string(16)"], True, cut=True)
    data = b"".join(put(struct.pack("=IIQ", 2, 0, 7) + text) for text in (b"\0", b"a", b"a\0", b"long enough here"))
    found, wanted = both(driver, Words(NAMES), [event], data)
    assert found == wanted
    assert found.decode().splitlines() == ['event f0=7 f1=""', "event f0=7 f1=a", "event f0=7 f1=a", 'event f0=7 f1="long enough here"']


def test_records_that_it_was_not_told_of(driver: Library) -> None:
    event = lay_out(["u64"], False)
    good = struct.pack("=IIQ", 1, 0, 7)
    encoder = door.Encoder(driver, Json.code, 0)
    encoder.event(event.id, event.size, "", "")
    encoder.field("", "f0", "ER_UNSIGNED", 8, 8, None)
    assert list(encoder.encode(put(good), lambda event, field, key: b"")) == [b"7"]
    for data in (put(good[:12]), put(good + bytes(8)), put(struct.pack("=IIQ", 2, 0, 7)), put(good)[:20], put(good)[:8]):
        with pytest.raises(DriverError):
            list(encoder.encode(data, lambda event, field, key: b""))
