"""JSON Lines: one object per event and per label set of a metric, typed (see :mod:`ebpfrun.render`).

Events are those of :class:`ebpfrun.lines.Json`. A metric is ``{"metric": NAME, "kind", "unit", "time", "seconds", "labels":
{…}, …}`` with ``"value"``, or for a histogram ``"count"``, ``"sum"`` and ``"buckets": [[low, high, n], …]`` (not the empty ones;
null is no bound). ``"seconds"`` is the length of the interval, null for figures since the start.

With ``losses=yes`` each interval ends in ``{"losses": {…}}``, the account until then (:meth:`ebpfrun.account.Account.plain`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from ebpfrun.batch import Batch
from ebpfrun.errors import UsageError
from ebpfrun.lean import Any
from ebpfrun.lines import Json
from ebpfrun.metrics import Reading, Sample, bounds
from ebpfrun.names import Names
from ebpfrun.render import iso_time, plain

from . import losses
from .base import Context
from .files import OPTIONS, open_out
from .line_writer import LineWriter
from .words import Words

RESERVED = ("event", "metric", "truncated", "unreadable")


class JsonLines:
    OPTIONS = (*OPTIONS, losses.OPTION)

    def __init__(self, words: Words, context: Context) -> None:
        for event in context.manifest.events:
            for slot in event.fields:
                if slot.name in RESERVED:
                    raise UsageError(f"sink jsonl: event {event.name} has a field '{slot.name}', a key of jsonl itself")
        self._names = context.names
        self.wants_account = losses.wanted(words)
        self._writer = LineWriter(Json(context.names), open_out(words, words.target, context))

    def write(self, batch: Batch) -> None:
        self._writer.write(batch, self._metric_lines(batch))

    def _metric_lines(self, batch: Batch) -> Iterator[str]:
        for reading in batch.readings:
            for sample in reading.samples:
                yield json.dumps(metric_object(reading, sample, self._names)) + "\n"
        if self.wants_account and batch.account is not None:
            yield json.dumps({"losses": batch.account.plain()}) + "\n"

    @property
    def due(self) -> float | None:
        return self._writer.due

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


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
