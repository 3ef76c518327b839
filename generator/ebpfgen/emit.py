"""Emission: a checked spec in, the texts of its artefact out (C, header, records for the binding, manifest data).

Everything that a template needs is named, sorted and finished here; templates only place it. Pure: the same input gives the
same bytes, with no time and no path in them.
"""

from __future__ import annotations

import functools
import json
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from . import __version__, cnames, ir
from .btf import Btf
from .fieldtypes import FieldType
from .kernel import TracepointField
from .kernel_style import WIDEST
from .layout import StructLayout, lay_out
from .lower import LONG_TEXT, Lowerer, c_comment, c_of, is_plain, scratch_name
from .typer import BASIC

MANIFEST_SCHEMA = 1
FILTERS = ("pid", "tid", "uid", "comm", "cgroup")
PREEMPTIBLE = ("uprobe", "uretprobe")
"""Kinds whose programs the kernel may interrupt in favour of another thread that runs the same program."""
_U32 = FieldType("u32", "", "int", "__u32", 4, 4)
_U64 = FieldType("u64", "", "int", "__u64", 8, 8)
_I64 = FieldType("i64", "", "int", "__s64", 8, 8, True)
_COMM = FieldType("comm", "", "string", "char", 16, 1)


@dataclass(frozen=True, slots=True)
class Emitted:
    """The texts of an artefact, the records for its binding, and its manifest without what only building adds."""

    name: str
    bpf_c: str
    header: str
    cdef: str
    manifest: dict[str, Any]


class Emitter:
    """Renders checked specs with the templates of one folder."""

    def __init__(self, templates: Path) -> None:
        self.folder = templates

    @functools.cached_property
    def environment(self) -> Any:
        import jinja2

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folder),
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
            autoescape=False,
        )
        environment.globals["fail"] = _fail
        return environment

    def render(self, template: str, data: dict[str, Any]) -> str:
        text: str = self.environment.get_template(template).render(data)
        return text

    def emit(self, checked: ir.CheckedSpec, types: Btf) -> Emitted:
        lowerer = Lowerer(checked, types)
        bodies = [lowerer.program(p) for p in checked.programs]
        for p in checked.programs:
            if p.context.startswith("struct ") and p.context != "struct pt_regs" and not p.record:
                lowerer.types.forwards.add(p.context)  # a program may look at nothing of its context
        upserts = [_upsert(u, lowerer) for u in _upserted(checked, lowerer)]
        filters = bool(lowerer.helpers & {"wanted", "wanted_task"}) or any(
            "config.filter_on" in line for b in bodies for line in b
        )
        config = config_layout(checked, filters)
        structs = _structs(checked, config)
        if LONG_TEXT in lowerer.scratch:
            structs.append(_struct(lowerer.scratch[LONG_TEXT], "Text whose length is asked."))
        header_data = {"name": checked.spec.name, "file": _file(checked), "structs": structs}
        name = checked.spec.name
        return Emitted(
            name,
            self.render("spec.bpf.c.j2", _bpf_data(checked, lowerer, bodies, upserts, config)),
            self.render("records.h.j2", header_data),
            _cdef(structs),
            _manifest(checked, lowerer, config, filters),
        )


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)


def _file(checked: ir.CheckedSpec) -> str:
    return Path(checked.spec.file).name


# C


def config_layout(checked: ir.CheckedSpec, filters: bool) -> StructLayout | None:
    fields: list[tuple[str, FieldType]] = []
    if filters:
        fields = [
            ("filter_on", _U32),
            ("filter_pid", _U32),
            ("filter_tid", _U32),
            ("filter_uid", _U32),
            ("filter_cgroup_level", _U32),
            ("filter_cgroup", _U64),
            ("filter_comm", _COMM),
        ]
    if checked.events:
        fields.append(("ring_mark", _U64))
    fields += [(cnames.parameter(p.name), p.type) for p in checked.params.values()]
    return lay_out(f"{checked.spec.name}_config", fields) if fields else None


def value_layout(metric: ir.MetricInfo) -> tuple[str, list[dict[str, Any]], int] | None:
    """C type, members and size of a metric's value where it is a struct."""
    if metric.kind == "histogram":
        members = [
            _member("count", "__u64 count", 0),
            _member("sum", "__u64 sum", 8),
            _member("slots", f"__u64 slots[{metric.slots}]", 16),
        ]
        return f"struct {metric.name}_value", members, 16 + 8 * metric.slots
    if metric.verb in ("min", "max"):
        return f"struct {metric.name}_value", [_member("count", "__u64 count", 0), _member("value", "__s64 value", 8)], 16
    return None


