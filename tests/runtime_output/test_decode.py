"""Bytes to values."""

from __future__ import annotations

import itertools
import struct
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfrun.decode import TRUNCATED, UNREADABLE, Decoder, Record, clock_offset, marked, text_size
from ebpfrun.errors import ArtefactError
from ebpfrun.manifest import Event, Slot
from properties import examples

from .conftest import OPEN, exec_record, manifest, open_record, put


def decode(buffer: bytes, length: int | None = None) -> list[Any]:
    return Decoder(manifest(), 10**18).decode(buffer, len(buffer) if length is None else length)


def test_a_record_becomes_its_values() -> None:
    (run,) = decode(open_record(time=5, path=b"/etc/hosts", result=-2))
    assert run.event is OPEN
    assert list(run.rows()) == [(10**18 + 5, 12, "cat", "/etc/hosts", 0o2000000, -2, 1234567, 4096)]


def test_runs_keep_the_order_of_records() -> None:
    runs = decode(open_record(pid=1) + open_record(pid=2) + exec_record() + open_record(pid=3))
    assert [(run.event.name, len(run)) for run in runs] == [("open", 2), ("exec", 1), ("open", 1)]
    assert [row[1] for run in runs if run.event.name == "open" for row in run.rows()] == [1, 2, 3]


def test_only_the_length_given_is_read() -> None:
    one = open_record()
    assert [len(run) for run in decode(one + bytes(1000), len(one))] == [1]
    assert decode(b"", 0) == []


def test_argv_and_addresses() -> None:
    (run,) = decode(exec_record(b"ls\0\0a b\0"))
    assert next(run.rows()) == (["ls", "", "a b"], bytes(10) + b"\xff\xff\x7f\0\0\x01")
    assert next(decode(exec_record(b""))[0].rows())[0] == []
    assert next(decode(exec_record(b"\0"))[0].rows())[0] == [""]
    assert next(decode(exec_record(b"ls\0cut"))[0].rows())[0] == ["ls", "cut"]


def test_strings_end_at_the_nul_and_never_fail() -> None:
    (run,) = decode(open_record(path=b"a\0garbage") + open_record(path=b"0123456789abcdef") + open_record(path=b"\xff\xc3\xa4"))
    assert list(run.columns[3]) == ["a", "0123456789abcdef", "\\xffä"]


def test_marks_name_fields() -> None:
    assert marked(OPEN, 1, TRUNCATED) == ["path"]
    assert marked(OPEN, 2, UNREADABLE) == ["path"]
    assert marked(OPEN, 2, TRUNCATED) == []
    assert marked(OPEN, 3 << 2, TRUNCATED) == []


def test_records_of_another_artefact_are_refused() -> None:
    with pytest.raises(ArtefactError, match="event 7"):
        decode(put(struct.pack("=II", 7, 0)))
    with pytest.raises(ArtefactError, match="16 bytes for event 0, expected 88"):
        decode(put(struct.pack("=IIQ", 0, 0, 0)))


@pytest.mark.parametrize(
    "slot",
    [Slot("x", "u32", 8, 8), Slot("x", "nonsense", 8, 4), Slot("x", "u32", 4, 4), Slot("x", "u64", 12, 8)],
    ids=["size", "type", "over the head", "beyond the end"],
)
def test_a_layout_that_cannot_be_is_refused(slot: Slot) -> None:
    with pytest.raises(ArtefactError):
        Decoder(manifest([Event(0, "e", "", 16, (slot,))]), 0)


def test_the_clocks_differ_by_the_offset() -> None:
    before, began = time.time_ns(), time.monotonic_ns()
    offset = clock_offset()
    after, ended = time.time_ns(), time.monotonic_ns()
    assert before - ended <= offset <= after - began


def test_a_pause_between_the_clocks_makes_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    now = itertools.chain([0, 10**9 + 5, 10**9 + 10], itertools.count(10**9 + 20, 2))  # another had the processor for a second at the first try
    monkeypatch.setattr(time, "clock_gettime_ns", lambda clock: next(now) + (7001 if clock == time.CLOCK_REALTIME else 0))
    assert clock_offset() == 7001


INTEGERS = {
    "u8": (1, False), "u16": (2, False), "u32": (4, False), "u64": (8, False), "i8": (1, True), "i16": (2, True),
    "i32": (4, True), "i64": (8, True), "hex": (8, False), "timestamp": (8, False), "duration": (8, False),
    "bytes": (8, False),
    "pid": (4, False), "tid": (4, False), "uid": (4, False), "gid": (4, False), "cpu": (4, False), "port": (2, False),
    "errno": (4, True), "result": (8, True), "signal": (4, True), "syscall": (8, True), "enum:x": (8, True),
    "flags:x|y": (8, False), "dev_t": (4, False), "ifindex": (4, False), "cgroup": (8, False),
}  # fmt: skip
NO_NUL = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)


def encoded(type: str) -> st.SearchStrategy[tuple[bytes, Any]]:
    """Bytes of a value, made without the struct module, and the value."""
    if type in INTEGERS:
        size, signed = INTEGERS[type]
        low, high = (-(1 << 8 * size - 1), (1 << 8 * size - 1) - 1) if signed else (0, (1 << 8 * size) - 1)
        return st.integers(low, high).map(lambda n: (n.to_bytes(size, "little", signed=signed), n))
    if type == "bool":
        return st.booleans().map(lambda b: (bytes([b]), b))
    if type in ("comm", "string(16)"):
        return NO_NUL.map(lambda s: (s.encode().ljust(16, b"\0"), s))
    if type == "argv(64)":
        return st.lists(NO_NUL, max_size=3).map(argv)
    size = {"ip": 16, "mac": 6}[type]
    return st.binary(min_size=size, max_size=size).map(lambda b: (b, b))


def argv(strings: list[str]) -> tuple[bytes, list[str]]:
    data = b"".join(s.encode() + b"\0" for s in strings)
    return len(data).to_bytes(4, "little") + data.ljust(64, b"\0"), strings


TYPES = [*INTEGERS, "bool", "comm", "string(16)", "argv(64)", "ip", "mac"]


RECORDS = st.lists(st.sampled_from(TYPES), min_size=1, max_size=6).flatmap(
    lambda types: st.tuples(st.just(types), st.tuples(*map(encoded, types)))
)


@examples()
@given(RECORDS)
def test_every_type_comes_back(case: tuple[list[str], tuple[tuple[bytes, Any], ...]]) -> None:
    types, values = case
    slots, body = [], b""
    for number, (type, (raw, _)) in enumerate(zip(types, values, strict=True)):
        body += bytes(number % 3)  # padding of any size: offsets are the manifest's
        slots.append(Slot(f"f{number}", type, 8 + len(body), len(raw)))
        body += raw
    event = Event(0, "e", "", 8 + len(body), tuple(slots))
    record = put(bytes(8) + body)
    (run,) = Decoder(manifest([event]), 0).decode(record * 2, 2 * len(record))
    wanted = tuple(value for _, value in values)
    assert list(run.rows()) == [wanted, wanted]
    if types[-1].startswith(("string", "argv")):
        empty = 1 if types[-1].startswith("string") else 4
        event = event._replace(least=slots[-1].offset + empty)
        short = put(bytes(8) + body[: slots[-1].offset - 8 + text_size(values[-1][0], empty)])
        (run,) = Decoder(manifest([event]), 0).decode(short + record + short, 2 * len(short) + len(record))
        assert list(run.rows()) == [wanted, wanted, wanted]
    key = Record([s._replace(offset=s.offset - 8) for s in slots], len(body), 0)
    assert key.read(body) == wanted
