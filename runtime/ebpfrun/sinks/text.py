"""One line per event: ``TIME EVENT KEY=VALUE …``, for reading and for grep.

The event's first timestamp leads the line; values with spaces, quotes or controls stand in double quotes, escaped. Metrics are
the blocks of :mod:`ebpfrun.sinks.people`.
"""

from __future__ import annotations

from ebpfrun.batch import Batch
from ebpfrun.decode import Run, word
from ebpfrun.manifest import Event
from ebpfrun.render import Text, human, quoted

from . import people
from .base import Context, Stream
from .words import Words


class TextLines:
    def __init__(self, words: Words, context: Context) -> None:
        self._names = context.names
        self._events = {event.id: self._layout(event) for event in context.manifest.events}
        self._stream = Stream("text", words.target, context)

    def _layout(self, event: Event) -> tuple[str, list[Text], int | None]:
        """The line with a place for each field, what makes each text, and which field stands first."""
        lead = next((i for i, slot in enumerate(event.fields) if word(slot.type) == "timestamp"), None)
        heads = [event.name] + [f"{slot.name}=%s" for i, slot in enumerate(event.fields) if i != lead]
        return " ".join(heads if lead is None else ["%s", *heads]), [self._text(slot.type) for slot in event.fields], lead

    def _text(self, type: str) -> Text:
        if word(type) in ("comm", "string"):
            return quoted
        text = human(type, self._names, space="")
        if word(type) in ("argv", "cgroup"):
            return lambda value: quoted(text(value))
        return text

    def write(self, batch: Batch) -> None:
        lines = [line for run in batch.runs for line in self._event_lines(run)]
        lines += [line for reading in batch.readings for line in people.reading_lines(reading, self._names)]
        if lines:
            lines.append("")
            self._stream.write("\n".join(lines))

    def _event_lines(self, run: Run) -> list[str]:
        template, texts, lead = self._events[run.event.id]
        columns = people.cells(run, texts)
        if lead is not None:
            columns.insert(0, columns.pop(lead))
        return [template % row for row in zip(*columns, strict=True)] if columns else [template] * len(run)

    def flush(self) -> None:
        self._stream.flush()

    def close(self) -> None:
        self._stream.close()
