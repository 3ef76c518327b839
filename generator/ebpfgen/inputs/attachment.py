"""What a program at an attach point is and sees: the record that resolving one gives, and the inputs that several kinds share.

Receives signatures of the kernel's types, returns typed inputs. Never decides what exists: the modules beside it do.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ebpfgen import btf, ir
from ebpfgen.kernel import Tracepoint
from ebpfgen.problems import Problem
from ebpfgen.records import field, record, replace
from ebpfgen.typer import Typer, c_int

KINDS = {
    "tracepoint": "tracepoint:CATEGORY:NAME",
    "raw_tracepoint": "raw_tracepoint:NAME",
    "tp_btf": "tp_btf:NAME",
    "kprobe": "kprobe:[MODULE:]FUNCTION[+OFFSET]",
    "kretprobe": "kretprobe:[MODULE:]FUNCTION",
    "fentry": "fentry:FUNCTION",
    "fexit": "fexit:FUNCTION",
    "lsm": "lsm:HOOK",
    "uprobe": "uprobe:BINARY:SYMBOL[+OFFSET]",
    "uretprobe": "uretprobe:BINARY:SYMBOL",
    "usdt": "usdt:BINARY:[PROVIDER:]NAME",
    "profile": "profile:hz:N",
    "interval": "interval:s:N",
    "software": "software:EVENT:PERIOD",
    "hardware": "hardware:EVENT:PERIOD",
    "iter": "iter:OBJECT",
}
REGISTERS = 6
"""Arguments passed in registers on every architecture here; libbpf 1.1 has no PT_REGS_PARM6, so the template defines it."""


@record()
class Attachment:
    """What a program at one attach point is and sees. ``in_task``: it runs in the context of the task concerned."""

    kind: str
    target: dict[str, object]
    section: str
    context: str
    label: str  # for the program's name
    args: Mapping[str, ir.Expr] = field(default_factory=dict)
    no_args: str = "this attach point gives no arguments"
    numbered: tuple[ir.Expr, ...] = ()
    retval: ir.Expr | None = None
    no_retval: str = "only kretprobe, fexit, uretprobe and sys_exit_* give one"
    space: ir.Space = "kernel"
    record: Tracepoint | None = None  # to be declared with fixed offsets
    struct: btf.Struct | None = None  # whose members the args are
    task: ir.Expr | str = "current"  # of whom pid, comm … speak, where the probe does not say
    wildcard: bool = False  # several targets, which the runtime finds; ``label`` is then no target's name
    function: bool = False  # ``label`` is a function's name
    matches: tuple[str, ...] = ()  # of the kernel described, where that knows what a wildcard may match
    signature: ir.Signature | None = None
    format: Tracepoint | None = None  # as in ir.Program

    @property
    def target_name(self) -> str:
        """What ``probe`` and messages call it: a system call's tracepoint by its whole name, which the program's leaves short."""
        return self.format.name if self.format else self.label


@record()
class Absent:
    """The kernel described does not have the target. ``partial`` can still be used by what needs no names of arguments."""

    why: str
    near: tuple[str, ...] = ()
    partial: Attachment | None = None


Found = Attachment | Absent | Problem


def slots(n: int) -> tuple[ir.Expr, ...]:
    return tuple(ir.Input(ir.U64, f"ctx[{i}]", f"arg{i}") for i in range(n))


def from_slots(signature: ir.Signature, proto: btf.FuncProto, typer: Typer, trusted: bool) -> dict[str, ir.Expr]:
    """Arguments by name: members of a struct, whose places are those of the kernel that the program is loaded into."""
    return {
        name: cast_input(_member(signature, parameter), f"args.{name}", type_id, typer, trusted)
        for (name, type_id), parameter in zip(proto.params, signature.takes, strict=False)
        if name and type_id
    }


def in_slots(base: Attachment, signature: ir.Signature, proto: btf.FuncProto, typer: Typer, trusted: bool) -> Attachment:
    """``base``, which is called with that."""
    args = from_slots(signature, proto, typer, trusted)
    context, numbered = f"struct {signature.struct}", slots(signature.slots)
    return replace(base, context=context, args=args, numbered=numbered, signature=signature)


def result_slot(signature: ir.Signature, proto: btf.FuncProto, typer: Typer) -> ir.Expr | None:
    """What a function returned, behind its arguments."""
    if not proto.result:
        return None
    return cast_input(_member(signature, signature.takes[-1]), "retval", proto.result, typer, True)


def _member(signature: ir.Signature, parameter: ir.Parameter) -> str:
    return f"ctx->{signature.member(parameter.name)}{'[0]' if parameter.slots > 1 else ''}"


def signature_of(kind: str, name: str, proto: btf.FuncProto, types: btf.Btf) -> ir.Signature:
    """Of a tracepoint or a function."""
    takes = [_parameter(n or f"arg{i}", t, types) for i, (n, t) in enumerate(proto.params) if t]  # without "..."
    if kind == "function" and proto.result:
        takes.append(_parameter(ir.RESULT, proto.result, types))
    return ir.Signature(kind, name, tuple(takes))


def _parameter(name: str, type_id: int, types: btf.Btf) -> ir.Parameter:
    found = types.resolve(type_id)
    match found:
        case btf.Int(size=size) | btf.Enum(size=size):
            return ir.Parameter(name, "number", size)
        case btf.Struct(size=size):
            return ir.Parameter(name, _named(found), size)
        case btf.Ptr(target=target):
            behind = types.resolve(target)
            named = isinstance(behind, (btf.Struct, btf.Fwd)) and behind.name
            return ir.Parameter(name, f"{_named(behind)} *" if named else "pointer", 8)
    return ir.Parameter(name, "unknown", 0)


def _named(kind: btf.CType) -> str:
    assert isinstance(kind, (btf.Struct, btf.Fwd))
    return f"{'union' if kind.union else 'struct'} {kind.name}"


def cast_input(c: str, name: str, type_id: int, typer: Typer, trusted: bool) -> ir.Expr:
    kind = typer.type_of(type_id, "kernel", trusted)
    match kind:
        case ir.PtrT(target=target) if target:
            return ir.Input(kind, f"({typer.btf.c_name(target).removeprefix('const ')} *){c}", name)
        case ir.PtrT():
            return ir.Input(kind, f"(void *){c}", name)
        case ir.BoolT():
            return ir.Input(kind, f"(bool){c}", name)
        case ir.IntT(bits=bits, signed=signed):
            return ir.Input(kind, c if bits == 64 and not signed else f"({c_int(bits, signed)}){c}", name)
    return ir.Input(ir.U64, c, name)


def registers(space: ir.Space) -> tuple[ir.Expr, ...]:
    return tuple(ir.Input(ir.U64, f"PT_REGS_PARM{i + 1}(ctx)", f"arg{i}") for i in range(REGISTERS))


def label_of(pattern: str) -> str:
    """A wildcard as part of an identifier."""
    return re.sub(r"\W+", "_", pattern).strip("_") or "all"
