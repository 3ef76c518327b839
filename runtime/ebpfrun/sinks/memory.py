"""Rows kept in memory, for Python programs and tests.

``events`` are dictionaries as the jsonl sink would write them, except that ``timestamp`` values are ns since 1970; ``metrics``
are its metric objects.
"""

from __future__ import annotations

from ebpfrun.batch import Batch
from ebpfrun.errors import ClosedError
from ebpfrun.lean import Any

from .base import Context
from .jsonl import metric_object


class Memory:
    """Grows without limit; whoever wants less takes rows out of the lists."""

    def __init__(self, _context: Context | None = None) -> None:
        self.events: list[dict[str, Any]] = []
        self.metrics: list[dict[str, Any]] = []
        self.closed = False

    def write(self, batch: Batch) -> None:
        if self.closed:
            raise ClosedError("sink memory: written to after it was closed")
        self.events.extend(batch.rows())
        for reading in batch.readings:
            self.metrics.extend(metric_object(reading, sample, batch.records.names) for sample in reading.samples)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True
