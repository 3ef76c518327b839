"""DuckDB: one table per event type and per metric, in one file. Typed as :mod:`ebpfrun.arrow` says, but for ``duration``, which
is BIGINT in ns: DuckDB's INTERVAL ends at microseconds. A view ``NAME_readable`` beside each table with such has INTERVAL.

Others can open the file when the run has ended: DuckDB lets one process in. Rows are added to tables that are there, if these
have the same columns.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from ebpfrun import arrow, extras
from ebpfrun.batch import Batch
from ebpfrun.errors import UsageError
from ebpfrun.lean import Any
from ebpfrun.manifest import Manifest

from . import losses, tables
from .base import STDOUT, Context, SinkError
from .gather import Gather
from .words import Words

_CONFIG = {"threads": 1, "autoinstall_known_extensions": False, "autoload_known_extensions": False}
"""A name like ``md:x``, or a file of SQLite, would make it load code from the network, with our privileges."""
_SQLITE = b"SQLite format 3"  # what its files begin with


class DuckDb:
    OPTIONS = (losses.OPTION,)
    FLUSH = 2.0  # seconds, where none are named: nobody can look meanwhile, and small insertions cost twice as much

    def __init__(self, words: Words, context: Context) -> None:
        self._duckdb = extras.need("duckdb", "duckdb", "files of DuckDB")
        if words.target == STDOUT:
            raise UsageError("--sink duckdb: name a file (--sink duckdb:PATH)")
        self._words = words
        self._names = context.names
        self.wants_account = losses.wanted(words)
        self._gather = Gather(context.manifest)
        self._db: Any = None
        try:
            self._db = self._duckdb.connect(_path(words), config=_CONFIG)
            # DuckDB 2 reads a file of other data into a database in memory, whose rows would be lost.
            place = "select path from duckdb_databases() where database_name = current_database()"
            if self._db.execute(place).fetchone() == (None,):
                raise self._duckdb.IOException("file is not a database")
            self._db.execute("set TimeZone = 'UTC'")
            self._open(context.manifest)
        except self._duckdb.Error as error:
            self._close_db()
            raise SinkError(words.name, words.target, OSError(errno.EINVAL, _first_line(error))) from None
        except UsageError:
            self._close_db()
            raise

    def _open(self, manifest: Manifest) -> None:
        for event in manifest.events:
            self._table(event.name, self._gather.schemas[event.name])
        for metric in manifest.metrics:
            self._table(tables.metric_table(metric), arrow.metric_schema(metric))
        if self.wants_account:
            self._table(losses.TABLE, arrow.losses_schema())

    def _table(self, name: str, schema: Any) -> None:
        self._db.register("incoming", _stored(arrow.library().Table.from_batches([], schema)))
        wanted = self._columns("select * from incoming")
        if self._db.execute("select 1 from duckdb_tables() where table_name = ?", [name]).fetchone():
            there = self._columns(f"select * from {_quoted(name)}")
            if there != wanted:
                had, want = (", ".join(f"{c} {t}" for c, t in columns.items()) for columns in (there, wanted))
                raise UsageError(
                    f"--sink {self._words.label}: its table {name} is of another spec: it has {had}; this one has {want}; "
                    "name another file"
                )
        else:
            self._db.execute(f"create table {_quoted(name)} as select * from incoming limit 0")
        if any(_is_duration(field) for field in schema):
            shown = ", ".join(_readable(field) for field in schema)
            view = _quoted(f"{name}_readable")
            self._db.execute(f"create view if not exists {view} as select {shown} from {_quoted(name)}")

    def _columns(self, query: str) -> dict[str, str]:
        return {row[0]: row[1] for row in self._db.execute(f"describe {query}").fetchall()}

    def write(self, batch: Batch) -> None:
        for event, table in self._gather.add(batch):
            self._insert(event.name, table, batch, {event.id: table.num_rows})
        for reading in batch.readings:
            table = arrow.library().Table.from_batches([arrow.metric_batch(reading, self._names)])
            self._insert(tables.metric_table(reading.metric), table, batch, {})
        if self.wants_account and batch.account is not None:
            table = arrow.library().Table.from_batches([arrow.losses_batch(losses.rows(batch.account))])
            self._insert(losses.TABLE, table, batch, {})

    def flush(self) -> None:
        if self._db is not None:
            for event, table in self._gather.rest():
                self._insert(event.name, table, None, {event.id: table.num_rows})

    def _insert(self, name: str, table: Any, batch: Batch | None, rows: dict[int, int]) -> None:
        def insert() -> None:
            self._db.register("incoming", _stored(table))
            self._db.execute(f"insert into {_quoted(name)} select * from incoming")
            self._db.unregister("incoming")

        self._guarded(insert, batch, rows)

    def _guarded(self, act: Callable[[], None], batch: Batch | None, rows: dict[int, int]) -> None:
        try:
            act()
        except self._duckdb.Error as error:
            full = "No space left" in str(error)
            failed = SinkError(
                self._words.name, self._words.target, OSError(errno.ENOSPC if full else errno.EIO, _first_line(error))
            )
            failed.may_pass = False  # it refuses all that follows
            raise self._gather.lose(failed, batch, rows) from None

    def close(self) -> None:
        if self._db is not None:
            try:
                self.flush()
                self._guarded(lambda: self._db.execute("checkpoint"), None, {})
            finally:
                self._close_db()

    def _close_db(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            db.close()


def _path(words: Words) -> str:
    """In a form that DuckDB takes for a file's name, whatever it is: not for ``:memory:`` or a URL."""
    try:
        words.target.encode()
        if os.path.isfile(words.target):
            with open(words.target, "rb") as file:
                if file.read(len(_SQLITE)) == _SQLITE:
                    raise OSError(errno.EINVAL, "a database of SQLite, not of DuckDB")
    except UnicodeEncodeError:
        raise SinkError(words.name, words.target, OSError(errno.EILSEQ, "DuckDB takes names in UTF-8 only")) from None
    except OSError as error:
        raise SinkError(words.name, words.target, error) from None
    return os.path.abspath(words.target)


def _is_duration(field: Any) -> bool:
    return bool(arrow.library().types.is_duration(field.type))


def _stored(table: Any) -> Any:
    """With durations as the numbers of ns that they are."""
    pa = arrow.library()
    for i, field in enumerate(table.schema):
        if _is_duration(field):
            numbers = [chunk.view(pa.int64()) for chunk in table.column(i).chunks]
            table = table.set_column(i, pa.field(field.name, pa.int64()), pa.chunked_array(numbers, pa.int64()))
    return table


def _readable(field: Any) -> str:
    name = _quoted(field.name)
    return f"to_microseconds({name} // 1000) as {name}" if _is_duration(field) else name


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
