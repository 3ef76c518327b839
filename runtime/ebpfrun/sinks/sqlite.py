"""SQLite: one table per event type and per metric, in one file that others can read while it grows (WAL).

A flush ends a transaction. Values are those of the jsonl sink, but for ``timestamp`` (INTEGER, ns since 1970 in UTC); a view
``NAME_readable`` beside each table has times as text. Integers of SQLite have 64 bits with a sign: numbers from 2^63 on are
negative in the table and whole in the view. Rows are added to tables that are there, if these have the same columns.
"""

from __future__ import annotations

import errno
import itertools
import json
import os
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ebpfrun import extras
from ebpfrun.batch import Batch
from ebpfrun.decode import CODES, strings, text, word
from ebpfrun.errors import UsageError
from ebpfrun.lean import Any
from ebpfrun.lines import can_be_marked
from ebpfrun.manifest import Event, Metric, Slot
from ebpfrun.metrics import Reading, bounds
from ebpfrun.names import Memo, Names
from ebpfrun.render import plain

from . import losses, tables
from .base import STDOUT, Context, SinkError
from .marks import RESERVED, marked_fields
from .words import Words

_AS_IT_IS = frozenset(("timestamp", "u64", "bytes", "duration"))
"""Types whose 64 bits are stored as they are."""
_HALF = 1 << 63
_PART = 2048  # events whose values are Python's at a time: what fits into the caches is faster, and takes less memory
AT_ONCE = 16
"""Rows of one statement: half the time of a statement for each."""
_MARKS = Slot("marks", "u32", 4, 4)


