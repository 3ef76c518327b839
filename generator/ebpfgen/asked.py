"""What an object asks of the kernel's types: its CO-RE relocations, and its own picture of the types that they are about.

Receives a compiled object; returns one text, the same for two objects whose smallest BTF of a kernel is the same. Where they lie
in the code, and the code itself, has no part in it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from . import elf
from .btf_index import DATASEC, EACH, FIXED, Sections, walk

_RELOCATION = 16
"""Bytes of a struct bpf_core_relo that are known here: instruction, type, text of the access, kind."""


def asked(data: bytes) -> str:
    """Every type that the object describes, by id, then what it asks about them."""
    object = elf.Object(data)
    types, more = object.section(".BTF"), object.section(".BTF.ext")
    assert types and more, "compiled with -g"
    sections = Sections.of(types.data)
    relocations = {(type_id, sections.name(access), kind) for type_id, access, kind in _relocations(more.data, object.order)}
    return "\n".join([*_types(sections), *map(repr, sorted(relocations))])


def _types(sections: Sections) -> Iterator[str]:
    """A line for each type: its words, with names in place of where those are."""
    words = sections.words
    ends = walk(sections)[1:]
    for at, end in zip(ends, [*ends[1:], len(words)], strict=True):
        kind = words[at + 1] >> 24 & 31
        members = range(at + FIXED[kind], end, EACH[kind]) if kind in EACH and kind != DATASEC else ()
        names = {at, *members}
        yield " ".join(repr(sections.name(words[i])) if i in names else str(words[i]) for i in range(at, end))


def _relocations(data: bytes, order: str) -> Iterator[tuple[int, int, int]]:
    """(type, place of the text that says which part of it, kind) of each relocation in .BTF.ext."""
    (head,) = struct.unpack_from(f"{order}4xI", data)
    if head < 32:
        return  # of a compiler that knows no relocations
    at, length = struct.unpack_from(f"{order}24xII", data)
    at += head
    end = at + length
    if length:
        (size,) = struct.unpack_from(f"{order}I", data, at)
        assert size >= _RELOCATION
        at += 4
    while at < end:
        _, number = struct.unpack_from(f"{order}II", data, at)
        at += 8
        for _ in range(number):
            yield struct.unpack_from(f"{order}4xIII", data, at)
            at += size
