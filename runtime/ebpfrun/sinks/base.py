"""What every sink has in common: the three methods, the stream it writes to, how it fails.

A sink receives batches in order, in one thread of its own, and writes them in whole. It raises :class:`SinkError` when its target
fails and nothing else, and then has taken nothing of that batch, or knows what: it may be given it again. What becomes of the
rows otherwise (they are counted as lost) is :mod:`ebpfrun.delivery`'s work, never the sink's.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping

from ebpfrun.batch import Batch
from ebpfrun.errors import MachineError
from ebpfrun.lean import Any, NamedTuple, Protocol, TextIO
from ebpfrun.manifest import Manifest
from ebpfrun.names import Names

STDOUT = "-"
_USUAL_LINES = 24
_PIPE_BUF = 4096  # bytes that a pipe takes without blocking, once it takes any: PIPE_BUF of include/uapi/linux/limits.h
_STEP_MS = 100
_PATIENCE_MS = 1000
_MAY_PASS = frozenset((
    errno.ENOSPC, errno.EDQUOT, errno.EAGAIN, errno.EBUSY, errno.ENOBUFS, errno.ENOMEM, errno.EIO, errno.ESTALE,
    errno.ECONNREFUSED, errno.ECONNRESET, errno.EHOSTUNREACH, errno.ENETUNREACH,
))  # fmt: skip


class Sink(Protocol):
    """The contract, tested by :mod:`ebpfrun.sinks.conformance`. An attribute ``wants_account`` that is true asks for
    ``batch.account`` beside the readings of each interval; an attribute ``due`` that is no None is the time (of
    ``time.monotonic``) when ``flush`` is wanted though nothing was written, as for a file that is complete by its age."""

    def write(self, batch: Batch) -> None:
        """Takes every row of the batch, or raises SinkError. The batch is over when this returns: what is kept is a copy."""

    def flush(self) -> None:
        """After it, what was written is where others can read it."""

    def close(self) -> None:
        """Flushes and lets go of the target. May be called twice; nothing is written after it."""


def _never() -> bool:
    return False


def _to_nobody(_words: str) -> None:
    """There is nobody who would be told."""


class Context(NamedTuple):
    """What a sink may know. ``stdout`` is None when the process has none. Once ``ended`` says so, nobody is waited for any more
    who does not read. ``say`` tells people what they should know and is no failure."""

    manifest: Manifest
    names: Names
    stdout: TextIO | None
    ended: Callable[[], bool] = _never
    say: Callable[[str], None] = _to_nobody


class SinkError(MachineError):
    """A target can't be opened or written. ``reader_gone``: the other end of a pipe was closed, which is no fault and ends a run
    quietly. ``busy``: somebody else is writing it. ``may_pass``: trying again later may help. ``lost``: how many events (by id)
    the target does not have although ``write`` took them; those of a ``write`` that raises are not among them. ``stored``: how
    many of these it has all the same, where a sink has several files and some have their part; they count where the batch is not
    tried again."""

    def __init__(self, sink: str, target: str, error: OSError, lost: Mapping[int, int] | None = None) -> None:
        self.sink = sink
        self.target = target
        self.reader_gone = error.errno == errno.EPIPE
        self.busy = error.errno == errno.EBUSY
        self.may_pass = error.errno in _MAY_PASS
        self.lost = dict(lost or {})
        self.stored: dict[int, int] = {}
        where = "standard output" if target == STDOUT else target
        super().__init__(f"sink {sink}: {where}: {error.strerror or error}")


class _Failed(Exception):
    """A write that failed after so many bytes."""

    def __init__(self, done: int, error: OSError) -> None:
        super().__init__()
        self.done = done
        self.error = error


class Stream:
    """A file, or the standard output, written to without a buffer of our own: what failed is known at once, and nothing is left
    over for the interpreter to trip on at its end."""

    due = None

    def __init__(self, sink: str, target: str, context: Context) -> None:
        """A file is made, or emptied if it is there, unless somebody else is writing it; a named pipe is opened when somebody
        reads it."""
        self._sink = sink
        self._target = target
        self._stdout: TextIO | None = None
        self._fd = -1
        self._encoding = "utf-8"
        self._utf8 = True
        self._ended = context.ended
        try:
            if target == STDOUT:
                self._use_stdout(context.stdout)
            else:
                self._fd = _open(target, context.ended)
            self._can_block = self._fd >= 0 and not stat.S_ISREG(os.fstat(self._fd).st_mode)
        except OSError as error:
            raise self._failed(error) from None

    def _use_stdout(self, stdout: TextIO | None) -> None:
        if stdout is None:
            raise OSError(errno.EBADF, "it is closed")
        stdout.flush()
        self._stdout = stdout
        self._encoding = stdout.encoding or "utf-8"
        self._utf8 = self._encoding.lower().replace("_", "-") in ("utf-8", "utf8")
        try:
            self._fd = stdout.fileno()
        except OSError:  # io.UnsupportedOperation: not a file, but for example a StringIO
            self._fd = -1

    @property
    def terminal(self) -> bool:
        return self._fd >= 0 and os.isatty(self._fd)

    def size(self) -> tuple[int, int] | None:
        """Columns and lines of the terminal; None when it is none, or does not know its width."""
        if not self.terminal:
            return None
        columns, lines = os.get_terminal_size(self._fd)
        return (columns, lines or _USUAL_LINES) if columns else None

    def write(self, pieces: Iterable[Any], _events: Mapping[int, int] | None = None) -> None:
        """Writes all of them (bytes of UTF-8), or raises SinkError; a file of our own then ends where it ended before."""
        done = 0
        try:
            for piece in pieces:
                if self._fd >= 0:
                    done += self._write_all(self._encoded(piece))
                elif self._stdout is not None:
                    self._stdout.write(bytes(piece).decode())
                else:
                    raise OSError(errno.EBADF, "written to after it was closed")
        except _Failed as failed:
            self._take_back(done + failed.done)
            raise self._failed(failed.error) from None
        except OSError as error:
            raise self._failed(error) from None

    def _encoded(self, piece: Any) -> Any:
        """In the standard output's encoding, where that is another."""
        return piece if self._utf8 else bytes(piece).decode().encode(self._encoding, "backslashreplace")

    def _write_all(self, data: Any) -> int:
        view = memoryview(data)
        done = 0
        while done < len(view):
            try:
                done += self._write_some(view[done:])
            except OSError as error:
                raise _Failed(done, error) from None
        return done

    def _write_some(self, view: memoryview) -> int:
        if not self._can_block:
            return os.write(self._fd, view)
        _wait_for_reader(self._fd, self._ended)
        try:
            return os.write(self._fd, view[:_PIPE_BUF])
        except BlockingIOError:  # another writer was faster, and the pipe is one that does not wait
            return 0

    def _take_back(self, written: int) -> None:
        """No half lines: a regular file of our own is cut to where it was."""
        if not written or self._stdout is not None:
            return
        try:
            take_back(self._fd, written)
        except OSError:  # a pipe, a device: what went out has gone
            return

    def flush(self) -> None:
        if self._fd < 0 and self._stdout is not None:
            self._stdout.flush()

    def close(self) -> None:
        if self._fd >= 0 and self._stdout is None:
            fd, self._fd = self._fd, -1
            try:
                os.close(fd)  # some file systems say only here that the disk is full
            except OSError as error:
                raise self._failed(error) from None
        self._fd = -1
        self._stdout = None

    def _failed(self, error: OSError) -> SinkError:
        return SinkError(self._sink, self._target, error)


