"""A batch: what left the ring at once, still as the kernel wrote it, and what was read of metrics.

Receives records as the driver drains them (``u32 length, u32 0, record``, each padded to 8 bytes, in the ring's order); gives
them as numpy columns and as rows. Never copies what it need not, never imports numpy before columns are asked for.

The memory is borrowed: once the batch is released (a loop over batches goes on, a sink's ``write`` has returned) every access
raises :class:`~ebpfrun.errors.ClosedError`, and :meth:`Batch.copy` is what lasts. Arrays of numpy can't be taken back, so memory
that one still looks at is not used again before the array is gone: an old array shows old values, never other ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from . import extras
from .decode import TEXTS, Run, numpy_kind, word
from .errors import ClosedError, UsageError
from .lean import TYPE_CHECKING, Any
from .manifest import Event, Slot

if TYPE_CHECKING:
    import numpy
    import pandas
    import polars
    import pyarrow

    from .account import Account
    from .metrics import Reading
    from .pages import Lease
    from .records import Records

_HEAD = 8  # bytes before each record: its length and zeroes
_MARKS = Slot("marks", "u32", 4, 4)


class Loan:
    """One borrower's part in memory. ``lease`` is told when it ends; without one the memory is nobody else's."""

    __slots__ = ("_lease", "_view")

    def __init__(self, view: memoryview, lease: Lease | None = None) -> None:
        self._view: memoryview | None = view
        self._lease = lease

    @property
    def view(self) -> memoryview:
        if self._view is None:
            raise ClosedError("this batch is over: its memory was borrowed, copy() keeps it")
        return self._view

    def again(self) -> Loan:
        """For another borrower, of the same memory."""
        if self._lease is not None:
            self._lease.hold()
        return Loan(self.view, self._lease)

    def end(self) -> None:
        ended, self._view = self._view, None
        if ended is not None and self._lease is not None:
            self._lease.drop()


class _Decoded:
    """What was made of a batch once, for all who share it."""

    __slots__ = ("gathered", "runs")

    def __init__(self) -> None:
        self.runs: list[Run] | None = None
        self.gathered: dict[tuple[int, int], Any] = {}  # by event and bytes of each record


class Batch:
    """``len()`` is the number of events. Made by :class:`~ebpfrun.records.Records`."""

    __slots__ = ("_decoded", "_length", "_loan", "_records", "account", "counts", "readings")

    def __init__(
        self, records: Records, loan: Loan, length: int, counts: Mapping[int, int], readings: Sequence[Reading] = ()
    ) -> None:
        """The first ``length`` bytes of what is lent. ``counts``: how many records of which event (by id); ``readings`` come
        after the events."""
        self._records = records
        self._loan = loan
        self._length = length
        self._decoded = _Decoded()
        self.counts = MappingProxyType(counts) if isinstance(counts, dict) else counts  # shared: no sink may change it
        self.readings = readings
        self.account: Account | None = None
        """What became of every event until now: with the readings of an interval, for sinks that want it."""

    def __len__(self) -> int:
        return sum(self.counts.values())

    @property
    def data(self) -> memoryview:
        """The records themselves."""
        return self._loan.view[: self._length]

    @property
    def records(self) -> Records:
        """What is known of their layout."""
        return self._records

    @property
    def events(self) -> tuple[str, ...]:
        """The names of the events that are in it."""
        return tuple(event.name for event in self._records.manifest.events if self.counts.get(event.id))

    @property
    def runs(self) -> Sequence[Run]:
        """The events decoded: consecutive ones of one type as columns of Python's values. Decoded once, whoever asks."""
        data, decoded = self.data, self._decoded
        if decoded.runs is None:
            decoded.runs = self._records.decoder.decode(data, self._length)
        return decoded.runs

    def rows(self, event: str | None = None) -> Iterator[dict[str, Any]]:
        """Each event (of one type, if named) as a dictionary: ``event`` and its fields, with names in place of numbers as the
        jsonl sink writes them, ``timestamp`` as ns since 1970; ``truncated`` and ``unreadable`` name fields, if any."""
        wanted = None if event is None else self._event(event)
        for run in self.runs:
            if wanted is None or run.event is wanted:
                yield from self._records.named_rows(run)

    def columns(self, event: str) -> Columns:
        """The event's fields as numpy arrays."""
        return Columns(self, self._event(event))

    def to_arrow(self, event: str) -> pyarrow.Table:
        """The events of one type as a pyarrow.Table, typed as docs/sinks.md says. It has memory of its own."""
        from . import arrow

        return arrow.library().Table.from_batches([arrow.record_batch(self, self._event(event))])

    def to_pandas(self, event: str) -> pandas.DataFrame:
        """The same as a pandas.DataFrame."""
        extras.need("pandas", "pandas", "data frames of pandas")
        return self.to_arrow(event).to_pandas()

    def to_polars(self, event: str) -> polars.DataFrame:
        """The same as a polars.DataFrame."""
        frame: polars.DataFrame = extras.need("polars", "polars", "data frames of polars").from_arrow(self.to_arrow(event))
        return frame

    def marks(self, event: str) -> numpy.ndarray[Any, Any]:
        """The events' marks as an array: ``1 << 2k`` truncated, ``2 << 2k`` unreadable, k being the field's mark."""
        found: numpy.ndarray[Any, Any] = self._array(self._event(event), _MARKS)
        return found

    def strided(self, event: str) -> tuple[Any, int, int]:
        """Memory in which the event's records lie at equal distances, where the first begins, and the distance."""
        found = self._event(event)
        return self._strided(found, found.size)

    def values(self, event: str, field: str, rows: Sequence[int]) -> list[bytes]:
        """The field's bytes in these of the event's rows, as the kernel wrote them."""
        found = self._event(event)
        slot = next(slot for slot in found.fields if slot.name == field)
        memory, start, step = self._strided(found, slot.offset + slot.size)
        begins = (start + step * row + slot.offset for row in rows)
        return [bytes(memory[begin : begin + slot.size]) for begin in begins]

    def first(self, count: int) -> Batch:
        """The first ``count`` events, in the same memory and over with it; all readings."""
        counts, length = self._records.scan(self.data, count)
        return Batch(self._records, self._loan, length, counts, self.readings)

    def slices(self, count: int) -> Iterator[Batch]:
        """The same events, at most so many in each, in the same memory and over with it; readings are in none of them."""
        data, at = self.data, 0
        while at < len(data):
            counts, length = self._records.scan(data[at:], count)
            yield Batch(self._records, Loan(data[at : at + length]), length, counts)
            at += length

    def copy(self) -> Batch:
        """The same in memory of its own, for as long as it is wanted."""
        return Batch(self._records, Loan(memoryview(bytes(self.data))), self._length, dict(self.counts), self.readings)

    def share(self) -> Batch:
        """The same for another borrower, who releases it too: the memory is used again after the last of them."""
        shared = Batch(self._records, self._loan.again(), self._length, self.counts, self.readings)
        shared._decoded = self._decoded
        shared.account = self.account
        return shared

    def release(self) -> None:
        """Ends it, and what is the :meth:`first` of it."""
        self._decoded = _Decoded()
        self._loan.end()

    def __enter__(self) -> Batch:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    # --- columns ---

    def _event(self, name: str) -> Event:
        for event in self._records.manifest.events:
            if event.name == name:
                return event
        known = ", ".join(event.name for event in self._records.manifest.events) or "none"
        raise UsageError(f"{self._records.manifest.name} has no event {name!r}; its events: {known}")

    def _array(self, event: Event, slot: Slot) -> Any:
        numpy = extras.need("numpy", "numpy", "columns")
        count = self.counts.get(event.id, 0)
        if word(slot.type) in TEXTS:
            texts = self._records.loops.texts(self.data, event.id, slot.offset, slot.size, count)
            return numpy.frombuffer(texts, f"S{slot.size}", count)
        bytes_, start, step = self._strided(event, slot.offset + slot.size)
        memory = numpy.frombuffer(bytes_, "u1")  # holds the memory, which numpy.ndarray(buffer=…) would not
        start += slot.offset
        if not (kind := numpy_kind(slot.type)):
            return numpy.ndarray((count, slot.size), "u1", memory, start, (step, 1))
        array = numpy.ndarray(count, kind, memory, start, step)
        if word(slot.type) == "timestamp":
            return (array + numpy.uint64(self._records.offset % (1 << 64))).view("M8[ns]")
        return array

    def _strided(self, event: Event, end: int) -> tuple[Any, int, int]:
        """Memory in which the event's records lie at equal distances, at least as far as their first ``end`` bytes go; where the
        first begins, and the distance."""
        step = _HEAD + (event.size + 7 & ~7)
        count = self.counts.get(event.id, 0)
        if not count:
            return bytearray(step), _HEAD, step
        if self._length == count * step:
            return self._loan.view, _HEAD, step
        stride = event.constant if end <= event.constant else event.size
        stride += -stride % 8
        gathered = self._decoded.gathered
        if (event.id, stride) not in gathered:
            gathered[event.id, stride] = self._records.loops.gather(self.data, event.id, stride, count)
        return gathered[event.id, stride], 0, stride


class Columns(Mapping[str, "numpy.ndarray[Any, Any]"]):
    """A batch's events of one type as numpy arrays by field, each made when it is asked for.

    Numbers look into the batch's own memory where all its records are alike and whole, else into one that a loop in C gathered.
    ``timestamp`` is ``datetime64[ns]`` (wall clock), ``duration`` ``timedelta64[ns]``, texts are ``S``; ``ip``, ``mac`` and
    ``argv`` (``u32 length``, then its bytes) are rows of bytes.
    """

    def __init__(self, batch: Batch, event: Event) -> None:
        self._batch = batch
        self._event = event
        self._slots = {slot.name: slot for slot in event.fields}

    def __getitem__(self, field: str) -> numpy.ndarray[Any, Any]:
        array: numpy.ndarray[Any, Any] = self._batch._array(self._event, self._slots[field])
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self._slots)

    def __len__(self) -> int:
        return len(self._slots)
