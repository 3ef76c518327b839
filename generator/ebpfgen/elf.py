"""The parts of an ELF file that compiled BPF programs have: sections, symbols, relocations.

Receives the bytes of a 64-bit object as clang writes it; returns plain values. Never reads what another tool may have made:
anything unexpected is a mistake of ours.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

FUNCTION = 2  # STT_FUNC


class Section(NamedTuple):
    """``at``: where it lies in the file."""

    name: str
    data: bytes
    link: int
    info: int
    at: int


class Symbol(NamedTuple):
    """``section`` is an index into the object's sections; ``value`` an offset there."""

    name: str
    kind: int
    section: int
    value: int
    size: int


class Object:
    """``order`` is that of the object's numbers, as :mod:`struct` spells it."""

    def __init__(self, data: bytes) -> None:
        assert data[:5] == b"\x7fELF\x02", "a 64-bit object"
        self.order = "<" if data[5] == 1 else ">"
        (start,) = struct.unpack_from(f"{self.order}Q", data, 40)
        size, number, names = struct.unpack_from(f"{self.order}HHH", data, 58)
        headers = [struct.unpack_from(f"{self.order}IIQQQQII", data, start + i * size) for i in range(number)]
        strings = data[headers[names][4] :]
        self.sections = [
            Section(text(strings, name), data[at : at + length] if kind != 8 else b"", link, info, at)  # 8: SHT_NOBITS
            for name, kind, _, _, at, length, link, info in headers
        ]

    def section(self, name: str) -> Section | None:
        return next((s for s in self.sections if s.name == name), None)

    def symbols(self) -> list[Symbol]:
        table = self.section(".symtab")
        assert table is not None
        names = self.sections[table.link].data
        found = struct.iter_unpack(f"{self.order}IBBHQQ", table.data)
        return [Symbol(text(names, name), info & 15, index, value, size) for name, info, _, index, value, size in found]

    def relocations(self, section: str) -> dict[int, int]:
        """Offset in the section → index of the symbol."""
        table = self.section(f".rel{section}")
        found = struct.iter_unpack(f"{self.order}QQ", table.data) if table else ()
        return {offset: info >> 32 for offset, info in found}


def text(strings: bytes, at: int) -> str:
    return strings[at : strings.index(b"\0", at)].decode()
