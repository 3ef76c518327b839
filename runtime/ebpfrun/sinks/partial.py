"""A file on its way to where it will be whole.

Receives where it will be; gives a descriptor beside it, ``.NAME.partial``, and puts that in place once it is complete and on the
disk. Never replaces what is no file, never writes through a link that somebody laid where it begins, and tells of what a run that
was killed left there.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

from ebpfrun.render import byte_size

from .base import SinkError, lock
from .compression import SUFFIXES

Say = Callable[[str], None]


class Partial:
    """``path`` is what a link there names: the link stays. Two runs that write the same file are told so."""

    def __init__(self, sink: str, path: str, say: Say) -> None:
        self._sink = sink
        self.path = os.path.realpath(path)
        self.partial = _beside(self.path)
        try:
            _insist_on_a_file(self.path)
            self.fd = _opened(self.partial)
        except OSError as error:
            raise SinkError(sink, path, error) from None
        if left := os.fstat(self.fd).st_size:
            say(f"sink {sink}: {self.partial}: {byte_size(left)} that a run left there which was killed are written over")
            os.ftruncate(self.fd, 0)

    def finish(self) -> None:
        """It is whole: puts it in place. After a failure it is there still, to be left."""
        try:
            os.fsync(self.fd)
            if not _is(self.fd, self.partial):
                raise OSError(errno.ENOENT, "it was removed while it was written")
            os.rename(self.partial, self.path)
        except OSError as error:
            raise SinkError(self._sink, self.partial, error) from None
        os.close(self.fd)

    def leave(self, remove: bool) -> None:
        """It will not be whole; it may still be worth something as it is."""
        if remove:
            with suppress(OSError):  # somebody was faster
                os.unlink(self.partial)
        os.close(self.fd)


def _beside(path: str) -> str:
    return os.path.join(os.path.dirname(path), f".{os.path.basename(path)}.partial")


def _insist_on_a_file(path: str) -> None:
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, "expected a file, which is put in place when it is whole; this is none")


def _opened(partial: str) -> int:
    """The file of that name, made if need be, and locked: nobody else writes it."""
    while True:
        try:
            fd = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
        except OSError as error:
            if error.errno == errno.ELOOP and os.path.islink(partial):
                raise OSError(errno.ELOOP, f"{partial} is a link, which is not followed") from None
            raise
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, f"{partial} is in the way, and no file")
            lock(fd)
            if _is(fd, partial):
                return fd
        except OSError:
            os.close(fd)
            raise
        os.close(fd)  # who wrote it has just put it in place: that one is whole


def _is(fd: int, path: str) -> bool:
    """Whether that is the file of this name, still."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


class Namer:
    """Where the next file goes: always ``path``, or with rotation names of its own."""

    def __init__(self, sink: str, path: str, rotates: bool, say: Say) -> None:
        stem, compressed = os.path.splitext(path) if path.endswith(tuple(SUFFIXES.values())) else (path, "")
        self._stem, suffix = os.path.splitext(stem)
        self._suffix = suffix + compressed
        self._sink = sink
        self._path = path
        self._rotates = rotates
        self._say = say
        self._number = 0
        if rotates and (left := sorted(self._left())):
            more = f", and {len(left) - 1} more of them" if len(left) > 1 else ""
            say(f"sink {sink}: {left[-1]}: left unfinished by a run that was killed{more}")

    def begin(self) -> Partial:
        """SinkError where it can't. A name that is taken, or that another run is writing, is passed over."""
        if not self._rotates:
            return Partial(self._sink, self._path, self._say)
        begun = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        while True:
            self._number += 1
            path = f"{self._stem}-{begun}-{self._number:04d}{self._suffix}"
            if os.path.lexists(path) or os.path.lexists(_beside(path)):
                continue
            try:
                file = Partial(self._sink, path, self._say)
            except SinkError as error:
                if error.busy:
                    continue
                raise
            if not os.path.lexists(path):  # nobody has put one in place since we looked
                return file
            file.leave(remove=True)

    def _left(self) -> Iterator[str]:
        """Files that were begun under such a name, and that nobody writes any more."""
        folder, begin = os.path.split(f"{self._stem}-")
        with suppress(OSError):
            for name in os.listdir(folder or "."):
                if name.startswith(f".{begin}") and name.endswith(f"{self._suffix}.partial"):
                    path = os.path.join(folder, name)
                    if _nobody_writes(path):
                        yield path


def _nobody_writes(path: str) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        lock(fd)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
