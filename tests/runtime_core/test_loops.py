"""The driver's walks over records, against the same in Python."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ebpfrun.door import Driver, DriverLoops
from ebpfrun.errors import ArtefactError
from ebpfrun.records import LIMITLESS, PlainLoops, Sizes
from properties import examples

SIZES = {0: Sizes(16, 16), 1: Sizes(17, 80), 3: Sizes(9, 300)}
SHARED = examples(unchecked=(HealthCheck.function_scoped_fixture,))


@pytest.fixture(scope="module")
def loops(built: Path) -> DriverLoops:
    return DriverLoops(Driver(str(built / "getppid.so"), str(built / "getppid_cffi.py")), SIZES)


def record(id: int, body: bytes) -> bytes:
    data = struct.pack("=II", id, 0) + body
    return struct.pack("=II", len(data), 0) + data + bytes(-len(data) % 8)


RECORD = st.sampled_from(sorted(SIZES)).flatmap(
    lambda id: st.binary(min_size=SIZES[id].least - 8, max_size=SIZES[id].most - 8).map(lambda body: record(id, body))
)
RECORDS = st.lists(RECORD, max_size=12)


@SHARED
@given(RECORDS, st.integers(0, 14) | st.just(LIMITLESS))
def test_scan(loops: DriverLoops, records: list[bytes], most: int) -> None:
    data = b"".join(records)
    assert loops.scan(data, most) == PlainLoops(SIZES).scan(data, most)


@SHARED
@given(RECORDS, st.sampled_from(sorted(SIZES)), st.integers(8, 299), st.integers(1, 300))
def test_gather_and_texts(loops: DriverLoops, records: list[bytes], id: int, offset: int, size: int) -> None:
    data = b"".join(records)
    count = loops.scan(data, LIMITLESS)[0].get(id, 0)
    plain = PlainLoops(SIZES)
    for stride in (SIZES[id].most, SIZES[id].least - 1, offset):
        assert loops.gather(data, id, stride, count) == plain.gather(data, id, stride, count)
    size = min(size, max(SIZES[id].most - offset, 0))
    if size:
        assert loops.texts(data, id, offset, size, count) == plain.texts(data, id, offset, size, count)


@SHARED
@given(RECORDS, st.sampled_from(sorted(SIZES)), st.integers(8, 299), st.integers(1, 300), st.booleans())
def test_columns(loops: DriverLoops, records: list[bytes], id: int, offset: int, size: int, text: bool) -> None:
    data = b"".join(records)
    count = loops.scan(data, LIMITLESS)[0].get(id, 0)
    size = min(size, max(SIZES[id].most - offset, 0))
    where = data, id, offset, size
    plain = PlainLoops(SIZES)
    if size:
        numbers, firsts = loops.distinct(*where, text, count)
        assert (bytes(numbers), list(firsts)) == plain.distinct(*where, text, count)
        assert tuple(map(bytes, loops.utf8(*where, count))) == plain.utf8(*where, count)
        assert tuple(map(bytes, loops.words(*where, count))) == plain.words(*where, count)


def test_many_distinct_values_and_long_texts(loops: DriverLoops) -> None:
    data = b"".join(record(3, struct.pack("=I", i % 7000) + b"\xff" * 200) for i in range(20_000))
    plain = PlainLoops(SIZES)
    numbers, firsts = loops.distinct(data, 3, 8, 4, False, 20_000)
    assert (bytes(numbers), list(firsts)) == plain.distinct(data, 3, 8, 4, False, 20_000)
    assert len(firsts) == 7000
    assert tuple(map(bytes, loops.utf8(data, 3, 12, 200, 20_000))) == plain.utf8(data, 3, 12, 200, 20_000)
    some = data[: len(data) // 10]
    assert tuple(map(bytes, loops.words(some, 3, 8, 204, 2000))) == plain.words(some, 3, 8, 204, 2000)


@SHARED
@given(st.binary(max_size=64) | RECORDS.map(b"".join).flatmap(lambda data: st.integers(0, len(data)).map(lambda n: data[:n])))
def test_any_bytes_are_walked_or_refused_alike(loops: DriverLoops, data: bytes) -> None:
    results = []
    for each in (loops, PlainLoops(SIZES)):
        try:
            results.append(str(each.scan(data, LIMITLESS)))
        except ArtefactError as error:
            results.append(str(error))
    assert results[0] == results[1]
