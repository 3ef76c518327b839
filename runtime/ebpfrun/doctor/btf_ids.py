"""Finds types in the kernel's BTF by kind and name: what the doctor needs to load a program of type TRACING, and no more.

Receives the bytes of /sys/kernel/btf/vmlinux, returns ids. Raises ValueError for what isn't BTF.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

TYPEDEF, FUNC = 8, 12
_HEADER = struct.Struct("=HBBIIIII")
_MAGIC = 0xEB9F
# Bytes that follow a type's three words: so many, and so many for each of its members.
_TAILS = {1: (4, 0), 3: (12, 0), 4: (0, 12), 5: (0, 12), 6: (0, 8), 13: (0, 8), 14: (4, 0), 15: (0, 12), 17: (4, 0), 19: (0, 12)}


def find(data: bytes, wanted: Iterable[tuple[int, str]]) -> dict[str, int]:
    """Name → id of the types of these (kind, name) that are there."""
    if len(data) < _HEADER.size:
        raise ValueError("too short for BTF")
    magic, _, _, header, types, length, strings, strings_length = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        raise ValueError("no BTF of this machine's byte order")
    names = data[header + strings : header + strings + strings_length]
    keys = {(kind, names.find(b"\0" + name.encode() + b"\0") + 1): name for kind, name in wanted}
    return _walk(data[header + types : header + types + length], {key: name for key, name in keys.items() if key[1]})


def _walk(types: bytes, keys: dict[tuple[int, int], str]) -> dict[str, int]:
    found: dict[str, int] = {}
    unpack = struct.Struct("=II").unpack_from
    position, id = 0, 1
    while position < len(types) and len(found) < len(keys):
        name, info = unpack(types, position)
        kind = info >> 24 & 0x1F
        if (kind, name) in keys:
            found[keys[kind, name]] = id
        fixed, each = _TAILS.get(kind, (0, 0))
        position += 12 + fixed + each * (info & 0xFFFF)
        id += 1
    return found
