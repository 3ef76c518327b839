"""JSON Lines: one object per event and per label set of a metric, typed (see :mod:`ebpfrun.render`).

An event is ``{"event": NAME, FIELD: value, …}``, fields in the spec's order; ``"truncated": [fields]`` and ``"unreadable":
[fields]`` follow when there are such. A metric is ``{"metric": NAME, "kind", "unit", "time", "seconds", "labels": {…}, …}``
with ``"value"``, or for a histogram ``"count"``, ``"sum"`` and ``"buckets": [[low, high, n], …]`` (not the empty ones; null is
no bound). ``"seconds"`` is the length of the interval, null for figures since the start.
"""

from __future__ import annotations

import json
from typing import Any

from ebpfrun.batch import Batch
from ebpfrun.decode import TRUNCATED, UNREADABLE, Run, marked
from ebpfrun.errors import UsageError
from ebpfrun.manifest import Event
from ebpfrun.metrics import Reading, Sample, bounds
from ebpfrun.names import Names
from ebpfrun.render import iso_time, json_text, plain

from .base import Context, Stream
from .words import Words

RESERVED = ("event", "metric", "truncated", "unreadable")


class JsonLines:
    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self._events = {event.id: self._layout(event) for event in context.manifest.events}
        self._stream = Stream("jsonl", words.target, context)

    def _layout(self, event: Event) -> tuple[str, list[Any]]:
        """The line with a place for each field, and what makes each field's text."""
        for slot in event.fields:
            if slot.name in RESERVED:
                raise UsageError(f"sink jsonl: event {event.name} has a field '{slot.name}', a key of jsonl itself")
        heads = [f'"event": {json.dumps(event.name)}'.replace("%", "%%")]
        heads += [f"{json.dumps(slot.name)}: ".replace("%", "%%") + "%s" for slot in event.fields]
        return "{" + ", ".join(heads) + "}", [json_text(slot.type, self._names) for slot in event.fields]

    def write(self, batch: Batch) -> None:
        lines = [line for run in batch.runs for line in self._event_lines(run)]
        lines += [line for reading in batch.readings for line in self._metric_lines(reading)]
        if lines:
            lines.append("")
            self._stream.write("\n".join(lines))

    def _event_lines(self, run: Run) -> list[str]:
        template, texts = self._events[run.event.id]
        columns = [map(text, column) for text, column in zip(texts, run.columns, strict=True)]
        lines = [template % row for row in zip(*columns, strict=True)] if columns else [template % ()] * len(run)
        if any(run.marks):
            lines = [_with_marks(run.event, line, marks) if marks else line for line, marks in zip(lines, run.marks, strict=True)]
        return lines

    def _metric_lines(self, reading: Reading) -> list[str]:
        return [json.dumps(metric_object(reading, sample, self._names)) for sample in reading.samples]

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


def _with_marks(event: Event, line: str, marks: int) -> str:
    for key, which in (("truncated", TRUNCATED), ("unreadable", UNREADABLE)):
        if fields := marked(event, marks, which):
            line = f"{line[:-1]}, {json.dumps(key)}: {json.dumps(fields)}}}"
    return line


def metric_object(reading: Reading, sample: Sample, names: Names) -> dict[str, Any]:
    """One label set of a metric, as the line holds it."""
    metric = reading.metric
    slots = metric.key.fields if metric.key else ()
    labels = {slot.name: _plain(slot.type, value, names) for slot, value in zip(slots, sample.labels, strict=True)}
    head = {
        "metric": metric.name,
        "kind": metric.kind,
        "unit": metric.unit,
        "time": iso_time(reading.time),
        "seconds": None if reading.seconds is None else round(reading.seconds, 6),
        "labels": labels,
    }
    if metric.buckets is None:
        return {**head, "value": sample.value}
    buckets = [[*bounds(metric.buckets, slot), count] for slot, count in enumerate(sample.slots) if count]
    return {**head, "count": sample.observations, "sum": sample.value, "buckets": buckets}


def _plain(type: str, value: Any, names: Names) -> Any:
    convert = plain(type, names)
    return value if convert is None else convert(value)
