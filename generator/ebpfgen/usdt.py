"""USDT probes of a binary of this machine, for people who look for them: names, and the size and sign of each argument.

Receives a path or a library's name, returns probes. Building never asks this: what a binary has is the runtime's matter.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from .problems import EXIT_SPEC, EbpfgenError
from .records import record

_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_SHT_NOTE = 7


class NoBinaryError(EbpfgenError):
    exit_status = EXIT_SPEC


@record()
class Probe:
    """``args``: types as a spec has them. ``places``: how many the probe has in the code; ``args`` are those of the first."""

    provider: str
    name: str
    args: tuple[str, ...]
    places: int


def probes(binary: str) -> list[Probe]:
    """By provider and name. Raises NoBinaryError when there is no such file, or none that is ELF."""
    path = _path(binary)
    try:
        found = list(_notes(path.read_bytes()))
    except OSError as error:
        raise NoBinaryError(f"{path}: {error.strerror}") from None
    except (ValueError, struct.error, IndexError):
        raise NoBinaryError(f"{path} is not a complete 64-bit ELF file") from None
    places: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    for provider, name, args in found:
        places.setdefault((provider, name), []).append(tuple(map(_type, args)))
    return [Probe(*key, args[0], len(args)) for key, args in sorted(places.items())]


def _path(binary: str) -> Path:
    if "/" in binary:
        return Path(binary)
    machine = f"{os.uname().machine}-linux-gnu"
    for folder in (*_FOLDERS, *(f"{folder}/{machine}" for folder in ("/lib", "/usr/lib"))):
        if (path := Path(folder, binary)).is_file():
            return path
    raise NoBinaryError(f"there is no library {binary} in the usual folders: write its path")


def _notes(data: bytes) -> Iterator[tuple[str, str, list[str]]]:
    """Layout: systemtap's sys/sdt.h, version 3 of its notes."""
    if data[:5] != b"\x7fELF\x02":
        raise ValueError
    (at,) = struct.unpack_from("=Q", data, 40)
    size, number = struct.unpack_from("=HH", data, 58)
    for i in range(number):
        kind, _, _, start, length = struct.unpack_from("=IQQQQ", data, at + i * size + 4)
        if kind == _SHT_NOTE:
            yield from _probes_in(data[start : start + length])


def _probes_in(notes: bytes) -> Iterator[tuple[str, str, list[str]]]:
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
