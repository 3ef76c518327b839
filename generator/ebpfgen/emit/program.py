"""The kernel program's data for its template: maps, helpers, functions and programs, named and finished.

Receives the checked spec and what lowering made and collected; returns plain data. Decides here what the template only places.
"""

from __future__ import annotations

import textwrap
from typing import Any

from ebpfgen import cnames, ir
from ebpfgen.kernel import TracepointField
from ebpfgen.kernel_style import WIDEST
from ebpfgen.layout import StructLayout
from ebpfgen.lower.collected import ARGUMENTS, c_of
from ebpfgen.lower.ctext import c_comment
from ebpfgen.lower.nesting import LEVELS, PREEMPTIBLE
from ebpfgen.lower.statements import Lowerer
from ebpfgen.typer import PROBE_NAME

from .structs import value_type

USDT_FAULTS = "usdt.arguments"
"""What is counted where a USDT probe's argument lies in memory that can't be read."""


def program_data(
    checked: ir.CheckedSpec, lowerer: Lowerer, bodies: list[list[str]], config: StructLayout | None
) -> dict[str, Any]:
    helpers = lowerer.helpers
    upserts = [_upsert(u, lowerer) for u in _upserted(checked, lowerer)]
    text = "\n".join(line for body in bodies for line in body)
    programs, shared = _programs(checked, bodies)
    functions = _metric_functions(checked, helpers)
    strings = [s for s in ("kernel", "user") if f"read_{s}_string" in helpers]
    tails = [s for s in ("kernel", "user") if f"read_{s}_tail" in helpers]
    buffers = [s for s in ("kernel", "user") if f"read_{s}_bytes" in helpers]
    return {
        "name": checked.spec.name,
        "title": "\n * ".join(textwrap.wrap(c_comment(f"{checked.spec.name}: {checked.spec.summary}"), WIDEST - 4)),
        "file": checked.file,
        "uses": {
            "sixth": "PT_REGS_PARM6" in text,
            "registers": any(p.context == "struct pt_regs" for p in checked.programs),
            "byte_order": "bpf_ntoh" in text or "bpf_hton" in text or "bpf_be64" in text,
            "preempt": any(p.kind in PREEMPTIBLE for p in checked.programs),
            "usdt": any(p.kind == "usdt" for p in checked.programs),
            "usdt_arg": lowerer.counters.name("faulted", USDT_FAULTS) if any(map(_reads_usdt, checked.programs)) else "",
            "probe_name": PROBE_NAME if "probe_name" in helpers else 0,
            "pace": "pace" in helpers,
            "wanted": "wanted" in helpers,
            "wanted_task": "wanted_task" in helpers,
            "submit": "submit" in helpers,
            "output": "output" in helpers,
            "sample": "sample" in helpers,
            "levels": LEVELS if lowerer.taken else 0,
            "there": "there" in helpers,
            "read_number": "read_number" in helpers,
            "number": "number" in helpers,
            "clearing": "clear" in helpers,
            "ip_of_v4": "ip_of_v4" in helpers,
            "same_text": "same_text" in helpers,
            "put_text": "put_text" in helpers,
            "is_text": "is_text" in helpers,
            "read": bool(strings or tails or buffers or "read_argv" in helpers),
            "strings": strings,
            "tails": tails,
            "buffers": buffers,
            "argv": "read_argv" in helpers,
            "log2": any(f["verb"] == "observe" and not f["linear"] for f in functions),
        },
        "types": lowerer.types.render(),
        "records": list(_context_structs(checked).values()),
        "config": config is not None,
        "events": bool(checked.events),
        "event_records": [event.layout.name for event in checked.events.values()],
        "ring": checked.ring,
        "rings": list(dict.fromkeys(checked.rings.values())),
        "taken": [{"name": name, "record": layout.name} for name, layout in lowerer.taken.items()],
        "maps_": list(_maps(checked, lowerer)),
        "counters": [lowerer.counters.name(*slot) for slot in lowerer.counters.slots],
        "upserts": upserts,
        "metric_functions": functions,
        "shared": shared,
        "programs": programs,
    }


def _reads_usdt(program: ir.Program) -> bool:
    nodes = ir.walk((program.body, program.task))
    return program.kind == "usdt" and any(isinstance(n, ir.Input) and n.c.startswith("usdt_arg(") for n in nodes)


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
            name = cnames.program(f"do_{probe.replace('.', '_')}", taken)
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


def _context_structs(checked: ir.CheckedSpec) -> dict[str, dict[str, Any]]:
    """Of programs whose context BTF does not describe."""
    found = {p.context: _fixed_record(p) for p in checked.programs if p.record}
    given = {p.context: p for p in checked.programs if p.signature and p.context.startswith(ARGUMENTS)}
    return found | {context: _arguments(p.signature) for context, p in given.items() if p.signature}


def _arguments(signature: ir.Signature) -> dict[str, Any]:
    """What a tracepoint or a function is called with."""
    members = [
        f"__u64 {signature.member(p.name)}{f'[{p.slots}]' if p.slots > 1 else ''};" for p in signature.takes
    ]
    comment = f"Arguments of {signature.kind} {signature.name}; where another kernel has them, they are found at load."
    return {"name": signature.struct, "comment": comment, "members": members, "relocated": True}


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
    return {"name": program.context.removeprefix("struct "), "comment": comment, "members": members, "relocated": False}


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
    for name, layout in lowerer.scratch.items():
        found.append(
            {
                "name": name,
                "type": "PERCPU_ARRAY",
                "max_entries": 1,
                "key": "__u32",
                "value": f"struct {layout.name}",
                "comment": "Built here: too large for the stack.",
            }
        )
    for name in lowerer.taken:
        found.append(
            {
                "name": name,
                "type": "PERCPU_ARRAY",
                "max_entries": LEVELS,
                "key": "__u32",
                "value": f"struct {name}",
                "comment": "Built here: too large for the stack. An entry is one program's at a time.",
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
                "value": value_type(metric),
                "comment": c_comment(metric.help),
            }
        )
    return found


def _upserted(checked: ir.CheckedSpec, lowerer: Lowerer) -> list[ir.MapInfo | ir.MetricInfo]:
    found: list[ir.MapInfo | ir.MetricInfo] = [m for m in checked.maps.values() if f"at_{m.name}" in lowerer.helpers]
    return found + [m for m in checked.metrics.values() if m.key]


def _upsert(info: ir.MapInfo | ir.MetricInfo, lowerer: Lowerer) -> dict[str, Any]:
    value = c_of(info.value) if isinstance(info, ir.MapInfo) else value_type(info)
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
        value = value_type(m)
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
                        "linear": {"min": m.linear.min, "step": m.linear.step} if m.linear else None,
                        "key_params": f"const {c_of(m.key)} *key, " if m.key else "",
                        "number": "__s64" if m.kind == "gauge" else "__u64",
                        "weight_param": "" if m.kind == "gauge" else ", __u16 weight",
                        "amount": "amount" if m.kind == "gauge" else "amount * weight",
                    }
                )
    return found
