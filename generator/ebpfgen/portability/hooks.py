"""Whether a kernel has what a program is attached to.

Receives a typed program and a kernel description; returns why not, as a :class:`~.lack.Lack`, or None. Pure. It answers as the
kernel and libbpf would when the runtime asks them (:mod:`ebpfrun.choose`); what is in files of that machine is not asked here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ebpfgen import btf, ir
from ebpfgen.constants import ENUMS, FLAGS
from ebpfgen.inputs.functions import HOOK, MADE_FROM
from ebpfgen.inputs.objects import RECORD
from ebpfgen.kernel import Kernel

from .lack import Lack, Seek, like

Rule = Callable[[ir.Program, Kernel], Lack | None]
MOST, MOST_LINKS = 10_000, 1024
"""Functions that the runtime attaches a wildcard to, in one link and with one for each."""
COOKIE = "BPF_FUNC_get_attach_cookie"
NEEDS = {
    "tp_btf": ("BPF_TRACE_RAW_TP",),
    "fentry": ("BPF_TRACE_FENTRY",),
    "fexit": ("BPF_TRACE_FEXIT",),
    "iter": ("BPF_TRACE_ITER",),
    "lsm": ("BPF_LSM_MAC",),
    "usdt": (COOKIE,),  # without it libbpf attaches to programs at fixed addresses only
}
"""What the kernel's types list, by kinds."""
WORDS = {
    COOKIE: "attach cookies, which USDT probes and names behind wildcards need",
    "BPF_MAP_TYPE_RINGBUF": "ring buffers, which events need",
}
IN_FILES = ("uprobe", "uretprobe", "usdt")
"""Kinds whose target is in a file of the machine: a kernel description does not know whether it is there."""


def why_not(program: ir.Program, kernel: Kernel) -> Lack | None:
    """Why this kernel can't attach the program; None when it can, or for a kind that no kernel lacks."""
    rule = RULES.get(program.kind)
    lack = rule(program, kernel) if rule else None
    needs = NEEDS.get(program.kind, ()) + ((COOKIE,) if _asks_for_name(program) else ())
    return lack or next(iter(_parts(needs, kernel)), None)


def _asks_for_name(program: ir.Program) -> bool:
    """Behind a wildcard only the runtime knows the name, and gives it by a cookie."""
    return any(isinstance(node, ir.Builtin) and node.name == "probe" for node in ir.walk(program.body))


def _tracepoint(program: ir.Program, kernel: Kernel) -> Lack | None:
    category, name = str(program.target["category"]), str(program.target["name"])
    matches = _matcher(name)
    found = (
        any(c == category and matches(n) for c, n in kernel.tracepoints()) if "*" in name else kernel.tracepoint(category, name)
    )
    if found:
        return None
    thing = f"tracepoint {category}:{name}"
    if category == "syscalls" and kernel.config.get("CONFIG_FTRACE_SYSCALLS") == "n":
        return Lack("not_configured", thing, "tracepoints of system calls are not configured (CONFIG_FTRACE_SYSCALLS)")
    why = f"no tracepoint {category}:{name}"
    return Lack("no_tracepoint", thing, why, lambda: like(f"{category}:{name}", (f"{c}:{n}" for c, n in kernel.tracepoints())))


def _raw_tracepoint(program: ir.Program, kernel: Kernel) -> Lack | None:
    name = str(program.target["name"])
    if kernel.raw_tracepoint(name) is not None:
        return None
    why = f"no tracepoint {name}"
    return Lack("no_tracepoint", f"tracepoint {name}", why, lambda: like(name, kernel.raw_tracepoints()))


def _kprobe(program: ir.Program, kernel: Kernel) -> Lack | None:
    function = str(program.target["function"])
    if lack := _option(kernel, f"function {function}", "kprobes are", "CONFIG_KPROBES", "CONFIG_KPROBE_EVENTS"):
        return lack
    if "*" in function:
        return _some_function(function, kernel)
    lack = _function(function, program.kind, kernel)
    made_from = re.compile(MADE_FROM.format(re.escape(function))).fullmatch  # which the runtime takes where there is no other
    return None if lack and any(map(made_from, kernel.functions())) else lack


def _some_function(pattern: str, kernel: Kernel) -> Lack | None:
    """Of a wildcard: as many as the runtime attaches to (:mod:`ebpfrun.wildcards`)."""
    found = [name for name in filter(_matcher(pattern), kernel.functions()) if kernel.why_not_attachable(name) is None]
    thing = f"function {pattern}"
    if not found:
        return Lack(
            "no_function", thing, f"no function matches {pattern}", lambda: _near_functions(pattern.replace("*", ""), kernel)
        )
    at_once = kernel.config.get("CONFIG_FPROBE") != "n" and kernel.constant("BPF_TRACE_KPROBE_MULTI") is not None
    most = MOST if at_once else MOST_LINKS
    if len(found) > most:
        how = "in one link" if at_once else "one by one, as this kernel takes them"
        return Lack("too_many", thing, f"{len(found)} functions match {pattern}, at most {most} are attached {how}")
    return None


def _matcher(pattern: str) -> Callable[[str], object]:
    return re.compile(pattern.replace(".", r"\.").replace("*", r"[\w.]*"), re.ASCII).fullmatch


def _trampoline(program: ir.Program, kernel: Kernel) -> Lack | None:
    function = str(program.target["function"])
    thing = f"function {function}"
    if lack := _option(kernel, thing, "trampolines (fentry, fexit) are", "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS"):
        return lack
    if kernel.config.get("functions") == "refused":
        return Lack("refused", thing, "it lets nobody hook its functions")
    if kernel.function(function) is None and function in set(kernel.functions()):
        return Lack("not_typed", thing, f"the types of {function} are not in BTF, which {program.kind} needs")
    return _function(function, program.kind, kernel)


