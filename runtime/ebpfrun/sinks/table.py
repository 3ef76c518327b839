"""Aligned columns for a terminal.

Columns grow with what they hold; where the terminal is too narrow for that, text columns are cut, with a … at the cut. Numbers
and addresses are never cut: a line may then be wider than the terminal. Units are people's (:mod:`ebpfrun.render`). A header
stands before an event's first row and again when it has scrolled away or the columns have moved. Colours only on a terminal,
and not where ``NO_COLOR`` is set.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence

from ebpfrun.batch import Batch
from ebpfrun.decode import Run, word
from ebpfrun.lean import Any
from ebpfrun.lines import CUT
from ebpfrun.manifest import Event
from ebpfrun.names import Names
from ebpfrun.render import NUMBERS, human

from . import people
from .base import Context, Stream
from .words import Words

_FIRST_WIDTHS = {
    "timestamp": 15, "pid": 6, "tid": 6, "comm": 12, "ip": 12, "port": 5, "duration": 7, "bytes": 8, "string": 16, "argv": 24,
}  # fmt: skip
_CAN_BE_CUT = frozenset(("comm", "string", "argv", "cgroup", "flags"))
_NARROWEST = 8
_WIDEST = 256
_ROWS_BEFORE_HEADER = 10  # a header for columns that moved comes at most this often
_AT_ONCE = 512  # events that are Python's values at a time: many would take many times the memory of their records
_BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


class Table:
    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self._stream = Stream("table", words.target, context)
        colour = self._stream.terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        names = [event.name for event in context.manifest.events]
        tag = max(map(len, ["EVENT", *names])) if len(names) > 1 else 0
        self._events = {e.id: _EventTable(e, context.names, tag, colour) for e in context.manifest.events}

    def write(self, batch: Batch) -> None:
        self._stream.write(_bytes(lines) for lines in self._lines(batch))

    def _lines(self, batch: Batch) -> Iterator[list[str]]:
        size = self._stream.size()
        for part in batch.slices(_AT_ONCE):
            for run in part.runs:
                lines = self._events[run.event.id].lines(run, size)
                yield lines
                self._scroll(len(lines), run.event.id)
        for reading in batch.readings:
            lines = people.reading_lines(reading, self._names)
            yield lines
            self._scroll(len(lines), None)

    def _scroll(self, count: int, writer: int | None) -> None:
        for id, table in self._events.items():
            if id != writer and table.scrolled is not None:
                table.scrolled += count

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()


def _bytes(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")


class _EventTable:
    """Rows of one event. ``scrolled`` counts the lines since the header, whoever wrote them; None before there was one."""

    def __init__(self, event: Event, names: Names, tag: int, colour: bool) -> None:
        """``tag``: width of a column with the event's name, 0 for none."""
        self._texts = [human(slot.type, names) for slot in event.fields]
        self._titles = [slot.name.upper() for slot in event.fields]
        self._right = [slot.type in NUMBERS for slot in event.fields]
        self._cut = [word(slot.type) in _CAN_BE_CUT for slot in event.fields]
        self._fails = [_FAILS.get(slot.type) if colour else None for slot in event.fields]
        self._wanted = [max(len(t), _FIRST_WIDTHS.get(word(s.type), 0)) for t, s in zip(self._titles, event.fields, strict=True)]
        self._widths: list[int] = []
        self._tag = people.pad(event.name, tag, False) + " " if tag else ""
        self._head_tag = people.pad("EVENT", tag, False) + " " if tag else ""
        self._colour = colour
        self.scrolled: int | None = None

    def lines(self, run: Run, size: tuple[int, int] | None) -> list[str]:
        columns = people.cells(run, self._texts)
        widest = [max(map(people.width, column)) for column in columns]
        self._wanted = [max(old, min(new, _WIDEST)) for old, new in zip(self._wanted, widest, strict=True)]
        before, self._widths = self._widths, self._fit(size[0] if size else None)
        lines = []
        if self.scrolled is None or self._header_due(self.scrolled, size, moved=before != self._widths):
            lines.append(self._header())
            self.scrolled = 0
        columns = [self._align(i, column, run.columns[i]) for i, column in enumerate(columns)]
        rows = zip(*columns, strict=True) if columns else [()] * len(run)
        lines += [(self._tag + " ".join(row)).rstrip() for row in rows]
        self.scrolled += len(run)
        return lines

    def _fit(self, room: int | None) -> list[int]:
        """Widths within ``room`` columns if they can be had by cutting text, the widest first."""
        widths = list(self._wanted)
        if room is None:
            return widths
        excess = len(self._tag) + sum(widths) + len(widths) - 1 - room
        floors = [
            max(len(title), _NARROWEST) if cut else width
            for title, cut, width in zip(self._titles, self._cut, widths, strict=True)
        ]
        while excess > 0:
            gains = [width - floor for width, floor in zip(widths, floors, strict=True)]
            if not gains or max(gains) <= 0:
                break
            widths[gains.index(max(gains))] -= 1
            excess -= 1
        return widths

    def _header_due(self, scrolled: int, size: tuple[int, int] | None, moved: bool) -> bool:
        if size is None:  # a file: one header is enough
            return False
        return scrolled >= size[1] - 2 or (moved and scrolled >= _ROWS_BEFORE_HEADER)

    def _header(self) -> str:
        line = (self._head_tag + " ".join(map(people.pad, self._titles, self._widths, self._right))).rstrip()
        return f"{_BOLD}{line}{_PLAIN}" if self._colour else line

    def _align(self, i: int, column: Sequence[str], values: Sequence[Any]) -> list[str]:
        width, right, fails = self._widths[i], self._right[i], self._fails[i]
        if self._cut[i]:
            column = [_cut(text, width) for text in column]
        column = [people.pad(text, width, right) for text in column]
        if fails is None:
            return column
        return [f"{_RED}{text}{_PLAIN}" if fails(value) else text for text, value in zip(column, values, strict=True)]


_FAILS: dict[str, Callable[[int], bool]] = {"errno": lambda value: value != 0, "result": lambda value: value < 0}


def _cut(text: str, width: int) -> str:
    if people.width(text) <= width:
        return text
    while people.width(text) > width - 1:
        text = text[: min(width - 1, len(text) - 1)]
    return text + CUT