def _member(name: str, c: str, offset: int, comment: str = "") -> dict[str, Any]:
    return {"name": name, "c": c, "offset": offset, "comment": comment}


def _value_type(metric: ir.MetricInfo) -> str:
    layout = value_layout(metric)
    return layout[0] if layout else ("__s64" if metric.kind == "gauge" else "__u64")


def _struct(layout: StructLayout, comment: str) -> dict[str, Any]:
    members = [
        _member(
            s.name,
            s.type.declare(s.name) if s.type else f"__u8 {s.name}[{s.size}]",
            s.offset,
            str(s.type) if s.type and s.type.word not in (*BASIC, s.name) else "",
        )
        for s in layout.slots
    ]
    return {"name": layout.name, "comment": c_comment(comment), "members": members, "size": layout.size}


def _structs(checked: ir.CheckedSpec, config: StructLayout | None) -> list[dict[str, Any]]:
    found = [_struct(config, "Filters and parameters.")] if config else []
    found += [_struct(e.layout, f"Event {e.name}{': ' + e.summary if e.summary else ''}") for e in checked.events.values()]
    for m in checked.metrics.values():
        same = [other.name for other in checked.metrics.values() if other.key is m.key]
        if m.key and not is_plain(m.key) and m.name == same[0]:
            found.append(_struct(m.key, f"Labels of metric{'s' if len(same) > 1 else ''} {', '.join(same)}."))
        if value := value_layout(m):
            found.append(
                {
                    "name": f"{m.name}_value",
                    "comment": c_comment(f"Metric {m.name}: {m.help}"),
                    "members": value[1],
                    "size": value[2],
                }
            )
    for info in checked.maps.values():
        for layout, what in ((info.key, "Key"), (info.value, "Value")):
            if not is_plain(layout):
                found.append(_struct(layout, f"{what} of map {info.name}."))
    for span in checked.spans.values():
        for layout, what in ((span.key, "What pairs start and end"), (span.value, "What is kept from the start")):
            if not is_plain(layout):
                found.append(_struct(layout, f"{what} of span {span.name}."))
    return found


def _cdef(structs: list[dict[str, Any]]) -> str:
    """The records as cffi reads them."""
    kernel_types = "".join(
        f"typedef {c} {name};\n"
        for name, c in (
            ("__u8", "uint8_t"),
            ("__s8", "int8_t"),
            ("__u16", "uint16_t"),
            ("__s16", "int16_t"),
            ("__u32", "uint32_t"),
            ("__s32", "int32_t"),
            ("__u64", "uint64_t"),
            ("__s64", "int64_t"),
        )
    )
    bodies = ("".join(f"  {m['c']};\n" for m in s["members"]) for s in structs)
    return kernel_types + "".join(f"struct {s['name']} {{\n{body}}};\n" for s, body in zip(structs, bodies, strict=True))


def _bpf_data(
    checked: ir.CheckedSpec, lowerer: Lowerer, bodies: list[list[str]], upserts: list[dict[str, Any]], config: StructLayout | None
) -> dict[str, Any]:
    helpers = lowerer.helpers
    text = "\n".join(line for body in bodies for line in body)
    programs, shared = _programs(checked, bodies)
    functions = _metric_functions(checked, helpers)
    strings = [s for s in ("kernel", "user") if f"read_{s}_string" in helpers]
    buffers = [s for s in ("kernel", "user") if f"read_{s}_bytes" in helpers]
    return {
        "name": checked.spec.name,
        "title": "\n * ".join(textwrap.wrap(c_comment(f"{checked.spec.name}: {checked.spec.summary}"), WIDEST - 4)),
        "file": _file(checked),
        "uses": {
            "sixth": "PT_REGS_PARM6" in text,
            "registers": any(p.context == "struct pt_regs" for p in checked.programs),
            "byte_order": "bpf_ntoh" in text or "bpf_hton" in text or "bpf_be64" in text,
            "preempt": any(p.kind in PREEMPTIBLE for p in checked.programs),
            "wanted": "wanted" in helpers,
            "wanted_task": "wanted_task" in helpers,
            "submit": "submit" in helpers,
            "there": "there" in helpers,
            "clearing": "clear" in helpers,
            "ip_of_v4": "ip_of_v4" in helpers,
            "same_text": "same_text" in helpers,
            "read": bool(strings or buffers or "read_argv" in helpers),
            "strings": strings,
            "buffers": buffers,
            "argv": "read_argv" in helpers,
            "log2": any(f["verb"] == "observe" and not f["linear"] for f in functions),
        },
        "types": lowerer.types.render(),
        "records": list({p.context: _fixed_record(p) for p in checked.programs if p.record}.values()),
        "config": config is not None,
        "events": bool(checked.events),
        "ring": checked.ring,
        "maps_": list(_maps(checked, lowerer)),
        "counters": [lowerer.counters.name(*slot) for slot in lowerer.counters.slots],
        "upserts": upserts,
        "metric_functions": functions,
        "shared": shared,
        "programs": programs,
    }


