"""Where everything in a BTF blob is, found in one pass.

Receives the blob, returns its sections and an :class:`Index` that can be kept and given back. Checks that every type and every
name of one lies within the blob; what types refer to is checked when it is followed, in :mod:`ebpfgen.btf`.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from itertools import pairwise
from mmap import mmap

from .problems import MachineError
from .records import record


class BtfError(MachineError):
    """Not BTF, not of this byte order, cut short or altered."""


INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC = range(1, 13)
FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(13, 20)

FIXED = dict.fromkeys(range(1, 20), 3) | {INT: 4, ARRAY: 6, VAR: 4, DECL_TAG: 4}
"""Words of a type before its members, by kind."""
EACH = {STRUCT: 3, UNION: 3, ENUM: 2, FUNC_PROTO: 2, DATASEC: 3, ENUM64: 3}
"""Words of each member."""

MAGIC = 0xEB9F
HEADER = struct.Struct("=HBBIIIII")


@record()
class Sections:
    """``words``: the types. Names lie in ``data`` from ``names`` to ``names_end``, each with its NUL; types count them from the
    ``names_before``th byte on."""

    data: bytes | mmap
    words: memoryview[int]
    names: int
    names_end: int
    names_before: int = 0

    @classmethod
    def of(cls, data: bytes | mmap, names_before: int = 0) -> Sections:
        """Raises BtfError when the header does not describe ``data``. ``names_before``: for a module's BTF, the bytes of names
        that the kernel's has, which come before its own."""
        types, names, end = _checked(data, split=bool(names_before))
        return cls(data, memoryview(data)[types[0] : types[1]].cast("I"), names, end, names_before)

    def name(self, offset: int) -> bytes:
        start = self.names + offset
        return self.data[start : self.data.find(b"\0", start, self.names_end)]


@record()
class Index:
    """Where everything is: ``offsets`` (word offset of each type, by id), ``by_name`` (ids of named types, sorted by name,
    then id), ``constants`` and ``constant_enums`` (enumerators sorted by name, then enum: string offset, id of the enum).
    ``signs`` says whether any enum is marked as signed; pahole before 1.24 marked none."""

    offsets: Sequence[int]
    by_name: Sequence[int]
    constants: Sequence[int]
    constant_enums: Sequence[int]
    signs: bool

    _HEAD = struct.Struct("=8sIIIII")
    _KIND = b"btfidx1\n"

    def to_bytes(self) -> bytes:
        arrays = (self.offsets, self.by_name, self.constants, self.constant_enums)
        body = b"".join(array("I", part).tobytes() for part in arrays)
        lengths = (len(self.offsets), len(self.by_name), len(self.constants))
        return self._HEAD.pack(self._KIND, *lengths, self.signs, zlib.crc32(body)) + body

    @classmethod
    def from_bytes(cls, data: bytes) -> Index | None:
        """The index that :meth:`to_bytes` made; None when the bytes are anything else."""
        if len(data) < cls._HEAD.size:
            return None
        kind, types, names, constants, signs, crc = cls._HEAD.unpack_from(data)
        body = memoryview(data)[cls._HEAD.size :]
        if kind != cls._KIND or len(body) != 4 * (types + names + 2 * constants) or zlib.crc32(body) != crc:
            return None
        cuts = [0, types, types + names, types + names + constants, types + names + 2 * constants]
        words = body.cast("I")
        offsets, by_name, names_of, enums_of = (words[a:b] for a, b in pairwise(cuts))
        return cls(offsets, by_name, names_of, enums_of, bool(signs))


def make_index(sections: Sections) -> Index:
    """Raises BtfError when a type or its name lies outside its section."""
    offsets = walk(sections)
    words = sections.words
    names = [b"", *(sections.name(words[at]) for at in offsets[1:])]
    by_name = sorted((i for i, name in enumerate(names) if name), key=names.__getitem__)
    constants, signs = _constants(sections, offsets)
    constants.sort()
    names_of, enums_of = array("I", [c[2] for c in constants]), array("I", [c[1] for c in constants])
    return Index(offsets, array("I", by_name), names_of, enums_of, signs)


def _constants(sections: Sections, offsets: Sequence[int]) -> tuple[list[tuple[bytes, int, int]], bool]:
    """Name, enum and string offset of every enumerator; whether any enum is marked as signed."""
    words, end = sections.words, sections.names_end - sections.names
    found: list[tuple[bytes, int, int]] = []
    signs = False
    for type_id, at in enumerate(offsets):
        info = words[at + 1] if type_id else 0
        kind = info >> 24 & 31
        if kind not in (ENUM, ENUM64):
            continue
        signs = signs or bool(info >> 31) or kind == ENUM64
        for i in range(at + 3, at + 3 + EACH[kind] * (info & 0xFFFF), EACH[kind]):
            if words[i] >= end:
                raise BtfError(f"BTF: the name of a constant of type {type_id} lies outside the names")
            if words[i]:
                found.append((sections.name(words[i]), type_id, words[i]))
    return found, signs


def walk(sections: Sections) -> array[int]:
    """The word offset of every type, from id 0, which has none. Raises BtfError when a type or its name lies outside."""
    words = sections.words
    end, names_end = len(words), sections.names_before + sections.names_end - sections.names
    fixed = [FIXED.get(kind, 0) for kind in range(32)]
    each = [EACH.get(kind, 0) for kind in range(32)]
    offsets = array("I", [0])
    at = 0
    while at + 3 <= end:
        offsets.append(at)
        info = words[at + 1]
        kind = info >> 24 & 31
        if not fixed[kind]:
            raise BtfError(f"BTF: type {len(offsets) - 1} is of kind {kind}, expected 1 to 19: altered, or of a newer format")
        if words[at] >= names_end:
            raise BtfError(f"BTF: the name of type {len(offsets) - 1} lies outside the names")
        at += fixed[kind] + each[kind] * (info & 0xFFFF)
    if at != end:
        raise BtfError(f"BTF: cut short within type {len(offsets) - 1}")
    return offsets


def _checked(data: bytes | mmap, split: bool) -> tuple[tuple[int, int], int, int]:
    """Start and end of the types, start and end of the names, in bytes; checked to lie within ``data``."""
    if len(data) < HEADER.size:
        raise BtfError(f"BTF: {len(data)} bytes are too few for a header of {HEADER.size}")
    magic, version, _, header, type_at, type_size, name_at, name_size = HEADER.unpack_from(data)
    if magic == 0x9FEB:
        other = "big" if sys.byteorder == "little" else "little"
        raise BtfError(f"BTF: {other}-endian, expected {sys.byteorder}-endian as this machine is")
    if magic != MAGIC:
        raise BtfError(f"BTF: begins with {magic:#06x}, expected {MAGIC:#06x}: no BTF")
    if version != 1:
        raise BtfError(f"BTF: version {version}, expected 1")
    types, names = (header + type_at, header + type_at + type_size), (header + name_at, header + name_at + name_size)
    if header < HEADER.size or max(types[1], names[1]) > len(data):
        raise BtfError(f"BTF: cut short: {len(data)} bytes, its header speaks of {max(types[1], names[1])}")
    if type_size % 4 or types[0] % 4:
        raise BtfError("BTF: the types are not in words of four bytes")
    if (not split and (not name_size or data[names[0]] != 0)) or (name_size and data[names[1] - 1] != 0):
        raise BtfError("BTF: the names do not begin and end with a NUL")
    return types, names[0], names[1]


def text_of(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BtfError(f"BTF: the name {raw[:40]!r} is not UTF-8") from None
