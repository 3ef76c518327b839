"""A kernel in a file: what ``ebpfgen kernel capture FILE`` writes, and a description made from it.

Receives a :class:`~ebpfgen.kernel_description.Source`, leaves one file; receives that file, is a Source that gives the same
answers. Never looks at the running kernel.

The file (docs/kernels.md): a line with the format's version; a line with the SHA-256 of everything after it; a line of JSON
(release, machine, fingerprint, build options, modules, and name, packed and unpacked size of each section); the sections, each
compressed by itself and unpacked when it is asked for. A reader passes over sections that it does not know, so later versions
may add some.
"""

from __future__ import annotations

import hashlib
import json
import lzma
from functools import cached_property
from pathlib import Path
from typing import Any

from .atomic import write_beside
from .btf import Btf
from .btf_index import FUNC
from .btf_merge import Begins
from .kernel_description import Source, Symbols, indexed, machines
from .problems import MachineError

_FIRST = b"ebpfgen-kernel "
_VERSION = b"2"
_DIGEST = 64
_MOST = 1 << 26
"""Bytes of a section, unpacked, and of a whole file. The largest BTF known is a tenth of it."""
_MEMORY = 1 << 28
"""Bytes that unpacking a section may take."""
_PIECE = 1 << 16
"""Bytes that are packed at once: signals wait so long."""
_FUNCTIONS = {"blacklist", "untyped", "only typed", "repeated", "untraceable", "only traceable"}


def capture(source: Source, path: Path) -> int:
    """Writes what ``source`` knows to ``path``, whole or not at all; returns the bytes written. Raises MachineError when the
    kernel does not let us see its tracepoints, or the file can't be written."""
    sections = {name: (text, _packed(text)) for name, text in _sections(source).items()}
    header = {
        "release": source.release,
        "machine": source.machine,
        "fingerprint": source.fingerprint,
        "config": source.config(),
        "modules": source.modules(),
        "sections": [[name, len(packed), len(text)] for name, (text, packed) in sections.items()],
    }
    body = json.dumps(header).encode() + b"\n" + b"".join(packed for _, packed in sections.values())
    data = _FIRST + _VERSION + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    try:
        write_beside(path, data)
    except OSError as error:
        raise MachineError(f"{path}: can't be written: {error.strerror}") from None
    return len(data)


def _packed(text: bytes) -> bytes:
    """The same bytes as of lzma.compress, which lets no signal in for seconds."""
    packing = lzma.LZMACompressor()
    pieces = [packing.compress(text[at : at + _PIECE]) for at in range(0, len(text), _PIECE)]
    return b"".join(pieces) + packing.flush()


def _sections(source: Source) -> dict[str, bytes]:
    btf = bytes(source.btf())
    formats = {event: source.format(*event.split(":", 1)) for event in source.events()}
    return {
        "btf": btf,
        "formats": _json({event: text for event, text in formats.items() if text is not None}),
        "functions": _json(_functions(source, frozenset(Btf(btf).names(FUNC)))),
        "syscalls": _json(source.syscalls()),
    }


def _functions(source: Source, typed: frozenset[str]) -> dict[str, list[str]]:
    """How code's names differ from those of the functions that BTF has (``typed``), which most of them are. What could not be
    seen is left out."""
    found = {"blacklist": sorted(source.blacklist())}
    symbols = source.symbols()
    names = symbols.names if symbols else frozenset()
    if symbols:
        found |= {"untyped": sorted(names - typed), "only typed": sorted(typed - names), "repeated": sorted(symbols.repeated)}
    traceable = source.attachable()
    if traceable is not None:
        found |= {"untraceable": sorted((typed | names) - traceable), "only traceable": sorted(traceable - typed - names)}
    return found


