"""Where a uprobe goes: a binary's path, the offset of a symbol in the file; and which USDT probes a file has.

Receives names as a spec has them, returns paths and offsets; reads ELF files and the dynamic linker's cache, runs nothing.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .errors import did_you_mean
from .lean import NamedTuple

CACHE = "/etc/ld.so.cache"
FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")

_EHDR = struct.Struct("=16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("=IIQQQQQQ")
_SHDR = struct.Struct("=IIQQQQIIQQ")
_SYM = struct.Struct("=IBBHQQ")
_PT_LOAD = 1
_SHT_SYMTAB, _SHT_NOTE, _SHT_DYNSYM = 2, 7, 11
_STAPSDT = (b"stapsdt\0", 3)
_STT_FUNC, _STT_GNU_IFUNC = 2, 10
_CACHE_MAGIC = b"glibc-ld.so.cache1.1"


class SymbolError(Exception):
    """Why there is no such place, in words."""


def binary_path(name: str) -> str:
    """The file of ``name``: a path as it is, a library's name by the dynamic linker's cache or the standard folders."""
    if "/" in name:
        if os.path.isfile(name):
            return name
        raise SymbolError(f"there is no file {name}")
    machine = _own_machine()
    folders = (*FOLDERS, *(f"{folder}/{os.uname().machine}-linux-gnu" for folder in ("/lib", "/usr/lib")))
    for path in (*_cached(name), *(os.path.join(folder, name) for folder in folders)):
        if _machine(path) == machine:
            return path
    raise SymbolError(f"there is no library {name} (not in {CACHE}, nor in {', '.join(folders)})")


def symbol_offset(path: str, symbol: str) -> int:
    """The offset in the file of the first byte of the function ``symbol``."""
    with _opened(path) as data:
        return _symbol_offset(data, path, symbol)


def matching(path: str, matches: Callable[[str], object]) -> list[tuple[str, int]]:
    """Names and offsets in the file of the functions whose names match, by name; of several names of one function one without an
    underscore before it.
    What only chooses a function when the program starts (an indirect one) is none."""
    with _opened(path) as data:
        header = _header(data)
        found: dict[int, str] = {}
        names: set[str] = set()
        for kind in (_SHT_DYNSYM, _SHT_SYMTAB):
            for raw, address, indirect in _functions(data, header, kind):
                name = raw.decode("utf-8", "replace")
                names.add(name)
                if not indirect and matches(name):
                    offset = _file_offset(data, header, address, path)
                    found[offset] = min(name, found.get(offset, name), key=lambda n: (n.startswith("_"), n))
        if not found:
            raise SymbolError(f"no function of {path} matches{'' if names else ' (it is stripped)'}")
        return sorted((name, offset) for offset, name in found.items())


class Note(NamedTuple):
    """One place of a USDT probe. ``args`` as the note has them: size in bytes, negative when signed, @, where it is."""

    provider: str
    name: str
    args: tuple[str, ...]


def usdt(path: str) -> list[Note]:
    """The USDT probes of a file, one for each place. Layout: systemtap's sys/sdt.h, version 3 of its notes."""
    with _opened(path) as data:
        found = []
        for _, kind, _, _, offset, size, *_ in _sections(data, _header(data)):
            if kind == _SHT_NOTE:
                found += [_note(desc) for name, type, desc in _notes(data[offset : offset + size]) if (name, type) == _STAPSDT]
        return found


