"""Attach points: the text of one and a kernel description in, what a program attached there can see out.

Returns an :class:`Attachment`, or says why not: :class:`Absent` when the kernel described lacks the target (which alternatives
may tolerate), :class:`~ebpfgen.problems.Problem` when the text is wrong on any kernel.
"""

from __future__ import annotations

from collections.abc import Callable

from ebpfgen import ir, model
from ebpfgen.problems import near_misses
from ebpfgen.typer import Typer

from . import events, functions, objects, programs, tracepoints
from .attachment import KINDS, Absent, Attachment, Found, label_of

_RESOLVERS: dict[str, Callable[[model.Text, str, str, Typer, dict[str, ir.ParamInfo]], Found]] = {
    "tracepoint": tracepoints.tracepoint,
    "raw_tracepoint": tracepoints.raw,
    "tp_btf": tracepoints.raw,
    "kprobe": functions.function,
    "kretprobe": functions.function,
    "fentry": functions.function,
    "fexit": functions.function,
    "lsm": functions.hook,
    "uprobe": programs.function,
    "uretprobe": programs.function,
    "usdt": programs.usdt,
    "profile": events.timer,
    "interval": events.timer,
    "software": events.counted,
    "hardware": events.counted,
    "iter": objects.objects,
}


def resolve(text: model.Text, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """What stands at the attach point ``text``."""
    kind, _, rest = text.text.strip().partition(":")
    if kind not in KINDS:
        near = near_misses(kind, KINDS)
        return text.at.problem(f"'{kind}' is no kind of attach point", near, "" if near else "there are " + " ".join(KINDS))
    if not rest:
        return text.at.problem(f"'{text.text}' is not complete, expected {KINDS[kind]}")
    return _RESOLVERS[kind](text, kind, rest, typer, params)


__all__ = ["KINDS", "Absent", "Attachment", "Found", "label_of", "resolve"]
