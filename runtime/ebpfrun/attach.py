"""Which of a spec's attach points this kernel takes, and attaching them.

Receives plans from the manifest and what has been refused so far; returns the programs to load, or raises an
:class:`~ebpfrun.errors.AttachError` that says what was tried and why each failed. What can be told cheaply is told before
loading; the rest shows when the kernel refuses, and then the choice is made again with that in mind.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from . import verdict
from .door import Object
from .errors import AttachError, DriverError
from .manifest import All, Attach, Manifest, One, Plan, Program
from .refusal import Refusal, of_load, of_verifier
from .symbols import SymbolError, binary_path, symbol_offset

TRACING = "/sys/kernel/tracing"
PERF_DEVICES = "/sys/bus/event_source/devices"
KALLSYMS = "/proc/kallsyms"

_SOFTWARE = 1  # PERF_TYPE_SOFTWARE
_CPU_CLOCK = 0  # PERF_COUNT_SW_CPU_CLOCK
_NS = {"s": 10**9, "ms": 10**6, "us": 10**3}
_TRAMPOLINES = ("fentry", "fexit")
_KPROBES = ("kprobe", "kretprobe")
_NO_TRAMPOLINES = "this kernel does not let programs hook its functions by trampolines (fentry, fexit)"
# What the kernel is most likely to refuse is attached first: giving up later means detaching what is attached, which is slow.
_FRAGILE_FIRST = (*_TRAMPOLINES, *_KPROBES, "uprobe", "uretprobe", "tp_btf", "raw_tracepoint")


class Reason(NamedTuple):
    """Why a program can't be attached here; ``place`` and ``more`` as in :class:`~ebpfrun.refusal.Refusal`."""

    program: Program
    why: str
    place: str = ""
    more: tuple[str, ...] = ()


class Choice(NamedTuple):
    """``programs``: indices to load and attach. ``passed``: optional or less wanted ones that this kernel can't attach."""

    programs: tuple[int, ...]
    passed: tuple[Reason, ...]


class _NoWayError(Exception):
    def __init__(self, reasons: Iterable[Reason]) -> None:
        self.reasons = tuple(reasons)


class Chooser:
    """Chooses between alternatives, and remembers what the kernel refused."""

    def __init__(self, manifest: Manifest, verifier_log: str | None = None) -> None:
        """``verifier_log``: the file that has all of the verifier's words, if there is one."""
        self.manifest, self._log = manifest, verifier_log
        self._refused: dict[tuple[object, ...], Refusal] = {}

    def refuse(self, program: Program, error: DriverError) -> None:
        """The kernel refused this program: it, and whatever would be refused for the same reason, is not chosen again."""
        refusal = explain(self.manifest, program, error)
        if refusal.why == _NO_TRAMPOLINES:
            self._refused["trampolines",] = refusal
        self._refused[(program.name,) if verdict.is_verdict(error.log) else _identity(program)] = refusal

    def choose(self) -> Choice:
        """What to load. Raises AttachError when a probe that must be attached can't be."""
        programs: dict[int, None] = {}
        passed: list[Reason] = []
        for attach in self.manifest.attach:
            try:
                chosen, reasons = self._choose(attach.plan)
            except _NoWayError as no:
                raise AttachError(_no_way(attach, no.reasons, self.manifest, self._log)) from None
            programs.update(dict.fromkeys(chosen))
            passed.extend(reasons)
        return Choice(tuple(programs), tuple(passed))

    def _choose(self, plan: Plan) -> tuple[list[int], list[Reason]]:
        if isinstance(plan, One):
            return self._choose_one(plan)
        if isinstance(plan, All):
            parts = [self._choose(each) for each in plan.of]
            return [p for chosen, _ in parts for p in chosen], [r for _, reasons in parts for r in reasons]
        passed: list[Reason] = []
        impossible = False
        for each in plan.of:
            try:
                chosen, reasons = self._choose(each)
            except _NoWayError as no:
                passed.extend(no.reasons)
                impossible = True
                continue
            passed.extend(reasons)
            if chosen:
                return chosen, passed
        if impossible:
            raise _NoWayError(passed)
        return [], passed

    def _choose_one(self, one: One) -> tuple[list[int], list[Reason]]:
        program = self.manifest.programs[one.program]
        refusal = self._refused.get((program.name,)) or self._refused.get(_identity(program)) or self._why_not(program)
        if refusal is None:
            return [one.program], []
        if one.optional:
            return [], [Reason(program, *refusal)]
        raise _NoWayError([Reason(program, *refusal)])

    def _why_not(self, program: Program) -> Refusal | None:
        """Why this kernel certainly can't attach the program, as far as that is known without trying."""
        if program.kind in _TRAMPOLINES:
            return self._refused.get(("trampolines",))
        why = self._known_not(program)
        return Refusal(why) if why else None

    @staticmethod
    def _known_not(program: Program) -> str | None:
        target = program.target
        if program.kind == "tracepoint":
            return _why_not_tracepoint(target["category"], target["name"])
        if program.kind in _KPROBES and not os.path.exists(f"{PERF_DEVICES}/kprobe"):
            return "this kernel has no kprobes (CONFIG_KPROBES)"
        if program.kind in ("uprobe", "uretprobe"):
            if not os.path.exists(f"{PERF_DEVICES}/uprobe"):
                return "this kernel has no uprobes (CONFIG_UPROBES)"
            try:
                place(program)
            except SymbolError as error:
                return str(error)
        return None


