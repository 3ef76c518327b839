"""From the words behind ``--sink`` to a sink.

Receives ``NAME`` or ``NAME:TARGET`` (a path, or ``-`` for the standard output, which is the default), returns the opened sink.
A sink's module is imported when it is asked for, not before. Never decides which sinks a run has.
"""

from __future__ import annotations

from collections.abc import Callable

from ebpfrun.errors import UsageError

from .base import STDOUT, Context, Sink


def _table(target: str, context: Context) -> Sink:
    from .table import Table

    return Table(target, context)


def _text(target: str, context: Context) -> Sink:
    from .text import TextLines

    return TextLines(target, context)


def _jsonl(target: str, context: Context) -> Sink:
    from .jsonl import JsonLines

    return JsonLines(target, context)


def _csv(target: str, context: Context) -> Sink:
    from .csv import Csv

    return Csv(target, context)


_SINKS: dict[str, Callable[[str, Context], Sink]] = {"table": _table, "text": _text, "jsonl": _jsonl, "csv": _csv}
NAMES = tuple(_SINKS)
"""What ``--sink`` knows. ``memory`` is for Python programs: :class:`ebpfrun.sinks.memory.Memory`."""


def open_sink(words: str, context: Context) -> Sink:
    """The sink of ``--sink WORDS``; UsageError for a name that is none, SinkError for a target that can't be opened."""
    name, _, target = words.partition(":")
    if name in _SINKS:
        return _SINKS[name](target or STDOUT, context)
    if name == "memory":
        raise UsageError("--sink memory: keeps rows for a Python program; on the command line use " + ", ".join(NAMES))
    raise UsageError(f"--sink {words}: there is no sink {name!r}; {_hint(name)}")


def _hint(name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, NAMES, n=1)
    return f"did you mean {near[0]}?" if near else "sinks are " + ", ".join(NAMES)


def target_of(words: str) -> str:
    """The target that ``--sink WORDS`` names."""
    return words.partition(":")[2] or STDOUT
