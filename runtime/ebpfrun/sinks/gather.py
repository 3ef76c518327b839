"""Batches gathered into tables of Arrow that are worth writing.

Receives batches, gives tables of exactly :data:`ROWS` rows per event, and at a flush what is left. A conversion costs the same
for few rows as for many, and so does a row group: small batches are kept as they are until there are enough.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ebpfrun import arrow, extras
from ebpfrun.batch import Batch
from ebpfrun.lean import Any
from ebpfrun.manifest import Event, Manifest
from ebpfrun.records import Records

from .base import SinkError

ROWS = 122_880  # a row group of DuckDB: whole ones are written past its log
_BYTES = 16 << 20  # of records that wait to be converted
_TIDY = 256 << 20  # of records, after which memory that nobody uses is given back


class Gather:
    def __init__(self, manifest: Manifest) -> None:
        extras.need("numpy", "numpy", "columns")  # now, not in the middle of the run
        self._events = manifest.events
        self.schemas = {event.name: arrow.schema(event) for event in manifest.events}
        self._records: Records | None = None
        self._waiting = bytearray()  # used again and again: to ask the kernel for memory costs more than to copy
        self._bytes = 0
        self._untidy = 0
        self._counts: Counter[int] = Counter()
        self._tables: dict[str, list[Any]] = {event.name: [] for event in manifest.events}
        self.held: Counter[int] = Counter()
        """Rows by event id that were taken and not given yet."""

    def add(self, batch: Batch) -> Iterator[tuple[Event, Any]]:
        """Takes the batch when the first table is asked for."""
        if len(batch):
            if batch.records is not self._records:
                self._convert()
                self._records = batch.records
            self._keep(batch.data)
            self._counts.update(batch.counts)
            self.held.update(batch.counts)
        if self._counts.total() >= ROWS or self._bytes >= _BYTES:
            self._convert()
            for event in self._events:
                while self.held[event.id] >= ROWS:
                    yield event, self._take(event, ROWS)

    def rest(self) -> Iterator[tuple[Event, Any]]:
        """All that is left, a table per event that has rows."""
        for event in self._events:
            if (table := self.all_of(event)) is not None:
                yield event, table

    def all_of(self, event: Event) -> Any:
        """What is left of one event; None where that is nothing."""
        self._convert()
        return self._take(event, self.held[event.id]) if self.held[event.id] else None

    def lose(self, error: SinkError, of: Batch | None, table: dict[int, int]) -> SinkError:
        """After a failure: what waits here and was to be written (``table``) is lost, all but the batch that was not taken. Where
        less is than that batch holds, the rest of it is in tables that were written before, all of it being younger."""
        lost = self.held + Counter(table) + Counter(error.lost)
        if of is not None:
            lost.subtract(of.counts)
        error.lost = {id: count for id, count in lost.items() if count > 0}
        error.stored = {id: -count for id, count in lost.items() if count < 0}
        self._bytes = 0
        self._counts.clear()
        self.held.clear()
        for tables in self._tables.values():
            tables.clear()
        return error

    def _keep(self, data: memoryview) -> None:
        end = self._bytes + len(data)
        if end > len(self._waiting):
            self._waiting.extend(bytes(max(end, 2 * len(self._waiting)) - len(self._waiting)))
        self._waiting[self._bytes : end] = data
        self._bytes = end

    def _convert(self) -> None:
        length, counts = self._bytes, self._counts
        self._bytes, self._counts = 0, Counter()
        if not length or self._records is None:
            return
        with self._records.counted(memoryview(self._waiting)[:length], counts) as batch:
            for event in self._events:
                if batch.counts.get(event.id):
                    self._tables[event.name].append(arrow.record_batch(batch, event))
        self._untidy += length
        if self._untidy >= _TIDY:
            self._untidy = 0
            self._records.loops.tidy()

    def _take(self, event: Event, rows: int) -> Any:
        table = arrow.library().Table.from_batches(self._tables[event.name], self.schemas[event.name])
        rest = table.slice(rows)
        self._tables[event.name] = rest.to_batches() if rest.num_rows else []
        self.held[event.id] -= rows
        return table.slice(0, rows)
