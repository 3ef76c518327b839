"""What an object asks of the kernel's types: its CO-RE relocations, and its own picture of the types that they are about.

Receives a compiled object; returns one text, the same for two objects whose smallest BTF of a kernel is the same. Where they lie
in the code, and the code itself, has no part in it.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import btf_ext, elf
from .btf_index import DATASEC, EACH, FIXED, Sections, walk


def asked(data: bytes) -> str:
    """Every type that the object describes, by id, then what it asks about them."""
    object = elf.Object(data)
    types, more = object.section(".BTF"), object.section(".BTF.ext")
    assert types and more, "compiled with -g"
    sections = Sections.of(types.data)
    notes = btf_ext.notes(more.data, object.order, btf_ext.RELOCATIONS)
    relocations = {(type_id, sections.name(access), kind) for _, _, type_id, access, kind in notes}
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
