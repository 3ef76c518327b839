"""The checker: a spec as written and a kernel description in, a :class:`~ebpfgen.ir.CheckedSpec` or every problem out.

Pure: reads nothing but its arguments. Order: declarations, then programs (one per attach point), then what only the whole shows.
"""

from __future__ import annotations

from collections.abc import Iterator

from ebpfgen import declare, ir, model
from ebpfgen.bodies import VERBS, Bodies, Declared
from ebpfgen.expr import ExpressionError
from ebpfgen.fieldtypes import FieldType
from ebpfgen.kernel import Kernel
from ebpfgen.problems import Problem, SpecError
from ebpfgen.typer import Typer

from .spans import Programs


def check(spec: model.Spec, kernel: Kernel) -> ir.CheckedSpec:
    """``spec`` typed against ``kernel``; raises :class:`SpecError` with every problem found."""
    problems: list[Problem] = []
    ring, declared = _declared(spec, problems)
    typer = Typer(kernel)
    bodies = Bodies(typer, declared, _wrongly_declared(spec, declared), problems)
    programs = Programs(spec, typer, declared, _mistakes(spec, declared, problems), bodies)
    for probe in spec.probes:
        programs.probe(probe)
    for span in spec.spans.values():
        programs.span(span)
    limits, latency = declare.limits(spec, problems), _latency(spec, problems)
    tables = declare.tables(list(_field_types(spec, declared)), kernel, problems)
    if not problems:
        problems += _unused(spec, declared, programs.programs)
    if problems:
        raise SpecError(problems)
    return ir.CheckedSpec(
        spec,
        programs.names,
        declared.params,
        declared.maps,
        declared.events,
        declared.metrics,
        programs.spans,
        tuple(programs.programs),
        tuple(programs.attach),
        tuple(programs.left_out),
        ring,
        tables,
        limits,
        latency,
    )


def _declared(spec: model.Spec, problems: list[Problem]) -> tuple[int, Declared]:
    """The size of the ring, and what could be declared."""
    ring = _ring(spec, problems)
    params, maps = declare.params(spec, problems), declare.maps(spec, problems)
    events = declare.events(spec, ring, problems)
    _weights(spec, events, problems)
    return ring, Declared(events, declare.metrics(spec, _verbs(spec, problems), problems), maps, params)


def _wrongly_declared(spec: model.Spec, declared: Declared) -> set[str]:
    """Events, metrics and maps that the spec has, but wrongly."""
    groups = ((spec.events, declared.events), (spec.metrics, declared.metrics), (spec.maps, declared.maps))
    return {name for written, right in groups for name in written if name not in right}


def _mistakes(spec: model.Spec, declared: Declared, problems: list[Problem]) -> dict[str, ExpressionError]:
    """What is wrong with maps and parameters, by how expressions name them."""
    return {
        prefix + name: ExpressionError(next(p for p in problems if f"{p.path}.".startswith(f"{written.at.path}.")))
        for prefix, group, right in (("", spec.maps, declared.maps), ("$", spec.params, declared.params))
        for name, written in group.items()
        if name not in right
    }


def _weights(spec: model.Spec, events: dict[str, ir.EventInfo], problems: list[Problem]) -> None:
    """With a budget every event has a field more."""
    for name, event in events.items():
        if spec.budget and any(slot.name == "weight" for slot in event.layout.fields):
            at = spec.events[name].at
            problems.append(
                at.problem("with a budget, weight is a field of every event; give this one another name")
            )


def _ring(spec: model.Spec, problems: list[Problem]) -> int:
    if spec.ring is None:
        return declare.DEFAULT_RING
    size = declare.number(spec.ring, problems, "ring", declare.FEWEST_RING, declare.LARGEST_RING, "bytes")
    if size is not None and size & (size - 1):
        problems.append(spec.ring.at.problem(f"ring must be a power of two, this is {size}"))
    return size or declare.DEFAULT_RING


def _latency(spec: model.Spec, problems: list[Problem]) -> int | None:
    """In ns; None where the spec leaves it to ebpfrun."""
    if spec.latency is None:
        return None
    value = declare.number(spec.latency, problems, "latency", 0, declare.LARGEST_AMOUNT, "duration")
    if value is not None and value > declare.LONGEST_LATENCY:
        problems.append(spec.latency.at.problem(f"latency must be at most 1s, this is {spec.latency.text}"))
    return value


def _verbs(spec: model.Spec, problems: list[Problem]) -> dict[str, str]:
    """The verb used for each metric; a second, different one is a problem for gauges."""
    verbs: dict[str, str] = {}
    for s in _all_statements(spec):
        name = s.target.text if s.target else ""
        metric = spec.metrics.get(name)
        if metric is None or s.verb not in VERBS[metric.kind]:
            continue
        first = verbs.setdefault(name, s.verb)
        if metric.kind == "gauge" and {first, s.verb} not in ({first}, {"set", "add"}):
            at = s.target.at if s.target else s.at
            problems.append(at.problem(f"gauge {name} is used with '{first}' elsewhere; it can't take '{s.verb}' too"))
    return verbs


def _field_types(spec: model.Spec, declared: Declared) -> Iterator[tuple[FieldType, model.At]]:
    for event in declared.events.values():
        written = spec.events[event.name]
        for slot in event.layout.fields:
            if slot.type:
                yield slot.type, written.fields.fields[slot.name].at if slot.name in written.fields.fields else written.at
    for metric in declared.metrics.values():
        labels = spec.metrics[metric.name].labels
        for slot in metric.key.fields if metric.key else ():
            if slot.type and labels:
                yield slot.type, labels.fields[slot.name].at if slot.name in labels.fields else labels.at


def _unused(spec: model.Spec, declared: Declared, programs: list[ir.Program]) -> Iterator[Problem]:
    """What is declared and never used is a mistake or an unused map in the kernel: both unwanted."""
    nodes = [n for p in programs for n in ir.walk((p.body, p.task))]
    emitted = {n.event for n in nodes if isinstance(n, ir.Emit)}
    for event in declared.events.values():
        if event.name not in emitted:
            yield spec.events[event.name].at.problem(f"event {event.name} is never emitted")
    touched = {n.map for n in nodes if isinstance(n, (ir.Lookup, ir.InMap, ir.MapSet, ir.MapAdd, ir.MapDelete))}
    for name, info in declared.maps.items():
        if name not in touched:
            yield info.at.problem(f"map {name} is never used")
    read = {n.name for n in nodes if isinstance(n, ir.ParamValue)} | {str(p.target.get("param")) for p in programs}
    for name in declared.params:
        if name not in read:
            yield spec.params[name].at.problem(f"parameter {name} is never used: write ${name} in an expression")


def _all_statements(spec: model.Spec) -> Iterator[model.Statement]:
    def below(statements: tuple[model.Statement, ...]) -> Iterator[model.Statement]:
        for s in statements:
            yield s
            yield from below(s.then)
            yield from below(s.otherwise)

    for probe in spec.probes:
        yield from below(probe.do)
    for span in spec.spans.values():
        yield from below(span.do)
