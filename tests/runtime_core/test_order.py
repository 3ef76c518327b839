"""Events in the order of their times."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ebpfrun.door import Driver, Order
from ebpfrun.errors import DriverError
from ebpfrun.tracer import Tracer
from properties import examples

from .conftest import one
from .test_tracer import Child

ALL = (1 << 64) - 1
TIMES = [8, 0, 12]  # of three events, the second without a time


@pytest.fixture(scope="module")
def driver(built: Path) -> Driver:
    return Driver(str(built / "getppid.so"), str(built / "getppid_cffi.py"))


def record(event: int, time: int, number: int) -> bytes:
    body = struct.pack("=HHIQQ", event, 1, 0, time, number) if event < 2 else struct.pack("=HHIIQI", event, 1, 0, 0, time, number)
    return struct.pack("=II", len(body), 0) + body


def taken(order: Order, until: int, room: int = 1 << 16) -> list[tuple[int, int]]:
    """(event, number) of what comes out."""
    found, buffer = [], bytearray(room)
    while length := order.take(until, buffer):
        for at in range(0, length, 32):
            event = struct.unpack_from("=H", buffer, at + 8)[0]
            found.append((event, struct.unpack_from("=I", buffer, at + (24 if event < 2 else 28))[0]))
    return found


BATCHES = st.lists(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 50)), max_size=8), max_size=6)


@examples(unchecked=(HealthCheck.function_scoped_fixture,))
@given(BATCHES, st.integers(32, 200))
def test_all_come_out_once_in_their_order(driver: Driver, batches: list[list[tuple[int, int]]], room: int) -> None:
    order = Order(driver, TIMES)
    keys, last, number = [], 0, 0
    for batch in batches:
        data = b""
        for event, time in batch:
            last = time if TIMES[event] else last
            keys.append((last, number, event))
            data += record(event, time, number)
            number += 1
        order.put(data)
    assert order.first == min((key[0] for key in keys), default=ALL)
    assert taken(order, ALL, room) == [(event, number) for _, number, event in sorted(keys)]
    assert [order.late(event) for event in range(3)] == [0, 0, 0]


def test_young_ones_wait_and_late_ones_are_counted(driver: Driver) -> None:
    order = Order(driver, TIMES)
    order.put(record(0, 50, 1) + record(0, 10, 2) + record(2, 30, 3))
    assert taken(order, 30) == [(0, 2), (2, 3)]
    assert order.first == 50
    order.put(record(0, 20, 4) + record(0, 40, 5))
    assert taken(order, 45) == [(0, 4), (0, 5)]
    assert (order.late(0), order.late(2)) == (1, 0)
    assert taken(order, ALL) == [(0, 1)]
    assert order.first == ALL


def test_records_of_any_length(driver: Driver) -> None:
    order = Order(driver, TIMES)
    given = []
    for number, time in enumerate(50 * i % 101 for i in range(100)):
        body = struct.pack("=HHIQ", 0, 1, 0, time) + b"x" * (number % 23) + b"\0"
        given.append((time, number, struct.pack("=II", len(body), 0) + body + bytes(-len(body) % 8)))
    order.put(b"".join(data for _, _, data in given))
    buffer = bytearray(1 << 16)
    assert bytes(buffer[: order.take(ALL, buffer)]) == b"".join(data for _, _, data in sorted(given))


def test_many_of_the_least_length(driver: Driver) -> None:
    order = Order(driver, TIMES)
    data = struct.pack("=IIHHI", 8, 0, 1, 1, 0) * 5000
    order.put(data)
    order.put(data)
    buffer = bytearray(len(data))
    assert [order.take(ALL, buffer) for _ in range(3)] == [len(data), len(data), 0]
    assert buffer == data


@pytest.mark.parametrize(
    "data",
    [
        record(0, 5, 1)[:-8],
        record(0, 5, 1) + bytes(8),
        struct.pack("=IIQ", 7, 0, 0),
        struct.pack("=IIQ", 1 << 31, 0, 0),
        struct.pack("=IIHHI", 8, 0, 3, 1, 0),
    ],
    ids=["cut", "more behind it", "shorter than any", "longer than all", "of no event"],
)
def test_what_is_no_record_is_refused(driver: Driver, data: bytes) -> None:
    order = Order(driver, TIMES)
    with pytest.raises(DriverError, match="Bad message"):
        order.put(record(2, 3, 0) + data)


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


@pytest.mark.root
@pytest.mark.kernel
def test_a_tracer_gives_all_in_order(artefact: Callable[..., Path], child: Child) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}, ring=1 << 20, order=0.02) as tracer:
        batches = tracer.batches()

        def work() -> None:
            for _ in range(5):
                child.call(1000)
            batches.stop()

        working = threading.Thread(target=work)
        working.start()
        times: list[int] = []
        for batch in batches:
            times += batch.columns("call")["time"].astype(int).tolist()
        working.join()
        (calls,) = tracer.account().events
    assert times == sorted(times)
    assert len(times) == calls.produced == 5000
