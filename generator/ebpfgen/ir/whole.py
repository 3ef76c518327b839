"""What a checked spec consists of: programs, what they write to, and how they are attached."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from ebpfgen import model
from ebpfgen.cnames import FileNames, ring_of
from ebpfgen.fieldtypes import FieldType
from ebpfgen.kernel import Tracepoint
from ebpfgen.layout import MARKS, Slot, StructLayout
from ebpfgen.problems import Mark
from ebpfgen.records import record

from .expressions import Expr, Input
from .signature import RESULT, Signature
from .statements import Statement
from .types import Type
from .walk import walk


@record()
class Program:
    """One kernel program. ``target`` as in the manifest; ``context`` the C type of ctx; ``filtered`` says that the common
    filters are applied; ``task`` the task they speak of (None: the current one); ``signature`` what the target is called with,
    where that is known."""

    name: str
    probe: str
    section: str
    kind: str
    target: dict[str, object]
    context: str
    text: str
    at: model.At
    body: tuple[Statement, ...]
    filtered: bool
    task: Expr | None
    record: Tracepoint | None  # whose fields the context has at fixed offsets
    matches: tuple[str, ...] = ()  # of a wildcard, in the kernel described, as far as that knows
    signature: Signature | None = None
    format: Tracepoint | None = None  # of a record whose places are not settled by names alone: see fields


def named_inputs(program: Program, result: str) -> dict[str, Mark]:
    """What a program names of what it is given (``args.NAME``; ``result`` is retval), and where first."""
    found: dict[str, Mark] = {}
    for node in walk((program.body, program.task)):
        if isinstance(node, Input) and (node.name.startswith("args.") or node.name == "retval"):
            name = result if node.name == "retval" else node.name.removeprefix("args.")
            found.setdefault(name, node.at or program.at.mark)
    return found


def named_arguments(program: Program) -> dict[str, Mark]:
    """The arguments of its signature that a program names (RESULT for what a function returned), and where first."""
    return named_inputs(program, RESULT) if program.signature else {}


@record()
class MapInfo:
    """A map of the spec; ``key`` and ``value`` hold a field "value"/"key" when the spec gives one type."""

    name: str
    type: str
    max_entries: int
    key: StructLayout
    value: StructLayout
    scalar_value: bool
    at: model.At

    @property
    def fields(self) -> list[Slot]:
        """Of the value, those that the spec has."""
        return [s for s in self.value.fields if s.name != MARKS[0]]


@record()
class EventInfo:
    name: str
    id: int
    summary: str
    layout: StructLayout  # with the header: id, weight, marks

    @property
    def tail(self) -> Slot | None:
        """The last field, where it is a text whose length is known only when it was read."""
        last = self.layout.fields[-1]
        return last if last.type and last.type.word in ("string", "argv") else None


@record()
class MetricInfo:
    name: str
    kind: str
    verb: str
    help: str
    unit: str
    top: int | None
    linear: model.Linear | None
    max_entries: int
    key: StructLayout | None
    map_type: str

    @property
    def slots(self) -> int:
        if self.kind != "histogram":
            return 0
        return 64 if not self.linear else (self.linear.max - self.linear.min) // self.linear.step + 2


@record()
class SpanInfo:
    name: str
    max_entries: int
    key: StructLayout
    value: StructLayout
    kept_types: dict[str, Type]


@record()
class ParamInfo:
    name: str
    type: FieldType
    help: str
    default: int | bool | str
    min: int | None
    max: int | None


@record()
class Plan:
    """A node of an attach plan: ``kind`` program (``program`` is an index), all or first."""

    kind: Literal["program", "all", "first"]
    program: int = -1
    optional: bool = False
    of: tuple[Plan, ...] = ()


@record()
class AttachInfo:
    probe: str
    at: model.At
    plan: Plan


@record()
class LeftOut:
    """An alternative that the kernel described does not have and that can't be typed without it."""

    probe: str
    text: str
    at: model.At
    why: str


@record()
class Limit:
    value: int
    at: model.At


@record()
class Limits:
    """What the spec allows the artefact to cost; None where it says nothing. ``cpus``: with how many to count."""

    instructions: Limit | None = None
    stack: Limit | None = None
    maps: Limit | None = None
    ring: Limit | None = None
    cpus: Limit | None = None


@record()
class CheckedSpec:
    """Everything emission needs; nothing of it can fail any more."""

    spec: model.Spec
    names: FileNames
    params: dict[str, ParamInfo]
    maps: dict[str, MapInfo]
    events: dict[str, EventInfo]
    metrics: dict[str, MetricInfo]
    spans: dict[str, SpanInfo]
    programs: tuple[Program, ...]
    attach: tuple[AttachInfo, ...]
    left_out: tuple[LeftOut, ...]
    ring: int
    tables: dict[str, dict[str, str]]
    limits: Limits = Limits()
    latency: int | None = None  # ns

    @property
    def rings(self) -> dict[str, str]:
        """The ring of each event."""
        each = self.spec.rings is not None and self.spec.rings.text == "event"
        return {event: ring_of(event) if each else "events" for event in self.events}

    @property
    def file(self) -> str:
        """The name of the spec's file, without its folder."""
        return PurePath(self.spec.file).name
