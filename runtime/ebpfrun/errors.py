"""What can go wrong at run time, and the exit status it gets.

Receives nothing; every module of the runtime raises these. The command prints the text of an :class:`EbpfrunError` and nothing
else; whatever other exception escapes is our bug.
"""

from __future__ import annotations

from collections.abc import Sequence

EXIT_OK = 0
EXIT_SPEC = 1  # the spec is wrong: said by ebpfgen, passed on
EXIT_USAGE = 2
EXIT_MACHINE = 3
EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h
EXIT_NO_PROGRAM = 126  # as shells do for a command that is there and can't be run
EXIT_NOT_FOUND = 127  # … that isn't there

TRACEBACK = "EBPFRUN_TRACEBACK"  # in the environment: bugs show where they are


class EbpfrunError(Exception):
    """The root of what ebpfrun reports without a traceback. ``exit_status`` is the command's."""

    exit_status = EXIT_BUG


class UsageError(EbpfrunError):
    """The command line asks for what cannot be."""

    exit_status = EXIT_USAGE


class MachineError(EbpfrunError):
    """This machine can't: kernel, privilege, missing library, full disk."""

    exit_status = EXIT_MACHINE


class ArtefactError(MachineError):
    """What was built is missing, truncated, altered, or of another version."""


class AttachError(MachineError):
    """A probe that is not optional can't be attached here."""


class DriverError(MachineError):
    """A call through the door failed. ``errno`` is positive; ``log`` holds libbpf's and the kernel's words about it."""

    def __init__(self, what: str, errno: int, log: str = "") -> None:
        import os

        self.what = what
        self.errno = errno
        self.log = log
        text = f"{what}: {os.strerror(errno)}"
        super().__init__(f"{text}\n{log.rstrip()}" if log.strip() else text)


class ClosedError(EbpfrunError):
    """A tracer was used after it was closed, or before it was opened: a bug of the caller."""


class SinkCrashed(EbpfrunError):
    """A sink of another package did what no sink may: a bug of that package."""

    def __init__(self, label: str, error: BaseException) -> None:
        self.error = error
        what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        super().__init__(f"sink {label}: {what}; a bug of that sink ({TRACEBACK}=1 in the environment shows where)")


class CommandNotFound(EbpfrunError):
    """There is no command of the name after ``-c``."""

    exit_status = EXIT_NOT_FOUND


class CommandRefused(EbpfrunError):
    """The command after ``-c`` is there, but is nothing that can be run."""

    exit_status = EXIT_NO_PROGRAM


def did_you_mean(near: Sequence[str]) -> str:
    """What stands behind an error where something else was perhaps meant."""
    return f"; did you mean {' or '.join(near)}?" if near else ""
