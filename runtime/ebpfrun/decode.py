"""Records as the kernel wrote them become columns of Python values.

Receives a buffer of drained records, each ``u32 length, u32 padding, record`` with the record padded to 8 bytes; returns a
list of :class:`Run`. Never keeps the buffer, never gives names to numbers (:mod:`ebpfrun.render` does).

Values by type: ``timestamp`` is ns of the wall clock since 1970, ``duration`` ns, ``bytes`` a number, ``ip`` and ``mac`` the
raw bytes, ``bool`` a bool, strings ``str``, ``argv`` a list of ``str``, everything else ``int``. Bytes that are not UTF-8
appear as ``\\xNN``: such text can be printed and stored anywhere, and a name that really holds a backslash and an x looks the
same.
"""

from __future__ import annotations

import struct
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

from .errors import ArtefactError
from .lean import Any
from .manifest import REBUILD, WEIGHT, Event, Manifest, Slot

TRUNCATED = 1
UNREADABLE = 2

CODES = {
    "u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i8": "b", "i16": "h", "i32": "i", "i64": "q", "bool": "?",
    "hex": "Q", "timestamp": "Q", "duration": "Q", "bytes": "Q", "pid": "I", "tid": "I", "uid": "I", "gid": "I", "cpu": "I",
    "port": "H", "errno": "i", "result": "q", "signal": "i", "syscall": "q", "enum": "q", "flags": "Q", "dev_t": "I",
    "ifindex": "I", "cgroup": "Q", "protocol": "H",
}  # fmt: skip
TEXTS = ("comm", "string")
_BLOBS = (*TEXTS, "argv", "ip", "mac")
_HEADER = struct.Struct("=IIH")  # length, padding, and the event's id, which begins the record
_HEADER_SIZE = 8  # length and padding
_LENGTH = 4  # bytes of an argv's length


def word(type: str) -> str:
    """The type without its argument: ``string(16)`` → ``string``, ``enum:req_op`` → ``enum``."""
    return type.partition("(")[0].partition(":")[0]


def clock_offset() -> int:
    """What turns the kernel's monotonic ns into ns since 1970, now: by the closest of a few readings, since another process may
    have this one's processor between the two clocks."""
    closest, offset = 1 << 63, 0
    for _ in range(5):
        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        real = time.clock_gettime_ns(time.CLOCK_REALTIME)
        apart = time.clock_gettime_ns(time.CLOCK_MONOTONIC) - before
        if apart < closest:
            closest, offset = apart, real - before - apart // 2
    return offset


class Run:
    """Consecutive records of one event. ``columns[i]`` holds the values of ``event.fields[i]``, ``marks`` the records' marks."""

    __slots__ = ("columns", "event", "marks")

    def __init__(self, event: Event, marks: Sequence[int], columns: Sequence[Sequence[Any]]) -> None:
        self.event = event
        self.marks = marks
        self.columns = columns

    def __len__(self) -> int:
        return len(self.marks)

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Each record as a tuple of its fields' values."""
        return zip(*self.columns, strict=True) if self.columns else (() for _ in self.marks)

    def first(self, count: int) -> Run:
        return Run(self.event, self.marks[:count], [column[:count] for column in self.columns])


def marked(event: Event, marks: int, which: int) -> list[str]:
    """The names of the fields that ``marks`` calls ``which`` (TRUNCATED or UNREADABLE)."""
    return [slot.name for slot in event.fields if slot.mark is not None and marks >> 2 * slot.mark & which]


class Record:
    """How one struct is read: an event's record, a map's key."""

    def __init__(self, fields: Sequence[Slot], size: int, offset: int, lead: str = "") -> None:
        """``lead`` is the struct code of members before the fields; ``offset`` turns timestamps into wall clock."""
        self.struct = struct.Struct(_layout(fields, size, lead))
        self._decoders = [(i, decode) for i, slot in enumerate(fields) if (decode := decoder(slot.type, offset)) is not None]

    def convert(self, raw: Sequence[Sequence[Any]]) -> list[Sequence[Any]]:
        """Columns as ``self.struct`` gives them become columns of values."""
        columns = list(raw)
        for i, decode in self._decoders:
            columns[i] = list(map(decode, columns[i]))
        return columns

    def read(self, data: bytes) -> tuple[Any, ...]:
        """One struct without a lead."""
        values = list(self.struct.unpack(data))
        for i, decode in self._decoders:
            values[i] = decode(values[i])
        return tuple(values)


