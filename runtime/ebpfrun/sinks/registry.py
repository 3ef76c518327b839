"""From words to a sink: those of this package, and those that other packages register.

Receives :class:`~ebpfrun.sinks.words.Words`, returns the opened sink. A sink's module is imported when it is asked for, not
before. Never decides which sinks a run has.

Another package registers a sink by an entry point of the group ``ebpfrun.sinks``: its name, and something that is called with
the words and a :class:`~ebpfrun.sinks.base.Context` and returns the sink. An attribute ``OPTIONS`` of it names the keys that it
knows besides the common ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ebpfrun.errors import EbpfrunError, MachineError, SinkCrashed, UsageError
from ebpfrun.lean import Any

from .base import Context, Sink
from .words import COMMON, Words, parse

Maker = Callable[[Words, Context], Sink]
GROUP = "ebpfrun.sinks"


def _table() -> Any:
    from .table import Table

    return Table


def _text() -> Any:
    from .text import TextLines

    return TextLines


def _jsonl() -> Any:
    from .jsonl import JsonLines

    return JsonLines


def _csv() -> Any:
    from .csv import Csv

    return Csv


def _parquet() -> Any:
    from .parquet import Parquet

    return Parquet


def _arrow() -> Any:
    from .arrow import Arrow

    return Arrow


def _sqlite() -> Any:
    from .sqlite import Sqlite

    return Sqlite


def _duckdb() -> Any:
    from .duckdb import DuckDb

    return DuckDb


_SINKS: dict[str, Callable[[], Any]] = {
    "table": _table, "text": _text, "jsonl": _jsonl, "csv": _csv, "parquet": _parquet, "arrow": _arrow, "sqlite": _sqlite,
    "duckdb": _duckdb,
}  # fmt: skip
NAMES = tuple(_SINKS)
"""What ``--sink`` knows of itself. ``memory`` is for Python programs: :class:`ebpfrun.sinks.memory.Memory`."""


def open_sink(words: str | Words, context: Context) -> Sink:
    """UsageError for a name that is none and for options that it does not have, SinkError for a target that can't be opened."""
    if isinstance(words, str):
        words = parse(words)
    if words.name == "memory":
        raise UsageError("--sink memory: keeps rows for a Python program; on the command line use " + ", ".join(NAMES))
    maker = _SINKS[words.name]() if words.name in _SINKS else _registered(words)
    known = (*getattr(maker, "OPTIONS", ()), *COMMON)
    for key in words.options:
        if key not in known:
            raise UsageError(f"--sink {words.label}: there is no option {key!r}; {_hint(key, known, 'options are ')}")
    if words.name in _SINKS:
        sink: Sink = maker(words, context)
        return sink
    return _made(maker, words, context)


def _made(maker: Maker, words: Words, context: Context) -> Sink:
    """A sink of another package."""
    try:
        sink = maker(words, context)
    except EbpfrunError:
        raise
    except (Exception, SystemExit) as error:
        raise SinkCrashed(words.label, error) from error
    if missing := [method for method in ("write", "flush", "close") if not callable(getattr(sink, method, None))]:
        what = f"expected a sink, its package gave {type(sink).__name__}, which has no {', no '.join(missing)}"
        raise SinkCrashed(words.label, TypeError(what))
    return sink


def _registered(words: Words) -> Maker:
    """What another package has registered. Only asked for names that are not ours: looking takes some milliseconds."""
    from importlib.metadata import entry_points

    found = entry_points(group=GROUP)
    for point in found:
        if point.name == words.name:
            try:
                maker: Maker = point.load()
            except (Exception, SystemExit) as error:  # whatever another package's import may raise
                why = f"{type(error).__name__}: {error}"
                raise MachineError(f"sink {words.name}: {point.value} can't be loaded: {why}") from error
            return maker
    names = [*NAMES, *sorted({point.name for point in found})]
    raise UsageError(f"--sink {words.label}: there is no sink {words.name!r}; {_hint(words.name, names, 'sinks are ')}")


def _hint(word: str, known: Sequence[str], otherwise: str) -> str:
    import difflib

    near = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {near[0]}?" if near else otherwise + ", ".join(known)