class CaptureSource:
    def __init__(self, path: Path) -> None:
        """Raises MachineError when ``path`` holds no captured kernel, or not the whole of it."""
        self._path = path
        try:
            with path.open("rb") as file:
                data = file.read(_MOST + 1)
        except OSError as error:
            raise MachineError(f"{path}: can't be read: {error.strerror}") from None
        if len(data) > _MOST:
            raise MachineError(f"{path}: too large for a captured kernel: more than {_MOST >> 20} MiB")
        self.index_key, header, body = self._opened(data)
        try:
            self.release, self.machine = str(header["release"]), str(header["machine"])
            self.fingerprint = str(header["fingerprint"])
            self._config = {str(key): str(value) for key, value in header["config"].items()}
            self._modules = tuple((str(name), int(first)) for name, first in header["modules"])
            self._packed = self._cut([(str(name), int(packed), int(size)) for name, packed, size in header["sections"]], body)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._altered("its head is not what 'ebpfgen kernel capture' writes") from None
        if self.machine not in machines():
            raise MachineError(f"{path}: captured on {self.machine}; tracers can be made for {' and '.join(machines())}")

    def btf(self) -> bytes:
        return self._btf

    @cached_property
    def _btf(self) -> bytes:
        return self._section("btf") or b""

    def events(self) -> list[str]:
        return list(self._formats)

    def format(self, category: str, name: str) -> str | None:
        return self._formats.get(f"{category}:{name}")

    def modules(self) -> Begins:
        return self._modules

    def attachable(self) -> frozenset[str] | None:
        if "untraceable" not in self._functions:
            return None
        symbols = self.symbols()
        known = self._typed | symbols.names if symbols else self._typed
        return (known - self._functions["untraceable"]) | self._functions["only traceable"]

    def blacklist(self) -> frozenset[str]:
        return self._functions["blacklist"]

    def symbols(self) -> Symbols | None:
        if "untyped" not in self._functions:
            return None
        names = (self._typed - self._functions["only typed"]) | self._functions["untyped"]
        return Symbols(names, self._functions["repeated"])

    def syscalls(self) -> dict[int, str]:
        return {int(number): str(name) for number, name in self._json("syscalls").items()}

    def config(self) -> dict[str, str]:
        return dict(self._config)

    @cached_property
    def _formats(self) -> dict[str, str]:
        return {str(event): str(text) for event, text in self._json("formats").items()}

    @cached_property
    def _functions(self) -> dict[str, frozenset[str]]:
        found = {str(which): frozenset(map(str, names)) for which, names in self._json("functions").items()}
        if "blacklist" not in found or not found.keys() <= _FUNCTIONS:
            raise self._altered("its section functions is not what 'ebpfgen kernel capture' writes")
        return found

    @cached_property
    def _typed(self) -> frozenset[str]:
        return frozenset(indexed(self._btf, self.index_key).names(FUNC))

    def _json(self, section: str) -> dict[str, Any]:
        try:
            found = json.loads(self._section(section) or b"{}")
            return dict(found)
        except (ValueError, TypeError):
            raise self._altered(f"its section {section} can't be read") from None

    def _opened(self, data: bytes) -> tuple[str, dict[str, Any], bytes]:
        """Digest, header and sections of a file whose bytes are the ones that were written."""
        first, _, rest = data.partition(b"\n")
        if not first.startswith(_FIRST):
            raise MachineError(f"{self._path}: no captured kernel; 'ebpfgen kernel capture FILE' makes one")
        if first != _FIRST + _VERSION:
            raise MachineError(
                f"{self._path}: of format {_shown(first[len(_FIRST) :])}, this ebpfgen reads format {_shown(_VERSION)}"
            )
        digest, body = rest[: _DIGEST + 1], rest[_DIGEST + 1 :]
        if hashlib.sha256(body).hexdigest().encode() + b"\n" != digest:
            raise self._altered("its digest is of other bytes")
        line, _, sections = body.partition(b"\n")
        try:
            header = json.loads(line)
        except ValueError:
            raise self._altered("its head can't be read") from None
        return digest.decode().strip(), header, sections

    def _cut(self, sizes: list[tuple[str, int, int]], body: bytes) -> dict[str, tuple[bytes, int]]:
        found = {}
        at = 0
        for name, packed, size in sizes:
            if packed < 0 or not 0 <= size <= _MOST:
                raise ValueError(name)
            found[name] = body[at : at + packed], size
            at += packed
        if at != len(body):
            raise ValueError("sections")
        return found

    def _section(self, name: str) -> bytes | None:
        if name not in self._packed:
            return None
        packed, size = self._packed[name]
        try:
            unpacking = lzma.LZMADecompressor(lzma.FORMAT_XZ, _MEMORY)
            text = unpacking.decompress(packed, size + 1)
        except lzma.LZMAError:
            raise self._altered(f"its section {name} can't be unpacked") from None
        if len(text) != size or not unpacking.eof:
            more = "more than" if len(text) > size else f"{len(text)} bytes, expected"
            raise self._altered(f"its section {name} unpacks to {more} {size}")
        return text

    def _altered(self, why: str) -> MachineError:
        return MachineError(f"{self._path}: cut short or altered: {why}; capture it again")


def _shown(version: bytes) -> str:
    return repr(version[:20].decode(errors="backslashreplace"))


def _json(found: object) -> bytes:
    return json.dumps(found, separators=(",", ":")).encode()