class Decoder:
    """Reads batches of one artefact's events."""

    def __init__(self, manifest: Manifest, offset: int) -> None:
        self._events = {e.id: (e, self._record(e, offset)) for e in manifest.events}
        self._heads = {e.id: _head(e) for e in manifest.events if e.least}

    def _record(self, event: Event, offset: int) -> Record:
        return Record(_read(event), event.size, offset, _lead(event))

    def decode(self, buffer: Any, length: int) -> list[Run]:
        """The records in the first ``length`` bytes of ``buffer`` (anything with the buffer protocol), in their order."""
        return [self._run(id, raw) for id, raw in self._collect(buffer, length)]

    def _collect(self, buffer: Any, length: int) -> Iterable[tuple[int, list[tuple[Any, ...]]]]:
        runs: list[tuple[int, list[tuple[Any, ...]]]] = []
        header = _HEADER.unpack_from
        position = 0
        current = -1
        size = least = 0
        while position < length:
            got, _, id = header(buffer, position)
            if id != current:
                whole, head, least, append = self._begin(runs, id)
                unpack, unpack_head, size, text_at = whole.unpack_from, head.unpack_from, whole.size, head.size
                current = id
            start = position + _HEADER_SIZE
            if got == size:
                append(unpack(buffer, start))
            elif least <= got < size:
                append((*unpack_head(buffer, start), bytes(buffer[start + text_at : start + got])))
            else:
                raise mismatch(f"a record of {got} bytes for event {id}, expected {size}")
            position += got + 15 & ~7
        return runs

    def _begin(self, runs: list[Any], id: int) -> tuple[struct.Struct, struct.Struct, int, Callable[[tuple[Any, ...]], None]]:
        """How records of that event are read: whole ones, and the constant part of those that are cut; how many bytes they have
        at least; where they go."""
        if id not in self._events:
            raise mismatch(f"a record of event {id}, which the manifest does not have")
        event, record = self._events[id]
        head = self._heads.get(id, record.struct)
        rows: list[tuple[Any, ...]] = []
        runs.append((id, rows))
        return record.struct, head, event.least or event.size, rows.append

    def _run(self, id: int, raw: list[tuple[Any, ...]]) -> Run:
        event, record = self._events[id]
        columns = list(zip(*raw, strict=True))
        weights = [columns.pop(0)] if WEIGHT in event.fields else []
        return Run(event, columns[0], [*record.convert(columns[1:]), *weights])


def _read(event: Event) -> list[Slot]:
    """The fields that are read as such: a weight is read before the marks."""
    return [slot for slot in event.fields if slot != WEIGHT]


def _lead(event: Event) -> str:
    """Marks are read before the fields, and the weight before the marks where it is a field."""
    return "2xHI" if WEIGHT in event.fields else "4xI"


def _head(event: Event) -> struct.Struct:
    """A record without the text that it ends with."""
    return struct.Struct(_layout(_read(event)[:-1], event.constant, _lead(event)))


def mismatch(what: str) -> ArtefactError:
    return ArtefactError(f"the kernel program sent {what}: object and manifest do not belong together; {REBUILD}")


def _layout(fields: Sequence[Slot], size: int, lead: str) -> str:
    """The struct module's format, padding written out, so that offsets are the manifest's and nobody's guess."""
    parts = ["=", lead]
    position = struct.calcsize("=" + lead)
    for slot in fields:
        code = f"{slot.size}s" if word(slot.type) in _BLOBS else CODES.get(word(slot.type), "")
        if not code or struct.calcsize("=" + code) != slot.size or slot.offset < position:
            raise ArtefactError(
                f"manifest: field {slot.name}: no {slot.type} of {slot.size} bytes can stand at offset {slot.offset}; {REBUILD}"
            )
        parts.append(f"{slot.offset - position}x{code}")
        position = slot.offset + slot.size
    if position > size:
        raise ArtefactError(f"manifest: fields take {position} bytes of a record of {size}; {REBUILD}")
    return "".join(parts) + f"{size - position}x"


def decoder(type: str, offset: int) -> Callable[[Any], Any] | None:
    """What turns the struct module's value of ``type`` into ours; None where it is ours already."""
    match word(type):
        case "timestamp":
            return offset.__add__
        case "comm" | "string":
            return text
        case "argv":
            return strings
    return None


def text(raw: bytes) -> str:
    """The bytes before the first NUL."""
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def strings(raw: bytes) -> list[str]:
    """``u32 length`` and that many bytes of NUL-separated strings; a NUL that ends the last one starts no other."""
    length = int.from_bytes(raw[:4], sys.byteorder)
    data = raw[4 : 4 + length]
    if not data:
        return []
    return [part.decode("utf-8", "backslashreplace") for part in data.removesuffix(b"\0").split(b"\0")]


def text_size(raw: bytes | bytearray, empty: int) -> int:
    """The bytes that a record which ends with this text has of it; ``empty`` of one that is empty."""
    return raw.index(0) + 1 if empty == 1 else empty + int.from_bytes(raw[:empty], sys.byteorder)


def encoder(type: str, size: int, offset: int) -> Callable[[Any], bytes]:
    """The opposite of :func:`decoder`: a value's ``size`` bytes."""
    match word(type):
        case "comm" | "string":
            return lambda value: value.encode("utf-8", "surrogateescape")[: size - 1].ljust(size, b"\0")
        case "argv":
            return lambda value: _argv(value, size)
        case "ip" | "mac":
            return bytes
        case "timestamp":
            return lambda value: (value - offset).to_bytes(size, sys.byteorder)
    layout = struct.Struct("=" + CODES[word(type)])
    return layout.pack


def _argv(strings: Sequence[str], size: int) -> bytes:
    data = b"".join(string.encode("utf-8", "surrogateescape") + b"\0" for string in strings)[: size - _LENGTH]
    return len(data).to_bytes(_LENGTH, sys.byteorder) + data.ljust(size - _LENGTH, b"\0")


def numpy_kind(type: str) -> str:
    """numpy's name for what :data:`CODES` calls ``type``; "" for what is no number. A ``duration`` is a timedelta; a
    ``timestamp`` is still the kernel's own number."""
    if word(type) == "duration":
        return "m8[ns]"
    code = CODES.get(word(type), "")
    return f"{'u' if code.isupper() else 'i'}{struct.calcsize('=' + code)}" if code and code != "?" else code
