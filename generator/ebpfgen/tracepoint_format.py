"""Tracepoint format files, as tracefs prints them (``events/CATEGORY/NAME/format``).

Receives the text and the kernel's BTF, returns a :class:`~ebpfgen.kernel.Tracepoint`. Reads no files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .btf import Btf, CType, FuncProto, Int, Ptr, Struct
from .btf_index import STRUCT, TYPEDEF
from .kernel import Tracepoint, TracepointField
from .problems import MachineError

_LINE = re.compile(r"\tfield:(.+);\toffset:(\d+);\tsize:(\d+);(?:\tsigned:([01]);)?\s*")
_DECLARATION = re.compile(r"(.*[\s*\])])([A-Za-z_]\w*)((?:\[[^\]]*\])*)")
_RECORD = "trace_event_raw_"


def parse(category: str, name: str, text: str, btf: Btf) -> Tracepoint:
    """Raises MachineError when ``text`` is no format file."""
    fields = parse_fields(category, name, text)
    # The six slots of a system call's arguments are one array in its record: no member names to follow.
    record = None if category == "syscalls" else _record(name, fields, btf)
    return Tracepoint(category, name, fields, record)


def parse_fields(category: str, name: str, text: str) -> tuple[TracepointField, ...]:
    """The fields alone, in order, without the common_* ones."""
    return tuple(field for field in _fields(f"tracepoint:{category}:{name}", text) if not field.name.startswith("common_"))


def _fields(what: str, text: str) -> Iterator[TracepointField]:
    if "format:" not in text:
        raise MachineError(f"{what}: the kernel's format file has no line 'format:'")
    for line in text.splitlines():
        if not line.startswith("\tfield:"):
            continue
        found = _LINE.fullmatch(line)
        declared = _DECLARATION.fullmatch(found[1].rstrip()) if found else None
        if not found or not declared:
            raise MachineError(f"{what}: the kernel's format file has a line that is no field: {line.strip()!r}")
        base, name, array = declared.groups()
        yield TracepointField(name, base.strip() + array, int(found[2]), int(found[3]), found[4] == "1")


def member_name(field: TracepointField) -> str:
    """The field's name in its record: dynamic ones have where they are in ``__data_loc_NAME``."""
    for location in ("__data_loc", "__rel_loc"):
        if field.c_type.startswith(location):
            return f"{location}_{field.name}"
    return field.name


def _record(name: str, fields: tuple[TracepointField, ...], btf: Btf) -> str | None:
    """The struct of the event's class. Events of one class share it, and only some are called as their class; a class of
    the same layout but of other arguments is another one, and may move elsewhere in another kernel."""
    layout = [(member_name(field), field.offset) for field in fields]
    if _layout(btf, _RECORD + name) == layout:
        return _RECORD + name
    arguments = _types(btf, btf.find_typedef(f"btf_trace_{name}"))
    unsure = None
    for record in _related(name, btf.names(STRUCT, prefix=_RECORD)):
        if _layout(btf, record) == layout:
            called = _types(btf, btf.find_function("__bpf_trace_" + record.removeprefix(_RECORD)))
            if called == arguments:
                return record
            if called is None:  # some kernels' types lack some of these functions
                unsure = unsure or record
    return unsure


def _related(name: str, records: Iterable[str]) -> list[str]:
    """Records, those with the longest beginning in common with ``name`` first, then by name."""

    def common(record: str) -> int:
        own = record.removeprefix(_RECORD)
        return next((i for i, (a, b) in enumerate(zip(own, name, strict=False)) if a != b), min(len(own), len(name)))

    return sorted(records, key=lambda record: (-common(record), record))


def _layout(btf: Btf, record: str) -> list[tuple[str, int]] | None:
    found = btf.find(record, Struct)
    struct = btf.resolve(found) if found is not None else None
    if not isinstance(struct, Struct):
        return None
    return [(m.name, m.bit_offset // 8) for m in btf.members(struct) if m.name not in ("ent", "__data")]


def _types(btf: Btf, type_id: int | None) -> list[str] | None:
    """The argument types of a tracepoint's prototype, None when there is none."""
    proto = btf.resolve(type_id) if type_id is not None else None
    if isinstance(proto, Ptr):
        proto = btf.resolve(proto.target)
    return [_essence(btf, t) for _, t in proto.params] if isinstance(proto, FuncProto) else None


def _essence(btf: Btf, type_id: int) -> str:
    """A type without its typedefs: an event may spell ``long long`` what its class spells ``time64_t``."""
    stars = ""
    found = btf.resolve(type_id)
    while isinstance(found, Ptr) and len(stars) < 8:
        stars += "*"
        found = btf.resolve(found.target)
    if isinstance(found, Int):
        return f"{'i' if found.signed else 'u'}{found.size}{stars}"
    return f"{type(found).__name__} {getattr(found, 'name', '')}{stars}"


def raw_arguments(name: str, btf: Btf) -> FuncProto | None:
    """What a raw tracepoint is called with, without the leading ``void *__data``. Names come from the function that calls
    its probes; the type ``btf_trace_NAME`` has types alone, and gives ``arg0``…"""
    typedef = btf.find_typedef(f"btf_trace_{name}")
    if typedef is None:
        return None
    for function in (f"__traceiter_{name}", f"__bpf_trace_{name}"):
        found = btf.find_function(function)
        if found is not None and _types(btf, found) == _types(btf, typedef):
            proto = btf.resolve(found)
            assert isinstance(proto, FuncProto)
            return FuncProto(proto.params[1:], proto.result)
    pointer = btf.resolve(typedef)
    called: CType | None = btf.resolve(pointer.target) if isinstance(pointer, Ptr) else None
    if not isinstance(called, FuncProto):
        return None
    return FuncProto(tuple((f"arg{i}", t) for i, (_, t) in enumerate(called.params[1:])), called.result)


def raw_names(btf: Btf) -> list[str]:
    return [name.removeprefix("btf_trace_") for name in btf.names(TYPEDEF, prefix="btf_trace_")]
