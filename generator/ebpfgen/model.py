"""The spec as written: every node with its place, nothing resolved.

:mod:`ebpfgen.loader` builds it from located YAML that passed the schema; :mod:`ebpfgen.check` reads it. Expressions are text
here (:class:`Text`), parsed by the checker. All mappings keep the order of the file.
"""

from __future__ import annotations

from .problems import Mark, Problem
from .records import field, record


@record()
class At:
    """Where a node stands: its place and its dotted path."""

    mark: Mark
    path: str

    def problem(self, message: str, near: tuple[str, ...] = (), hint: str = "") -> Problem:
        return Problem(self.mark, self.path, message, near, hint)


@record()
class Text:
    """A scalar and its place. ``columns_exact`` says that character i of ``text`` stands at column ``mark.column + i`` of
    the same line (a plain or simply quoted scalar on one line), so that a position inside the text can be reported."""

    text: str
    at: At
    columns_exact: bool = True

    def sub(self, offset: int) -> At:
        """The place of character ``offset`` of the text."""
        m = self.at.mark
        return At(Mark(m.file, m.line, m.column + offset), self.at.path) if self.columns_exact else self.at


@record()
class Choice:
    """Alternatives between expressions: ``[rq.q.disk, rq.rq_disk]``."""

    options: tuple[Text, ...]
    at: At


Expr = Text | Choice
"""An expression as written. YAML numbers and booleans arrive as Text with their source text ("42", "true")."""


@record()
class Param:
    name: str
    at: At
    type: Text
    help: str
    default: Text | None = None
    min: Text | None = None
    max: Text | None = None


@record()
class Fields:
    """A record: names with types, or one type (``scalar``)."""

    at: At
    fields: dict[str, Text] = field(default_factory=dict)
    scalar: Text | None = None


@record()
class Map:
    name: str
    at: At
    type: str
    max_entries: Text
    key: Fields
    value: Fields


@record()
class Event:
    name: str
    at: At
    fields: Fields
    summary: str = ""


@record()
class Linear:
    """Linear buckets; the numbers are the spec's, already integers, in the metric's unit."""

    min: int
    max: int
    step: int
    at: At


@record()
class Metric:
    name: str
    at: At
    kind: str  # counter, gauge, histogram
    help: str
    unit: str = ""
    buckets: Linear | None = None  # None: log2
    labels: Fields | None = None
    max_entries: Text | None = None
    top: int | None = None


@record()
class AttachPoint:
    """One attach point as written. ``text.text`` is without the leading ``?``; ``optional`` says it was there."""

    text: Text
    at: At
    optional: bool = False
    let: dict[str, Expr] = field(default_factory=dict)
    where: Expr | None = None


@record()
class All:
    """Attach to all of these."""

    of: tuple[AttachPoint | First, ...]
    at: At


@record()
class First:
    """Attach to the first that this kernel can."""

    of: tuple[AttachPoint | All, ...]
    at: At


Attach = AttachPoint | All | First
"""``on`` of a probe, ``start`` or ``end`` of a span. ``{on: [a, b], let: …}`` arrives as All of two AttachPoints with one let."""


@record()
class Statement:
    """One statement. ``verb``: let emit count sum observe set add min max delete if stop.

    * ``target``: the text after the verb (event, metric, ``map[key]``); None for let, if, stop
    * ``condition``: the ``if`` of any statement (for verb "if" the condition itself)
    * ``value``: ``of`` or ``to`` when it is one expression
    * ``fields``: ``with``, ``by``, ``let`` or the mapping under ``to``; None when absent
    * ``then``, ``otherwise``: for verb "if"
    """

    verb: str
    at: At
    target: Text | None = None
    condition: Expr | None = None
    value: Expr | None = None
    fields: dict[str, Expr] | None = None
    then: tuple[Statement, ...] = ()
    otherwise: tuple[Statement, ...] = ()


@record()
class Probe:
    at: At
    on: Attach
    do: tuple[Statement, ...]
    name: str | None = None
    task: Text | None = None
    where: Expr | None = None
    let: dict[str, Expr] = field(default_factory=dict)


@record()
class Span:
    name: str
    at: At
    start: Attach
    end: Attach
    do: tuple[Statement, ...]
    key: tuple[Expr, ...] = ()  # empty: tid
    keep: dict[str, Expr] = field(default_factory=dict)
    task: Text | None = None
    where: Expr | None = None
    let: dict[str, Expr] = field(default_factory=dict)
    max_entries: Text | None = None


@record()
class Spec:
    """``nodes`` names all that the file's nodes say, and where they stand: :func:`ebpfgen.source.digest`."""

    file: str
    at: At
    name: str
    summary: str
    nodes: str
    description: str = ""
    params: dict[str, Param] = field(default_factory=dict)
    maps: dict[str, Map] = field(default_factory=dict)
    events: dict[str, Event] = field(default_factory=dict)
    metrics: dict[str, Metric] = field(default_factory=dict)
    probes: tuple[Probe, ...] = ()
    spans: dict[str, Span] = field(default_factory=dict)
    ring: Text | None = None
    rings: Text | None = None
    latency: Text | None = None
    limits: dict[str, Text] = field(default_factory=dict)
    budget: Text | None = None