def take_back(fd: int, written: int) -> None:
    """Cuts a file to where it ended ``written`` bytes before; the next write goes on there, and leaves no hole."""
    os.ftruncate(fd, os.lseek(fd, 0, os.SEEK_CUR) - written)
    os.lseek(fd, 0, os.SEEK_END)


def lock(fd: int) -> None:
    """Until the descriptor is closed, by whoever has it: what one writes another may not empty."""
    import fcntl

    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OSError(errno.EBUSY, "another run or another sink is writing it") from None
    except OSError:  # a file system without locks
        return


def _open(path: str, ended: Callable[[], bool]) -> int:
    while True:
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
            try:
                if stat.S_ISREG(os.fstat(fd).st_mode):
                    lock(fd)
                    os.ftruncate(fd, 0)
            except OSError:
                os.close(fd)
                raise
            return fd
        except OSError as error:
            if error.errno != errno.ENXIO or not stat.S_ISFIFO(os.stat(path).st_mode):
                raise
        if ended():
            raise OSError(errno.ENXIO, "nobody reads it")
        time.sleep(_STEP_MS / 1000)


def _wait_for_reader(fd: int, ended: Callable[[], bool]) -> None:
    """Until something can be written. Once the run is asked to end, a reader that takes nothing is given up."""
    import select

    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    idle = 0
    while not poll.poll(_STEP_MS):
        idle = idle + _STEP_MS if ended() else 0
        if idle >= _PATIENCE_MS:
            raise OSError(errno.ETIMEDOUT, "its reader takes nothing any more")