def _function(function: str, kind: str, kernel: Kernel) -> Lack | None:
    thing = f"function {function}"
    why = kernel.why_not_attachable(function, kind)
    if why is None and kernel.function(function) is None and kind in ("fentry", "fexit"):
        why = "there is no such function in this kernel, or it was inlined"
    if why is None:
        return None
    if why.startswith("there is no such function"):
        why = f"no function {function}, or it was inlined"
        return Lack("no_function", thing, why, lambda: _near_functions(function, kernel))
    code = "not_typed" if "not in BTF" in why else "not_hookable"
    return Lack(code, thing, f"{function}: {why}")


def _near_functions(wanted: str, kernel: Kernel) -> tuple[str, ...]:
    return tuple(name for name in like(wanted, kernel.functions()) if kernel.why_not_attachable(name) is None)


def _in_file(program: ir.Program, kernel: Kernel) -> Lack | None:
    thing = f"{program.kind} of {program.target.get('binary', '')}"
    return _option(kernel, thing, "uprobes are", "CONFIG_UPROBES", "CONFIG_UPROBE_EVENTS")


def _perf(program: ir.Program, kernel: Kernel) -> Lack | None:
    return _option(kernel, program.text, "perf events are", "CONFIG_PERF_EVENTS")


def _iter(program: ir.Program, kernel: Kernel) -> Lack | None:
    name = str(program.target["of"])
    if kernel.btf.find(f"{RECORD}{name}", btf.Struct) is not None:
        return None
    return Lack("no_function", f"iterator {name}", f"no iterator over {name}", _like(name, RECORD, kernel.btf.struct_names))


def _lsm(program: ir.Program, kernel: Kernel) -> Lack | None:
    name = str(program.target["hook"])
    if lack := _option(kernel, f"hook {name}", "security modules by BPF are", "CONFIG_BPF_LSM"):
        return lack
    if "bpf" not in kernel.config.get("lsm", "bpf").split(","):
        return Lack("not_configured", f"hook {name}", "the security module bpf is off (lsm=…,bpf on the kernel's command line)")
    if kernel.config.get("functions") == "refused":
        return Lack("refused", f"hook {name}", "it lets nobody hook its functions")
    if kernel.function(f"{HOOK}{name}") is not None:
        return None
    return Lack("no_function", f"hook {name}", f"no security hook {name}", _like(name, HOOK, kernel.functions))


def _like(name: str, prefix: str, known: Callable[[], Iterable[str]]) -> Seek:
    """Names like it, of those that begin so, without their beginning."""
    return lambda: like(name, [k.removeprefix(prefix) for k in known() if k.startswith(prefix)])


def _option(kernel: Kernel, thing: str, what: str, *options: str) -> Lack | None:
    off = [option for option in options if kernel.config.get(option) == "n"]
    return Lack("not_configured", thing, f"{what} not configured ({off[0]})") if off else None


def whole(checked: ir.CheckedSpec, kernel: Kernel) -> list[Lack]:
    """What the kernel lacks for the spec as a whole."""
    return _parts(("BPF_MAP_TYPE_RINGBUF",) if checked.events else (), kernel)


def renumbered(checked: ir.CheckedSpec, built: Kernel, kernel: Kernel) -> list[Lack]:
    """Enums whose numbers have other names there: the names are the artefact's."""
    return [lack for table in checked.tables if (lack := _renumbered(table, built, kernel))]


def _renumbered(table: str, built: Kernel, kernel: Kernel) -> Lack | None:
    """``table``: the type of a field that is shown by name, ``enum:skb_drop_reason``."""
    word, _, arg = table.partition(":")
    if word not in ("enum", "flags") or arg in ENUMS or arg in FLAGS:
        return None
    here, there = (next((e for name in arg.split("|") if (e := k.enum(name))), None) for k in (built, kernel))
    if here is None or there is None:
        return None
    numbers = dict(there.values)
    last = max(numbers.values())  # as a rule no value, but how many there are
    moved = [(name, number) for name, number in here.values if numbers.get(name, number) not in (number, last)]
    if not moved:
        return None
    (name, number), more = moved[0], f", and {len(moved) - 1} more" if len(moved) > 1 else ""
    why = f"names of {table} are those of the first kernel: there {name} is {number}, here {numbers[name]}{more}"
    return Lack("other_names", f"names of {table}", why, silent=True)


def _parts(names: tuple[str, ...], kernel: Kernel) -> list[Lack]:
    """Those that this kernel lacks of the kinds of programs and maps, and of the helpers, that its types list."""
    return [
        Lack("no_helper", name, f"no {WORDS.get(name, 'such programs')} ({name})")
        for name in names
        if kernel.constant(name) is None
    ]


RULES: dict[str, Rule] = {
    "tracepoint": _tracepoint,
    "raw_tracepoint": _raw_tracepoint,
    "tp_btf": _raw_tracepoint,
    "kprobe": _kprobe,
    "kretprobe": _kprobe,
    "fentry": _trampoline,
    "fexit": _trampoline,
    "uprobe": _in_file,
    "uretprobe": _in_file,
    "usdt": _in_file,
    "profile": _perf,
    "interval": _perf,
    "software": _perf,
    "hardware": _perf,
    "iter": _iter,
    "lsm": _lsm,
}
