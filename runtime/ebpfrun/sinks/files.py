"""Files that are whole when they are there: rotation, compression, completion at once.

A file is written as ``.NAME.partial`` beside where it will be, and renamed when it is complete and on the disk: whoever reads
NAME reads all of it, or what was there before. With ``rotate=SIZE``, ``rotate=TIME`` or both (``rotate=64MiB,10m``) a new file
begins where one has grown to that size or that age; their names carry the time (UTC) and a number:
``out-20261124T233800Z-0001.jsonl``.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable

from ebpfrun import values
from ebpfrun.errors import MachineError
from ebpfrun.lean import Any, NamedTuple, Protocol

from .base import STDOUT, Context, SinkError, Stream
from .words import Words

OPTIONS = ("rotate", "compress")


class Rotation(NamedTuple):
    """When a file is complete, whichever comes first; None is never."""

    size: int | None = None
    seconds: float | None = None

    def __bool__(self) -> bool:
        return self.size is not None or self.seconds is not None

    def due(self, size: int, age: float) -> bool:
        return (self.size is not None and size >= self.size) or (self.seconds is not None and age >= self.seconds)


def rotation(text: str) -> Rotation:
    """Of ``64MiB``, ``10m`` or ``64MiB,10m``; ValueError for what is none."""
    size: int | None = None
    seconds: float | None = None
    for part in text.split(","):
        if part.isdigit():
            raise ValueError("expected a size or a time with its unit, such as 64MiB or 10m")
        try:
            size = values.size(part)
        except ValueError:
            seconds = values.seconds(part)
    return Rotation(size, seconds)


# Compression.


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


# Files.


class Partial:
    """A file on its way. The lock ends with the descriptor: two runs that write the same file are told so."""

    def __init__(self, sink: str, path: str) -> None:
        self._sink = sink
        self.path = path
        self.partial = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.partial")
        try:
            if os.path.isdir(path):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            self.fd = os.open(self.partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            self._lock()
        except OSError as error:
            raise SinkError(sink, path, error) from None

    def _lock(self) -> None:
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self.fd, 0)
        except OSError as error:
            os.close(self.fd)
            raise OSError(error.errno, "another run is writing it") from None

    def finish(self) -> None:
        """It is whole: puts it in place."""
        try:
            os.fsync(self.fd)
            os.rename(self.partial, self.path)
        except OSError as error:
            raise SinkError(self._sink, self.partial, error) from None
        finally:
            os.close(self.fd)

    def leave(self, remove: bool) -> None:
        """It will not be whole; it may still be worth something as it is."""
        if remove:
            os.unlink(self.partial)
        os.close(self.fd)


class Namer:
    """Where the next file goes: always ``path``, or with rotation names of its own."""

    def __init__(self, path: str, rotates: bool) -> None:
        stem, compressed = os.path.splitext(path) if path.endswith(tuple(SUFFIXES.values())) else (path, "")
        self._stem, suffix = os.path.splitext(stem)
        self._suffix = suffix + compressed
        self._path = path
        self._rotates = rotates
        self._number = 0

    def next(self) -> str:
        if not self._rotates:
            return self._path
        begun = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        while True:
            self._number += 1
            path = f"{self._stem}-{begun}-{self._number:04d}{self._suffix}"
            if not os.path.exists(path):
                return path


class Files:
    """One file behind the other, each beginning with ``head``. Written to as a :class:`~ebpfrun.sinks.base.Stream` is."""

    def __init__(self, sink: str, path: str, rotation: Rotation, compress: str | None, head: bytes = b"") -> None:
        self._sink = sink
        self._rotation = rotation
        self._compressor = COMPRESSORS[compress] if compress else None
        suffix = SUFFIXES[compress] if compress else ""
        self._namer = Namer(path if path.endswith(suffix) else path + suffix, bool(rotation))
        self._head = head
        self._file: Partial | None = None
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._packed = self._compressor() if self._compressor else None
        self._file = Partial(self._sink, self._namer.next())
        self._size, self._begun, self._empty = 0, time.monotonic(), True
        if self._head:
            try:
                self._put([self._head])
            except SinkError:
                self._abandon()
                raise
            self._empty = True

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.leave(remove=True)

    def write(self, pieces: Iterable[Any]) -> None:
        """Writes all, or raises SinkError; the file then holds what it held before."""
        if self._closed:
            raise SinkError(self._sink, self._namer.next(), OSError(errno.EBADF, "written to after it was closed"))
        if self._file is None:
            self._begin()
        self._put(pieces)
        self._rotate()

    def _put(self, pieces: Iterable[Any]) -> None:
        assert self._file is not None
        before = self._size
        try:
            for piece in pieces:
                if self._empty:
                    self._empty, self._begun = False, time.monotonic()
                self._write_all(self._file, piece if self._packed is None else self._packed.compress(piece))
            if self._packed is not None:
                self._write_all(self._file, self._packed.pause())
        except OSError as error:
            os.ftruncate(self._file.fd, before)
            self._size = before
            if self._packed is not None:
                self._packed.back()
            raise SinkError(self._sink, self._file.path, error) from None
        if self._packed is not None:
            self._packed.taken()

    def _write_all(self, file: Partial, data: Any) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(file.fd, view, self._size)
            self._size += done
            view = view[done:]

    def _rotate(self) -> None:
        if self._file is not None and not self._empty and self._rotation.due(self._size, time.monotonic() - self._begun):
            self._finish()

    def _finish(self) -> None:
        file, self._file = self._file, None
        assert file is not None
        try:
            if self._packed is not None:
                self._write_all(file, self._packed.finish())
        except OSError as error:
            file.leave(remove=False)
            raise SinkError(self._sink, file.partial, error) from None
        file.finish()

    def flush(self) -> None:
        self._rotate()

    def close(self) -> None:
        """The last file is put in place; an empty one only where there is no rotation."""
        self._closed = True
        if self._empty and self._rotation:
            self._abandon()
        elif self._file is not None:
            self._finish()


class Out(Protocol):
    """What lines are written to."""

    def write(self, pieces: Iterable[Any]) -> None: ...

    def flush(self) -> None: ...

    def close(self) -> None: ...


def open_out(words: Words, path: str, context: Context, head: bytes = b"") -> Out:
    """Without rotation and compression a live file, which others may follow while it grows; else whole files."""
    turns = words.value("rotate", rotation, Rotation())
    compress = words.value("compress", compression, "")
    if not turns and not compress:
        stream = Stream(words.name, path, context)
        try:
            stream.write([head] if head else ())
        except SinkError:
            stream.close()
            raise
        return stream
    if path == STDOUT:
        raise SinkError(words.name, path, OSError(errno.EINVAL, "rotate and compress need a file: --sink NAME:PATH,…"))
    return Files(words.name, path, turns, compress or None, head)
