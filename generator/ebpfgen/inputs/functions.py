"""Attach points at the kernel's functions: kprobe, kretprobe, fentry, fexit, lsm.

Receives the text behind the kind and a kernel description; returns what stands there, or why not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from ebpfgen import btf, ir, model
from ebpfgen.problems import near_misses
from ebpfgen.records import replace
from ebpfgen.typer import Typer

from .attachment import (
    KINDS,
    REGISTERS,
    Absent,
    Attachment,
    Found,
    cast_input,
    in_slots,
    label_of,
    registers,
    result_slot,
    signature_of,
    slots,
)

KPROBES = ("kprobe", "kretprobe")
MADE_FROM = r"{}((\.isra|\.constprop)\.\d+)+"
"""What gcc makes of a static function whose arguments it changes (isra) or knows (constprop)."""
HOOK = "bpf_lsm_"


def function(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """kprobe, kretprobe, fentry, fexit; kprobes may name a module, and hold ``*``."""
    wanted = re.fullmatch(r"(?:(\w+):)?([A-Za-z_*][\w.*]*)(?:\+(0x[0-9a-fA-F]+|\d+))?", rest, re.ASCII)
    if not wanted or (wanted[3] and kind != "kprobe") or (wanted[1] and kind not in KPROBES):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    module, name, offset = wanted[1] or "", wanted[2], int(wanted[3] or "0", 0)
    if "*" in name:
        return _wildcard(text, kind, module, name, offset, typer)
    base = _function_base(kind, module, name, offset)
    proto = typer.kernel.function(name) if module in ("", typer.kernel.module_of(name)) else None
    if proto is None:
        return _without_signature(base, name, list(typer.kernel.functions()))
    if why := typer.kernel.why_not_attachable(name, kind):
        if kind in KPROBES and _made_from(name, typer.kernel.functions()):
            return base  # of another signature
        return Absent(f"{name} can't be traced in this kernel: {why}", (), _with_signature(base, proto, typer))
    return _with_signature(base, proto, typer)


def _without_signature(base: Attachment, name: str, known: list[str]) -> Found:
    """A function of which the kernel's types say nothing: a module's, one that the compiler took from a static one, or none."""
    probed = base.kind in KPROBES
    if name in known:
        why = f"this kernel's types lack {name}, which {base.kind} needs: use kprobe or kretprobe"
        return base if probed else Absent(why, (), base)
    if made := _made_from(name, known):
        why = f"of {name} this kernel has {made[0]} only, which {base.kind} can't take: use kprobe or kretprobe"
        return base if probed else Absent(why, (), base)
    return Absent(f"this kernel has no function {name}", near_misses(name, known), base)


def _made_from(name: str, known: Iterable[str]) -> list[str]:
    made = re.compile(MADE_FROM.format(re.escape(name))).fullmatch
    return [other for other in known if made(other)]


def _wildcard(text: model.Text, kind: str, module: str, pattern: str, offset: int, typer: Typer) -> Found:
    """Several functions; the runtime finds those of the kernel that it runs on."""
    if kind not in KPROBES:
        one = "kprobe" if kind == "fentry" else "kretprobe"
        return text.at.problem(f"{kind} takes one function, no wildcard", (), f"{one}:{pattern} takes all that match")
    if offset:
        return text.at.problem("an offset is into one function: it can't stand behind a wildcard")
    base = replace(_function_base(kind, module, pattern, 0), section=kind, label=label_of(pattern), wildcard=True)
    base = replace(
        base, no_args="several functions have no arguments in common: write arg0, arg1 …" if base.numbered else base.no_args
    )
    matches = re.compile(pattern.replace(".", r"\.").replace("*", r"[\w.]*"), re.ASCII).fullmatch
    found = tuple(
        name
        for name in typer.kernel.functions()
        if matches(name) and module in ("", typer.kernel.module_of(name)) and not typer.kernel.why_not_attachable(name, kind)
    )
    if found:
        return replace(base, matches=found)
    where = f" in module {module}" if module else ""
    near = near_misses(pattern.replace("*", ""), typer.kernel.functions())
    return Absent(f"no function of this kernel matches {pattern}{where}", near, base)


def hook(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """Hooks of the kernel's security modules. The program only looks: it lets pass what the others let pass."""
    if not re.fullmatch(r"\w+", rest, re.ASCII):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    base = Attachment(kind, {"hook": rest}, f"lsm/{rest}", "__u64", rest, numbered=slots(6),
                      no_args="the arguments are not known in this kernel: write arg0, arg1 …")  # fmt: skip
    proto = typer.kernel.function(f"{HOOK}{rest}")
    if proto is None:
        hooks = [name.removeprefix(HOOK) for name in typer.kernel.functions() if name.startswith(HOOK)]
        if not hooks:
            return Absent("this kernel has no hooks for programs (CONFIG_BPF_LSM)", (), base)
        return Absent(f"this kernel has no hook {rest}", near_misses(rest, hooks), base)
    base = in_slots(base, signature_of("function", f"{HOOK}{rest}", proto, typer.btf), proto, typer, True)
    return replace(base, no_args="this hook takes no arguments")


def _function_base(kind: str, module: str, name: str, offset: int) -> Attachment:
    if kind in ("fentry", "fexit"):
        return Attachment(kind, {"function": name}, f"{kind}/{name}", "__u64", name, numbered=slots(6), function=True,
                          no_args="the signature is not known in this kernel: write arg0, arg1 …")  # fmt: skip
    no_args = "a kretprobe gives retval only; for arguments at the return use fexit, or keep them in a span"
    target: dict[str, object] = {"function": name, "offset": offset} | ({"module": module} if module else {})
    if kind == "kretprobe":
        result = ir.Input(ir.S64, "(__s64)PT_REGS_RC(ctx)", "retval")
        section = f"kretprobe/{name}"
        return Attachment(kind, target, section, "struct pt_regs", name, no_args=no_args, retval=result, function=True)
    section = f"kprobe/{name}" + (f"+{offset}" if offset else "")
    return Attachment(kind, target, section, "struct pt_regs", name, numbered=registers("kernel"), function=not offset,
                      no_args="the signature is not known in this kernel: write arg0, arg1 …")  # fmt: skip


def _with_signature(base: Attachment, proto: btf.FuncProto, typer: Typer) -> Attachment:
    if base.kind == "kretprobe":
        return replace(base, retval=_result("PT_REGS_RC(ctx)", proto, typer, False), no_retval=_returns_nothing(base))
    signature = signature_of("function", base.label, proto, typer.btf)
    base = replace(base, no_args="this function takes no arguments")
    if base.kind == "kprobe":
        named = [(n, t, signature.place(n)) for n, t in proto.params if n and t]
        args = {
            n: cast_input(f"PT_REGS_PARM{i + 1}(ctx)", f"args.{n}", t, typer, False) for n, t, i in named if i < REGISTERS
        }
        return replace(base, args=args, signature=signature)
    base = in_slots(base, signature, proto, typer, True)
    if base.kind == "fentry":
        return base
    return replace(base, retval=result_slot(signature, proto, typer), no_retval=_returns_nothing(base))


def _returns_nothing(base: Attachment) -> str:
    return f"{base.label} returns nothing"


def _result(c: str, proto: btf.FuncProto, typer: Typer, trusted: bool) -> ir.Expr | None:
    return cast_input(c, "retval", proto.result, typer, trusted) if proto.result else None
