"""Events as lines, written: what jsonl, csv and text share.

Receives batches, gives their lines (:mod:`ebpfrun.lines`) to a stream or to files in one call, so that a failing target takes all
of a batch or nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ebpfrun.batch import Batch
from ebpfrun.lean import Any
from ebpfrun.lines import Format, Lines, lines
from ebpfrun.manifest import Event
from ebpfrun.records import Records

from .files import Out


class LineWriter:
    """``only``: of which event; all, if None."""

    def __init__(self, format: Format, out: Out, only: Event | None = None) -> None:
        self._format = format
        self._out = out
        self._only = only
        self._made_for: Records | None = None
        self._lines: Lines | None = None

    def write(self, batch: Batch, more: Iterable[str] = ()) -> None:
        """The batch's events, then ``more`` lines."""
        events = batch.counts if self._only is None else {self._only.id: batch.counts.get(self._only.id, 0)}
        self._out.write(self._pieces(batch, more), events)

    def _pieces(self, batch: Batch, more: Iterable[str]) -> Iterator[Any]:
        if len(batch):
            yield from self._encoder(batch.records).encode(batch)
        for text in more:
            yield text.encode("utf-8", "backslashreplace")

    def _encoder(self, records: Records) -> Lines:
        if self._lines is None or records is not self._made_for:
            self._lines = lines(self._format, records, self._only)
            self._made_for = records
        return self._lines

    @property
    def due(self) -> float | None:
        return self._out.due

    def flush(self) -> None:
        self._out.flush()

    def close(self) -> None:
        self._out.close()