def _notes(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    at = 0
    while at + 12 <= len(data):
        name_size, size, type = struct.unpack_from("=III", data, at)
        start = at + 12 + (name_size + 3 & ~3)
        yield data[at + 12 : at + 12 + name_size], type, data[start : start + size]
        at = start + (size + 3 & ~3)


def _note(desc: bytes) -> Note:
    provider, name, args = desc[24:].split(b"\0")[:3]  # behind the addresses of the probe, of .stapsdt.base, of the semaphore
    return Note(provider.decode(), name.decode(), tuple(args.decode().split()))


@contextmanager
def _opened(path: str) -> Iterator[mmap.mmap]:
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            yield data
    except OSError as error:
        raise SymbolError(f"{path}: {error.strerror}") from None
    except (ValueError, struct.error, IndexError, OverflowError):
        raise SymbolError(f"{path} is not a complete 64-bit ELF file") from None


def _symbol_offset(data: mmap.mmap, path: str, symbol: str) -> int:
    header = _header(data)
    known: set[str] = set()
    wanted = symbol.encode()
    for kind in (_SHT_DYNSYM, _SHT_SYMTAB):
        for name, address, _ in _functions(data, header, kind):
            if name == wanted:
                return _file_offset(data, header, address, path)
            known.add(name.decode("utf-8", "replace"))
    import difflib

    near = difflib.get_close_matches(symbol, known, 3, 0.7)
    hint = did_you_mean(near) or ("" if known else " (it is stripped)")
    raise SymbolError(f"{path} has no function {symbol}{hint}")


class _Header:
    __slots__ = ("phnum", "phoff", "shnum", "shoff")

    def __init__(self, phoff: int, phnum: int, shoff: int, shnum: int) -> None:
        self.phoff, self.phnum, self.shoff, self.shnum = phoff, phnum, shoff, shnum


def _header(data: mmap.mmap) -> _Header:
    ident, _, _, _, _, phoff, shoff, _, _, _, phnum, _, shnum, _ = _EHDR.unpack_from(data)
    if ident[:5] != b"\x7fELF\x02":
        raise ValueError("not a 64-bit ELF file")
    return _Header(phoff, phnum, shoff, shnum)


def _sections(data: mmap.mmap, header: _Header) -> list[tuple[int, ...]]:
    return [_SHDR.unpack_from(data, header.shoff + i * _SHDR.size) for i in range(header.shnum)]


def _functions(data: mmap.mmap, header: _Header, kind: int) -> Iterator[tuple[bytes, int, bool]]:
    """Name and address of the functions that the file defines, and whether they are indirect."""
    sections = _sections(data, header)
    for _, section_kind, _, _, offset, size, link, _, _, _ in sections:
        if section_kind != kind:
            continue
        strings_at, strings_size = sections[link][4:6]
        strings = data[strings_at : strings_at + strings_size]
        for name, info, _, section, value, _ in _SYM.iter_unpack(data[offset : offset + size]):
            if info & 15 in (_STT_FUNC, _STT_GNU_IFUNC) and section and value:
                yield strings[name : strings.index(b"\0", name)], value, info & 15 == _STT_GNU_IFUNC


def _file_offset(data: mmap.mmap, header: _Header, address: int, path: str) -> int:
    for i in range(header.phnum):
        kind, _, offset, start, _, size, _, _ = _PHDR.unpack_from(data, header.phoff + i * _PHDR.size)
        if kind == _PT_LOAD and start <= address < start + size:
            return int(address - start + offset)
    raise SymbolError(f"{path}: address {address:#x} is in no part of the file that is loaded")


def _machine(path: str) -> tuple[int, int] | None:
    """ELF class and machine, None when it isn't an ELF file that we can read."""
    try:
        with open(path, "rb") as file:
            start = file.read(20)
    except OSError:
        return None
    return (start[4], int.from_bytes(start[18:20], "little")) if len(start) == 20 and start[:4] == b"\x7fELF" else None


def _own_machine() -> tuple[int, int] | None:
    return _machine("/proc/self/exe")


def _cached(name: str) -> Iterator[str]:
    """Paths that ld.so.cache has for a library, the linker's preference first (format: glibc's sysdeps/generic/dl-cache.h)."""
    try:
        with open(CACHE, "rb") as file:
            data = file.read()
    except OSError:
        return
    if not data.startswith(_CACHE_MAGIC):
        return
    entries = int.from_bytes(data[20:24], "little")
    for _, key, value, _, _ in struct.iter_unpack("=iIIIQ", data[48 : 48 + 24 * entries]):
        if data[key : data.index(b"\0", key)] == name.encode():
            yield data[value : data.index(b"\0", value)].decode("utf-8", "surrogateescape")
