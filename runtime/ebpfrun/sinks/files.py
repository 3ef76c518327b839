"""Files that are whole when they are there: rotation, compression, completion at once.

A file is written as ``.NAME.partial`` beside where it will be, and renamed when it is complete and on the disk: whoever reads
NAME reads all of it, or what was there before. With ``rotate=SIZE``, ``rotate=TIME`` or both (``rotate=64MiB,10m``) a new file
begins where one has grown to that size or that age; their names carry the time (UTC) and a number:
``out-20261124T233800Z-0001.jsonl``.
"""

from __future__ import annotations

import errno
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from ebpfrun import values
from ebpfrun.lean import Any, NamedTuple, Protocol

from .base import STDOUT, Context, SinkError, Stream
from .compression import COMPRESSORS, SUFFIXES, compression
from .partial import Namer, Partial, Say
from .words import Words

OPTIONS = ("rotate", "compress")


class Rotation(NamedTuple):
    """When a file is complete, whichever comes first; None is never."""

    size: int | None = None
    seconds: float | None = None

    def __bool__(self) -> bool:
        return self.size is not None or self.seconds is not None

    def due(self, size: int, begun: float) -> float | None:
        """The monotonic time when a file of that size is complete whose first event came at ``begun``; None for never."""
        if self.size is not None and size >= self.size:
            return begun
        return None if self.seconds is None else begun + self.seconds


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


class Files:
    """One file behind the other, each beginning with ``head``. Written to as a :class:`~ebpfrun.sinks.base.Stream` is."""

    def __init__(self, sink: str, path: str, rotation: Rotation, compress: str | None, head: bytes, say: Say) -> None:
        self._sink = sink
        self._rotation = rotation
        self._compressor = COMPRESSORS[compress] if compress else None
        self._path = path if path.endswith(suffix := SUFFIXES[compress] if compress else "") else path + suffix
        self._namer = Namer(sink, self._path, bool(rotation), say)
        self._head = head
        self._file: Partial | None = None
        self._rows: Counter[int] = Counter()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._packed = self._compressor() if self._compressor else None
        self._file = self._namer.begin()
        self._size = 0
        self._begun: float | None = None
        self._rows.clear()
        if self._head:
            try:
                self._put([self._head])
            except SinkError:
                self._abandon()
                raise

    def _abandon(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.leave(remove=True)

    @property
    def due(self) -> float | None:
        """The monotonic time when a flush completes the file; None for never."""
        return None if self._file is None or self._begun is None else self._rotation.due(self._size, self._begun)

    def write(self, pieces: Iterable[Any], events: Mapping[int, int]) -> None:
        """Writes all, or raises SinkError; the file then holds what it held before."""
        if self._closed:
            raise SinkError(self._sink, self._path, OSError(errno.EBADF, "written to after it was closed"))
        self.flush()
        if self._file is None:
            self._begin()
        if self._put(pieces) and self._begun is None:
            self._begun = time.monotonic()
        self._rows.update(events)

    def _put(self, pieces: Iterable[Any]) -> bool:
        """Whether there was any piece."""
        assert self._file is not None
        before, any_piece = self._size, False
        try:
            for piece in pieces:
                any_piece = True
                self._write_all(self._file, piece if self._packed is None else self._packed.compress(piece))
            if self._packed is not None:
                self._write_all(self._file, self._packed.pause())
        except BaseException as error:
            self._take_back(before)
            if not isinstance(error, OSError):
                raise
            raise SinkError(self._sink, self._file.path, error) from None
        if self._packed is not None:
            self._packed.taken()
        return any_piece

    def _take_back(self, size: int) -> None:
        assert self._file is not None
        os.ftruncate(self._file.fd, size)
        self._size = size
        if self._packed is not None:
            self._packed.back()

    def _write_all(self, file: Partial, data: Any) -> None:
        view = memoryview(data)
        while view:
            done = os.pwrite(file.fd, view, self._size)
            self._size += done
            view = view[done:]

    def flush(self) -> None:
        """Completes the file if that is due."""
        if (due := self.due) is not None and due <= time.monotonic():
            self._finish()

    def _finish(self) -> None:
        """SinkError where its end finds no room, which can be tried again, or where it can't be put in place: then it is lost."""
        assert self._file is not None
        before = self._size
        try:
            if self._packed is not None:
                self._write_all(self._file, self._packed.finish())
        except OSError as error:
            self._take_back(before)
            raise SinkError(self._sink, self._file.partial, error) from None
        try:
            self._file.finish()
        except SinkError as error:
            error.lost = self._give_up()
            raise
        self._file = None

    def _give_up(self) -> dict[int, int]:
        """The file stays as it is, and its events are not where they should be: gives their numbers."""
        file, self._file = self._file, None
        if file is not None:
            file.leave(remove=False)
        return dict(self._rows)

    def close(self) -> None:
        """The last file is put in place; an empty one only where there is no rotation."""
        self._closed = True
        if self._begun is None and self._rotation:
            self._abandon()
        elif self._file is not None:
            try:
                self._finish()
            except SinkError as error:
                error.lost = error.lost or self._give_up()
                raise


class Out(Protocol):
    """What lines are written to; ``due`` as of a sink."""

    @property
    def due(self) -> float | None: ...

    def write(self, pieces: Iterable[Any], events: Mapping[int, int]) -> None: ...

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
    return Files(words.name, path, turns, compress or None, head, context.say)


class _Due(Protocol):
    @property
    def due(self) -> float | None: ...


def first_due(outs: Iterable[_Due]) -> float | None:
    """Of several files that one sink writes."""
    return min((due for out in outs if (due := out.due) is not None), default=None)
