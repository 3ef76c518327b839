"""Which field type of a spec fits a value of the kernel: advice for people, told by name and type.

Receives names and types, returns words of a spec. Decides nothing: the checker does not ask here.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .btf import Array, Btf, CType, Enum, Float, Int, Ptr, Struct, Void
from .records import record

_ADDRESS = re.compile(r"addr|(^|_)(ip|src|dst|gw)\d*(_|$)|_v6")
_HARDWARE = re.compile(r"addr|mac")
_BASE = re.compile(r"\b(const|volatile|restrict|unsigned|signed)\b\s*")
_NAMED = (  # name, type it must have, field type
    (r"(.*_)?[sdl]?port", "u16", "port"),
    (r"(.*_)?(pid|tgid)", "[iu]32", "pid"),
    (r"(.*_)?tid", "[iu]32", "tid"),
    (r"(.*_)?uid", "u32", "uid"),
    (r"(.*_)?gid", "u32", "gid"),
    (r"(.*_)?cpu(_id)?", "[iu]32", "cpu"),
    (r"sig|signal|signo", "i32", "signal"),
    (r"errno|error|err", "i32", "errno"),
    (r"ifindex", "[iu]32", "ifindex"),
    (r"__syscall_nr|syscall", "i(32|64)", "syscall"),
    (r"bytes|.*_bytes", "u64", "bytes"),
)


@record()
class Value:
    """A value of the kernel. ``type`` as C spells it, ``size`` in bytes; ``kind``: int, bool, pointer, array, enum, struct,
    other."""

    name: str
    type: str
    size: int
    signed: bool
    kind: str
    enum: str = ""  # the enum's name, or a constant of it


@record()
class Fit:
    """``type``: the field type, "" when none fits. ``call``: the function that makes it of the value, "" when it is the value."""

    type: str
    call: str = ""


def from_btf(btf: Btf, name: str, type_id: int) -> Value:
    found = btf.resolve(type_id)
    kind, size, signed = _shape(btf, found)
    enum = (found.name or found.values[0][0]) if isinstance(found, Enum) and found.values else ""
    return Value(name, btf.c_name(type_id), size, signed, kind, enum)


def from_text(name: str, c_type: str, size: int, signed: bool) -> Value:
    """Of a field of a tracepoint's format."""
    enum = c_type.removeprefix("enum ") if c_type.startswith("enum ") else ""
    kind = "int"
    if c_type.startswith(("__data_loc", "__rel_loc")) or c_type.endswith("]"):
        kind = "array"
    elif "*" in c_type:
        kind = "pointer"
    elif enum:
        kind = "enum"
    elif c_type == "bool":
        kind = "bool"
    elif size not in (1, 2, 4, 8):
        kind = "other"
    return Value(name, c_type, size, signed, kind, enum)


def fit(value: Value) -> Fit:
    """The field type that fits best by all that can be known."""
    by_kind: dict[str, Callable[[Value], Fit]] = {"array": _array, "pointer": _pointer, "int": _int, "struct": _struct}
    if value.kind in by_kind:
        return by_kind[value.kind](value)
    return Fit({"bool": "bool", "enum": f"enum:{value.enum}" if value.enum else "i64"}.get(value.kind, ""))


def _shape(btf: Btf, found: CType) -> tuple[str, int, bool]:
    if isinstance(found, Int):
        return "bool" if found.bool else "int", found.size, found.signed
    if isinstance(found, Array):
        return "array", found.length * _shape(btf, btf.resolve(found.element))[1], False
    if isinstance(found, Enum):
        return "enum", found.size, found.signed
    if isinstance(found, Struct | Float):
        return "struct" if isinstance(found, Struct) else "other", found.size, False
    return ("pointer", 8, False) if isinstance(found, Ptr) else ("other", 0 if isinstance(found, Void) else 8, False)


def _array(value: Value) -> Fit:
    element = _BASE.sub("", value.type.removeprefix("__data_loc ").removeprefix("__rel_loc ").split("[")[0]).strip()
    if element == "char" and "unsigned" not in value.type:
        fixed = re.search(r"\[(\d+)\]$", value.type)
        if fixed and int(fixed[1]) == 16 and value.name.endswith("comm"):
            return Fit("comm")
        return Fit(f"string({fixed[1] if fixed and int(fixed[1]) > 1 else 64})", "str")
    if value.size in (4, 16) and element in ("u8", "__u8", "char", "__be32") and _ADDRESS.search(value.name):
        return Fit("ip", "ip")
    if value.size == 6 and _HARDWARE.search(value.name):
        return Fit("mac", "mac")
    return Fit("")


def _pointer(value: Value) -> Fit:
    plain = re.sub(r"\s|\b(const|__user)\b", "", value.type)
    if plain == "char*" and "unsigned" not in value.type:
        return Fit("string(256)", "str")
    if plain == "char**":
        return Fit("argv(256)", "argv")
    return Fit("hex")


def _int(value: Value) -> Fit:
    base = _BASE.sub("", value.type).strip()
    if base in ("__be16", "__be32", "__be64"):
        return _network(value, base)
    if base in ("dev_t", "pid_t", "uid_t", "gid_t"):
        return Fit({"pid_t": "pid", "uid_t": "uid", "gid_t": "gid"}.get(base, base))
    plain = f"{'i' if value.signed else 'u'}{value.size * 8}"
    for name, needed, word in _NAMED:
        if re.fullmatch(name, value.name) and re.fullmatch(needed, plain):
            return Fit(word)
    return Fit(plain if value.size in (1, 2, 4, 8) else "")


def _network(value: Value, base: str) -> Fit:
    if base == "__be16":
        return Fit("port" if "port" in value.name else "u16", "ntohs")
    if base == "__be32" and _ADDRESS.search(value.name):
        return Fit("ip", "ip")
    return Fit("u32", "ntohl") if base == "__be32" else Fit("u64", "ntohll")


def _struct(value: Value) -> Fit:
    return Fit("ip", "ip") if value.type.endswith("struct in6_addr") else Fit("")
