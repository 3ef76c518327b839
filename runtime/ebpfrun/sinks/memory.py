"""Rows kept in memory, for Python programs and tests.

``events`` are dictionaries as the jsonl sink would write them, except that ``timestamp`` values are ns since 1970; ``metrics``
are its metric objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ebpfrun.decode import TRUNCATED, UNREADABLE, Run, marked, word
from ebpfrun.errors import ClosedError
from ebpfrun.names import Names
from ebpfrun.render import plain

from .base import Batch, Context
from .jsonl import metric_object


class Memory:
    """Grows without limit; whoever wants less takes rows out of the lists."""

    def __init__(self, context: Context | None = None) -> None:
        """Without a context numbers keep no names but those that are the same everywhere (errno, signal…)."""
        self.events: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        self.closed = False
        self._names = context.names if context else Names({})

    def write(self, batch: Batch) -> None:
        if self.closed:
            raise ClosedError("sink memory: written to after it was closed")
        for run in batch.runs:
            self.events.extend(self._rows(run))
        for reading in batch.readings:
            self.metrics.extend(metric_object(reading, sample, self._names) for sample in reading.samples)

    def _rows(self, run: Run) -> Iterator[dict[str, Any]]:
        keys = [slot.name for slot in run.event.fields]
        columns = [self._column(slot.type, column) for slot, column in zip(run.event.fields, run.columns, strict=True)]
        rows = zip(*columns, strict=True) if columns else (() for _ in run.marks)
        for row, marks in zip(rows, run.marks, strict=True):
            found = {"event": run.event.name, **dict(zip(keys, row, strict=True))}
            for key, which in (("truncated", TRUNCATED), ("unreadable", UNREADABLE)):
                if marks and (fields := marked(run.event, marks, which)):
                    found[key] = fields
            yield found

    def _column(self, type: str, column: Any) -> Any:
        convert = None if word(type) == "timestamp" else plain(type, self._names)
        return column if convert is None else map(convert, column)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True
