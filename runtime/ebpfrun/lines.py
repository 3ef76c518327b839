"""Events as lines of text, in three formats: JSON Lines, CSV, and text for people.

A :class:`Format` says what a line of an event consists of: a head, each field's lead and value, marks, a tail. Two encoders
work from it and give the same bytes, which a test sees to: :class:`PythonLines`, which is the reference and serves where there is
no artefact, and :class:`DriverLines`, over the artefact's own C, many times faster. Nothing is written here.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence

from .batch import Batch
from .decode import TRUNCATED, UNREADABLE, Run, marked, strings, text, word
from .lean import TYPE_CHECKING, Any, NamedTuple, Protocol
from .manifest import Event, Slot
from .names import Names
from .render import Text, human, json_text, plain, quoted

if TYPE_CHECKING:
    from .records import Encoder, Records

CUT = "…"
NOT_READ = "<unreadable>"


class Field(NamedTuple):
    """``place`` is the field's in ``event.fields``, ``name`` how lists of marked fields call it."""

    slot: Slot
    place: int
    lead: str
    name: str


class Layout(NamedTuple):
    """A line: head, lead and value of each field, marks, tail."""

    head: str
    fields: list[Field]
    tail: str


class Format:
    """One of the three. ``code`` is the driver's number for it."""

    code = -1

    def __init__(self, names: Names) -> None:
        self.names = names

    def layout(self, event: Event) -> Layout:
        raise NotImplementedError

    def text(self, type: str) -> Text:
        """What turns a decoded value into its text in the line."""
        raise NotImplementedError

    def marks(self, event: Event, marks: int) -> str:
        """What stands before the tail."""
        return ""

    def shown(self, text: str, value: Any, marks: int) -> str:
        """A value's text, with the two bits of its marks."""
        return text


class Json(Format):
    """``{"event": NAME, FIELD: value, …}``; ``"truncated": [fields]`` and ``"unreadable": [fields]`` follow when there are such.
    Pure ASCII."""

    code = 0

    def layout(self, event: Event) -> Layout:
        fields = [Field(s, i, f", {json.dumps(s.name)}: ", json.dumps(s.name)) for i, s in enumerate(event.fields)]
        return Layout(f'{{"event": {json.dumps(event.name)}', fields, "}\n")

    def text(self, type: str) -> Text:
        return json_text(type, self.names)

    def marks(self, event: Event, marks: int) -> str:
        lists = (("truncated", TRUNCATED), ("unreadable", UNREADABLE))
        return "".join(f', "{key}": {json.dumps(fields)}' for key, which in lists if (fields := marked(event, marks, which)))


class Cells(Format):
    """RFC 4180: a cell for each field, then, where fields can be marked, the names of those that are cut and unreadable."""

    code = 1

    def layout(self, event: Event) -> Layout:
        return Layout("", [Field(s, i, "," if i else "", s.name) for i, s in enumerate(event.fields)], "\r\n")

    def text(self, type: str) -> Text:
        value = cell(type, self.names)
        return lambda v: csv_cell(str(value(v)))

    def marks(self, event: Event, marks: int) -> str:
        if not can_be_marked(event):
            return ""
        return "".join("," + csv_cell(" ".join(marked(event, marks, which))) for which in (TRUNCATED, UNREADABLE))


class Words(Format):
    """``TIME EVENT KEY=VALUE …``: the first timestamp leads; values with spaces, quotes or controls stand in quotes, escaped; an
    … behind what was cut."""

    code = 2

    def layout(self, event: Event) -> Layout:
        first = next((i for i, slot in enumerate(event.fields) if word(slot.type) == "timestamp"), None)
        fields = [Field(s, i, f" {s.name}=", s.name) for i, s in enumerate(event.fields) if i != first]
        if first is None:
            return Layout(event.name, fields, "\n")
        lead = Field(event.fields[first], first, "", event.fields[first].name)
        if not fields:
            return Layout("", [lead], f" {event.name}\n")
        return Layout("", [lead, fields[0]._replace(lead=f" {event.name}{fields[0].lead}"), *fields[1:]], "\n")

    def text(self, type: str) -> Text:
        if word(type) in ("comm", "string"):
            return quoted
        value = human(type, self.names, space="")
        return (lambda v: quoted(value(v))) if word(type) in ("argv", "cgroup") else value

    def shown(self, text: str, value: Any, marks: int) -> str:
        return marked_text(text, value, marks)


def marked_text(text: str, value: Any, marks: int) -> str:
    """For people: … behind what was cut, <unreadable> for what could not be read."""
    if marks & UNREADABLE:
        return f"{text} {NOT_READ}" if value else NOT_READ
    return text + CUT if marks & TRUNCATED else text


def can_be_marked(event: Event) -> bool:
    return any(slot.mark is not None for slot in event.fields)


def cell(type: str, names: Names) -> Callable[[Any], Any]:
    """What turns a value into what CSV holds of it."""
    if word(type) == "argv":
        return shlex.join
    if word(type) == "bool":
        return ("false", "true").__getitem__
    return plain(type, names) or (lambda value: value)


