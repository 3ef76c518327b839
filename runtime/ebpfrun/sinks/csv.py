"""CSV (RFC 4180): one table per event type and per metric, one file per table, a header line first.

A spec with a single table can go to one file or to the standard output. With more, the target names a folder (one that is
there, or a path that ends in ``/``), or holds ``{}`` where the table's name goes. A table is named as its event, or its metric
with ``.metric`` behind.

Values are those of the jsonl sink; ``argv`` is joined by spaces in shell quotes. Events with fields that can be cut or
unreadable end in the columns ``truncated`` and ``unreadable``: names of fields, separated by spaces. A histogram has a row for
each bucket that is not empty; ``seconds`` is empty for figures since the start.
"""

from __future__ import annotations

import csv
import io
import os
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from ebpfrun.batch import Batch
from ebpfrun.decode import TRUNCATED, UNREADABLE, Run, marked, word
from ebpfrun.errors import UsageError
from ebpfrun.manifest import Event, Manifest, Metric
from ebpfrun.metrics import Reading, bounds
from ebpfrun.names import Names
from ebpfrun.render import iso_time, plain

from .base import STDOUT, Context, SinkError, Stream
from .words import Words

PLACE = "{}"


class Csv:
    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self._streams: dict[str, Stream] = {}
        try:
            for table, columns in _tables(context.manifest).items():
                self._streams[table] = Stream("csv", _file(words.target, table, context.manifest), context)
                self._put(table, [columns])
        except SinkError:
            self.close()
            raise

    def write(self, batch: Batch) -> None:
        for run in batch.runs:
            self._put(run.event.name, self._event_rows(run))
        for reading in batch.readings:
            self._put(_metric_table(reading.metric), self._metric_rows(reading))

    def _put(self, table: str, rows: Iterator[Sequence[Any]] | list[list[str]]) -> None:
        text = io.StringIO(newline="")
        csv.writer(text, lineterminator="\r\n").writerows(rows)
        if text.tell():
            self._streams[table].write(text.getvalue())

    def _event_rows(self, run: Run) -> Iterator[Sequence[Any]]:
        pairs = zip(run.event.fields, run.columns, strict=True)
        columns: list[Iterable[Any]] = [map(_cell(slot.type, self._names), column) for slot, column in pairs]
        if not _can_be_marked(run.event):
            return zip(*columns, strict=True)
        columns += [_marked_fields(run, which) for which in (TRUNCATED, UNREADABLE)]
        return zip(*columns, strict=True)

    def _metric_rows(self, reading: Reading) -> Iterator[Sequence[Any]]:
        head = [iso_time(reading.time), "" if reading.seconds is None else round(reading.seconds, 6)]
        cells = [_cell(slot.type, self._names) for slot in (reading.metric.key.fields if reading.metric.key else ())]
        for sample in reading.samples:
            labels = [cell(value) for cell, value in zip(cells, sample.labels, strict=True)]
            if reading.metric.buckets is None:
                yield [*head, *labels, sample.value]
                continue
            for slot, count in enumerate(sample.slots):
                if count:
                    yield [*head, *labels, sample.observations, sample.value, *bounds(reading.metric.buckets, slot), count]

    def flush(self) -> None:
        for stream in self._streams.values():
            stream.flush()

    def close(self) -> None:
        failed: SinkError | None = None
        for stream in self._streams.values():
            try:
                stream.close()
            except SinkError as error:
                failed = error
        if failed is not None:
            raise failed


def _marked_fields(run: Run, which: int) -> Iterator[str]:
    return (" ".join(marked(run.event, marks, which)) if marks else "" for marks in run.marks)


def _tables(manifest: Manifest) -> dict[str, list[str]]:
    """Each table's columns."""
    tables = {event.name: _event_columns(event) for event in manifest.events}
    return tables | {_metric_table(metric): _metric_columns(metric) for metric in manifest.metrics}


def _metric_table(metric: Metric) -> str:
    return f"{metric.name}.metric"


def _event_columns(event: Event) -> list[str]:
    return [slot.name for slot in event.fields] + (["truncated", "unreadable"] if _can_be_marked(event) else [])


def _metric_columns(metric: Metric) -> list[str]:
    labels = [slot.name for slot in metric.key.fields] if metric.key else []
    return ["time", "seconds", *labels, *(["count", "sum", "low", "high", "n"] if metric.buckets else ["value"])]


def _can_be_marked(event: Event) -> bool:
    return any(slot.mark is not None for slot in event.fields)


def _file(target: str, table: str, manifest: Manifest) -> str:
    if PLACE in target:
        return target.replace(PLACE, table)
    if target != STDOUT and (target.endswith("/") or os.path.isdir(target)):
        _make_folder(target)
        return os.path.join(target, f"{table}.csv")
    tables = list(_tables(manifest))
    if len(tables) > 1:
        raise UsageError(
            f"--sink csv: {manifest.name} has {len(tables)} tables ({', '.join(tables)}), which do not fit into one file; "
            f"name a folder (--sink csv:{manifest.name}/) or put {PLACE} into the name (--sink csv:{manifest.name}-{PLACE}.csv)"
        )
    return target


def _make_folder(path: str) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise SinkError("csv", path, error) from None


def _cell(type: str, names: Names) -> Callable[[Any], Any]:
    if word(type) == "argv":
        return shlex.join
    if word(type) == "bool":
        return ("false", "true").__getitem__
    return plain(type, names) or (lambda value: value)
