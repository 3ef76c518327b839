"""Which of a spec's attach points this kernel takes.

Receives plans from the manifest and what has been refused so far; returns the programs to load, or raises an
:class:`~ebpfrun.errors.AttachError` that says what was tried and why each failed. What can be told cheaply is told before
loading; the rest shows when the kernel refuses, and then the choice is made again with that in mind.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterable

from . import verdict, wildcards
from .arguments import Arguments
from .attach import KPROBES, TRAMPOLINES, UPROBES, place, usdt_place
from .door import KPROBE_MULTI, UPROBE_MULTI
from .errors import AttachError, DriverError, did_you_mean
from .lean import NamedTuple
from .manifest import All, Attach, Manifest, One, Plan, Program
from .refusal import Refusal, of_load, of_verifier
from .symbols import SymbolError
from .wildcards import KALLSYMS, TRACING, Chosen, NoMatchError

PERF_DEVICES = "/sys/bus/event_source/devices"
LSMS = "/sys/kernel/security/lsm"

_TO_MANY = {**dict.fromkeys(KPROBES, KPROBE_MULTI), **dict.fromkeys(UPROBES, UPROBE_MULTI)}
"""Attach types of programs that one link may take to many places."""
_NOT_TO_MANY = (errno.EINVAL, errno.EOPNOTSUPP, errno.E2BIG, errno.EPERM)
"""What kernels say that do not know such links, or were built without them."""
_NO_TRAMPOLINES = "this kernel does not let programs hook its functions by trampolines (fentry, fexit, lsm)"
_NO_COOKIES = "this kernel has no attach cookies (they came with Linux 5.15)"


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

    def __init__(self, manifest: Manifest, verifier_log: str | None = None, arguments: Arguments | None = None) -> None:
        """``verifier_log``: the file that has all of the verifier's words, if there is one; ``arguments``: what this kernel calls
        programs with."""
        self.manifest, self._log = manifest, verifier_log
        self._arguments = arguments or Arguments(manifest)
        self._refused: dict[tuple[object, ...], Refusal] = {}
        self._one_by_one: set[int] = set()  # attach types of links to many places that this kernel does not have
        self._matches: dict[tuple[object, ...], wildcards.Match | str] = {}

    def refuse(self, program: Program, error: DriverError) -> None:
        """The kernel refused this program: it, and whatever would be refused for the same reason, is not chosen again."""
        type, judged = self.attach_type(program), verdict.is_verdict(error.log)
        if type and error.errno in _NOT_TO_MANY and not judged:
            self._one_by_one.add(type)
            return
        refusal = explain(self.manifest, program, error)
        if refusal.why == _NO_TRAMPOLINES:
            self._refused["trampolines",] = refusal
        self._refused[(program.name,) if judged else _identity(program)] = refusal

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

    def attach_type(self, program: Program) -> int:
        """Of a program that one link takes to all places that its wildcard matches; 0 for any other."""
        type = _TO_MANY.get(program.kind, 0)
        if type in self._one_by_one or not wildcards.is_wildcard(program):
            return 0
        match = self._match(program)
        return type if not isinstance(match, str) and match.places else 0

    def chosen(self, programs: Iterable[Program]) -> dict[str, Chosen]:
        """How those of ``programs`` that are wildcards are attached, by the program's name."""
        found: dict[str, Chosen] = {}
        number = 1
        for program in programs:
            match = self._match(program) if wildcards.is_wildcard(program) else ""
            if not isinstance(match, str):
                names = bool(program.target.get("names"))
                found[program.name] = Chosen(match, bool(self.attach_type(program)), number if names else 0)
                number += len(match.names) if names else 0
        return found

    def _match(self, program: Program) -> wildcards.Match | str:
        """What a wildcard matches, or why that is nothing."""
        key = _identity(program)
        if key not in self._matches:
            try:
                self._matches[key] = wildcards.find(program)
            except NoMatchError as error:
                self._matches[key] = str(error)
        return self._matches[key]

    def _why_no_match(self, program: Program) -> str | None:
        match = self._match(program)
        if isinstance(match, str):
            return match
        one_link = self.attach_type(program)
        most = wildcards.MOST if one_link else wildcards.MOST_LINKS
        if len(match.names) > most:
            links = "one link takes" if one_link else "this kernel takes one link for each, and that is slow: ebpfrun makes"
            return f"{len(match.names)} match, {links} at most {most}"
        return None if match.names else f"all that match stand for several functions: {', '.join(match.left_out[:3])}"

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
        why = self._known_not(program)
        if why is None and program.kind in TRAMPOLINES and ("trampolines",) in self._refused:
            return self._refused["trampolines",]
        return Refusal(why) if why else self._arguments.why_not(program)

    def _known_not(self, program: Program) -> str | None:
        target = program.target
        if program.kind in KPROBES and not os.path.exists(f"{PERF_DEVICES}/kprobe"):
            return "this kernel has no kprobes (CONFIG_KPROBES)"
        if program.kind in (*UPROBES, "usdt") and not os.path.exists(f"{PERF_DEVICES}/uprobe"):
            return "this kernel has no uprobes (CONFIG_UPROBES)"
        if program.kind == "lsm" and (why := _why_no_lsm()):
            return why
        if wildcards.is_wildcard(program):
            return self._why_no_match(program)
        if program.kind == "tracepoint":
            return _why_not_tracepoint(target["category"], target["name"])
        try:
            if program.kind in UPROBES:
                place(program)
            elif program.kind == "usdt":
                usdt_place(program)
        except SymbolError as error:
            return str(error)
        return None


