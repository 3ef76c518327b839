"""A kernel in a file: what ``ebpfgen kernel capture FILE`` writes, and a description made from it.

Receives a :class:`~ebpfgen.kernel_description.Source`, leaves one file; receives that file, is a Source that gives the same
answers. Never looks at the running kernel.

The file: a line with the format's version; a line with the SHA-256 of everything after it; a line of JSON (release, machine,
fingerprint, build options, and name, packed and unpacked size of each section); the sections, each compressed by itself. A
reader passes over sections that it does not know, so later versions may add some.
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
from .kernel_description import Source, machines
from .problems import MachineError

_FIRST = b"ebpfgen-kernel "
_VERSION = b"1"
_DIGEST = 64
_MOST = 1 << 29
"""Bytes of a section, unpacked. The largest BTF known is a fiftieth of it."""


def capture(source: Source, path: Path) -> int:
    """Writes what ``source`` knows to ``path``, whole or not at all; returns the bytes written. Raises MachineError when the
    kernel does not let us see its tracepoints, or the file can't be written."""
    sections = {name: (text, lzma.compress(text)) for name, text in _sections(source).items()}
    header = {
        "release": source.release,
        "machine": source.machine,
        "fingerprint": source.fingerprint,
        "config": source.config(),
        "sections": [[name, len(packed), len(text)] for name, (text, packed) in sections.items()],
    }
    body = json.dumps(header).encode() + b"\n" + b"".join(packed for _, packed in sections.values())
    data = _FIRST + _VERSION + b"\n" + hashlib.sha256(body).hexdigest().encode() + b"\n" + body
    try:
        write_beside(path, data)
    except OSError as error:
        raise MachineError(f"{path}: can't be written: {error.strerror}") from None
    return len(data)


def _sections(source: Source) -> dict[str, bytes]:
    """What can't be seen has no section."""
    btf = bytes(source.btf())
    formats = {event: source.format(*event.split(":", 1)) for event in source.events()}
    found = {"btf": btf, "formats": json.dumps({event: text for event, text in formats.items() if text is not None}).encode()}
    attachable = source.attachable()
    if attachable is not None:
        found["attachable"] = _lines(attachable)
    elif (symbols := source.symbols()) is not None:
        found["symbols"] = _lines(symbols.difference(Btf(btf).names(FUNC)))  # asked only of those that BTF lacks
    found["blacklist"] = _lines(source.blacklist())
    return found


class CaptureSource:
    def __init__(self, path: Path) -> None:
        """Raises MachineError when ``path`` holds no captured kernel, or not the whole of it."""
        self._path = path
        try:
            data = path.read_bytes()
        except OSError as error:
            raise MachineError(f"{path}: can't be read: {error.strerror}") from None
        self.index_key, header, body = self._opened(data)
        try:
            self.release, self.machine = str(header["release"]), str(header["machine"])
            self.fingerprint = str(header["fingerprint"])
            self._config = {str(key): str(value) for key, value in header["config"].items()}
            self._packed = self._cut([(str(name), int(packed), int(size)) for name, packed, size in header["sections"]], body)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise self._altered("its head is not what 'ebpfgen kernel capture' writes") from None
        if self.machine not in machines():
            raise MachineError(f"{path}: captured on {self.machine}; tracers can be made for {' and '.join(machines())}")

    def btf(self) -> bytes:
        return self._section("btf") or b""

    def events(self) -> list[str]:
        return list(self._formats)

    def format(self, category: str, name: str) -> str | None:
        return self._formats.get(f"{category}:{name}")

    def attachable(self) -> frozenset[str] | None:
        return self._names("attachable")

    def blacklist(self) -> frozenset[str]:
        return self._names("blacklist") or frozenset()

    def symbols(self) -> frozenset[str] | None:
        return self._names("symbols")

    def config(self) -> dict[str, str]:
        return dict(self._config)

    @cached_property
    def _formats(self) -> dict[str, str]:
        try:
            found = json.loads(self._section("formats") or b"{}")
            return {str(event): str(text) for event, text in found.items()}
        except (ValueError, AttributeError):
            raise self._altered("its tracepoints can't be read") from None

    def _opened(self, data: bytes) -> tuple[str, dict[str, Any], bytes]:
        """Digest, header and sections of a file whose bytes are the ones that were written."""
        first, _, rest = data.partition(b"\n")
        if not first.startswith(_FIRST):
            raise MachineError(f"{self._path}: no captured kernel; 'ebpfgen kernel capture FILE' makes one")
        if first != _FIRST + _VERSION:
            raise MachineError(f"{self._path}: of format {first[len(_FIRST) :][:20]!r}, this ebpfgen reads format {_VERSION!r}")
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
            text = lzma.LZMADecompressor().decompress(packed, size)
        except lzma.LZMAError:
            raise self._altered(f"its section {name} can't be unpacked") from None
        if len(text) != size:
            raise self._altered(f"its section {name} unpacks to {len(text)} bytes, expected {size}")
        return text

    def _names(self, section: str) -> frozenset[str] | None:
        text = self._section(section)
        return None if text is None else frozenset(text.decode(errors="backslashreplace").split())

    def _altered(self, why: str) -> MachineError:
        return MachineError(f"{self._path}: cut short or altered: {why}; capture it again")


def _lines(names: frozenset[str]) -> bytes:
    return "\n".join(sorted(names)).encode()
