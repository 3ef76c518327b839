"""What clang notes beside the types, in .BTF.ext: of instructions the lines of C, and what is to be relocated (CO-RE).

Receives the section's bytes; gives the notes of one part. Layout: struct btf_ext_header and what follows it in libbpf.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

LINES, RELOCATIONS = 16, 24
"""In the header: where that part begins, behind the header, and how many bytes it has."""
HEAD = 8
"""Bytes before the notes of one section of code: its name and their number."""
NOTE = 16
"""Bytes that are known here of a note. What newer compilers may put behind is passed over."""


class Note(NamedTuple):
    """``section``: its name, as an offset into the strings of BTF; ``at``: bytes into it; then a line's file, text, and number
    with column, or a relocation's type, access (text) and kind."""

    section: int
    at: int
    a: int
    b: int
    c: int


def extent(data: bytes, order: str, part: int) -> tuple[int, int] | None:
    """Where that part begins, and its bytes. None where the compiler knew none such."""
    (head,) = struct.unpack_from(f"{order}4xI", data)
    if head < part + 8:
        return None
    at, length = struct.unpack_from(f"{order}II", data, part)
    return head + at, length


def notes(data: bytes, order: str, part: int) -> Iterator[Note]:
    """In their order."""
    at, length = extent(data, order, part) or (0, 0)
    if not length:
        return
    end = at + length
    (size,) = struct.unpack_from(f"{order}I", data, at)
    assert size >= NOTE
    at += 4
    while at < end:
        section, number = struct.unpack_from(f"{order}II", data, at)
        at += HEAD
        for _ in range(number):
            yield Note(section, *struct.unpack_from(f"{order}IIII", data, at))
            at += size
