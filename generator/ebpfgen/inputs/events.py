"""Attach points at events of perf: profile, interval, software, hardware.

Receives the text behind the kind and the spec's parameters; returns what stands there, or why not.
"""

from __future__ import annotations

import re

from ebpfgen import ir, model
from ebpfgen.problems import near_misses
from ebpfgen.typer import Typer

from .attachment import Attachment, Found

SOFTWARE = {
    "cpu-clock": 0, "task-clock": 1, "page-faults": 2, "faults": 2, "context-switches": 3, "cs": 3, "cpu-migrations": 4,
    "minor-faults": 5, "major-faults": 6, "alignment-faults": 7, "emulation-faults": 8,
}  # fmt: skip
HARDWARE = {
    "cycles": 0, "cpu-cycles": 0, "instructions": 1, "cache-references": 2, "cache-misses": 3, "branch-instructions": 4,
    "branches": 4, "branch-misses": 5, "bus-cycles": 6, "frontend-stalls": 7, "backend-stalls": 8, "ref-cycles": 9,
}  # fmt: skip
EVENTS = {"software": (SOFTWARE, 1), "hardware": (HARDWARE, 1_000_000)}
"""By kind: names with the numbers of the perf ABI (enum perf_sw_ids, perf_hw_id), and the period when none is given."""
TIMER_UNITS = {"profile": ("hz", "ms", "us"), "interval": ("s", "ms", "us", "hz")}


def timer(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
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


def counted(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """Events that are counted, by the kernel (software) or by the processor (hardware): the probe fires once in PERIOD."""
    known, usual = EVENTS[kind]
    event, _, period = rest.partition(":")
    if event not in known:
        near = near_misses(event, known)
        return text.at.problem(f"'{event}' is no {kind} event", near, "" if near else "there are " + " ".join(known))
    if not re.fullmatch(r"[1-9][0-9]{0,17}", period or "1"):
        return text.at.problem(f"'{period}' is no period: a whole number of events above 0")
    target: dict[str, object] = {"event": event, "config": known[event], "period": int(period or usual)}
    return Attachment(kind, target, "perf_event", "void", re.sub(r"\W", "_", event))
