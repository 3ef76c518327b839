"""Arrow's stream format (IPC): one table per event type and per metric, one stream per table (:mod:`ebpfrun.sinks.tables`).

Can be read while it grows, from a pipe too: ``ebpfrun net --sink arrow:- | …``. Types are those of :mod:`ebpfrun.arrow`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from ebpfrun import arrow
from ebpfrun.arrays import array
from ebpfrun.batch import Batch
from ebpfrun.errors import UsageError
from ebpfrun.lean import Any
from ebpfrun.manifest import Event

from . import losses, tables
from .base import Context, SinkError, Stream
from .gather import Gather
from .words import Words

CODECS = ("zstd", "lz4", "none")


class Arrow:
    OPTIONS = ("compress", losses.OPTION)
    FLUSH = 1.0

    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self.wants_account = losses.wanted(words)
        self._gather = Gather(context.manifest)
        self._streams: dict[str, _IpcStream] = {}
        try:
            for event in context.manifest.events:
                file = tables.file_of(words, event.name, context.manifest)
                self._streams[event.name] = _IpcStream(words, file, context, self._gather.schemas[event.name])
            for metric in context.manifest.metrics:
                table = tables.metric_table(metric)
                file = tables.file_of(words, table, context.manifest)
                self._streams[table] = _IpcStream(words, file, context, arrow.metric_schema(metric))
            if self.wants_account:
                file = tables.file_of(words, losses.TABLE, context.manifest)
                self._streams[losses.TABLE] = _IpcStream(words, file, context, arrow.losses_schema())
        except (SinkError, UsageError):
            self._close_all()
            raise

    def write(self, batch: Batch) -> None:
        self._send(self._gather.add(batch), batch)
        for reading in batch.readings:
            self._streams[tables.metric_table(reading.metric)].write(arrow.metric_batch(reading, self._names))
        if self.wants_account and batch.account is not None:
            self._streams[losses.TABLE].write(arrow.losses_batch(losses.rows(batch.account)))

    def flush(self) -> None:
        self._send(self._gather.rest(), None)

    def _send(self, found: Iterator[tuple[Event, Any]], batch: Batch | None) -> None:
        for event, table in found:
            try:
                self._streams[event.name].write(table)
            except SinkError as error:
                error.may_pass = False  # later messages rest on this one
                raise self._gather.lose(error, batch, {event.id: table.num_rows}) from None

    def close(self) -> None:
        try:
            if self._streams:
                self.flush()
        finally:
            self._close_all()

    def _close_all(self) -> None:
        failed: SinkError | None = None
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            try:
                stream.close()
            except SinkError as error:
                failed = error
        if failed is not None:
            raise failed


def _codec(text: str) -> str:
    if text not in CODECS:
        raise ValueError(f"expected one of {', '.join(CODECS)}")
    return text


class _IpcStream:
    """The library writes into memory, and what it wrote goes out at once: all of a message or nothing."""

    def __init__(self, words: Words, path: str, context: Context, schema: Any) -> None:
        pa = arrow.library()
        codec = words.value("compress", _codec, "none")
        self._stream = Stream(words.name, path, context)
        self._memory = io.BytesIO()
        options = pa.ipc.IpcWriteOptions(compression=None if codec == "none" else codec)
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._memory, "w"), schema, options=options)
        try:
            self.write(
                pa.RecordBatch.from_arrays([array([], field.type) for field in schema], schema=schema)
            )  # the schema goes out with the first batch
        except SinkError:
            self._stream.close()
            raise

    def write(self, table: Any) -> None:
        self._writer.write(table)
        self._send()

    def _send(self) -> None:
        data = self._memory.getvalue()
        self._memory.seek(0)
        self._memory.truncate()
        if data:
            self._stream.write([data])

    def close(self) -> None:
        try:
            self._writer.close()
            self._send()
        finally:
            self._stream.close()
