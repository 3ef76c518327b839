"""Parquet: one table per event type and per metric, one file per table (:mod:`ebpfrun.sinks.tables`), typed as
:mod:`ebpfrun.arrow` says.

Always whole files: a Parquet file can be read once its end is written. So a flush writes nothing but to files that are complete,
and what a failing target takes with it is all of the file that was begun. Rows wait for others of their row group
(:data:`ebpfrun.sinks.gather.ROWS`), at most until their file is complete by its age.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import suppress

from ebpfrun import arrow, extras
from ebpfrun.batch import Batch
from ebpfrun.errors import UsageError
from ebpfrun.lean import Any
from ebpfrun.manifest import Manifest

from . import losses, tables
from .base import Context, SinkError
from .files import Rotation, first_due, rotation
from .gather import Gather
from .partial import Namer, Partial, Say
from .words import Words

CODECS = ("zstd", "snappy", "lz4", "gzip", "none")
_REPEAT = frozenset(("pid", "tid", "uid", "gid", "cpu", "port", "u8", "u16", "i8", "i16", "bool"))
"""Types of numbers that repeat, so that a dictionary makes columns smaller: for others it costs time and gains nothing."""


class Parquet:
    OPTIONS = ("rotate", "compress", losses.OPTION)

    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self.wants_account = losses.wanted(words)
        self._events = {event.name: event for event in context.manifest.events}
        self._gather = Gather(context.manifest)
        self._files: dict[str, _Files] = {}
        try:
            for name, schema in _schemas(context.manifest, self.wants_account).items():
                self._files[name] = _Files(words, tables.file_of(words, name, context.manifest), schema, context.say)
        except (SinkError, UsageError):
            self.close()
            raise

    def write(self, batch: Batch) -> None:
        self.flush()
        whole = True
        try:
            for event, table in self._gather.add(batch):
                self._files[event.name].write(table, event.id)
                whole = False
            for reading in batch.readings:
                self._files[tables.metric_table(reading.metric)].write(arrow.metric_batch(reading, self._names))
            if self.wants_account and batch.account is not None:
                self._files[losses.TABLE].write(arrow.losses_batch(losses.rows(batch.account)))
        except SinkError as error:
            error.may_pass = error.may_pass and whole  # else the files that have their part would get it again
            raise self._gather.lose(error, batch, {}) from None
        self._begin_files()

    def _begin_files(self) -> None:
        """The age of a file is that of its first row, also of one that waits for others."""
        for name, event in self._events.items():
            if self._gather.held[event.id]:
                self._files[name].has_rows()

    @property
    def due(self) -> float | None:
        return first_due(self._files.values())

    def flush(self) -> None:
        """Completes the files for which that is due, and nothing else."""
        now = time.monotonic()
        for name, files in self._files.items():
            if files.old(now) and name in self._events:
                event = self._events[name]
                if (table := self._gather.all_of(event)) is not None:
                    files.write(table, event.id)
            if files.due is not None and files.due <= now:
                files.finish()
        self._begin_files()

    def close(self) -> None:
        """Each table's file is completed, whatever becomes of the others."""
        files, self._files = self._files, {}
        failed: SinkError | None = None
        lost: Counter[int] = Counter()
        last = {event.name: (event.id, table) for event, table in self._gather.rest()} if files else {}
        for name, each in files.items():
            try:
                if name in last:
                    each.write(last[name][1], last[name][0])
                each.close()
            except SinkError as error:
                lost.update(error.lost)
                failed = error
        if failed is not None:
            failed.lost = dict(lost)
            raise failed


def _schemas(manifest: Manifest, with_losses: bool) -> dict[str, Any]:
    found = {event.name: arrow.schema(event) for event in manifest.events}
    found |= {tables.metric_table(metric): arrow.metric_schema(metric) for metric in manifest.metrics}
    return found | ({losses.TABLE: arrow.losses_schema()} if with_losses else {})


def _codec(text: str) -> str:
    if text not in CODECS:
        raise ValueError(f"expected one of {', '.join(CODECS)}")
    return text


class _Files:
    """One table's file, or one behind the other. An empty one is left only where there is no rotation."""

    def __init__(self, words: Words, path: str, schema: Any, say: Say) -> None:
        self._sink = words.name
        self._schema = schema
        self._rotation = words.value("rotate", rotation, Rotation())
        self._codec = words.value("compress", _codec, "zstd")
        self._namer = Namer(words.name, path, bool(self._rotation), say)
        self._file: Partial | None = None
        self._writer: Any = None
        self._out: Any = None
        self._rows: Counter[int] = Counter()
        self._begun: float | None = None
        self._begin()

    def _begin(self) -> None:
        parquet = extras.need("pyarrow.parquet", "parquet", "files of Parquet")
        self._file = self._namer.begin()
        self._rows.clear()
        try:
            self._out = arrow.library().OSFile(os.fsencode(self._file.partial), "wb")
            self._writer = parquet.ParquetWriter(
                self._out, self._schema, compression=self._codec, use_dictionary=_dictionary(self._schema)
            )
        except OSError as error:
            raise self._failed(error) from None

    def has_rows(self) -> None:
        """From now on, if it had none."""
        if self._begun is None:
            self._begun = time.monotonic()

    def write(self, table: Any, id: int | None = None) -> None:
        rows = {} if id is None else {id: table.num_rows}
        if self._file is None:
            try:
                self._begin()
            except SinkError as error:
                error.lost = rows
                raise
        self.has_rows()
        self._rows.update(rows)
        try:
            self._writer.write(table)
        except OSError as error:
            raise self._failed(error) from None

    def old(self, now: float) -> bool:
        """Whether the file is complete by its age."""
        due = None if self._begun is None else self._rotation.due(0, self._begun)
        return due is not None and due <= now

    @property
    def due(self) -> float | None:
        """The monotonic time when the file is complete; None for never."""
        if self._begun is None:
            return None
        return self._rotation.due(self._out.tell() if self._file is not None else 0, self._begun)

    def finish(self) -> None:
        """Puts it in place. SinkError where that fails: its rows are lost."""
        self._begun = None
        if self._file is None:
            return
        try:
            self._writer.close()
            self._out.close()
        except OSError as error:
            raise self._failed(error) from None
        file, self._file = self._file, None
        try:
            file.finish()
        except SinkError as error:
            file.leave(remove=False)
            error.lost = dict(self._rows)
            raise

    def _failed(self, error: OSError) -> SinkError:
        """The file can't be completed."""
        file, self._file, self._begun = self._file, None, None
        assert file is not None
        with_rows = SinkError(self._sink, file.path, error, self._rows)
        self._drop_writer()
        file.leave(remove=True)
        return with_rows

    def _drop_writer(self) -> None:
        for each in (self._writer, self._out):
            if each is not None:
                with suppress(OSError):
                    each.close()
        self._writer = self._out = None

    def close(self) -> None:
        if self._file is not None and self._begun is None and self._rotation:
            file, self._file = self._file, None
            self._drop_writer()
            file.leave(remove=True)
        else:
            self.finish()


def _dictionary(schema: Any) -> list[str]:
    pa = arrow.library()

    def repeats(field: Any) -> bool:
        type = (field.metadata or {}).get(b"ebpf.type", b"").decode()
        return bool(pa.types.is_dictionary(field.type)) or type in _REPEAT

    return [field.name for field in schema if repeats(field)]