def _identity(program: Program) -> tuple[object, ...]:
    return (program.kind, *sorted(map(str, program.target.items())))


def _why_not_tracepoint(category: str, name: str) -> str | None:
    if os.path.exists(f"{TRACING}/events/{category}/{name}/id"):
        return None
    if not os.path.isdir(f"{TRACING}/events"):
        return f"tracefs is not mounted at {TRACING}"
    import difflib

    near = difflib.get_close_matches(f"{category}:{name}", list(tracepoints()), 3, 0.8)
    return f"this kernel has no such tracepoint{_did_you_mean(near)}"


def tracepoints() -> Iterable[str]:
    """``category:name`` of every tracepoint that this kernel has."""
    for category in sorted(os.listdir(f"{TRACING}/events")):
        folder = f"{TRACING}/events/{category}"
        if os.path.isdir(folder):
            yield from (f"{category}:{name}" for name in sorted(os.listdir(folder)) if os.path.isdir(f"{folder}/{name}"))


def place(program: Program) -> tuple[str, int]:
    """(path, offset in the file) of a uprobe."""
    path = binary_path(program.target["binary"])
    return path, symbol_offset(path, program.target["symbol"]) + int(program.target.get("offset") or 0)


# --- attaching ---


def in_order(manifest: Manifest, programs: Iterable[int]) -> list[Program]:
    """The programs in the order in which they are best attached."""
    chosen = [manifest.programs[i] for i in programs]
    return sorted(chosen, key=lambda p: _FRAGILE_FIRST.index(p.kind) if p.kind in _FRAGILE_FIRST else len(_FRAGILE_FIRST))


def attach(object: Object, program: Program, params: dict[str, int]) -> None:
    """Attaches one loaded program; ``params`` has the numbers that timers may name."""
    kind, target, name = program.kind, program.target, program.name
    if kind == "tracepoint":
        object.attach_tracepoint(name, target["category"], target["name"])
    elif kind == "raw_tracepoint":
        object.attach_raw_tracepoint(name, target["name"])
    elif kind in ("tp_btf", *_TRAMPOLINES):
        object.attach_trace(name)
    elif kind in _KPROBES:
        object.attach_kprobe(name, target["function"], int(target.get("offset") or 0), kind == "kretprobe")
    elif kind in ("uprobe", "uretprobe"):
        object.attach_uprobe(name, *place(program), kind == "uretprobe")
    elif kind in ("profile", "interval"):
        period = params[target["param"]] if target["value"] is None else target["value"]
        hz = target["unit"] == "hz"
        for cpu in cpus() if kind == "profile" else cpus()[:1]:
            object.attach_perf(name, _SOFTWARE, _CPU_CLOCK, period if hz else period * _NS[target["unit"]], hz, cpu)
    elif kind == "software":
        for cpu in cpus():
            object.attach_perf(name, _SOFTWARE, target["config"], target["period"], False, cpu)
    else:
        raise AttachError(f"{program.file}:{program.line}: this ebpfrun can't attach a {kind}; it is older than the artefact")


