"""One line per event, for reading and for grep: :class:`ebpfrun.lines.Words`. Metrics are the blocks of
:mod:`ebpfrun.sinks.people`.
"""

from __future__ import annotations

from ebpfrun import lines
from ebpfrun.batch import Batch

from . import people
from .base import Context
from .files import OPTIONS, open_out
from .line_writer import LineWriter
from .words import Words


class TextLines:
    OPTIONS = OPTIONS

    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self._writer = LineWriter(lines.Words(context.names), open_out(words, words.target, context))

    def write(self, batch: Batch) -> None:
        self._writer.write(batch, (f"{line}\n" for r in batch.readings for line in people.reading_lines(r, self._names)))

    @property
    def due(self) -> float | None:
        return self._writer.due

    def flush(self) -> None:
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()
