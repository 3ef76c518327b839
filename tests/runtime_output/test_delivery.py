"""Sinks that are slow, stuck or failing, and queues that are full: nothing waits for them, and every event is counted once."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfrun import delivery as delivery_module
from ebpfrun.batch import Batch
from ebpfrun.delivery import Delivery, Settings
from ebpfrun.errors import SinkCrashed, UsageError
from ebpfrun.metrics import Reading
from ebpfrun.pages import Pages
from ebpfrun.queues import BLOCK, DROP_NEWEST, DROP_OLDEST, POLICIES, Queue, size_of
from ebpfrun.records import Records
from ebpfrun.sinks import Sink, SinkError
from ebpfrun.sinks.memory import Memory
from ebpfrun.sinks.words import parse
from properties import examples

from .conftest import OPENS, manifest, open_record

RECORDS = Records(manifest(), 0)


def batch(*pids: int) -> Batch:
    return RECORDS.batch(b"".join(open_record(pid=pid) for pid in pids))


ONE = size_of(batch(1))


class Gate(Memory):
    """Takes nothing until it is opened; ``inside`` is set once it has been asked to."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.opened = threading.Event(), threading.Event()

    def write(self, batch: Batch) -> None:
        self.inside.set()
        self.opened.wait()
        super().write(batch)

    @property
    def pids(self) -> list[int]:
        return [row["pid"] for row in self.events]


def deliver(sink: Sink, said: list[str] | None = None, **served: float | str) -> Delivery:
    return Delivery(sink, "it", Settings(**served), (said if said is not None else []).append, lambda: None)  # type: ignore[arg-type]


def put(delivery: Delivery, *pids: int) -> None:
    for pid in pids:
        with batch(pid) as one:
            delivery.put(one)


@pytest.mark.parametrize(
    ("policy", "kept"), [(DROP_NEWEST, [0, 1, 2]), (DROP_OLDEST, [0, 8, 9]), (BLOCK, list(range(10)))], ids=str
)
def test_what_finds_no_room(policy: str, kept: list[int]) -> None:
    """The first is with the sink, two may wait."""
    gate = Gate()
    delivery = deliver(gate, policy=policy, queue=2 * ONE)
    put(delivery, 0)
    gate.inside.wait()
    put(delivery, *range(1, 10))
    assert delivery.ready() == (policy != BLOCK)
    assert delivery.ready(alone=True) == (policy == DROP_OLDEST)
    gate.opened.set()
    delivery.end()
    delivery.join()
    assert gate.pids == kept
    assert (delivery.fate.taken[0], delivery.fate.dropped[0]) == (len(kept), 10 - len(kept))
    assert gate.closed


def test_a_stuck_sink_is_given_up_and_its_events_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_PATIENCE", 0.0)
    gate, said = Gate(), list[str]()
    delivery = deliver(gate, said)
    put(delivery, 0)
    gate.inside.wait()
    put(delivery, 1, 2)
    delivery.end()
    delivery.join()
    assert (delivery.fate.given_up[0], delivery.fate.taken[0]) == (3, 0)
    assert "given up" in said[0]
    gate.opened.set()  # it comes to life too late: nothing is counted twice
    thread = delivery._thread
    assert thread
    thread.join()
    assert (delivery.fate.given_up[0], delivery.fate.taken[0], delivery.fate.failed[0]) == (3, 0, 0)


class Heals(Memory):
    """Fails so many times, then works."""

    def __init__(self, times: int, number: int = errno.ENOSPC) -> None:
        super().__init__()
        self.left, self.number = times, number

    def write(self, batch: Batch) -> None:
        if self.left:
            self.left -= 1
            raise SinkError("heals", "here", OSError(self.number, os.strerror(self.number)))
        super().write(batch)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_FIRST_PAUSE", 0.0)
    monkeypatch.setattr(delivery_module, "_SILENCE", 0.0)


@pytest.mark.usefixtures("at_once")
def test_a_target_that_recovers_loses_nothing() -> None:
    heals, said = Heals(3), list[str]()
    delivery = deliver(heals, said, retry=60.0)
    put(delivery, 1, 2)
    delivery.wait()
    assert len(heals.events) == delivery.fate.taken[0] == 2
    assert said == ["sink heals: here: No space left on device; trying again", "sink it: works again"]
    delivery.end()
    delivery.join()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(("number", "retry"), [(errno.ENOSPC, 0.0), (errno.EBADF, 60.0)], ids=["no retry", "for good"])
