"""What is known of one artefact's records: sizes, decoders, names; batches are made here.

Receives a manifest, the offset of the clocks and the loops that walk over records; gives :class:`~ebpfrun.batch.Batch`. The loops
are the driver's, in C; :class:`PlainLoops` are the same in Python, for records without an artefact. Never drains, never writes.
"""

from __future__ import annotations

import itertools
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from .batch import Batch, Loan
from .decode import TRUNCATED, UNREADABLE, Decoder, Run, encoder, marked, mismatch, strings, text, text_size, word
from .errors import UsageError
from .lean import Any, NamedTuple, Protocol
from .manifest import Manifest
from .metrics import Reading
from .names import Names
from .render import plain

_HEADER = struct.Struct("=IIHH")  # length, padding, and what begins the record: the event's id, its weight
_HEAD = 8  # length and padding
LIMITLESS = (1 << 64) - 1


class Sizes(NamedTuple):
    """Of an event's records in bytes: the last field may be cut to what it holds."""

    least: int
    most: int


class Loops(Protocol):
    """Walks over records. ``data`` holds whole records, as drained."""

    def scan(self, data: Any, most: int) -> tuple[dict[int, int], int]:
        """Records by event id among the first ``most``, and the bytes that these take. ArtefactError for what can't be one."""

    def gather(self, data: Any, id: int, stride: int, count: int) -> Any:
        """The first ``stride`` bytes of the ``count`` records of one event: zeroes behind those that are shorter."""

    def texts(self, data: Any, id: int, offset: int, size: int, count: int) -> Any:
        """One text of each such record, ``size`` bytes each: nothing but zeroes behind the first one."""

    def distinct(self, data: Any, id: int, offset: int, size: int, text: bool, count: int) -> tuple[Any, Sequence[int]]:
        """Numbers for the distinct values of a field, in the order in which they are first met: each row's (i32), and the row in
        which each is met first. Of a text only what is before the first NUL counts."""

    def utf8(self, data: Any, id: int, offset: int, size: int, count: int) -> tuple[Any, Any]:
        """Texts one behind the other, as UTF-8: where each begins, and the end (i32), and the bytes."""

    def words(self, data: Any, id: int, offset: int, size: int, count: int) -> tuple[Any, Any, Any]:
        """Lists of texts, of ``argv``: where each row's begin, and the end (i32), then the texts as ``utf8`` gives them."""

    def tidy(self) -> None:
        """Gives freed memory back to the system, as far as the C library keeps it: batches of changing sizes leave ever more of
        it between what is in use. Takes some ms; without the driver nothing is done."""

    def encoder(self, format: int, offset: int) -> Encoder | None:
        """What writes records as lines, in one of the driver's formats; None where :mod:`ebpfrun.lines` must do it."""


class Encoder(Protocol):
    """Lines of text from records. Told first of each event, and after it of the event's fields."""

    def event(self, id: int, size: int, head: str, tail: str) -> None: ...

    def skip(self, id: int, size: int) -> None:
        """Of this event there shall be no lines."""

    def field(self, lead: str, name: str, kind: str, offset: int, size: int, mark: int | None) -> None:
        """``kind`` names a member of the driver's ``enum er_kind``."""

    def encode(self, data: Any, text: Callable[[int, int, bytes], bytes]) -> Iterator[memoryview]:
        """Pieces of whole lines, each good until the next is asked for; ``text`` gives what is wanted for a field of an event."""


class PlainLoops:
    """In Python: the reference that the driver's are tested against."""

    def __init__(self, sizes: Mapping[int, Sizes]) -> None:
        self._sizes = sizes

    def scan(self, data: Any, most: int) -> tuple[dict[int, int], int]:
        counts: dict[int, int] = {}
        at, end = 0, len(data)
        while at < end and most > 0:
            length, _, id, _ = _HEADER.unpack_from(data, at) if end - at >= _HEADER.size else (0, 0, -1, 0)
            if id not in self._sizes:
                raise mismatch(f"a record of event {id}, which the manifest does not have")
            sizes = self._sizes[id]
            if not sizes.least <= length <= sizes.most or at + _HEAD + (length + 7 & ~7) > end:
                raise mismatch(f"a record of {length} bytes for event {id}, expected {sizes.most}")
            counts[id] = counts.get(id, 0) + 1
            at += _HEAD + (length + 7 & ~7)
            most -= 1
        return dict(sorted(counts.items())), at

    def tidy(self) -> None:
        pass

    def gather(self, data: Any, id: int, stride: int, count: int) -> bytes:
        return b"".join(bytes(record[:stride]).ljust(stride, b"\0") for record in self._of(data, id))

    def texts(self, data: Any, id: int, offset: int, size: int, count: int) -> bytes:
        texts = (bytes(record[offset : offset + size]).partition(b"\0")[0] for record in self._of(data, id))
        return b"".join(text.ljust(size, b"\0") for text in texts)

    def distinct(self, data: Any, id: int, offset: int, size: int, text: bool, count: int) -> tuple[bytes, Sequence[int]]:
        numbers: dict[bytes, int] = {}
        rows, firsts = [], []
        for row, record in enumerate(self._of(data, id)):
            value = bytes(record[offset : offset + size])
            key = value.partition(b"\0")[0] if text else value
            if key not in numbers:
                numbers[key] = len(numbers)
                firsts.append(row)
            rows.append(numbers[key])
        return struct.pack(f"={len(rows)}i", *rows), firsts

    def utf8(self, data: Any, id: int, offset: int, size: int, count: int) -> tuple[bytes, bytes]:
        return _joined(text(bytes(record[offset : offset + size])) for record in self._of(data, id))

    def words(self, data: Any, id: int, offset: int, size: int, count: int) -> tuple[bytes, bytes, bytes]:
        rows = [strings(bytes(record[offset : offset + size])) for record in self._of(data, id)]
        begins = itertools.accumulate(map(len, rows), initial=0)
        return struct.pack(f"={len(rows) + 1}i", *begins), *_joined(word for row in rows for word in row)

    def encoder(self, format: int, offset: int) -> None:
        return None

    def _of(self, data: Any, wanted: int) -> Iterator[Any]:
        at = 0
        while at < len(data):
            length, _, id, _ = _HEADER.unpack_from(data, at)
            if id == wanted:
                yield data[at + _HEAD : at + _HEAD + length]
            at += _HEAD + (length + 7 & ~7)


