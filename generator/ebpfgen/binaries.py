"""Programs and libraries of this machine, for people who look for what can be traced in them.

Receives a path or a library's name, returns sections or names of functions. Building never asks this: what a binary has is the
runtime's matter.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .problems import EXIT_SPEC, EbpfgenError

_FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")
_TABLES = (2, 11)  # SHT_SYMTAB, SHT_DYNSYM
_FUNCTIONS = (2, 10)  # STT_FUNC, STT_GNU_IFUNC


class NoBinaryError(EbpfgenError):
    exit_status = EXIT_SPEC


class Section(NamedTuple):
    kind: int
    data: bytes
    link: int


def functions(binary: str) -> list[str]:
    """Names of the functions that it defines, sorted. Raises NoBinaryError."""
    found = sections(binary)
    try:
        return sorted({name for table in found if table.kind in _TABLES for name in _defined(table, found[table.link].data)})
    except (ValueError, struct.error, IndexError):
        raise _incomplete(binary) from None


def sections(binary: str) -> list[Section]:
    """Raises NoBinaryError when there is no such file, or none that is ELF."""
    path = _path(binary)
    if path.exists() and not path.is_file():  # a device may be read without end
        raise NoBinaryError(f"{path} is not a file")
    try:
        return list(_sections(path.read_bytes()))
    except OSError as error:
        raise NoBinaryError(f"{path}: {error.strerror}") from None
    except (ValueError, OverflowError, struct.error):
        raise _incomplete(binary) from None


def _incomplete(binary: str) -> NoBinaryError:
    return NoBinaryError(f"{_path(binary)} is not a complete 64-bit ELF file")


def _path(binary: str) -> Path:
    if "/" in binary:
        return Path(binary)
    if not binary:
        raise NoBinaryError("expected the path of a program, or a library's name")
    machine = f"{os.uname().machine}-linux-gnu"
    for folder in (*_FOLDERS, *(f"{folder}/{machine}" for folder in ("/lib", "/usr/lib"))):
        if (path := Path(folder, binary)).is_file():
            return path
    raise NoBinaryError(f"there is no library {binary} in the usual folders: write its path")


def _sections(data: bytes) -> Iterator[Section]:
    if data[:5] != b"\x7fELF\x02":
        raise ValueError
    (at,) = struct.unpack_from("=Q", data, 40)
    size, number = struct.unpack_from("=HH", data, 58)
    for i in range(number):
        kind, _, _, start, length, link = struct.unpack_from("=IQQQQI", data, at + i * size + 4)
        yield Section(kind, data[start : start + length], link)


def _defined(table: Section, names: bytes) -> Iterator[str]:
    for name, info, _, section, _, _ in struct.iter_unpack("=IBBHQQ", table.data):
        if info & 15 in _FUNCTIONS and section:
            yield names[name : names.index(b"\0", name)].decode(errors="backslashreplace")
