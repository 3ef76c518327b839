"""Whether a kernel calls a program with the arguments that it names.

Receives a typed program and the kernel that it would run on; returns what that kernel lacks. The rule is the runtime's
(:mod:`ebpfrun.arguments`), which moves the program's reads to where that kernel has them; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from ebpfgen import btf, ir
from ebpfgen.inputs.attachment import signature_of
from ebpfgen.kernel import Kernel

from .lack import Lack, like

KPROBE = "kprobe"
"""The kind whose arguments lie in registers: which ones is settled when it is built."""


def lacking(program: ir.Program, kernel: Kernel) -> Iterator[Lack]:
    """Of the arguments that it names."""
    here = program.signature
    there = _signature(here, kernel) if here else None
    if here is None or there is None:
        return
    for name, mark in ir.named_arguments(program).items():
        spelled = "retval" if name == ir.RESULT else f"args.{name}"
        thing = f"{spelled} of {program.text}"
        other = found(name, here, there)
        own = next(p for p in here.takes if p.name == name)
        if other is None:
            names = [p.name for p in there.takes]
            why = f"no {thing}: this kernel {'calls it without' if name != ir.RESULT else 'returns nothing'}"
            yield Lack("no_argument", thing, why, lambda name=name, names=names: like(name, names), mark)  # type: ignore[misc]
        elif (other.type, other.size) != (own.type, own.size):
            yield Lack("other_type", thing, f"{thing} is a {other} here, a {own} where the artefact is built", at=mark)
        elif program.kind == KPROBE and there.place(other.name) != here.place(name):
            why = f"{thing} is argument {there.place(other.name)} here, {here.place(name)} where the artefact is built"
            yield Lack("moved", thing, why, at=mark)


def laid_out(program: ir.Program, kernel: Kernel) -> Iterator[Lack]:
    """Of the fields of a record that it reads at places which names alone do not settle."""
    fields = ir.read_of_record(program)
    there = kernel.tracepoint(str(program.target["category"]), str(program.target["name"])) if fields else None
    places = {f.name: f for f in there.fields} if there else {}
    for field in fields if there else ():
        thing = f"{'retval' if field.name == 'ret' else f'args.{field.name}'} of {program.text}"
        other, at = places.get(field.name), field.at if field.at is not None else _into(field, kernel)
        if other is None:
            yield Lack("no_argument", thing, f"no {thing}", lambda n=field.name: like(n, places), field.mark)  # type: ignore[misc]
        elif at is not None and (other.offset, other.size) != (at, field.size):
            why = f"{thing} has {other.size} bytes at {other.offset} in the record, the program reads {field.size} at {at}"
            yield Lack("moved", thing, why, at=field.mark)


def _into(field: ir.Field, kernel: Kernel) -> int | None:
    """Where CO-RE finds it."""
    found = kernel.btf.find(field.struct, btf.Struct)
    struct = kernel.btf.resolve(found) if found is not None else None
    member = kernel.btf.member(struct, field.member) if isinstance(struct, btf.Struct) else None
    return member.bit_offset // 8 + field.behind if member else None


def _signature(here: ir.Signature, kernel: Kernel) -> ir.Signature | None:
    proto = kernel.raw_tracepoint(here.name) if here.kind == "tracepoint" else kernel.function(here.name)
    return signature_of(here.kind, here.name, proto, kernel.btf) if proto is not None else None


def found(name: str, here: ir.Signature, there: ir.Signature) -> ir.Parameter | None:
    """By its name; renamed, of the same type and at the same place, it is the same."""
    named = {p.name: p for p in there.takes}
    if name in named or name == ir.RESULT:
        return named.get(name)
    at = [p.name for p in here.takes].index(name)
    own, other = here.takes[at], there.takes[at] if at < len(there.takes) else None
    if other is None or other.name in {ir.RESULT, *(p.name for p in here.takes)}:
        return None
    return other if (other.type, other.size) == (own.type, own.size) else None
