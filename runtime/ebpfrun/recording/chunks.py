"""The form of a recording: a head, then chunks, each with its length and checksums.

Receives kinds and bytes, returns them again. A chunk stands in the file in whole or is known not to: what was cut or altered is
told by :class:`Damage`, and what is intact before and behind it is given. Knows nothing of what the chunks mean.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator

from ebpfrun.errors import MachineError
from ebpfrun.lean import BinaryIO, NamedTuple

MAGIC = b"EBPFREC\n"
VERSION = 1
_FILE = struct.Struct("<8sII")  # magic, version, CRC-32 of those
_CHUNK = struct.Struct(
    "<4sIIIIII"
)  # kind, number in the file, flags, bytes here, bytes when unpacked, events, CRC-32 of the bytes
_CRC = struct.Struct("<I")  # of the struct before it
_PACKED = 1
_LEAST_PACKED = 256  # smaller ones stay as they are
LARGEST = 1 << 30


class RecordingError(MachineError):
    """A file is no recording, or one that this ebpfrun can't read."""


class Chunk(NamedTuple):
    """``events``: how many events its data holds, known even where the data is lost."""

    kind: bytes
    data: bytes
    events: int


class Damage(NamedTuple):
    """A part that can't be given: ``events`` of them, None where that is not known; ``cut``: the file just ends there."""

    at: int
    size: int
    events: int | None
    what: str
    cut: bool = False


def head() -> bytes:
    """What a file begins with."""
    lead = MAGIC + VERSION.to_bytes(4, "little")
    return lead + _CRC.pack(zlib.crc32(lead))


def chunk(kind: bytes, number: int, data: bytes | memoryview, events: int = 0, pack: bool = False) -> bytes:
    """One chunk; ``number`` counts the file's chunks from 0."""
    stored = bytes(data)
    if pack and len(stored) >= _LEAST_PACKED:
        stored = zlib.compress(stored, 1)
    flags = _PACKED if len(stored) < len(data) else 0
    stored = stored if flags else bytes(data)
    lead = _CHUNK.pack(kind, number, flags, len(stored), len(data), events, zlib.crc32(stored))
    return lead + _CRC.pack(zlib.crc32(lead)) + stored


def check_head(file: BinaryIO, path: str) -> None:
    """Reads the head, and raises RecordingError unless it is one that is understood."""
    lead = file.read(_FILE.size)
    if len(lead) < _FILE.size or not lead.startswith(MAGIC):
        what = (
            "it is empty"
            if not lead
            else "it is cut off in its first bytes"
            if MAGIC.startswith(lead[:8])
            else "it begins otherwise"
        )
        raise RecordingError(f"{path}: not a recording of ebpfrun: {what}")
    _, version, crc = _FILE.unpack(lead)
    if crc != zlib.crc32(lead[:-4]):
        raise RecordingError(f"{path}: the first bytes of this recording were altered (their checksum is of others)")
    if version != VERSION:
        raise RecordingError(f"{path}: this recording has version {version} of the format, this ebpfrun reads version {VERSION}")


def read(file: BinaryIO) -> Iterator[Chunk | Damage]:
    """The chunks from here on, and what is damaged between them. Nothing can be found behind a chunk whose head
    is damaged."""
    size = os.fstat(file.fileno()).st_size
    number = 0
    while (at := file.tell()) < size:
        lead = file.read(_CHUNK.size + _CRC.size)
        if len(lead) < _CHUNK.size + _CRC.size:
            yield Damage(at, size - at, None, "the file is cut off there", cut=True)
            return
        kind, numbered, flags, stored, length, events, crc = _CHUNK.unpack_from(lead)
        if _CRC.unpack_from(lead, _CHUNK.size)[0] != zlib.crc32(lead[: _CHUNK.size]) or max(stored, length) > LARGEST:
            zeroes = not any(lead)
            what = "nothing was written there" if zeroes else "the head of a chunk was altered"
            yield Damage(at, size - at, None, what, cut=zeroes)
            return
        data = file.read(min(stored, size - file.tell()))
        if len(data) < stored:
            yield Damage(at, size - at, events, "the file is cut off there", cut=True)
            return
        if numbered != number:
            yield Damage(
                at,
                0,
                None,
                f"{numbered - number} chunks before it are missing" if numbered > number else "a chunk is there again",
            )
        number = numbered + 1
        whole = _unpacked(data, flags, length) if zlib.crc32(data) == crc else None
        if whole is None:
            yield Damage(at, len(lead) + stored, events, "a chunk was altered (its checksum is of other bytes)")
        else:
            yield Chunk(kind, whole, events)


def _unpacked(data: bytes, flags: int, length: int) -> bytes | None:
    if not flags & _PACKED:
        return data
    try:
        unpacking = zlib.decompressobj()
        whole = unpacking.decompress(data, length)
    except zlib.error:
        return None
    return whole if len(whole) == length and not unpacking.unconsumed_tail else None
