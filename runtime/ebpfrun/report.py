"""Prints what ``doctor``, ``list`` and ``--help`` have to say, in one piece. A reader that has left is no failure."""

from __future__ import annotations

import os
import sys

from .errors import MachineError


def put(text: str, end: str = "\n") -> None:
    """Writes ``text`` and a line end to the standard output."""
    if sys.stdout is None:
        raise MachineError("the standard output is closed")
    try:
        sys.stdout.write(text + end)
        sys.stdout.flush()
    except OSError as error:
        # What could not be written must not be tried again when the interpreter ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
        if not isinstance(error, BrokenPipeError):
            raise MachineError(f"standard output: {error.strerror}") from None