class Sqlite:
    OPTIONS = (losses.OPTION,)

    def __init__(self, words: Words, context: Context) -> None:
        self._sqlite = extras.need("sqlite3", "", "files of SQLite")
        if words.target == STDOUT:
            raise UsageError("--sink sqlite: name a file (--sink sqlite:PATH)")
        self._words = words
        self._names = context.names
        self.wants_account = losses.wanted(words)
        self._inserts: dict[str, str] = {}
        self._rows = {event.name: _Rows(event, self._names) for event in context.manifest.events}
        self._uncommitted: Counter[int] = Counter()
        self._db: Any = None
        self._guarded(lambda: self._open(context))

    def _open(self, context: Context) -> None:
        # Of its own thread, not of the one that opened it. A whole path: `:memory:` is a file like others.
        self._db = self._sqlite.connect(os.path.abspath(self._words.target), isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode = wal", "synchronous = normal", "cache_size = -2048"):
            self._db.execute(f"pragma {pragma}")
        for event in context.manifest.events:
            self._table(event.name, _event_columns(event), {s.name: s.type for s in event.fields})
        for metric in context.manifest.metrics:
            self._table(tables.metric_table(metric), _metric_columns(metric), {"time": "timestamp"})
        if self.wants_account:
            types = dict(zip(losses.COLUMNS, ("INTEGER", "TEXT", "TEXT", "TEXT", "INTEGER"), strict=True))
            self._table(losses.TABLE, types, {"time": "timestamp"})

    def _table(self, name: str, columns: dict[str, str], types: dict[str, str]) -> None:
        there = {row[1]: row[2] for row in self._db.execute(f"pragma table_info({_quoted(name)})")}
        if there and there != columns:
            raise UsageError(f"--sink {self._words.label}: {_difference(name, there, columns)}; name another file")
        made = ", ".join(f"{_quoted(column)} {type}" for column, type in columns.items())
        strict = " strict" if self._sqlite.sqlite_version_info >= (3, 37) else ""
        self._db.execute(f"create table if not exists {_quoted(name)} ({made}){strict}")
        shown = ", ".join(_readable(column, types.get(column, "")) for column in columns)
        self._db.execute(f"create view if not exists {_quoted(name + '_readable')} as select {shown} from {_quoted(name)}")
        self._inserts[name] = f"insert into {_quoted(name)} values ({', '.join('?' * len(columns))})"

    def write(self, batch: Batch) -> None:
        self._guarded(lambda: self._write(batch), batch)

    def _write(self, batch: Batch) -> None:
        if not self._db.in_transaction:
            self._db.execute("begin")
        for part in batch.slices(_PART):
            for event in part.events:
                self._insert_events(self._rows[event], part)
        for reading in batch.readings:
            self._insert(tables.metric_table(reading.metric), self._metric_rows(reading))
        if self.wants_account and batch.account is not None:
            self._insert(losses.TABLE, losses.rows(batch.account))
        self._uncommitted.update(batch.counts)

    def _insert_events(self, rows: _Rows, batch: Batch) -> None:
        one, many = rows.inserts(batch.records.offset)
        values = iter(rows.of(batch))
        whole = batch.counts[rows.id] // AT_ONCE
        flat = itertools.chain.from_iterable(itertools.islice(values, whole * AT_ONCE))
        self._db.executemany(many, zip(*[flat] * (rows.width * AT_ONCE), strict=True))
        self._db.executemany(one, values)

    def _insert(self, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
        self._db.executemany(self._inserts[table], rows)

    def _metric_rows(self, reading: Reading) -> Iterable[tuple[Any, ...]]:
        metric = reading.metric
        converters = [_label(slot.type, self._names) for slot in (metric.key.fields if metric.key else ())]
        for sample in reading.samples:
            labels = [convert(value) for convert, value in zip(converters, sample.labels, strict=True)]
            head = (reading.time, reading.seconds, *labels)
            if metric.buckets is None:
                yield (*head, _signed(sample.value))
                continue
            for slot, count in enumerate(sample.slots):
                if count:
                    low, high = bounds(metric.buckets, slot)
                    edges = [None if edge is None else min(edge, _HALF - 1) for edge in (low, high)]
                    yield (*head, sample.observations, _signed(sample.value), *edges, count)

    def flush(self) -> None:
        self._guarded(self._commit)

    def _commit(self) -> None:
        if self._db is not None and self._db.in_transaction:
            self._db.execute("commit")
        self._uncommitted.clear()

    def close(self) -> None:
        if self._db is not None:
            try:
                self.flush()
            finally:
                db, self._db = self._db, None
                self._guarded(db.close)

    def _guarded(self, act: Callable[[], None], batch: Batch | None = None) -> None:
        """SQLite's failures become ours: all since the last flush is taken back."""
        try:
            act()
        except self._sqlite.Error as error:
            lost, self._uncommitted = self._uncommitted, Counter()
            if self._db is not None and self._db.in_transaction:
                self._db.execute("rollback")
            if batch is None and self._db is not None and not self._inserts:
                self._db.close()
            code = errno.ENOSPC if "full" in str(error) else errno.EIO
            raise SinkError(self._words.name, self._words.target, OSError(code, str(error)), lost) from None
        except UsageError:
            self._db.close()
            raise


class _Rows:
    """Rows of one event straight from its records: no value is touched that SQLite takes as it is."""

    def __init__(self, event: Event, names: Names) -> None:
        self.id = event.id
        self.width = len(event.fields) + (2 if can_be_marked(event) else 0)
        self._event = event
        self._marked = can_be_marked(event)
        wanted = (*event.fields, _MARKS) if self._marked else event.fields
        slots = sorted(wanted, key=lambda slot: slot.offset)
        self._order = [slots.index(slot) for slot in wanted]
        self._converters = [_converter(slot.type, names) for slot in event.fields]
        self._layout = _layout(slots)
        self._made_for: int | None = None
        self._statements = "", ""

    def inserts(self, offset: int) -> tuple[str, str]:
        """The statement for one row, and for :data:`AT_ONCE`; ``offset`` turns times into ns since 1970."""
        if self._made_for != offset:
            values = [f"? + {offset}" if word(slot.type) == "timestamp" else "?" for slot in self._event.fields]
            row = f"({', '.join(values + ['?'] * (self.width - len(values)))})"
            head = f"insert into {_quoted(self._event.name)} values "
            self._statements = head + row, head + ", ".join([row] * AT_ONCE)
            self._made_for = offset
        return self._statements

    def of(self, batch: Batch) -> Iterable[tuple[Any, ...]]:
        memory, start, step = batch.strided(self._event.name)
        rest = step - start - struct.calcsize("=" + self._layout)
        rows = struct.Struct(f"={start}x{self._layout}{rest}x").iter_unpack(
            memoryview(memory)[: batch.counts[self._event.id] * step]
        )
        if not self._marked and not any(self._converters) and self._order == sorted(self._order):
            return rows
        columns = list(zip(*rows, strict=True))
        ordered = [columns[i] for i in self._order]
        marks = ordered.pop() if self._marked else None
        found: list[Iterable[Any]] = [
            column if convert is None else map(convert, column) for convert, column in zip(self._converters, ordered, strict=True)
        ]
        if marks is not None:
            found += marked_fields(self._event, marks)
        return zip(*found, strict=True)


def _layout(slots: Sequence[Slot]) -> str:
    """The struct module's format of a record up to its last field."""
    parts, position = [], 0
    for slot in slots:
        code = "q" if slot.type in _AS_IT_IS else CODES.get(word(slot.type), f"{slot.size}s")
        parts.append(f"{slot.offset - position}x{code}")
        position = slot.offset + slot.size
    return "".join(parts)


def _converter(type: str, names: Names) -> Callable[[Any], Any] | None:
    """What turns a value as the struct module gives it into what SQLite stores; None where it is that already."""
    match word(type):
        case "bool":
            return None
        case "comm":
            return Memo(text).__getitem__
        case "string":
            return text
        case "argv":
            return lambda raw: json.dumps(strings(raw), ensure_ascii=False)
    name = None if type in _AS_IT_IS else plain(type, names)
    return None if name is None else Memo(name).__getitem__


def _label(type: str, names: Names) -> Callable[[Any], Any]:
    """The same for a label's decoded value."""
    if word(type) == "argv":
        return lambda words: json.dumps(words, ensure_ascii=False)
    if type in _AS_IT_IS:
        return _signed
    return plain(type, names) or (lambda value: value)


def _signed(value: int) -> int:
    return value if value < _HALF else value - 2 * _HALF


def _event_columns(event: Event) -> dict[str, str]:
    columns = {slot.name: _column_type(slot) for slot in event.fields}
    if not can_be_marked(event):
        return columns
    for name in RESERVED:
        if name in columns:
            raise UsageError(f"sink sqlite: event {event.name} has a field '{name}', which is a column of its own")
    return columns | dict.fromkeys(RESERVED, "TEXT")


def _metric_columns(metric: Metric) -> dict[str, str]:
    labels = {slot.name: _column_type(slot) for slot in (metric.key.fields if metric.key else ())}
    figures = ["count", "sum", "low", "high", "n"] if metric.buckets else ["value"]
    return {"time": "INTEGER", "seconds": "REAL", **labels, **dict.fromkeys(figures, "INTEGER")}


_TEXTS = frozenset(("string", "comm", "argv", "flags", "ip", "mac", "hex", "dev_t"))
_EITHER = frozenset(("errno", "result", "signal", "syscall", "enum", "cgroup", "ifindex", "protocol"))


def _column_type(slot: Slot) -> str:
    """``ANY`` for what has a name or is a number."""
    return "TEXT" if word(slot.type) in _TEXTS else "ANY" if word(slot.type) in _EITHER else "INTEGER"


def _readable(column: str, type: str) -> str:
    quoted = _quoted(column)
    if type == "timestamp":
        second = f"strftime('%Y-%m-%dT%H:%M:%S', {quoted} / 1000000000, 'unixepoch')"
        return f"{second} || printf('.%09dZ', {quoted} % 1000000000) as {quoted}"
    if type == "u64":
        return f"case when {quoted} < 0 then printf('%llu', {quoted}) else {quoted} end as {quoted}"
    return quoted


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _difference(name: str, there: dict[str, str], wanted: dict[str, str]) -> str:
    missing = [c for c in wanted if c not in there]
    more = [c for c in there if c not in wanted]
    others = [f"{c} ({there[c]}, not {wanted[c]})" for c in wanted if c in there and there[c] != wanted[c]]
    parts = [
        f"lacks {', '.join(missing)}" if missing else "",
        f"has {', '.join(more)} besides" if more else "",
        f"has other types: {', '.join(others)}" if others else "",
    ]
    return f"its table {name} is of another spec: it " + (", ".join(filter(None, parts)) or "has its columns in another order")
