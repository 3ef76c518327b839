"""Attach points: the text of one and a kernel description in, what a program attached there can see out.

Returns an :class:`Attachment`, or says why not: :class:`Absent` when the kernel described lacks the target (which alternatives
may tolerate), :class:`~ebpfgen.problems.Problem` when the text is wrong on any kernel.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from . import btf, ir, model
from .kernel import Kernel, Tracepoint, TracepointField
from .problems import Problem, near_misses
from .records import field, record, replace
from .typer import BASIC, Typer, c_int

KINDS = {
    "tracepoint": "tracepoint:CATEGORY:NAME",
    "raw_tracepoint": "raw_tracepoint:NAME",
    "tp_btf": "tp_btf:NAME",
    "kprobe": "kprobe:FUNCTION[+OFFSET]",
    "kretprobe": "kretprobe:FUNCTION",
    "fentry": "fentry:FUNCTION",
    "fexit": "fexit:FUNCTION",
    "uprobe": "uprobe:BINARY:SYMBOL[+OFFSET]",
    "uretprobe": "uretprobe:BINARY:SYMBOL",
    "profile": "profile:hz:N",
    "interval": "interval:s:N",
    "software": "software:EVENT:PERIOD",
}
SOFTWARE = {
    "cpu-clock": 0, "task-clock": 1, "page-faults": 2, "faults": 2, "context-switches": 3, "cs": 3, "cpu-migrations": 4,
    "minor-faults": 5, "major-faults": 6, "alignment-faults": 7, "emulation-faults": 8,
}  # fmt: skip
TIMER_UNITS = {"profile": ("hz", "ms", "us"), "interval": ("s", "ms", "us", "hz")}
REGISTERS = 6
"""Arguments passed in registers on every architecture here; libbpf 1.1 has no PT_REGS_PARM6, so the template defines it."""


@record()
class Attachment:
    """What a program at one attach point is and sees. ``in_task``: it runs in the context of the task concerned."""

    kind: str
    target: dict[str, object]
    section: str
    context: str
    label: str  # for the program's name and for ``probe``
    args: Mapping[str, ir.Expr] = field(default_factory=dict)
    no_args: str = "this attach point gives no arguments"
    numbered: tuple[ir.Expr, ...] = ()
    retval: ir.Expr | None = None
    no_retval: str = "only kretprobe, fexit, uretprobe and sys_exit_* give one"
    space: ir.Space = "kernel"
    record: Tracepoint | None = None  # to be declared with fixed offsets
    struct: btf.Struct | None = None  # whose members the args are


@record()
class Absent:
    """The kernel described does not have the target. ``partial`` can still be used by what needs no names of arguments."""

    why: str
    near: tuple[str, ...] = ()
    partial: Attachment | None = None


Found = Attachment | Absent | Problem


def resolve(text: model.Text, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """What stands at the attach point ``text``."""
    kind, _, rest = text.text.strip().partition(":")
    if kind not in KINDS:
        near = near_misses(kind, KINDS)
        return text.at.problem(f"'{kind}' is no kind of attach point", near, "" if near else "there are " + " ".join(KINDS))
    if not rest:
        return text.at.problem(f"'{text.text}' is not complete, expected {KINDS[kind]}")
    return _RESOLVERS[kind](text, kind, rest, typer, params)


def _tracepoint(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    category, _, name = rest.partition(":")
    if not re.fullmatch(r"\w+", category, re.ASCII) or not re.fullmatch(r"\w+", name, re.ASCII):
        return text.at.problem(f"'{text.text}' is not complete, expected {KINDS['tracepoint']}")
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
        return Attachment(kind, target, section, context, name, args, record=found)
    struct = typer.btf.resolve(record)
    assert isinstance(struct, btf.Struct)
    args = {f.name: a for f in found.fields if (a := _record_field(f, struct, typer)) is not None}
    retval = replace(args["ret"], name="retval") if category == "raw_syscalls" and isinstance(args.get("ret"), ir.Input) else None
    return Attachment(kind, target, section, f"struct {struct.name}", name, args, "this tracepoint has no fields", retval=retval,
                      struct=struct)  # fmt: skip


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
    """sys_enter_* and sys_exit_* share two records for all system calls; CO-RE knows those."""
    enter = found.name.startswith("sys_enter_")
    name = "trace_event_raw_sys_enter" if enter else "trace_event_raw_sys_exit"
    record = typer.btf.find(name, btf.Struct)
    struct = typer.btf.resolve(record) if record else None
    if not isinstance(struct, btf.Struct):
        return Absent(f"this kernel's types have no struct {name}")
    label = found.name.removeprefix("sys_")
    base = Attachment("tracepoint", target, section, f"struct {name}", label)
    if not enter:
        member = typer.btf.member(struct, "ret")
        assert member
        result = ir.Input(ir.IntT(64, True, "result"), "ctx->ret", "retval", ((struct, member),))
        return replace(base, args={"ret": result}, retval=result)
    member = typer.btf.member(struct, "args")
    assert member
    fields = [f for f in found.fields if f.name not in ("__syscall_nr", "nr")]
    args: dict[str, ir.Expr] = {}
    for i, f in enumerate(fields):
        args[f.name] = _syscall_argument(f, i, typer, (struct, member))
    return replace(base, args=args, no_args="this system call takes no arguments", space="user")


def _syscall_argument(found: TracepointField, i: int, typer: Typer, use: tuple[btf.Struct, btf.Member]) -> ir.Input:
    name = f"args.{found.name}"
    if "*" in found.c_type:
        pointer = _pointer(found.c_type, typer, "user")
        return ir.Input(pointer, f"({_c_pointer(pointer, typer)})ctx->args[{i}]", name, (use,))
    bits, signed = _number_type(found.c_type, typer)
    cast = "" if bits == 64 and not signed else f"({c_int(bits, signed)})"
    return ir.Input(ir.IntT(bits, signed), f"{cast}ctx->args[{i}]", name, (use,))


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


def _raw(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    if not re.fullmatch(r"\w+", rest, re.ASCII):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    section = f"{'raw_tp' if kind == 'raw_tracepoint' else 'tp_btf'}/{rest}"
    base = Attachment(kind, {"name": rest}, section, "__u64", rest, numbered=_slots(12))
    proto = typer.kernel.raw_tracepoint(rest)
    if proto is None:
        near = near_misses(rest, typer.kernel.raw_tracepoints())
        unnamed = replace(base, no_args=f"this kernel has no {rest}, so its arguments have numbers only: write arg0, arg1 …")
        return Absent(f"this kernel has no tracepoint {rest}", near, unnamed)
    return replace(base, args=_from_slots(proto, typer, kind == "tp_btf"), numbered=_slots(len(proto.params)))


def _slots(n: int) -> tuple[ir.Expr, ...]:
    return tuple(ir.Input(ir.U64, f"ctx[{i}]", f"arg{i}") for i in range(n))


def _from_slots(proto: btf.FuncProto, typer: Typer, trusted: bool) -> dict[str, ir.Expr]:
    return {
        name: _cast_input(f"ctx[{i}]", f"args.{name}", type_id, typer, trusted)
        for i, (name, type_id) in enumerate(proto.params)
        if name
    }


def _cast_input(c: str, name: str, type_id: int, typer: Typer, trusted: bool) -> ir.Expr:
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


def _function(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    wanted = re.fullmatch(r"([A-Za-z_][\w.]*)(?:\+(0x[0-9a-fA-F]+|\d+))?", rest, re.ASCII)
    if not wanted or (wanted[2] and kind != "kprobe"):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    name, offset = wanted[1], int(wanted[2] or "0", 0)
    proto = typer.kernel.function(name)
    base = _function_base(kind, name, offset)
    if proto is None:
        if kind in ("kprobe", "kretprobe") and name in set(typer.kernel.functions()):
            return base
        if name in set(typer.kernel.functions()):
            return Absent(f"this kernel's types lack {name}, which {kind} needs: use kprobe or kretprobe", (), base)
        return Absent(f"this kernel has no function {name}", near_misses(name, typer.kernel.functions()), base)
    if why := typer.kernel.why_not_attachable(name, kind):
        return Absent(f"{name} can't be traced in this kernel: {why}", (), _with_signature(base, proto, typer))
    return _with_signature(base, proto, typer)


def _function_base(kind: str, name: str, offset: int) -> Attachment:
    if kind in ("fentry", "fexit"):
        return Attachment(kind, {"function": name}, f"{kind}/{name}", "__u64", name, numbered=_slots(6),
                          no_args="the signature is not known in this kernel: write arg0, arg1 …")  # fmt: skip
    no_args = "a kretprobe gives retval only; for arguments at the return use fexit, or keep them in a span"
    target: dict[str, object] = {"function": name, "offset": offset}
    if kind == "kretprobe":
        result = ir.Input(ir.S64, "(__s64)PT_REGS_RC(ctx)", "retval")
        return Attachment(kind, target, f"kretprobe/{name}", "struct pt_regs", name, no_args=no_args, retval=result)
    section = f"kprobe/{name}" + (f"+{offset}" if offset else "")
    return Attachment(kind, target, section, "struct pt_regs", name, numbered=_registers("kernel"),
                      no_args="the signature is not known in this kernel: write arg0, arg1 …")  # fmt: skip


def _registers(space: ir.Space) -> tuple[ir.Expr, ...]:
    return tuple(ir.Input(ir.U64, f"PT_REGS_PARM{i + 1}(ctx)", f"arg{i}") for i in range(REGISTERS))


def _with_signature(base: Attachment, proto: btf.FuncProto, typer: Typer) -> Attachment:
    match base.kind:
        case "kprobe":
            named = enumerate(proto.params[:REGISTERS])
            args = {n: _cast_input(f"PT_REGS_PARM{i + 1}(ctx)", f"args.{n}", t, typer, False) for i, (n, t) in named if n}
            return replace(base, args=args, no_args="this function takes no arguments")
        case "kretprobe":
            return replace(base, retval=_result("PT_REGS_RC(ctx)", proto, typer, False), no_retval=_returns_nothing(base))
        case "fentry":
            return replace(
                base,
                args=_from_slots(proto, typer, True),
                numbered=_slots(len(proto.params)),
                no_args="this function takes no arguments",
            )
    n = len(proto.params)
    return replace(
        base,
        args=_from_slots(proto, typer, True),
        no_args="this function takes no arguments",
        numbered=_slots(n),
        retval=_result(f"ctx[{n}]", proto, typer, True),
        no_retval=_returns_nothing(base),
    )


def _returns_nothing(base: Attachment) -> str:
    return f"{base.label} returns nothing"


def _result(c: str, proto: btf.FuncProto, typer: Typer, trusted: bool) -> ir.Expr | None:
    return _cast_input(c, "retval", proto.result, typer, trusted) if proto.result else None


def _user(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    binary, _, symbol = rest.rpartition(":")
    wanted = re.fullmatch(r"([\w.@$]+)(?:\+(0x[0-9a-fA-F]+|\d+))?", symbol, re.ASCII)
    if not binary or not wanted or (wanted[2] and kind == "uretprobe") or not _plain(binary):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    target: dict[str, object] = {"binary": binary, "symbol": wanted[1], "offset": int(wanted[2] or "0", 0)}
    label = re.sub(r"\W", "_", wanted[1])
    if kind == "uretprobe":
        result = ir.Input(ir.S64, "(__s64)PT_REGS_RC(ctx)", "retval")
        return Attachment(
            kind, target, kind, "struct pt_regs", label, no_args="a uretprobe gives retval only", retval=result, space="user"
        )
    return Attachment(
        kind,
        target,
        kind,
        "struct pt_regs",
        label,
        no_args="a uprobe gives arg0, arg1 …",
        numbered=_registers("user"),
        space="user",
    )


def _plain(binary: str) -> bool:
    return bool(re.fullmatch(r"[\w./+@ -]{1,255}", binary)) and not binary.startswith(("-", " "))


def _timer(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    unit, _, number = rest.partition(":")
    if unit not in TIMER_UNITS[kind]:
        return text.at.problem(
            f"'{unit}' is no unit of {kind}",
            near := near_misses(unit, TIMER_UNITS[kind]),
            "" if near else f"there are {' '.join(TIMER_UNITS[kind])}",
        )
    if not number:
        return text.at.problem(f"'{text.text}' is not complete, expected {kind}:{unit}:N")
    target: dict[str, object] = {"unit": unit, "value": None, "param": None}
    if number.startswith("$"):
        param = params.get(number[1:])
        if param is None:
            near = tuple(f"${p}" for p in near_misses(number[1:], params))
            return text.at.problem(f"parameter {number} is not declared", near)
        if param.type.shape != "int" or param.type.signed or (param.min or 0) < 1:
            return text.at.problem(f"{number} is used as a rate: it must be an unsigned number with min: 1 or more")
        target["param"] = number[1:]
    elif re.fullmatch(r"[1-9][0-9]{0,8}", number):
        target["value"] = int(number)
    else:
        return text.at.problem(f"'{number}' is no whole number from 1 to 999999999")
    return Attachment(kind, target, "perf_event", "void", kind)


def _software(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    event, _, period = rest.partition(":")
    if event not in SOFTWARE:
        near = near_misses(event, SOFTWARE)
        return text.at.problem(f"'{event}' is no software event", near, "" if near else "there are " + " ".join(SOFTWARE))
    if not re.fullmatch(r"[1-9][0-9]{0,17}", period or "1"):
        return text.at.problem(f"'{period}' is no period: a whole number of events above 0")
    target: dict[str, object] = {"event": event, "config": SOFTWARE[event], "period": int(period or "1")}
    return Attachment(kind, target, "perf_event", "void", re.sub(r"\W", "_", event))


_RESOLVERS: dict[str, Callable[[model.Text, str, str, Typer, dict[str, ir.ParamInfo]], Found]] = {
    "tracepoint": _tracepoint,
    "raw_tracepoint": _raw,
    "tp_btf": _raw,
    "kprobe": _function,
    "kretprobe": _function,
    "fentry": _function,
    "fexit": _function,
    "uprobe": _user,
    "uretprobe": _user,
    "profile": _timer,
    "interval": _timer,
    "software": _software,
}
