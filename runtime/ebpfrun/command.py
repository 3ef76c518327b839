"""``-c COMMAND``: a process that waits until the tracer is attached, then becomes the command.

Receives the command line, gives its pid before anything is attached and its exit status at the end. The program is found before
the process is made, so that between its release and its exec it makes no call that would be traced as the command's.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import signal
from collections.abc import Callable

from .errors import CommandNotFound, CommandRefused, UsageError
from .lean import NoReturn

_OF_A_SHELL = frozenset({"|", "||", "&", "&&", "<", ">", ">>", "2>", "2>&1", "&>"})
"""Words that a shell takes as its own. Not `;`, which find -exec wants."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD)


class Command:
    """The process is there, stopped, once this is made; :meth:`go` lets it run."""

    def __init__(self, line: str) -> None:
        argv = _split(line)
        path = _find(argv[0])
        self._name = argv[0]
        gate, self._gate = os.pipe2(os.O_CLOEXEC)
        self._failure, failure = os.pipe2(os.O_CLOEXEC)
        self._status: int | None = None
        signal.signal(signal.SIGCHLD, _wake)
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._gate)
            os.close(self._failure)
            _wait_and_exec(gate, failure, path, argv)
        os.close(gate)
        os.close(failure)

    def go(self) -> None:
        """Lets it go. Raises CommandRefused when the kernel can't run it."""
        with contextlib.suppress(BrokenPipeError):  # killed while it waited: ended() will tell
            os.write(self._gate, b"!")
        os.close(self._gate)
        self._gate = -1
        number = int.from_bytes(os.read(self._failure, 4), "little")  # nothing, when the exec closed it
        if number:
            self._wait(0)
            why = "not a program that this machine can run" if number == errno.ENOEXEC else os.strerror(number)
            raise CommandRefused(f"-c {self._name}: {why}")

    def ended(self) -> bool:
        """Whether the command has ended. Everything it did before is in the kernel's buffers then."""
        return self._wait(os.WNOHANG)

    @property
    def exit_status(self) -> int:
        """As a shell would give it: 128 and the signal's number when it was killed. Only after it ended."""
        assert self._status is not None
        return os.WEXITSTATUS(self._status) if os.WIFEXITED(self._status) else 128 + os.WTERMSIG(self._status)

    def end(self, patience: Callable[[], bool]) -> None:
        """Ends it if it still runs: SIGTERM, and SIGKILL when ``patience`` is out. Before :meth:`go` it ends by itself."""
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1
        else:
            self._kill(signal.SIGTERM)
        while not self._wait(os.WNOHANG):
            if not patience():
                self.kill()
                self._wait(0)
        os.close(self._failure)

    def kill(self) -> None:
        self._kill(signal.SIGKILL)

    def _kill(self, number: int) -> None:
        if self._status is None:
            os.kill(self.pid, number)

    def _wait(self, flags: int) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self.pid, flags)
            if pid:
                self._status = status
        return self._status is not None


def _split(line: str) -> list[str]:
    try:
        argv = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"-c: {error} in: {line}") from None
    if not argv:
        raise UsageError("-c: there is no command in it")
    return argv


def meant_for_a_shell(line: str) -> str | None:
    """A remark about a word that only a shell would understand, where it stands without quotes."""
    try:
        words = _OF_A_SHELL.intersection(shlex.split(line, posix=False))  # keeps the quotes
    except ValueError:  # its rules for quotes are others
        return None
    return f"-c: no shell reads this, {min(words)} is an argument like others; one does in -c \"sh -c '…'\"" if words else None


def _find(name: str) -> str:
    """The program's path."""
    folders = [""] if "/" in name else os.get_exec_path()
    for folder in folders:
        path = os.path.join(folder, name)
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    if "/" in name and os.path.exists(name):
        raise CommandRefused(f"-c {name}: not a program that may be run")
    raise CommandNotFound(f"-c {name}: there is no such command")


def _wake(_number: int, _frame: object) -> None:
    """Makes SIGCHLD interrupt a wait; its default would not."""


def _wait_and_exec(gate: int, failure: int, path: str, argv: list[str]) -> NoReturn:
    """The child. No exception may leave it: above is the parent's code."""
    try:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        environment = os.environb.copy()
        if os.read(gate, 1):
            os.execve(path, argv, environment)
    except OSError as error:
        os.write(failure, (error.errno or errno.EINVAL).to_bytes(4, "little"))
    finally:
        os._exit(127)
