"""The manifest's data: what the runtime must know of an artefact, as docs/artefact.md says it.

Receives the checked spec, what lowering collected and the layouts; returns plain data without what only building adds (digests,
versions of tools).
"""

from __future__ import annotations

import re
from typing import Any

from ebpfgen import __version__, cnames, ir
from ebpfgen.layout import StructLayout
from ebpfgen.lower.collected import is_plain
from ebpfgen.lower.statements import Lowerer
from ebpfgen.proof import Described

from .choices import choices
from .signatures import asked_by_name, read_of_record, signatures_of
from .structs import value_layout

MANIFEST_SCHEMA = 1
FILTERS = ("pid", "tid", "uid", "comm", "cgroup")


def manifest_data(checked: ir.CheckedSpec, lowerer: Lowerer, config: StructLayout | None, filters: bool) -> dict[str, Any]:
    spec, called = checked.spec, signatures_of(checked)
    return {
        "schema": MANIFEST_SCHEMA,
        "name": spec.name,
        "summary": spec.summary,
        "description": spec.description,
        "file": checked.file,
        "built": {"ebpfgen": __version__},
        "ring": checked.ring,
        **({"rings": list(checked.rings.values())} if {*checked.rings.values()} - {"events"} else {}),
        **({"latency": checked.latency} if checked.latency is not None else {}),
        **({"overhead": spec.budget.text} if spec.budget else {}),
        "config": _config(config, checked),
        "filters": list(FILTERS) if filters else [],
        "params": [
            {"name": p.name, "type": str(p.type), "help": p.help, "default": p.default, "min": p.min, "max": p.max}
            for p in checked.params.values()
        ],
        "events": [_event(e, e.name in lowerer.cut) for e in checked.events.values()],
        "metrics": [_metric(m, checked.names.maps[m.name]) for m in checked.metrics.values()],
        "maps": [
            {
                "name": checked.names.maps[m.name],
                "type": m.type,
                "max_entries": m.max_entries,
                "key_size": m.key.size,
                "value_size": m.value.size,
            }
            for m in checked.maps.values()
        ],
        "programs": [
            {
                "name": p.name,
                "section": p.section,
                "kind": p.kind,
                "target": p.target | _asked(p),
                "file": checked.file,
                "line": p.at.mark.line,
                "text": p.text,
                **asked_by_name(p, called),
                **read_of_record(p),
            }
            for p in checked.programs
        ],
        "attach": [{"probe": a.probe, "line": a.at.mark.line, "plan": _plan(a.plan)} for a in checked.attach],
        "choices": choices(checked, lowerer.btf),
        "left_out": [{"probe": o.probe, "text": o.text, "line": o.at.mark.line, "why": o.why} for o in checked.left_out],
        "counters": [{"index": i, "kind": kind, "of": of} for (kind, of), i in lowerer.counters.slots.items()],
        "tables": checked.tables,
    }


def described(checked: ir.CheckedSpec, config: StructLayout | None, manifest: dict[str, Any]) -> list[Described]:
    """The program's structs of which the manifest tells, with what it tells of them."""

    def named(struct: str, told: dict[str, Any]) -> Described:
        return Described(struct, told, tuple(field["name"] for field in told["fields"]))

    found = [Described(config.name, manifest["config"], tuple(s.name for s in config.fields))] if config else []
    found += [named(e.layout.name, told) for e, told in zip(checked.events.values(), manifest["events"], strict=True)]
    for metric, told in zip(checked.metrics.values(), manifest["metrics"], strict=True):
        if metric.key and not is_plain(metric.key):
            found.append(named(metric.key.name, told["key"]))
        if value_layout(metric):
            found.append(named(f"{metric.name}_value", told["value"]))
    return found


def _asked(program: ir.Program) -> dict[str, Any]:
    """What the program wants of its target beyond being run there: names behind a wildcard, arguments of a USDT probe."""
    nodes = list(ir.walk((program.body, program.task)))
    if program.kind == "usdt":
        given = [int(n.name.removeprefix("arg")) for n in nodes if isinstance(n, ir.Input) and re.fullmatch(r"arg\d+", n.name)]
        return {"args": max(given) + 1 if given else 0}
    return {"names": True} if any(isinstance(n, ir.Builtin) and n.name == "probe" for n in nodes) else {}


def _config(config: StructLayout | None, checked: ir.CheckedSpec) -> dict[str, Any] | None:
    if config is None:
        return None
    params = {cnames.parameter(name): name for name in checked.params}
    fields = []
    for s in config.fields:
        name = f"param.{params[s.name]}" if s.name in params else s.name.replace("_", ".", 1)
        fields.append({"name": name, "type": str(s.type), "offset": s.offset, "size": s.size})
    return {"size": config.size, "fields": fields}


def _event(event: ir.EventInfo, cut: bool) -> dict[str, Any]:
    """``least``: the bytes of a record whose text at the end is empty, where records are cut to what it holds."""
    least = {}
    if cut:
        assert event.tail and event.tail.type
        least = {"least": event.tail.offset + (4 if event.tail.type.shape == "argv" else 1)}
    return {
        "id": event.id,
        "name": event.name,
        "summary": event.summary,
        "size": event.layout.size,
        **least,
        "fields": _fields(event.layout, event.layout.marks),
    }


def _fields(layout: StructLayout, marks: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {"name": s.name, "type": str(s.type), "offset": s.offset, "size": s.size, "mark": marks.get(s.name)}
        for s in layout.fields
        if not s.name.startswith("__")
    ]


def _plain_fields(layout: StructLayout) -> list[dict[str, Any]]:
    return [{"name": s.name, "type": str(s.type), "offset": s.offset, "size": s.size} for s in layout.fields]


def _metric(m: ir.MetricInfo, map: str) -> dict[str, Any]:
    buckets: dict[str, Any] | None = None
    if m.kind == "histogram":
        linear = m.linear
        buckets = (
            {"kind": "linear", "min": linear.min, "max": linear.max, "step": linear.step, "count": m.slots}
            if linear
            else {"kind": "log2", "count": 64}
        )
    if m.kind == "histogram":
        value = [("count", "u64", 0, 8), ("sum", "u64", 8, 8), ("slots", "u64", 16, 8 * m.slots)]
    elif m.verb in ("min", "max"):
        value = [("count", "u64", 0, 8), ("value", "i64", 8, 8)]
    else:
        value = [("value", "i64" if m.kind == "gauge" else "u64", 0, 8)]
    return {
        "name": m.name,
        "kind": m.kind,
        "verb": m.verb,
        "help": m.help,
        "unit": m.unit,
        "top": m.top,
        "map": map,
        "map_type": m.map_type,
        "max_entries": m.max_entries,
        "buckets": buckets,
        "key": {"size": m.key.size, "fields": _plain_fields(m.key)} if m.key else None,
        "value": {
            "size": value[-1][2] + value[-1][3],
            "fields": [{"name": n, "type": t, "offset": o, "size": s} for n, t, o, s in value],
        },
    }


def _plan(plan: ir.Plan) -> dict[str, Any]:
    if plan.kind == "program":
        return {"program": plan.program, "optional": plan.optional}
    return {plan.kind: [_plan(p) for p in plan.of]}
