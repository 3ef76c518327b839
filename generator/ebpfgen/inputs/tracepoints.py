"""Attach points at the kernel's tracepoints: tracepoint, raw_tracepoint, tp_btf.

Receives the text behind the kind and a kernel description; returns what stands there, or why not.
"""

from __future__ import annotations

import re

from ebpfgen import btf, ir, model
from ebpfgen.kernel import Kernel, Tracepoint, TracepointField
from ebpfgen.problems import near_misses
from ebpfgen.records import replace
from ebpfgen.typer import BASIC, Typer, c_int

from .attachment import KINDS, Absent, Attachment, Found, in_slots, label_of, signature_of, slots


def tracepoint(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    category, _, name = rest.partition(":")
    if not re.fullmatch(r"\w+", category, re.ASCII) or not re.fullmatch(r"[\w*]+", name, re.ASCII):
        what = "is no attach point" if category and name else "is not complete"
        return text.at.problem(f"'{text.text}' {what}, expected {KINDS['tracepoint']}")
    if "*" in name:
        return _wildcard(category, name, typer)
    found = typer.kernel.tracepoint(category, name)
    target: dict[str, object] = {"category": category, "name": name}
    section = f"tracepoint/{category}/{name}"
    if category == "syscalls" and name.startswith(("sys_enter_", "sys_exit_")):
        if found is None:
            return Absent(f"this kernel has no tracepoint {category}:{name}", _near_tracepoint(typer.kernel, category, name))
        return _syscall(found, typer, target, section)
    if found is None:
        return Absent(f"this kernel has no tracepoint {category}:{name}", _near_tracepoint(typer.kernel, category, name))
    record = typer.btf.find(found.record, btf.Struct) if found.record else None
    if record is None:
        args = {f.name: _fixed_field(f, typer) for f in found.fields}
        context = f"struct tracepoint_{category}_{name}"
        return Attachment(kind, target, section, context, name, args, record=found, format=found)
    struct = typer.btf.resolve(record)
    assert isinstance(struct, btf.Struct)
    args = {f.name: a for f in found.fields if (a := _record_field(f, struct, typer)) is not None}
    retval = replace(args["ret"], name="retval") if category == "raw_syscalls" and isinstance(args.get("ret"), ir.Input) else None
    return Attachment(kind, target, section, f"struct {struct.name}", name, args, "this tracepoint has no fields", retval=retval,
                      struct=struct)  # fmt: skip


def _wildcard(category: str, pattern: str, typer: Typer) -> Found:
    """Several tracepoints. What their records have in common is known for system calls only."""
    target: dict[str, object] = {"category": category, "name": pattern}
    base = Attachment(
        "tracepoint", target, "tracepoint", "void", label_of(pattern), no_args="several tracepoints have no fields in common",
        wildcard=True,
    )  # fmt: skip
    if category == "syscalls" and pattern.startswith(("sys_enter_", "sys_exit_")):
        base = _any_syscall(base, pattern.startswith("sys_enter_"), typer)
    matches = re.compile(pattern.replace("*", r"\w*"), re.ASCII).fullmatch
    found = tuple(name for c, name in typer.kernel.tracepoints() if c == category and matches(name))
    if not found:
        near = _near_tracepoint(typer.kernel, category, pattern.replace("*", ""))
        return Absent(f"no tracepoint of this kernel matches {category}:{pattern}", near, base)
    return replace(base, matches=found)


def _any_syscall(base: Attachment, enter: bool, typer: Typer) -> Attachment:
    name = "trace_event_raw_sys_enter" if enter else "trace_event_raw_sys_exit"
    record = typer.btf.find(name, btf.Struct)
    struct = typer.btf.resolve(record) if record else None
    members = {m.name: m for m in typer.btf.flat_members(struct)} if isinstance(struct, btf.Struct) else {}
    if not isinstance(struct, btf.Struct) or not {"id", "args" if enter else "ret"} <= members.keys():
        return base
    args: dict[str, ir.Expr] = {"id": ir.Input(ir.S64, "ctx->id", "args.id", ((struct, members["id"]),))}
    base = replace(base, context=f"struct {name}", args=args, space="user" if enter else "kernel")
    if not enter:
        result = ir.Input(ir.IntT(64, True, "result"), "ctx->ret", "retval", ((struct, members["ret"]),))
        return replace(base, args=args | {"ret": result}, retval=result)
    uses = ((struct, members["args"]),)
    return replace(base, numbered=tuple(ir.Input(ir.U64, f"ctx->args[{i}]", f"arg{i}", uses) for i in range(6)))


def _near_tracepoint(kernel: Kernel, category: str, name: str) -> tuple[str, ...]:
    return near_misses(f"{category}:{name}", (f"{c}:{n}" for c, n in kernel.tracepoints()))


def _record_field(found: TracepointField, struct: btf.Struct, typer: Typer) -> ir.Input | None:
    """A field read through the record's BTF type, so that CO-RE follows it."""
    if member := typer.btf.member(struct, f"__data_loc_{found.name}"):
        kind: ir.Type = ir.PtrT("kernel", 0, ir.IntT(8, True), spelled="char *")
        return ir.Input(kind, f"(void *)ctx + (ctx->{member.name} & 0xffff)", f"args.{found.name}", ((struct, member),))
    member = typer.btf.member(struct, found.name)
    if member is None:
        return None
    kind = typer.type_of(member.type_id)
    return ir.Input(kind, f"ctx->{found.name}", f"args.{found.name}", ((struct, member),))


def _fixed_field(found: TracepointField, typer: Typer) -> ir.Input:
    """A field at the offset that the format file gives."""
    if found.c_type.startswith("__data_loc"):
        kind = ir.PtrT("kernel", 0, ir.IntT(8, True), spelled="char *")
        return ir.Input(kind, f"(void *)ctx + (ctx->{found.name} & 0xffff)", f"args.{found.name}")
    if array := re.fullmatch(r"(.+?)\s*\[(\d+)\]", found.c_type):
        element = typer.btf.find("char" if array[1] == "char" else "unsigned char", btf.Int) or 0
        return ir.Input(ir.PlaceT(0, found.c_type, None, (element, int(array[2]))), f"ctx->{found.name}", f"args.{found.name}")
    if "*" in found.c_type:
        pointer = _pointer(found.c_type, typer, "kernel")
        return ir.Input(pointer, f"({_c_pointer(pointer, typer)})ctx->{found.name}", f"args.{found.name}")
    return ir.Input(ir.IntT(found.size * 8, found.signed), f"ctx->{found.name}", f"args.{found.name}")


def _syscall(found: Tracepoint, typer: Typer, target: dict[str, object], section: str) -> Found:
    """sys_enter_* and sys_exit_* share two records for all system calls; CO-RE knows those. Kernels whose records have a longer
    beginning lay them out otherwise than these structs: there they are read where the format says."""
    name, shared = ir.shared_struct(found)
    record = typer.btf.find(name, btf.Struct)
    struct = typer.btf.resolve(record) if record else None
    if not isinstance(struct, btf.Struct):
        return Absent(f"this kernel's types have no struct {name}")
    label = found.name.removeprefix("sys_")
    base = Attachment("tracepoint", target, section, f"struct {name}", label, format=found)
    member = typer.btf.member(struct, shared)
    assert member
    fields = ir.arguments(found)
    use: tuple[tuple[btf.Struct, btf.Member], ...] = ((struct, member),)
    if fields and fields[0].offset * 8 != member.bit_offset:
        base, use = replace(base, context=f"struct tracepoint_syscalls_{found.name}", record=found), ()
    if found.name.startswith("sys_exit_"):
        result = ir.Input(ir.IntT(64, True, "result"), "ctx->ret", "retval", use)
        return replace(base, args={"ret": result}, retval=result)
    args: dict[str, ir.Expr] = {}
    for i, f in enumerate(fields):
        args[f.name] = _syscall_argument(f, f"args[{i}]" if use else f.name, typer, use)
    return replace(base, args=args, no_args="this system call takes no arguments", space="user")


def _syscall_argument(
    found: TracepointField, c: str, typer: Typer, uses: tuple[tuple[btf.Struct, btf.Member], ...]
) -> ir.Input:
    name = f"args.{found.name}"
    if "*" in found.c_type:
        pointer = _pointer(found.c_type, typer, "user")
        return ir.Input(pointer, f"({_c_pointer(pointer, typer)})ctx->{c}", name, uses)
    bits, signed = _number_type(found.c_type, typer)
    cast = "" if bits == 64 and not signed else f"({c_int(bits, signed)})"
    return ir.Input(ir.IntT(bits, signed), f"{cast}ctx->{c}", name, uses)


def _c_pointer(kind: ir.PtrT, typer: Typer) -> str:
    return f"{typer.btf.c_name(kind.target)} *" if kind.target else "void *"


def _number_type(c_type: str, typer: Typer) -> tuple[int, bool]:
    words = " ".join(w for w in c_type.split() if w != "const")
    if words in BASIC:
        return BASIC[words]
    typedef = typer.btf.find_typedef(words)
    found = typer.btf.resolve(typedef) if typedef else None
    if isinstance(found, btf.Int):
        return found.size * 8, found.signed
    return 64, False


def _pointer(c_type: str, typer: Typer, space: ir.Space) -> ir.PtrT:
    pointee = " ".join(w for w in c_type.replace("*", " * ").split() if w not in ("const", "__user"))
    spelled = c_type.strip()
    if pointee.count("*") == 1:
        name = pointee.removesuffix("*").strip()
        if name.startswith("struct ") and (found := typer.btf.find(name[7:], btf.Struct)):
            return ir.PtrT(space, found, spelled=spelled)
        if name in BASIC:
            bits, signed = BASIC[name]
            return ir.PtrT(space, 0, ir.IntT(bits, signed), spelled=spelled)
    elif pointee.count("*") > 1:
        return ir.PtrT(space, 0, ir.IntT(64, False), spelled=spelled)
    return ir.PtrT(space, spelled=spelled)


def raw(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    if not re.fullmatch(r"\w+", rest, re.ASCII):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    section = f"{'raw_tp' if kind == 'raw_tracepoint' else 'tp_btf'}/{rest}"
    base = Attachment(kind, {"name": rest}, section, "__u64", rest, numbered=slots(12))
    proto = typer.kernel.raw_tracepoint(rest)
    if proto is None:
        near = near_misses(rest, typer.kernel.raw_tracepoints())
        unnamed = replace(base, no_args=f"this kernel has no {rest}, so its arguments have numbers only: write arg0, arg1 …")
        return Absent(f"this kernel has no tracepoint {rest}", near, unnamed)
    signature = signature_of("tracepoint", rest, proto, typer.btf)
    return in_slots(base, signature, proto, typer, kind == "tp_btf")
