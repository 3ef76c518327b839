"""Struct layouts: the one computation that C, the binding and the runtime's decoders rest on.

Receives named field types in order; returns offsets and explicit padding. C asserts the result on both sides.
"""

from __future__ import annotations

from collections.abc import Iterable

from .fieldtypes import FieldType
from .records import record

MARKS = ("__marks", FieldType("u32", "", "int", "__u32", 4, 4))
MOST_MARKS = 16


def is_marked(kind: FieldType) -> bool:
    """Whether it is noted of a field of that type that it was cut or could not be read."""
    return kind.shape in ("string", "argv") and kind.word != "comm"


@record()
class Slot:
    """A member: ``type`` is None for padding (``__u8 name[size]``)."""

    name: str
    type: FieldType | None
    offset: int
    size: int


@record()
class StructLayout:
    """``slots`` cover every byte from 0 to ``size``, in order."""

    name: str
    slots: tuple[Slot, ...]
    size: int
    align: int

    @property
    def fields(self) -> list[Slot]:
        return [s for s in self.slots if s.type]

    @property
    def padding(self) -> list[Slot]:
        return [s for s in self.slots if not s.type]

    @property
    def marks(self) -> dict[str, int]:
        """Texts that may be cut or unreadable: the number of each one's mark, of two bits, in ``__marks``."""
        marked = (s.name for s in self.fields if s.type and is_marked(s.type))
        return {name: n for n, name in enumerate(marked)} if any(s.name == MARKS[0] for s in self.slots) else {}

    def slot(self, name: str) -> Slot:
        return next(s for s in self.slots if s.name == name)


def with_marks(fields: Iterable[tuple[str, FieldType]]) -> list[tuple[str, FieldType]]:
    """Of a map's or span's value: with room for the marks of its texts, where it has some."""
    fields = list(fields)
    return [*fields, MARKS] if any(is_marked(kind) for _, kind in fields) else fields


def lay_out(name: str, fields: Iterable[tuple[str, FieldType]], align: int = 1) -> StructLayout:
    """Fields in their order, each at its natural alignment, gaps filled with ``padN``; the end rounded up to the widest
    alignment (at least ``align``)."""
    slots: list[Slot] = []
    offset = 0

    def pad(to: int) -> int:
        gap = -offset % to
        if gap:
            slots.append(Slot(f"__pad{sum(not s.type for s in slots)}", None, offset, gap))
        return offset + gap

    for field, kind in fields:
        offset = pad(kind.align)
        slots.append(Slot(field, kind, offset, kind.size))
        offset += kind.size
        align = max(align, kind.align)
    offset = pad(align)
    return StructLayout(name, tuple(slots), offset, align)
