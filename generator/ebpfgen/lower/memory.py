"""Reads of the kernel's and of processes' memory, and of the context.

Receives loads typed against BTF; writes CO-RE reads, declares the types and members that they use, and asks about members
that only other kernels have. Never reads a spec's maps.
"""

from __future__ import annotations

import re

from ebpfgen import ir
from ebpfgen.cdecl import HEADERS, OTHER
from ebpfgen.cline import Line
from ebpfgen.records import replace
from ebpfgen.typer import c_int

from .collected import ARGUMENTS
from .ctext import operand_of, path_of, primary_of
from .writer import Writer

NESTS_BADLY = re.compile(r"\b(BPF_CORE_READ|READ_NUMBER|NUMBER)")
"""Macros that can't stand in a BPF_CORE_READ."""
LONGEST_CHAIN = 8
"""Pointers that libbpf's BPF_CORE_READ follows in one call."""


class Memory(Writer):
    """Adds declarations, inputs, members, and whether members exist."""

    def declare(self, kind: ir.Type, name: str) -> str:
        """``kind name`` as C declares it."""
        match kind:
            case ir.IntT(bits=bits, signed=signed):
                return f"{c_int(bits, signed)} {name}"
            case ir.BoolT():
                return f"bool {name}"
            case ir.PtrT():
                return f"{self.pointer_type(kind)}{name}"
        raise AssertionError(kind)

    def pointer_type(self, kind: ir.PtrT) -> str:
        if kind.element:
            return (
                "const char *" if kind.element == ir.IntT(8, True) else f"const {c_int(kind.element.bits, kind.element.signed)} *"
            )
        return self.whole.types.pointer(kind.target)

    def stored(self, kind: ir.Type, c: str) -> str:
        return f"({self.pointer_type(kind)}){c}" if isinstance(kind, ir.PtrT) else c

    def input(self, v: ir.Input) -> str:
        """Something of the context. What is asked for in several places is read once: clang would keep its address for all of
        them, and the verifier refuses any address within the context but those in the reading instruction itself."""
        if v.c not in self.often or isinstance(v.type, ir.PlaceT):
            return self._spelled(v)
        if v.c not in self.inputs_read:
            name = self.inputs_named.get(v.c) or self.fresh(self.variable(v.name.rpartition(".")[2]))
            self.others.add(name)
            self.read(v, name)
        return self.inputs_read[v.c]

    def _spelled(self, v: ir.Input) -> str:
        for struct, member in v.uses:
            self.whole.types.member(struct, member)
        if isinstance(v.type, ir.PtrT) and v.type.target:
            self.whole.types.pointer(v.type.target)
        if v.c.endswith("]") and self.program.context.startswith(ARGUMENTS):
            return v.c.replace("ctx[", "((__u64 *)ctx)[")
        return self.whole.types.respelled(v.c, v.type)

    def read(self, v: ir.Input, name: str) -> None:
        """Makes the variable ``name`` that holds it from here on."""
        self.inputs_read[v.c] = name
        self.root.append(Line(f"{self.declare(v.type, name)} = {self._spelled(v)};", v.at))
        if self.weight and not self.skips:  # else clang reads it behind `if (weight)`, by an address made before that
            self.root.append(f"barrier_var({name});")

    def load(self, v: ir.Load) -> str:
        """A number or pointer behind a chain of pointers."""
        for step in v.steps:
            if step.missing:
                return self._load_other(v)
        self.whole.types.steps(v.steps)
        if isinstance(v.type, ir.PtrT) and v.type.target:
            self.whole.types.pointer(v.type.target)
        pointer = v.base.type
        assert isinstance(pointer, ir.PtrT)
        if any(s.member and s.member.bit_size for s in v.steps):
            # Not by name alone: where the bits lie depends on the members that are not declared here.
            macro = "BPF_CORE_READ_BITFIELD" + ("" if pointer.trusted else "_PROBED")
            cast = f"({self.declare(v.type, '').strip()})" if isinstance(v.type, ir.IntT) and v.type.signed else ""
            return f"{cast}{macro}({self._based(v)}, {path_of(v.steps)})"
        if pointer.trusted:
            base, path = self.value(v.base), path_of(v.steps)
            return self._number("number", base, path) if _may_differ(v) else f"{primary_of(base)}->{path}"
        root, segments = self._chain(v)
        if pointer.space == "user":
            return f"BPF_CORE_READ_USER({root}, {', '.join(segments)})"
        if not _may_differ(v):
            return f"BPF_CORE_READ({root}, {', '.join(segments)})"
        *hops, last = segments
        return self._number("read_number", f"BPF_CORE_READ({root}, {', '.join(hops)})" if hops else root, last)

    def _number(self, macro: str, base: str, path: str) -> str:
        """A number of a kernel type, as the kernel has it that the program will run on."""
        self.whole.helpers.add(macro)
        return f"{macro.upper()}({base}, {path})"

    def _based(self, v: ir.Load) -> str:
        """A variable for the macros that read bit fields, whose own variables are called p and val."""
        text = self.value(v.base)
        if text.isidentifier() and text not in ("p", "val"):
            return text
        return self.once(("pointer", v.base), self.declare(v.base.type, "").rstrip(), "base", text)

    def _chain(self, v: ir.Load) -> tuple[str, list[str]]:
        """The root pointer and the segments that BPF_CORE_READ follows."""
        base = v.base
        if isinstance(base, ir.Load) and isinstance(base.base.type, ir.PtrT) and not base.base.type.trusted:
            same_space = base.base.type.space == base.type.space if isinstance(base.type, ir.PtrT) else False
            if same_space and not any(s.missing or (s.member and s.member.bit_size) for s in base.steps):
                self.whole.types.steps(base.steps)
                root, segments = self._chain(base)
                if len(segments) < LONGEST_CHAIN:
                    return root, [*segments, path_of(v.steps)]
                return self.once(("pointer", base), self.declare(base.type, ""), "base", self.value(base)), [path_of(v.steps)]
        text = self._variable(base) if NESTS_BADLY.search(self.value(base)) else self.value(base)
        return text, [path_of(v.steps)]

    def _load_other(self, v: ir.Load) -> str:
        """A member that only other kernels' struct has."""
        c_type = f"{self.pointer_type(v.type)}" if isinstance(v.type, ir.PtrT) else f"{self.declare(v.type, '').strip()} "
        pointer, name = self._other(v, c_type), v.steps[-1].member.name if v.steps[-1].member else ""
        return self._number("read_number", pointer, name) if _may_differ(v) else f"BPF_CORE_READ({pointer}, {name})"

    def _other(self, v: ir.Load, c_type: str, length: str = "") -> str:
        """A pointer to the struct as other kernels have it, whose member is declared so."""
        step = v.steps[-1]
        assert step.owner and step.member
        self.whole.types.other(step.owner, step.member.name + length, c_type)
        outer = v.steps[:-1]
        struct = f"struct {step.owner.name}{OTHER} *"
        return f"({struct}){self._variable(v.base) if not outer else self.address(replace(v, steps=outer))}"

    def _variable(self, pointer: ir.Expr) -> str:
        """A pointer that can stand in one of CO-RE's macros, which can't stand in one another."""
        text = self.value(pointer)
        if not NESTS_BADLY.search(text):
            return operand_of(text)
        return self.once(("pointer", pointer), self.declare(pointer.type, "").rstrip(), "base", text)

    def address(self, v: ir.Expr) -> str:
        """The address of a place in memory."""
        if isinstance(v, ir.Input):
            return self.value(v)
        assert isinstance(v, ir.Load), v
        last = v.steps[-1]
        if last.missing and last.member:
            assert isinstance(v.type, ir.PlaceT)
            length = f"[{v.type.array[1]}]" if v.type.array else ""
            pointer = self._other(v, self.whole.types.place(v.type.array[0] if v.type.array else v.type.type_id), length)
            return f"{'' if length else '&'}({pointer})->{last.member.name}"
        self.whole.types.steps(v.steps)
        base = self.value(v.base)
        array = isinstance(v.type, ir.PlaceT) and v.type.array
        return f"{'' if array else '&'}{primary_of(base)}->{path_of(v.steps)}"

    def follow(self, v: ir.Follow) -> str:
        pointer = self.value(v.pointer)
        assert isinstance(v.pointer.type, ir.PtrT)
        index = self.value(v.index)
        name = self.fresh("behind")
        self.emit(f"{self.declare(v.type, name)} = 0;")
        where = pointer if index == "0" else f"{operand_of(pointer)} + {operand_of(index)}"
        self.emit(f"bpf_probe_read_{v.pointer.type.space}(&{name}, sizeof({name}), {where});")
        return name

    def exists(self, v: ir.Exists) -> str:
        tests = []
        for struct, member in v.fields:
            if not struct.name:
                continue  # a part of the struct before it in the path, and there with it
            if self.whole.btf.member(struct, member.name) is not None:
                self.whole.types.member(struct, member)
                tests.append(f"bpf_core_field_exists({self.whole.types.spelled(struct)}, {member.name})")
            elif v.any_kind:
                self.whole.types.asked(struct, member.name)
                tests.append(f"HAS_MEMBER({struct.name}, {member.name})")
            else:
                self.whole.types.other_exists(struct, member.name)
                tests.append(f"bpf_core_field_exists(struct {struct.name}{OTHER}, {member.name})")
        return " && ".join(dict.fromkeys(tests))


def _may_differ(v: ir.Load) -> bool:
    """Whether it is a number that other kernels may have in another size, with another sign, or as a bit field."""
    last = v.steps[-1]
    of_kernel = last.member is not None and last.owner is not None and last.owner.name not in HEADERS
    return of_kernel and isinstance(v.type, (ir.IntT, ir.BoolT))
