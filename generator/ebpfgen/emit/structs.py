"""Records: the structs of an artefact, from the layouts that were computed once.

Receives the checked spec; returns data for the C header and the same records as cffi reads them. Places no text and computes no
offset of its own.
"""

from __future__ import annotations

from typing import Any

from ebpfgen import cnames, ir
from ebpfgen.fieldtypes import FieldType
from ebpfgen.layout import StructLayout, lay_out
from ebpfgen.lower.collected import is_plain
from ebpfgen.lower.ctext import c_comment
from ebpfgen.typer import BASIC

_U32 = FieldType("u32", "", "int", "__u32", 4, 4)
_U64 = FieldType("u64", "", "int", "__u64", 8, 8)
_COMM = FieldType("comm", "", "string", "char", 16, 1)


def config_layout(checked: ir.CheckedSpec, filters: bool, samples: bool) -> StructLayout | None:
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
    if samples:
        fields.append(("sampling", _U32))
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


def value_type(metric: ir.MetricInfo) -> str:
    layout = value_layout(metric)
    return layout[0] if layout else ("__s64" if metric.kind == "gauge" else "__u64")


def _member(name: str, c: str, offset: int, comment: str = "") -> dict[str, Any]:
    return {"name": name, "c": c, "offset": offset, "comment": comment}


def struct_of(layout: StructLayout, comment: str) -> dict[str, Any]:
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


def all_structs(checked: ir.CheckedSpec, config: StructLayout | None) -> list[dict[str, Any]]:
    found = [struct_of(config, "Filters and parameters.")] if config else []
    found += [struct_of(e.layout, f"Event {e.name}{': ' + e.summary if e.summary else ''}") for e in checked.events.values()]
    for m in checked.metrics.values():
        same = [other.name for other in checked.metrics.values() if other.key is m.key]
        if m.key and not is_plain(m.key) and m.name == same[0]:
            found.append(struct_of(m.key, f"Labels of metric{'s' if len(same) > 1 else ''} {', '.join(same)}."))
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
                found.append(struct_of(layout, f"{what} of map {info.name}."))
    for span in checked.spans.values():
        for layout, what in ((span.key, "What pairs start and end"), (span.value, "What is kept from the start")):
            if not is_plain(layout):
                found.append(struct_of(layout, f"{what} of span {span.name}."))
    return found


def cdef_of(structs: list[dict[str, Any]]) -> str:
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