def test_a_target_that_does_not_recover_is_closed(number: int, retry: float) -> None:
    heals = Heals(1, number)
    delivery = deliver(heals, retry=retry)
    put(delivery, 1, 2, 3)
    delivery.wait()
    assert (delivery.fate.failed[0], delivery.alive, heals.closed) == (3, False, True)
    delivery.end()
    delivery.join()


def test_what_a_target_lost_after_all_is_not_delivered() -> None:
    class Forgets(Memory):
        def close(self) -> None:
            if not self.closed:
                super().close()
                raise SinkError("forgets", "here", OSError(errno.ENOSPC, "full"), lost={0: 2})

    delivery = deliver(Forgets())
    put(delivery, 1, 2, 3)
    delivery.end()
    delivery.join()
    assert (delivery.fate.taken[0], delivery.fate.failed[0]) == (1, 2)
    assert delivery.failed


@pytest.mark.usefixtures("at_once")
def test_what_was_lost_by_the_way_stays_lost() -> None:
    """A file that was begun is gone, the next one is written."""

    class Begins(Memory):
        def write(self, batch: Batch) -> None:
            if len(self.events) == 2:
                self.events.append({})
                raise SinkError("begins", "here", OSError(errno.ENOSPC, "full"), lost={0: 2})
            super().write(batch)

    delivery = deliver(Begins(), retry=60.0)
    put(delivery, 1, 2)
    delivery.wait()
    put(delivery, 3)
    delivery.wait()
    delivery.end()
    delivery.join()
    assert (delivery.fate.taken[0], delivery.fate.failed[0], delivery.failed) == (1, 2, None)


def test_a_sinks_bug_is_not_swallowed_and_its_events_are_counted() -> None:
    class Broken(Memory):
        def write(self, batch: Batch) -> None:
            raise ZeroDivisionError

    delivery = deliver(Broken())
    put(delivery, 1, 2)
    delivery.end()
    delivery.join()
    assert isinstance(delivery.crashed, SinkCrashed) and isinstance(delivery.crashed.error, ZeroDivisionError)
    assert delivery.fate.failed[0] == 2


def readings(delivery: Delivery, number: int) -> None:
    with RECORDS.batch(b"", [Reading(OPENS, 0, None, [])] * number) as some:
        delivery.put(some)


@pytest.mark.parametrize("error", [ZeroDivisionError(), SinkError("fails", "here", OSError(errno.EBADF, "bad"))], ids=["bug", "target"])
def test_readings_that_a_failing_sink_did_not_take_are_counted(error: Exception) -> None:
    """The first with the sink when it fails, others in its queue, the last when it is gone."""

    class Fails(Gate):
        def write(self, batch: Batch) -> None:
            super().write(batch)
            raise error

    sink = Fails()
    delivery = deliver(sink)
    readings(delivery, 1)
    sink.inside.wait()
    readings(delivery, 2)
    sink.opened.set()
    delivery.wait()
    readings(delivery, 4)
    delivery.end()
    delivery.join()
    assert delivery.readings_lost == 7


def test_readings_without_room_or_given_up_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_PATIENCE", 0.0)
    gate = Gate()
    delivery = deliver(gate, queue=1)
    readings(delivery, 1)
    gate.inside.wait()
    readings(delivery, 2)
    readings(delivery, 4)  # no room: 2 wait already
    assert delivery.readings_lost == 4
    delivery.end()
    delivery.join()
    assert delivery.readings_lost == 7
    gate.opened.set()
    assert delivery._thread
    delivery._thread.join()
    assert delivery.readings_lost == 7


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit, KeyboardInterrupt], ids=lambda e: e.__name__)
def test_a_sink_that_breaks_between_batches(error: type[BaseException]) -> None:
    """In a flush that comes when time is up: who waits for what was written is not kept waiting for ever."""

    class Flushes(Memory):
        def flush(self) -> None:
            raise error

    delivery = deliver(Flushes(), flush=0.001)
    put(delivery, 1)
    thread = delivery._thread
    assert thread
    thread.join()
    delivery.wait()
    put(delivery, 2)
    delivery.wait()
    delivery.end()
    delivery.join()
    assert isinstance(delivery.crashed, SinkCrashed) and isinstance(delivery.crashed.error, error)
    assert (delivery.fate.taken[0], delivery.fate.failed[0]) == (1, 1)