def csv_cell(text: str) -> str:
    """In quotes, and quotes doubled, where it holds a comma, a quote or a line end."""
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\r\n') else text


class Lines(Protocol):
    """An encoder, used by one thread at a time."""

    def encode(self, batch: Batch) -> Iterator[Any]:
        """The lines of the batch's events, UTF-8, in pieces of whole lines; each is good until the next is asked for."""


def lines(format: Format, records: Records, only: Event | None = None) -> Lines:
    """The fastest that there is for these records; of one event alone, if it is named."""
    encoder = records.loops.encoder(format.code, records.offset)
    events = records.manifest.events if only is None else (only,)
    if encoder is None:
        return PythonLines(format, events)
    for event in records.manifest.events:
        if event not in events:
            encoder.skip(event.id, event.size)
    return DriverLines(format, events, encoder)


class PythonLines:
    """The reference. Events that it was not told of are passed over."""

    def __init__(self, format: Format, events: Sequence[Event]) -> None:
        self._format = format
        self._events = {event.id: self._prepare(event) for event in events}

    def _prepare(self, event: Event) -> tuple[str, Layout, list[Text]]:
        layout = self._format.layout(event)
        places = [f.lead.replace("%", "%%") + "%s" for f in layout.fields]
        template = layout.head.replace("%", "%%") + "".join(places) + "%s" + layout.tail.replace("%", "%%")
        return template, layout, [self._format.text(f.slot.type) for f in layout.fields]

    def encode(self, batch: Batch) -> Iterator[bytes]:
        for run in batch.runs:
            if run.event.id not in self._events:
                continue
            yield "".join(self._lines(run)).encode("utf-8", "backslashreplace")

    def _lines(self, run: Run) -> list[str]:
        template, layout, texts = self._events[run.event.id]
        columns = [list(map(t, run.columns[f.place])) for t, f in zip(texts, layout.fields, strict=True)]
        if any(run.marks):
            for column, field in zip(columns, layout.fields, strict=True):
                self._show_marks(column, field, run)
        columns.append([self._format.marks(run.event, marks) for marks in run.marks])
        if isinstance(self._format, Cells) and len(run.event.fields) == 1:  # a cell alone and empty would be no row
            columns[0] = [value or ("" if marks else '""') for value, marks in zip(*columns, strict=True)]
        return [template % row for row in zip(*columns, strict=True)]

    def _show_marks(self, column: list[str], field: Field, run: Run) -> None:
        if field.slot.mark is not None:
            shown, shift = self._format.shown, 2 * field.slot.mark
            values = zip(column, run.columns[field.place], run.marks, strict=True)
            column[:] = [shown(text, value, marks >> shift & 3) for text, value, marks in values]


class DriverLines:
    """Over an artefact's driver."""

    def __init__(self, format: Format, events: Sequence[Event], encoder: Encoder) -> None:
        self._encoder = encoder
        self._texts = {}
        for event in events:
            layout = format.layout(event)
            self._encoder.event(event.id, event.size, layout.head, layout.tail)
            for i, (slot, _, lead, name) in enumerate(layout.fields):
                self._encoder.field(lead, name, _kind(slot.type, format.code), slot.offset, slot.size, slot.mark)
                self._texts[event.id, i] = _value(slot.type), format.text(slot.type)

    def encode(self, batch: Batch) -> Iterator[memoryview]:
        return self._encoder.encode(batch.data, self._text)

    def _text(self, event: int, field: int, key: bytes) -> bytes:
        value, text = self._texts[event, field]
        return text(value(key)).encode("utf-8", "backslashreplace")


def _value(type: str) -> Callable[[bytes], Any]:
    """What turns a key that the driver asks for into a value."""
    match word(type):
        case "comm" | "string":
            return text
        case "argv":
            return strings
    signed = word(type) in _SIGNED
    return lambda key: int.from_bytes(key, sys.byteorder, signed=signed)


_SIGNED = frozenset(("i8", "i16", "i32", "i64", "errno", "result", "signal", "syscall", "enum"))
_KINDS = {
    "bool": "ER_BOOL", "comm": "ER_TEXT", "string": "ER_TEXT", "argv": "ER_ARGV", "timestamp": "ER_TIME", "hex": "ER_HEX",
    "dev_t": "ER_DEVICE", "ip": "ER_IP", "mac": "ER_MAC", "result": "ER_RESULT", "errno": "ER_NAMED_SIGNED",
    "signal": "ER_NAMED_SIGNED", "syscall": "ER_NAMED_SIGNED", "enum": "ER_NAMED_SIGNED", "flags": "ER_NAMED",
    "cgroup": "ER_NAMED", "ifindex": "ER_NAMED", "protocol": "ER_NAMED",
}  # fmt: skip


def _kind(type: str, code: int) -> str:
    """The name of a member of ``enum er_kind``."""
    if code == Words.code and word(type) in ("duration", "bytes"):
        return f"ER_{word(type).upper()}"
    return _KINDS.get(word(type)) or ("ER_SIGNED" if word(type) in _SIGNED else "ER_UNSIGNED")