def cpus() -> list[int]:
    """The CPUs that are online."""
    with open("/sys/devices/system/cpu/online") as file:
        ranges = [part.split("-") for part in file.read().strip().split(",")]
    return [cpu for part in ranges for cpu in range(int(part[0]), int(part[-1]) + 1)]


# --- saying why ---


def explain(manifest: Manifest, program: Program, error: DriverError) -> Refusal:
    """Why the kernel refused the program, in words."""
    if why := _of_kind(program, error):
        return Refusal(why)
    return of_verifier(manifest, program, error.log) if verdict.is_verdict(error.log) else of_load(error)


def _of_kind(program: Program, error: DriverError) -> str:
    """What an error means for the kind of attach point, "" when nothing special."""
    if program.kind in _KPROBES and error.errno == errno.ENOENT:
        return _why_not_function(program.target["function"])
    if "failed to find kernel BTF type ID" in error.log:
        return f"this kernel has no {'tracepoint' if program.kind == 'tp_btf' else 'function'} of that name in its BTF"
    if program.kind == "raw_tracepoint" and error.errno == errno.ENOENT:
        return "this kernel has no such tracepoint"
    if program.kind == "tracepoint" and error.errno == errno.EACCES and not verdict.is_verdict(error.log):
        return "it reads more of the tracepoint's record than this kernel's has: its fields are others than where it was built"
    if program.kind in _TRAMPOLINES and error.errno in (errno.EPERM, errno.EOPNOTSUPP, 524):
        return _NO_TRAMPOLINES
    if program.kind in ("profile", "interval", "software") and error.errno in (errno.ENOENT, errno.EOPNOTSUPP):
        return "this kernel has no such perf event"
    return ""


def _why_not_function(function: str) -> str:
    import difflib

    with open(KALLSYMS) as file:
        known = {fields[2] for line in file if (fields := line.split()) and fields[1] in "tTwW"}
    if function in known:
        return f"{function} is a function that this kernel does not let be probed (inlined, or marked so)"
    near = difflib.get_close_matches(function, known, 3, 0.8)
    return f"this kernel has no function {function}{_did_you_mean(near)}"


def _did_you_mean(near: list[str]) -> str:
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _no_way(attach: Attach, reasons: tuple[Reason, ...], manifest: Manifest, log: str | None) -> str:
    more = "".join(f"\n{line}" for r in reasons for line in r.more)
    if more:
        more += f"\nall of the kernel's words: {f'in {log}' if log else '--verifier-log FILE'}"
    if len(reasons) == 1 and reasons[0].place:
        return f"{reasons[0].place}: probe {attach.probe}: {reasons[0].why}{more}"
    tried = [f"{r.program.text}: {r.why}" for r in reasons]
    tried += [f"{o.text}, left out when built: {o.why}" for o in manifest.left_out if o.probe == attach.probe]
    what = "can't be attached here" if len(tried) == 1 else "none of its attach points can be attached here"
    hint = _hint(reasons)
    first = reasons[0].program
    return f"{first.file}:{first.line}: {attach.probe}: {what}: {'; '.join(tried)}{f' (hint: {hint})' if hint else ''}{more}"


def _hint(reasons: tuple[Reason, ...]) -> str:
    """A tracepoint of this kernel that sees what the functions tried would have seen, where the names tell."""
    functions = [str(r.program.target["function"]) for r in reasons if "function" in r.program.target]
    if not functions or not os.path.isdir(f"{TRACING}/events"):
        return ""
    have = list(tracepoints())
    for reason in reasons:
        function = str(reason.program.target.get("function", ""))
        call = re.fullmatch(r"(?:__(?:x64|ia32|arm64|se)_)?(?:k|__)?sys_(\w+)", function)
        direction = "exit" if reason.program.kind in ("kretprobe", "fexit") else "enter"
        wanted = f"syscalls:sys_{direction}_{call[1]}" if call else ""
        found = [t for t in have if t == wanted] or [t for t in have if function and t.endswith(f":{function.lstrip('_')}")]
        if found:
            return f"tracepoint:{found[0]} works here"
    return "tracepoints, raw tracepoints and tp_btf work here; `ebpfgen find` lists them"