def fields_taken(manifest: Manifest, programs: Iterable[int], offset_of: Callable[[str, str, str], int] | None) -> list[str]:
    """Which field the programs read where they have a choice; ``offset_of`` tells of this kernel's (struct, member,
    kind) where it is, below 0 for nowhere; None on the kernel built for."""
    chosen = set(programs)
    lines = []
    for choice in manifest.choices:
        if chosen.isdisjoint(choice.programs):
            continue
        taken = choice.built
        if offset_of is not None:
            taken = next(i for i, option in enumerate(choice.options) if all(offset_of(*need) >= 0 for need in option.needs))
        texts = [option.text for option in choice.options]
        file = manifest.programs[choice.programs[0]].file
        lines.append(f"reads {texts[taken]} ({file}:{choice.line}), of {' | '.join(texts)}")
    return lines


def _identity(program: Program) -> tuple[object, ...]:
    return (program.kind, *sorted(map(str, program.target.items())))


def _why_not_tracepoint(category: str, name: str) -> str | None:
    if os.path.exists(f"{TRACING}/events/{category}/{name}/id"):
        return None
    if not os.path.isdir(f"{TRACING}/events"):
        return f"tracefs is not mounted at {TRACING}"
    import difflib

    near = difflib.get_close_matches(f"{category}:{name}", list(tracepoints()), 3, 0.8)
    return f"this kernel has no such tracepoint{did_you_mean(near)}"


def tracepoints() -> Iterable[str]:
    """``category:name`` of every tracepoint that this kernel has."""
    for category in sorted(os.listdir(f"{TRACING}/events")):
        folder = f"{TRACING}/events/{category}"
        if os.path.isdir(folder):
            yield from (f"{category}:{name}" for name in sorted(os.listdir(folder)) if os.path.isdir(f"{folder}/{name}"))


def _why_no_lsm() -> str | None:
    """Why programs at security hooks would never run; None when they would, or when the kernel does not tell."""
    try:
        with open(LSMS) as file:
            active = file.read().strip()
    except OSError:
        return None
    if "bpf" in active.split(","):
        return None
    boot = f"boot with lsm={active},bpf"
    return f"the kernel runs no programs at its security hooks: bpf is not among its active modules ({active}); {boot}"


def explain(manifest: Manifest, program: Program, error: DriverError) -> Refusal:
    """Why the kernel refused the program, in words."""
    if why := _of_kind(program, error):
        return Refusal(why)
    return of_verifier(manifest, program, error.log) if verdict.is_verdict(error.log) else of_load(error)


def _of_kind(program: Program, error: DriverError) -> str:
    """What an error means for the kind of attach point, "" when nothing special."""
    from . import policy

    if forbidden := policy.locked_down(error) or policy.memory_limited(error):
        return forbidden
    if program.kind in KPROBES and error.errno == errno.ENOENT:
        return _why_not_function(program.target["function"])
    if "failed to find kernel BTF type ID" in error.log:
        what = {"tp_btf": "tracepoint", "iter": "iterator", "lsm": "security hook"}.get(program.kind, "function")
        return f"this kernel has no {what} of that name in its BTF"
    if program.kind in TRAMPOLINES and re.search(r"The address of function \w+ cannot be found", error.log):
        return "this kernel has no code of that function: it was inlined wherever it is called"
    if program.kind == "raw_tracepoint" and error.errno == errno.ENOENT:
        return "this kernel has no such tracepoint"
    if program.kind == "tracepoint" and error.errno == errno.EACCES and not verdict.is_verdict(error.log):
        return "it reads more of the tracepoint's record than this kernel's has: its fields are others than where it was built"
    if program.kind in TRAMPOLINES and error.errno in (errno.EPERM, errno.EOPNOTSUPP, 524):
        return _NO_TRAMPOLINES
    if error.errno == errno.EOPNOTSUPP and wildcards.is_wildcard(program) and program.target.get("names"):
        return (
            f"{_NO_COOKIES}, which tell the names of what a wildcard matches; name them one by one, or do without probe and func"
        )
    if error.errno == errno.EOPNOTSUPP and program.kind == "usdt":
        return f"{_NO_COOKIES}, without which no USDT probe of a position-independent program or library can be attached"
    if program.kind == "hardware" and error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.EINVAL, errno.ENODEV):
        return f"this machine's processors do not count {program.target['event']} (virtual machines often have no counters)"
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
    return f"this kernel has no function {function}{did_you_mean(near)}"


def _no_way(attach: Attach, reasons: tuple[Reason, ...], manifest: Manifest, log: str | None) -> str:
    more = "".join(f"\n{line}" for r in reasons for line in r.more)
    if more:
        more += f"\nall of the kernel's words: {f'in {log}' if log else '--verifier-log FILE'}"
    if len(reasons) == 1 and reasons[0].place:
        return f"{reasons[0].place}: probe {attach.probe}: {reasons[0].why}{more}"
    texts: dict[str, list[str]] = {}
    for r in reasons:
        texts.setdefault(r.why, []).append(r.program.text)
    tried = [f"{', '.join(points)}: {why}" for why, points in texts.items()]
    tried += [f"{o.text}, left out when built: {o.why}" for o in manifest.left_out if o.probe == attach.probe]
    alone = len(reasons) == len(tried) == 1
    what = "can't be attached here" if alone else "none of its attach points can be attached here"
    hint = _hint(reasons)
    first = reasons[0].program
    return f"{first.file}:{first.line}: {attach.probe}: {what}: {'; '.join(tried)}{f' (hint: {hint})' if hint else ''}{more}"


def _hint(reasons: tuple[Reason, ...]) -> str:
    """What does work here: a tracepoint that sees what the functions tried would have seen, where the names tell."""
    from . import policy

    if policy.lockdown() == "confidentiality":
        return policy.WAY_OUT
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
