"""BTF put together by hand, word for word as Documentation/bpf/btf.rst has it, and a kernel made of it."""

from __future__ import annotations

import argparse
import struct

from ebpfgen import explore
from ebpfgen.btf_index import (
    ARRAY,
    CONST,
    ENUM,
    ENUM64,
    FLOAT,
    FUNC,
    FUNC_PROTO,
    FWD,
    INT,
    PTR,
    STRUCT,
    TYPEDEF,
    UNION,
    VOLATILE,
)
from ebpfgen.btf_merge import Begins
from ebpfgen.kernel_description import Symbols, read_table


class Maker:
    """Each method adds a type and returns its id, counted from 1; ``base``: from where that kernel's types and names end, for a
    module of it."""

    def __init__(self, base: Maker | None = None) -> None:
        self._names = bytearray() if base else bytearray(b"\0")
        self._types = bytearray()
        self._count: int = base._count if base else 0
        self._names_before: int = len(base._names) if base else 0

    def name(self, text: str) -> int:
        if not text:
            return 0
        at = self._names_before + len(self._names)
        self._names += text.encode() + b"\0"
        return at

    def add(self, name: str, kind: int, count: int, third: int, *rest: int, flag: bool = False) -> int:
        words = (self.name(name), kind << 24 | count | flag << 31, third, *rest)
        self._types += struct.pack(f"={len(words)}I", *(word & 0xFFFFFFFF for word in words))
        self._count += 1
        return self._count

    def number(self, name: str, size: int, encoding: int = 0, bits: int | None = None, shift: int = 0) -> int:
        return self.add(name, INT, 0, size, encoding << 24 | shift << 16 | (8 * size if bits is None else bits))

    def ptr(self, target: int) -> int:
        return self.add("", PTR, 0, target)

    def array(self, element: int, length: int, index: int) -> int:
        return self.add("", ARRAY, 0, 0, element, index, length)

    def struct(self, name: str, size: int, *members: tuple[str, int, int], union: bool = False, flag: bool = False) -> int:
        """``members``: name, type, offset in bits (with ``flag``: size in bits << 24 | offset)."""
        words = [word for member, type_id, offset in members for word in (self.name(member), type_id, offset)]
        return self.add(name, UNION if union else STRUCT, len(members), size, *words, flag=flag)

    def enum(self, name: str, *values: tuple[str, int], signed: bool = False, size: int = 4) -> int:
        words = [word for constant, value in values for word in (self.name(constant), value)]
        return self.add(name, ENUM, len(values), size, *words, flag=signed)

    def enum64(self, name: str, *values: tuple[str, int], signed: bool = False) -> int:
        words = [word for constant, value in values for word in (self.name(constant), value, value >> 32)]
        return self.add(name, ENUM64, len(values), 8, *words, flag=signed)

    def typedef(self, name: str, target: int) -> int:
        return self.add(name, TYPEDEF, 0, target)

    def const(self, target: int) -> int:
        return self.add("", CONST, 0, target)

    def volatile(self, target: int) -> int:
        return self.add("", VOLATILE, 0, target)

    def fwd(self, name: str, union: bool = False) -> int:
        return self.add(name, FWD, 0, 0, flag=union)

    def real(self, name: str, size: int) -> int:
        return self.add(name, FLOAT, 0, size)

    def proto(self, result: int, *params: tuple[str, int]) -> int:
        words = [word for param, type_id in params for word in (self.name(param), type_id)]
        return self.add("", FUNC_PROTO, len(params), result, *words)

    def function(self, name: str, proto: int) -> int:
        return self.add(name, FUNC, 0, proto)

    def blob(self) -> bytes:
        header = struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, len(self._types), len(self._types), len(self._names))
        return header + bytes(self._types) + bytes(self._names)


FORMAT = """name: {name}
ID: 7
format:
\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;
\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;

{fields}
print fmt: "pid %d", REC->pid
"""


def format_file(name: str, *fields: tuple[str, int, int, int]) -> str:
    """``fields``: declaration, offset, size, signed."""
    lines = [f"\tfield:{what};\toffset:{at};\tsize:{size};\tsigned:{signed};\n" for what, at, size, signed in fields]
    return FORMAT.format(name=name, fields="".join(lines))


class MadeSource:
    """A kernel with one class of two tracepoints (``task:task_made``, ``task:task_gone``) and two functions."""

    release, machine, fingerprint, index_key = "6.18.0-made", "x86_64", "made of these types", "made"

    def __init__(self, probes: bool = True) -> None:
        """``probes``: whether the types hold the function that each class of tracepoints has."""
        make = Maker()
        self.int_id = make.number("int", 4, encoding=1)
        char = make.number("char", 1)
        entry = make.struct("trace_entry", 8)
        task = make.struct("task_struct", 16, ("pid", self.int_id, 0), ("comm", make.array(char, 8, self.int_id), 64))
        for record, third in (("task_template", "prio"), ("other", "prio"), ("unlike", "weight")):
            location = ("__data_loc_name", self.int_id, 96), (third, self.int_id, 128)
            make.struct(f"trace_event_raw_{record}", 20, ("ent", entry, 0), ("pid", self.int_id, 64), *location)
        pointer, data = make.ptr(task), make.ptr(0)
        probe = make.proto(0, ("__data", data), ("task", pointer), ("code", self.int_id))
        if probes:
            make.function("__bpf_trace_task_template", probe)
            make.function("__bpf_trace_other", make.proto(0, ("__data", data), ("code", self.int_id)))
        nameless = make.proto(0, ("", data), ("", pointer), ("", self.int_id))
        make.typedef("btf_trace_task_made", make.ptr(nameless))
        make.function("__traceiter_task_made", probe)
        make.typedef("btf_trace_task_gone", make.ptr(nameless))
        make.function("kill_task", make.proto(self.int_id, ("task", pointer), ("signal", self.int_id)))
        make.function("hidden", make.proto(0))
        make.function("inlined", make.proto(0))
        make.function("twice", make.proto(0))
        self._btf = make.blob()
        self.formats = {
            f"task:{name}": format_file(
                name,
                ("pid_t pid", 8, 4, 1),
                ("__data_loc char[] name", 12, 4, 0),
                ("int prio", 16, 4, 1),
            )
            for name in ("task_made", "task_gone")
        }
        self.seen: frozenset[str] | None = frozenset({"kill_task", "moved.isra.0", "twice", "untyped"})
        self.options = {"CONFIG_KPROBES": "n"}

    def btf(self) -> bytes:
        return self._btf

    def events(self) -> list[str]:
        return list(self.formats)

    def format(self, category: str, name: str) -> str | None:
        return self.formats.get(f"{category}:{name}")

    def attachable(self) -> frozenset[str] | None:
        return self.seen

    def blacklist(self) -> frozenset[str]:
        return frozenset({"forbidden"})

    def symbols(self) -> Symbols | None:
        coded = {"kill_task", "hidden", "assembly", "moved.isra.0", "twice", "untyped"}
        return Symbols(frozenset(coded), frozenset({"twice"}))

    def modules(self) -> Begins:
        return ()

    def syscalls(self) -> dict[int, str]:
        return read_table(self.machine)

    def config(self) -> dict[str, str]:
        return self.options


def run(*words: str) -> int:
    """The command line ``ebpfgen WORDS``, for the commands that look at a kernel."""
    parser = argparse.ArgumentParser()
    explore.add_parsers(parser.add_subparsers(required=True))
    args = parser.parse_args(words)
    status: int = args.run(args)
    return status
