"""Compression of lines: one stream of bytes that can be taken back to where it was, when what came of it found no room.

Receives pieces, returns what is to be written. Never writes.
"""

from __future__ import annotations

from collections.abc import Callable

from ebpfrun.errors import MachineError
from ebpfrun.lean import Any, Protocol


class Compressor(Protocol):
    """One stream. ``pause``: what was given until now shall be readable as it is; ``taken``: it can't be taken back any more;
    ``back`` takes back what came since."""

    def compress(self, data: Any) -> bytes: ...

    def pause(self) -> bytes: ...

    def finish(self) -> bytes: ...

    def taken(self) -> None: ...

    def back(self) -> None: ...


class Gzip:
    """Level 1: what a tracer may take of the traced machine is little."""

    def __init__(self) -> None:
        import zlib

        self._now = zlib.compressobj(1, zlib.DEFLATED, 31)
        self._before = self._now.copy()

    def compress(self, data: Any) -> bytes:
        return self._now.compress(data)

    def pause(self) -> bytes:
        return b""  # readers take what there is of it

    def finish(self) -> bytes:
        return self._now.flush()

    def taken(self) -> None:
        self._before = self._now.copy()

    def back(self) -> None:
        self._now = self._before.copy()


class Zstd:
    """What is written at once is a frame: readers take frames one behind the other as one stream, and none depends on another."""

    def __init__(self) -> None:
        self._new = _zstd()
        self._frame: Any = None

    def compress(self, data: Any) -> bytes:
        if self._frame is None:
            self._frame = self._new()
        packed: bytes = self._frame.compress(data)
        return packed

    def pause(self) -> bytes:
        frame, self._frame = self._frame, None
        packed: bytes = frame.flush() if frame is not None else b""
        return packed

    def finish(self) -> bytes:
        return b""

    def taken(self) -> None:
        pass

    def back(self) -> None:
        self._frame = None


def _zstd() -> Callable[[], Any]:
    """What begins a frame."""
    try:
        from compression import zstd  # type: ignore[import-not-found,unused-ignore]  # Python 3.14 has it

        return lambda: zstd.ZstdCompressor(level=3)
    except ImportError:
        pass
    try:
        import zstandard
    except ImportError:
        raise MachineError("compress=zstd needs a package: pip install 'ebpfgen[zstd]' (gzip needs none)") from None
    return zstandard.ZstdCompressor(level=3).compressobj


COMPRESSORS: dict[str, Callable[[], Compressor]] = {"gzip": Gzip, "zstd": Zstd}
SUFFIXES = {"gzip": ".gz", "zstd": ".zst"}


def compression(text: str) -> str:
    if text not in COMPRESSORS:
        raise ValueError(f"expected {' or '.join(COMPRESSORS)}")
    return text