def _joined(texts: Iterable[str]) -> tuple[bytes, bytes]:
    parts = [text.encode() for text in texts]
    ends = itertools.accumulate(map(len, parts), initial=0)
    return struct.pack(f"={len(parts) + 1}i", *ends), b"".join(parts)


class Records:
    """``offset`` turns the kernel's timestamps into ns since 1970; ``loops`` are the driver's where there is one."""

    def __init__(self, manifest: Manifest, offset: int, names: Names | None = None, loops: Loops | None = None) -> None:
        self.manifest = manifest
        self.offset = offset
        self.names = names if names is not None else Names(manifest.tables)
        self.loops: Loops = loops if loops is not None else PlainLoops(sizes(manifest))
        self.decoder = Decoder(manifest, offset)

    def at(self, offset: int) -> Records:
        """The same by another offset of the clocks: batches of both may come one after the other."""
        return Records(self.manifest, offset, self.names, self.loops)

    def batch(self, data: Any, readings: Sequence[Reading] = ()) -> Batch:
        """A batch over ``data`` (anything with the buffer protocol, whole records only), which it borrows until its release."""
        return self.lent(Loan(memoryview(data).cast("B")), readings)

    def counted(self, data: Any, counts: dict[int, int]) -> Batch:
        """The same of batches that were put together, whose events need not be counted again."""
        view = memoryview(data)
        return Batch(self, Loan(view), len(view), counts)

    def lent(self, loan: Loan, readings: Sequence[Reading] = ()) -> Batch:
        """The same as :meth:`batch` over borrowed memory, whose end the batch tells."""
        counts, length = self.loops.scan(loan.view, LIMITLESS)
        return Batch(self, loan, length, counts, readings)

    def make(self, rows: Iterable[tuple[str, Mapping[str, Any]]], readings: Sequence[Reading] = ()) -> Batch:
        """A batch of events written here: each its name and its fields' values, as :mod:`ebpfrun.decode` gives them (what is not
        named is 0 or empty); ``marks`` is a number. For tests, and for events that no kernel sent."""
        return self.batch(b"".join(self._encode(name, values) for name, values in rows), readings)

    def scan(self, data: Any, most: int) -> tuple[dict[int, int], int]:
        return self.loops.scan(data, most)

    def named_rows(self, run: Run) -> Iterator[dict[str, Any]]:
        """Each event as a dictionary, with names in place of numbers: see :meth:`Batch.rows`."""
        event = run.event
        keys = [slot.name for slot in event.fields]
        columns = [self._named(slot.type, column) for slot, column in zip(event.fields, run.columns, strict=True)]
        rows = zip(*columns, strict=True) if columns else (() for _ in run.marks)
        for row, marks in zip(rows, run.marks, strict=True):
            found = {"event": event.name, **dict(zip(keys, row, strict=True))}
            for key, which in (("truncated", TRUNCATED), ("unreadable", UNREADABLE)):
                if marks and (fields := marked(event, marks, which)):
                    found[key] = fields
            yield found

    def _named(self, type: str, column: Any) -> Any:
        convert = None if word(type) == "timestamp" else plain(type, self.names)
        return column if convert is None else map(convert, column)

    def _encode(self, name: str, values: Mapping[str, Any]) -> bytes:
        event = next((event for event in self.manifest.events if event.name == name), None)
        if event is None or (unknown := values.keys() - {"marks", *(slot.name for slot in event.fields)}):
            what = f"no event {name!r}" if event is None else f"no field {', '.join(sorted(unknown))} in event {name}"
            raise UsageError(f"{self.manifest.name} has {what}")
        record = bytearray(_HEAD + event.size)
        for slot in event.fields:
            if slot.name in values:
                raw = encoder(slot.type, slot.size, self.offset)(values[slot.name])
                record[_HEAD + slot.offset : _HEAD + slot.offset + slot.size] = raw
        if event.least:
            del record[_HEAD + event.constant + text_size(record[_HEAD + event.constant :], event.least - event.constant) :]
        _HEADER.pack_into(record, 0, len(record) - _HEAD, 0, event.id, values.get("weight", 1))
        struct.pack_into("=I", record, _HEAD + 4, values.get("marks", 0))
        return bytes(record) + bytes(-len(record) % 8)


def sizes(manifest: Manifest) -> dict[int, Sizes]:
    """By event id."""
    return {event.id: Sizes(event.least or event.size, event.size) for event in manifest.events}