def _programs(checked: ir.CheckedSpec, bodies: list[list[str]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The programs, and the functions that they call: those that several share because they do the same, and what must not be
    preempted."""
    same: dict[tuple[str, ...], list[ir.Program]] = {}
    for p, lines in zip(checked.programs, bodies, strict=True):
        same.setdefault((p.probe, p.context, *lines), []).append(p)
    shared: list[dict[str, Any]] = []
    called: dict[str, str] = {}
    for (probe, context, *lines), programs in same.items():
        if (len(programs) > 1 and len(lines) > 2) or programs[0].kind in PREEMPTIBLE:
            taken = checked.names.all | {p.name for p in checked.programs} | set(called.values())
            name = cnames.program(probe.replace(".", "_"), taken)
            comment = f"{probe}, wherever it is attached." if len(programs) > 1 else probe
            shared.append({"name": name, "context": context, "lines": lines, "comment": comment})
            called |= {p.name: name for p in programs}
    found = []
    for p, body in zip(checked.programs, bodies, strict=True):
        lines = _calling(p, called[p.name]) if p.name in called else body
        found.append(
            {
                "text": c_comment(p.text),
                "line": p.at.mark.line,
                "probe": p.probe,
                "section": p.section,
                "name": p.name,
                "context": p.context,
                "lines": lines,
            }
        )
    return found, shared


def _calling(program: ir.Program, function: str) -> list[str]:
    if program.kind not in PREEMPTIBLE:
        return [f"return {function}(ctx);"]
    disable, enable = ([f"if ({name})", f"\t{name}();"] for name in ("bpf_preempt_disable", "bpf_preempt_enable"))
    return [*disable, f"{function}(ctx);", *enable, "return 0;"]


def _fixed_record(program: ir.Program) -> dict[str, Any]:
    """A tracepoint record that BTF does not describe, with the offsets of its format."""
    assert program.record
    members, at = [], 0
    for i, f in enumerate(sorted(program.record.fields, key=lambda f: f.offset)):
        if f.offset > at:
            members.append(f"__u8 __gap{i}[{f.offset - at}];")
        members.append(_fixed_member(f))
        at = f.offset + f.size
    comment = f"tracepoint:{program.record.category}:{program.record.name}, as its format file lays it out."
    return {"name": program.context.removeprefix("struct "), "comment": comment, "members": members}


def _fixed_member(f: TracepointField) -> str:
    if f.c_type.endswith("]") and not f.c_type.startswith("__data_loc"):
        count = int(f.c_type.rpartition("[")[2].rstrip("]") or "0") or f.size
        return f"__u{f.size // count * 8} {f.name}[{count}];" if "char" not in f.c_type else f"char {f.name}[{f.size}];"
    return f"__{'s' if f.signed else 'u'}{f.size * 8} {f.name};"


def _maps(checked: ir.CheckedSpec, lowerer: Lowerer) -> list[dict[str, Any]]:
    found = []
    for m in checked.maps.values():
        found.append(
            {
                "name": checked.names.maps[m.name],
                "type": m.type.upper(),
                "max_entries": m.max_entries,
                "key": c_of(m.key),
                "value": c_of(m.value),
                "comment": "",
            }
        )
    for s in checked.spans.values():
        found.append(
            {
                "name": f"{s.name}_in_flight",
                "type": "HASH",
                "max_entries": s.max_entries,
                "key": c_of(s.key),
                "value": c_of(s.value),
                "comment": f"Starts of span {s.name} that wait for their end.",
            }
        )
    for layout in lowerer.scratch.values():
        found.append(
            {
                "name": scratch_name(layout),
                "type": "PERCPU_ARRAY",
                "max_entries": 1,
                "key": "__u32",
                "value": f"struct {layout.name}",
                "comment": "Built here: too large for the stack.",
            }
        )
    for metric in checked.metrics.values():
        key = c_of(metric.key) if metric.key else "__u32"
        found.append(
            {
                "name": checked.names.maps[metric.name],
                "type": metric.map_type.upper(),
                "max_entries": metric.max_entries,
                "key": key,
                "value": _value_type(metric),
                "comment": c_comment(metric.help),
            }
        )
    return found


def _upserted(checked: ir.CheckedSpec, lowerer: Lowerer) -> list[ir.MapInfo | ir.MetricInfo]:
    found: list[ir.MapInfo | ir.MetricInfo] = [m for m in checked.maps.values() if f"at_{m.name}" in lowerer.helpers]
    return found + [m for m in checked.metrics.values() if m.key]


def _upsert(info: ir.MapInfo | ir.MetricInfo, lowerer: Lowerer) -> dict[str, Any]:
    value = c_of(info.value) if isinstance(info, ir.MapInfo) else _value_type(info)
    assert info.key
    return {
        "name": info.name,
        "map": lowerer.names.maps[info.name],
        "key": c_of(info.key),
        "value": value,
        "full": lowerer.counters.name("map_full", info.name),
    }


def _metric_functions(checked: ir.CheckedSpec, helpers: set[str]) -> list[dict[str, Any]]:
    found = []
    for m in checked.metrics.values():
        value = _value_type(m)
        if m.key:
            find = f"{value} *value = at_{m.name}(key);"
        else:
            find = f"__u32 zero = 0;\n\t{value} *value = bpf_map_lookup_elem(&{checked.names.maps[m.name]}, &zero);"
        for verb in ("add_to", "observe", "set", "min", "max"):
            if f"{verb}_{m.name}" in helpers:
                found.append(
                    {
                        "name": m.name,
                        "verb": verb,
                        "find": find,
                        "slots": m.slots,
                        "linear": m.linear,
                        "key_params": f"const {c_of(m.key)} *key, " if m.key else "",
                        "number": "__s64" if m.kind == "gauge" else "__u64",
                    }
                )
    return found


# Manifest


def _manifest(checked: ir.CheckedSpec, lowerer: Lowerer, config: StructLayout | None, filters: bool) -> dict[str, Any]:
    spec = checked.spec
    return {
        "schema": MANIFEST_SCHEMA,
        "name": spec.name,
        "summary": spec.summary,
        "description": spec.description,
        "file": _file(checked),
        "built": {"ebpfgen": __version__},
        "ring": checked.ring,
        "config": _config(config, checked),
        "filters": list(FILTERS) if filters else [],
        "params": [
            {"name": p.name, "type": str(p.type), "help": p.help, "default": p.default, "min": p.min, "max": p.max}
            for p in checked.params.values()
        ],
        "events": [
            {"id": e.id, "name": e.name, "summary": e.summary, "size": e.layout.size, "fields": _fields(e.layout, e.marks)}
            for e in checked.events.values()
        ],
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
                "target": p.target,
                "file": _file(checked),
                "line": p.at.mark.line,
                "text": p.text,
            }
            for p in checked.programs
        ],
        "attach": [{"probe": a.probe, "line": a.at.mark.line, "plan": _plan(a.plan)} for a in checked.attach],
        "left_out": [{"probe": o.probe, "text": o.text, "line": o.at.mark.line, "why": o.why} for o in checked.left_out],
        "counters": [{"index": i, "kind": kind, "of": of} for (kind, of), i in lowerer.counters.slots.items()],
        "tables": checked.tables,
    }


def _config(config: StructLayout | None, checked: ir.CheckedSpec) -> dict[str, Any] | None:
    if config is None:
        return None
    params = {cnames.parameter(name): name for name in checked.params}
    fields = []
    for s in config.fields:
        name = f"param.{params[s.name]}" if s.name in params else s.name.replace("_", ".", 1)
        fields.append({"name": name, "type": str(s.type), "offset": s.offset, "size": s.size})
    return {"size": config.size, "fields": fields}


def _fields(layout: StructLayout, marks: dict[str, int]) -> list[dict[str, Any]]:
    return [
        {"name": s.name, "type": str(s.type), "offset": s.offset, "size": s.size, "mark": marks.get(s.name)}
        for s in layout.fields
        if s.name not in ("__id", "__marks")
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


def manifest_text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
