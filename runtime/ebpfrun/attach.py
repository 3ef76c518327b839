"""Attaching one loaded program, and where that is.

Receives programs from the manifest, loaded, and what a wildcard matches; returns remarks. A refusal of the kernel goes up as a
:class:`~ebpfrun.errors.DriverError`; which program to load is chosen elsewhere (:mod:`ebpfrun.choose`).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable

from . import wildcards
from .door import Object
from .errors import AttachError, DriverError, did_you_mean
from .lean import Any
from .manifest import Manifest, Program
from .symbols import SymbolError, binary_path, symbol_offset, usdt
from .wildcards import KALLSYMS, Chosen, Remark

TRAMPOLINES = ("fentry", "fexit", "lsm")
KPROBES = ("kprobe", "kretprobe")
UPROBES = ("uprobe", "uretprobe")

_HARDWARE, _SOFTWARE = 0, 1  # PERF_TYPE_HARDWARE, PERF_TYPE_SOFTWARE
_CPU_CLOCK = 0  # PERF_COUNT_SW_CPU_CLOCK
_NS = {"s": 10**9, "ms": 10**6, "us": 10**3}
_OF_ONE_PLACE = (errno.EINVAL, errno.ENOENT, errno.EACCES, errno.EADDRNOTAVAIL, errno.EILSEQ, errno.EBUSY)
"""What the kernel says of a place that it does not let be probed, or does not find by its name alone."""
# What the kernel is most likely to refuse is attached first: giving up later means detaching what is attached, which is slow.
_FRAGILE_FIRST = (*TRAMPOLINES, *KPROBES, *UPROBES, "usdt", "hardware", "iter", "tp_btf", "raw_tracepoint")


def place(program: Program) -> tuple[str, int]:
    """(path, offset in the file) of a uprobe."""
    path = binary_path(program.target["binary"])
    return path, symbol_offset(path, program.target["symbol"]) + int(program.target.get("offset") or 0)


def usdt_place(program: Program) -> tuple[str, str, str]:
    """(path, provider, name) of a USDT probe. Raises SymbolError when the file has none such, or not with that many arguments."""
    target = program.target
    path, provider, name = binary_path(target["binary"]), target.get("provider"), target["name"]
    known = usdt(path)
    found = [note for note in known if note.name == name and provider in (None, note.provider)]
    spelled = f"{provider}:{name}" if provider else name
    if not found:
        import difflib

        names = {f"{note.provider}:{note.name}" if provider else note.name for note in known}
        near = difflib.get_close_matches(spelled, names, 3, 0.7)
        raise SymbolError(f"{path} has no USDT probe {spelled}{did_you_mean(near) if names else ' (it has none at all)'}")
    providers = sorted({note.provider for note in found})
    if len(providers) > 1:
        raise SymbolError(f"{path} has several probes {name}: write {' or '.join(f'{p}:{name}' for p in providers)}")
    least = min(len(note.args) for note in found)
    if int(target.get("args") or 0) > least:
        given = "no arguments" if not least else "arg0 only" if least == 1 else f"arg0 … arg{least - 1}"
        raise SymbolError(f"{path}: the probe {providers[0]}:{name} gives {given}, arg{target['args'] - 1} is asked for")
    return path, providers[0], name


def in_order(manifest: Manifest, programs: Iterable[int]) -> list[Program]:
    """The programs in the order in which they are best attached."""
    chosen = [manifest.programs[i] for i in programs]
    return sorted(chosen, key=lambda p: _FRAGILE_FIRST.index(p.kind) if p.kind in _FRAGILE_FIRST else len(_FRAGILE_FIRST))


def attach(object: Object, program: Program, params: dict[str, int], chosen: Chosen | None = None) -> list[Remark]:
    """Attaches one loaded program; ``params`` has the numbers that timers may name, ``chosen`` says how a wildcard is attached.
    Returns what to say of it."""
    kind, target, name = program.kind, program.target, program.name
    if chosen is not None:
        return _attach_matches(object, program, chosen)
    if kind == "tracepoint":
        object.attach_tracepoint(name, target["category"], target["name"])
    elif kind == "raw_tracepoint":
        object.attach_raw_tracepoint(name, target["name"])
    elif kind in ("tp_btf", *TRAMPOLINES):
        object.attach_trace(name)
    elif kind in KPROBES:
        return _attach_kprobe(object, program)
    elif kind in UPROBES:
        object.attach_uprobe(name, *place(program), kind == "uretprobe")
    elif kind == "usdt":
        object.attach_usdt(name, *usdt_place(program))
    elif kind == "iter":
        object.attach_iter(name)
    elif kind in ("profile", "interval"):
        period = params[target["param"]] if target["value"] is None else target["value"]
        hz = target["unit"] == "hz"
        for cpu in cpus() if kind == "profile" else cpus()[:1]:
            object.attach_perf(name, _SOFTWARE, _CPU_CLOCK, period if hz else period * _NS[target["unit"]], hz, cpu)
    elif kind in ("software", "hardware"):
        for cpu in cpus():
            type = _SOFTWARE if kind == "software" else _HARDWARE
            object.attach_perf(name, type, target["config"], target["period"], False, cpu)
    else:
        raise AttachError(f"{program.file}:{program.line}: this ebpfrun can't attach a {kind}; it is older than the artefact")
    return []


def _attach_kprobe(object: Object, program: Program) -> list[Remark]:
    """To the function; where there is none, to those that the compiler made of a static one of that name."""
    target, ret = program.target, program.kind == "kretprobe"
    name, module, offset = target["function"], target.get("module"), int(target.get("offset") or 0)
    try:
        object.attach_kprobe(program.name, f"{module}:{name}" if module else name, offset, ret)
        return []
    except DriverError as error:
        made = [] if module or error.errno != errno.ENOENT else _made_from(name)
        if not made:
            raise
    for function in made:
        object.attach_kprobe(program.name, function, offset, ret)
    return [Remark(f"{program.text}: this kernel has {' and '.join(made)}, made by the compiler from {name}")]


def _made_from(function: str) -> list[str]:
    """What gcc made of a static function whose arguments it changed (isra) or knew (constprop)."""
    made = re.compile(re.escape(function) + r"((\.isra|\.constprop)\.\d+)+")
    with open(KALLSYMS) as file:
        return sorted({words[2] for line in file if (words := line.split()) and made.fullmatch(words[2])})


def _attach_matches(object: Object, program: Program, chosen: Chosen) -> list[Remark]:
    kind, target, match = program.kind, program.target, chosen.match
    ret = kind in ("kretprobe", "uretprobe")
    if chosen.multi and kind in KPROBES:
        object.attach_kprobes(program.name, match.places, ret, chosen.first)
    elif chosen.multi:
        object.attach_uprobes(program.name, match.path, match.places, ret, chosen.first)
    else:
        return _attach_each(object, program, chosen, ret, target)
    return wildcards.remarks(program, chosen, {})


def _attach_each(object: Object, program: Program, chosen: Chosen, ret: bool, target: dict[str, Any]) -> list[Remark]:
    """One link for each. Places that the kernel refuses are left out and named, unless it refuses all of them."""
    refused: dict[str, list[str]] = {}
    for i, name in enumerate(chosen.names):
        cookie = chosen.first + i if chosen.first else 0
        try:
            if program.kind == "tracepoint":
                object.attach_tracepoint(program.name, target["category"], name, cookie)
            elif program.kind in KPROBES:
                module = target.get("module")
                object.attach_kprobe(program.name, f"{module}:{name}" if module else name, 0, ret, cookie)
            else:
                object.attach_uprobe(program.name, chosen.match.path, chosen.match.places[i], ret, cookie)
        except DriverError as error:
            if i + 1 == len(chosen.names) == sum(map(len, refused.values())) + 1 or error.errno not in _OF_ONE_PLACE:
                raise
            too_few = program.kind == "tracepoint" and error.errno == errno.EACCES
            why = "fewer arguments than this program reads" if too_few else os.strerror(error.errno)
            refused.setdefault(why, []).append(name)
    return wildcards.remarks(program, chosen, refused)


def cpus() -> list[int]:
    """The CPUs that are online."""
    with open("/sys/devices/system/cpu/online") as file:
        ranges = [part.split("-") for part in file.read().strip().split(",")]
    return [cpu for part in ranges for cpu in range(int(part[0]), int(part[-1]) + 1)]
