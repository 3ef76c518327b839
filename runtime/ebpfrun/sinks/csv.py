"""CSV (RFC 4180): one table per event type and per metric, one file per table (:mod:`ebpfrun.sinks.tables`), a header line first.

Values are those of the jsonl sink; ``argv`` is joined by spaces in shell quotes. Events with fields that can be cut or
unreadable end in the columns ``truncated`` and ``unreadable``: names of fields, separated by spaces. A histogram has a row for
each bucket that is not empty; ``seconds`` is empty for figures since the start.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from ebpfrun.batch import Batch
from ebpfrun.errors import UsageError
from ebpfrun.lean import Any
from ebpfrun.lines import Cells, can_be_marked, cell, csv_cell
from ebpfrun.manifest import Event, Metric
from ebpfrun.metrics import Reading, bounds
from ebpfrun.render import iso_time

from . import losses, tables
from .base import Context, SinkError
from .files import OPTIONS, Out, first_due, open_out
from .line_writer import LineWriter
from .words import Words


class Csv:
    OPTIONS = (*OPTIONS, losses.OPTION)

    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self._events: dict[int, LineWriter] = {}
        self._metrics: dict[str, Out] = {}
        self._losses: Out | None = None
        self._half: Batch | None = None
        self._done: set[int] = set()
        self.wants_account = losses.wanted(words)
        manifest = context.manifest
        try:
            for event in manifest.events:
                out = open_out(words, tables.file_of(words, event.name, manifest), context, _lines([event_columns(event)]))
                self._events[event.id] = LineWriter(Cells(self._names), out, event)
            for metric in manifest.metrics:
                file = tables.file_of(words, tables.metric_table(metric), manifest)
                self._metrics[metric.name] = open_out(words, file, context, _lines([metric_columns(metric)]))
            if self.wants_account:
                file = tables.file_of(words, losses.TABLE, manifest)
                self._losses = open_out(words, file, context, _lines([losses.COLUMNS]))
        except (SinkError, UsageError):
            self.close()
            raise

    def write(self, batch: Batch) -> None:
        """One file may take its part and the next fail: what has it is passed over when the batch comes again."""
        if batch is not self._half:
            self._half, self._done = batch, set()
        for id, writer in self._events.items():
            if batch.counts.get(id) and id not in self._done:
                try:
                    writer.write(batch)
                except SinkError as error:
                    error.stored = {done: batch.counts[done] for done in self._done}
                    raise
                self._done.add(id)
        self._half = None
        if self._losses is not None and batch.account is not None:
            found = ((iso_time(row[0]), *row[1:3], row[3] or "", row[4]) for row in losses.rows(batch.account))
            self._losses.write([_lines(found)], {})
        for reading in batch.readings:
            self._metrics[reading.metric.name].write([_lines(self._metric_rows(reading))], {})

    def _metric_rows(self, reading: Reading) -> Iterator[Sequence[Any]]:
        head = [iso_time(reading.time), "" if reading.seconds is None else round(reading.seconds, 6)]
        cells = [cell(slot.type, self._names) for slot in (reading.metric.key.fields if reading.metric.key else ())]
        for sample in reading.samples:
            labels = [text(value) for text, value in zip(cells, sample.labels, strict=True)]
            if reading.metric.buckets is None:
                yield [*head, *labels, sample.value]
                continue
            for slot, count in enumerate(sample.slots):
                if count:
                    low, high = ("" if bound is None else bound for bound in bounds(reading.metric.buckets, slot))
                    yield [*head, *labels, sample.observations, sample.value, low, high, count]

    def _outs(self) -> list[LineWriter | Out]:
        own = [self._losses] if self._losses is not None else []
        return [*self._events.values(), *self._metrics.values(), *own]

    @property
    def due(self) -> float | None:
        return first_due(self._outs())

    def flush(self) -> None:
        for out in self._outs():
            out.flush()

    def close(self) -> None:
        failed: SinkError | None = None
        lost: Counter[int] = Counter()
        for out in self._outs():
            try:
                out.close()
            except SinkError as error:
                lost.update(error.lost)
                failed = error
        if failed is not None:
            failed.lost = dict(lost)
            raise failed


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = "".join(",".join(csv_cell(str(value)) for value in row) + "\r\n" for row in rows)
    return text.encode("utf-8", "backslashreplace")


def event_columns(event: Event) -> list[str]:
    return [slot.name for slot in event.fields] + (["truncated", "unreadable"] if can_be_marked(event) else [])


def metric_columns(metric: Metric) -> list[str]:
    labels = [slot.name for slot in metric.key.fields] if metric.key else []
    return ["time", "seconds", *labels, *(["count", "sum", "low", "high", "n"] if metric.buckets else ["value"])]
