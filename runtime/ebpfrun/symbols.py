"""Where a uprobe goes: a binary's path, and the offset of a symbol in the file.

Receives names as a spec has them, returns paths and offsets; reads ELF files and the dynamic linker's cache, runs nothing.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator

CACHE = "/etc/ld.so.cache"
FOLDERS = ("/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib")

_EHDR = struct.Struct("=16sHHIQQQIHHHHHH")
_PHDR = struct.Struct("=IIQQQQQQ")
_SHDR = struct.Struct("=IIQQQQIIQQ")
_SYM = struct.Struct("=IBBHQQ")
_PT_LOAD = 1
_SHT_SYMTAB, _SHT_DYNSYM = 2, 11
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
    try:
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _symbol_offset(data, path, symbol)
    except OSError as error:
        raise SymbolError(f"{path}: {error.strerror}") from None
    except (ValueError, struct.error, IndexError, OverflowError):
        raise SymbolError(f"{path} is not a complete 64-bit ELF file") from None


def _symbol_offset(data: mmap.mmap, path: str, symbol: str) -> int:
    header = _header(data)
    known: set[str] = set()
    wanted = symbol.encode()
    for kind in (_SHT_DYNSYM, _SHT_SYMTAB):
        for name, address in _functions(data, header, kind):
            if name == wanted:
                return _file_offset(data, header, address, path)
            known.add(name.decode("utf-8", "replace"))
    import difflib

    near = difflib.get_close_matches(symbol, known, 3, 0.7)
    hint = f"; did you mean {' or '.join(near)}?" if near else "" if known else " (it is stripped)"
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


def _functions(data: mmap.mmap, header: _Header, kind: int) -> Iterator[tuple[bytes, int]]:
    """Name and address of the functions that the file defines."""
    sections = [_SHDR.unpack_from(data, header.shoff + i * _SHDR.size) for i in range(header.shnum)]
    for _, section_kind, _, _, offset, size, link, _, _, _ in sections:
        if section_kind != kind:
            continue
        strings_at, strings_size = sections[link][4:6]
        strings = data[strings_at : strings_at + strings_size]
        for name, info, _, section, value, _ in _SYM.iter_unpack(data[offset : offset + size]):
            if info & 15 in (_STT_FUNC, _STT_GNU_IFUNC) and section and value:
                yield strings[name : strings.index(b"\0", name)], value


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
