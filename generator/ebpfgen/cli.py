"""The command ``ebpfgen``, from its start to its exit status: signals, standard streams, and what an error becomes.

Signals are taken before anything else is imported. :mod:`ebpfgen.commands` does what is asked for.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TextIO


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of the command; everything that can be told without a traceback is. ``argv`` is None for the real one."""
    if argv is not None:
        return _status(argv)
    _take_signals()
    _take_streams()
    try:
        status = _status(None)
    except SystemExit as end:  # argparse has said what was asked for, or what is wrong
        status = end.code if isinstance(end.code, int) else 0
    return _flushed(status)


def _status(argv: Sequence[str] | None) -> int:
    try:
        from . import commands
        from .problems import EXIT_MACHINE, TRACEBACK, EbpfgenError, OwnError, SpecError

        try:
            args = commands.parser().parse_args(argv)
            status: int = args.run(args)
            return status
        except EbpfgenError as e:
            say(str(e) if isinstance(e, SpecError) else f"ebpfgen: {e}")
            return e.exit_status
        except BrokenPipeError:
            return 0
        except OSError as e:
            say(f"ebpfgen: {e.filename or 'standard output'}: {e.strerror or e}")
            return EXIT_MACHINE
        except Exception as e:
            if os.environ.get(TRACEBACK):
                raise
            error = OwnError("", e)
            say(f"ebpfgen: {error}")
            return error.exit_status
    except KeyboardInterrupt as e:
        say("ebpfgen: interrupted; nothing half-written is left")
        return 128 + (e.args[0] if e.args else signal.SIGINT)


def _take_signals() -> None:
    """The first SIGINT, SIGTERM or SIGHUP ends the command in order, a second one at once."""
    asked = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        raise KeyboardInterrupt(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(number, interrupt)


def _take_streams() -> None:
    """What was closed gets a descriptor that can't be written: else the next file opened would take its number, and its text."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115 - for as long as the process lives
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115, PTH123


def say(text: str) -> None:
    """A line for the person at the terminal."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # nobody is left to be told
        return


def _flushed(status: int) -> int:
    """The exit status when everything printed is out. What can't be is told of once, and not again at the interpreter's end."""
    if (error := _flush(sys.stdout)) and status == 0 and not isinstance(error, BrokenPipeError):
        from .problems import EXIT_MACHINE

        say(f"ebpfgen: standard output: {error.strerror}")
        status = EXIT_MACHINE
    _flush(sys.stderr)
    return status


def _flush(stream: TextIO) -> OSError | None:
    try:
        stream.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return error
    return None


if __name__ == "__main__":
    sys.exit(main())