def test_a_sink_that_stands_still_in_its_close_is_left_though_nothing_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_PATIENCE", 0.0)
    closed = threading.Event()

    class Closes(Memory):
        def close(self) -> None:
            closed.wait()

    said = list[str]()
    delivery = deliver(Closes(), said)
    for _ in range(2):
        delivery.end()
        delivery.join()
    assert said == ["sink it: took nothing for 0 s and is given up"]
    closed.set()
    thread = delivery._thread
    assert thread
    thread.join()


def test_a_sink_lost_no_more_than_it_took() -> None:
    """Whatever a third party's says of it."""

    class Lies(Memory):
        def write(self, batch: Batch) -> None:
            if self.events:
                error = SinkError("lies", "here", OSError(errno.EIO, "no"), lost={0: 7, 9: 1, 1: -3})
                error.stored = {0: 5, 9: 2}
                raise error
            super().write(batch)

    delivery = deliver(Lies(), retry=0.0)
    put(delivery, 1, 2)
    delivery.end()
    delivery.join()
    assert (delivery.fate.taken[0], delivery.fate.failed[0]) == (1, 1)
    assert delivery.fate.taken.total() == delivery.fate.failed.total() == 1


def test_a_sink_can_change_nothing_for_others() -> None:
    with batch(1) as one:
        with pytest.raises(TypeError):
            one.counts[0] = 7  # type: ignore[index]
        with pytest.raises(TypeError):
            one.data[:] = bytes(len(one.data))


def test_a_flush_is_due_once_in_its_time() -> None:
    class Flushes(Memory):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    often, seldom = Flushes(), Flushes()
    for sink, flush in ((often, 0.0), (seldom, 3600.0)):
        delivery = deliver(sink, flush=flush)
        for pid in range(5):
            put(delivery, pid)
            delivery.wait()
        delivery.end()
        delivery.join()
    assert (often.flushed, seldom.flushed) == (5, 0)


@examples()
@given(st.lists(st.integers(1, 5), max_size=30), st.sampled_from(POLICIES), st.integers(1, 8), st.integers(0, 3))
def test_each_event_is_counted_once_whatever_happens(batches: list[int], policy: str, room: int, failures: int) -> None:
    sink = Heals(failures, errno.EBADF)
    delivery = deliver(sink, policy=policy, queue=room * ONE)
    for events in batches:
        with batch(*range(events)) as one:
            delivery.put(one)
    delivery.end()
    delivery.join()
    fate = delivery.fate
    assert sum(batches) == sum(way[0] for way in fate)
    assert fate.taken[0] == len(sink.events)


def test_options_of_every_sink() -> None:
    served = Settings.of(parse("jsonl:out,policy=drop-oldest,queue=64MiB,flush=1s,retry=0"))
    assert served == Settings(DROP_OLDEST, 64 << 20, 1.0, 0.0)
    assert Settings.of(parse("jsonl"), BLOCK).policy == BLOCK
    for words in ("jsonl,policy=drop", "jsonl,queue=1", "jsonl,flush=soon"):
        with pytest.raises(UsageError, match=r"--sink jsonl: \w+=\w+: expected"):
            Settings.of(parse(words))


# --- the memory of waiting batches ---


def pages_of(size: int = 4096) -> tuple[Pages, Callable[..., Batch]]:
    pages = Pages(size)

    def drained(*pids: int) -> Batch:
        page, data = pages.take(), b"".join(open_record(pid=pid) for pid in pids)
        page[: len(data)] = data
        return RECORDS.lent(pages.lend(page, len(data)))

    return pages, drained


def test_pages_are_used_again_after_their_last_borrower() -> None:
    pages, drained = pages_of()
    for _ in range(10):
        first = drained(*range(40))
        second = first.share()
        first.release()
        assert [row["pid"] for row in second.rows()] == list(range(40))
        second.release()
    assert pages.allocated == 1


def test_little_does_not_keep_a_page() -> None:
    pages, drained = pages_of()
    kept = [drained(pid) for pid in range(10)]
    assert pages.allocated == 1
    assert [[row["pid"] for row in batch.rows()] for batch in kept] == [[pid] for pid in range(10)]


def test_a_page_that_an_array_looks_at_is_not_used_again() -> None:
    pages, drained = pages_of()
    with drained(*range(40)) as first:
        pids = first.columns("open")["pid"]
    with drained(*range(100, 140)):
        assert pids.tolist() == list(range(40))
    del pids
    for _ in range(5):
        drained(*range(40)).release()
    assert pages.allocated == 2


def test_a_queue_takes_one_batch_however_large_it_is() -> None:
    queue = Queue(4096, DROP_NEWEST)
    assert queue.put(batch(*range(1000))) == []
    assert len(queue.put(batch(1))) == 1
