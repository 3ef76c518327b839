"""USDT probes of a binary of this machine, for people who look for them: names, and the size and sign of each argument.

Receives a path or a library's name, returns probes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator

from .binaries import NoBinaryError, sections
from .records import record

_SHT_NOTE = 7


@record()
class Probe:
    """``args``: types as a spec has them. ``places``: how many the probe has in the code; ``args`` are those of the first."""

    provider: str
    name: str
    args: tuple[str, ...]
    places: int


def probes(binary: str) -> list[Probe]:
    """By provider and name. Raises NoBinaryError when there is no such file, or none that is ELF."""
    notes = [section.data for section in sections(binary) if section.kind == _SHT_NOTE]
    try:
        found = [probe for data in notes for probe in _probes_in(data)]
    except (ValueError, struct.error, IndexError):
        raise NoBinaryError(f"{binary} is not a complete 64-bit ELF file") from None
    places: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for provider, name, args in found:
        places.setdefault((provider, name), []).append(tuple(map(_type, args)))
    return [Probe(*key, args[0], len(args)) for key, args in sorted(places.items())]


def _probes_in(notes: bytes) -> Iterator[tuple[str, str, list[str]]]:
    """Layout: systemtap's sys/sdt.h, version 3 of its notes."""
    at = 0
    while at + 12 <= len(notes):
        name_size, size, type = struct.unpack_from("=III", notes, at)
        start = at + 12 + (name_size + 3 & ~3)
        if (notes[at + 12 : at + 12 + name_size], type) == (b"stapsdt\0", 3):
            provider, name, args = notes[start + 24 : start + size].decode().split("\0")[:3]
            yield provider, name, args.split()
        at = start + (size + 3 & ~3)


def _type(arg: str) -> str:
    """Of ``-4@%eax``: a signed integer of 4 bytes."""
    size = re.match(r"(-?)([1248])f?@", arg)
    return f"{'i' if size[1] else 'u'}{8 * int(size[2])}" if size else "u64"
