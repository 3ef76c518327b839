"""Attach points in programs of user space: uprobe, uretprobe, usdt.

Receives the text behind the kind, returns what stands there. Which file and where in it is found when the tracer runs.
"""

from __future__ import annotations

import re

from ebpfgen import ir, model
from ebpfgen.records import replace
from ebpfgen.typer import Typer

from .attachment import KINDS, Attachment, Found, label_of, registers

USDT_ARGUMENTS = 12
"""As many as libbpf gives (BPF_USDT_MAX_ARG_CNT)."""


def function(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """uprobe and uretprobe; the symbol may hold ``*``."""
    binary, _, symbol = rest.rpartition(":")
    wanted = re.fullmatch(r"([\w.@$*]+)(?:\+(0x[0-9a-fA-F]+|\d+))?", symbol, re.ASCII)
    if not binary or not wanted or (wanted[2] and kind == "uretprobe") or not _plain(binary):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    wildcard = "*" in wanted[1]
    if wildcard and wanted[2]:
        return text.at.problem("an offset is into one function: it can't stand behind a wildcard")
    target: dict[str, object] = {"binary": binary, "symbol": wanted[1], "offset": int(wanted[2] or "0", 0)}
    base = Attachment(
        kind, target, kind, "struct pt_regs", label_of(wanted[1]), space="user", wildcard=wildcard, function=not wanted[2]
    )
    if kind == "uretprobe":
        result = ir.Input(ir.S64, "(__s64)PT_REGS_RC(ctx)", "retval")
        return replace(base, no_args="a uretprobe gives retval only", retval=result)
    return replace(base, no_args="a uprobe gives arg0, arg1 …", numbered=registers("user"))


def usdt(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """Probes that a program's author put there. Their arguments have the size and sign that the binary's notes give them, read
    when the tracer attaches: here they are 64 bits, into which those were extended."""
    binary, *names = rest.split(":")
    if not _plain(binary) or len(names) not in (1, 2) or not all(re.fullmatch(r"[\w-]+", n, re.ASCII) for n in names):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    target: dict[str, object] = {"binary": binary, "provider": names[0] if len(names) == 2 else None, "name": names[-1]}
    numbered = tuple(ir.Input(ir.U64, f"usdt_arg(ctx, {i})", f"arg{i}") for i in range(USDT_ARGUMENTS))
    return Attachment(
        kind,
        target,
        kind,
        "struct pt_regs",
        label_of(names[-1]),
        no_args="a usdt probe's arguments have no names: arg0, arg1 …",
        numbered=numbered,
        space="user",
    )


def _plain(binary: str) -> bool:
    return bool(re.fullmatch(r"[\w./+@ -]{1,255}", binary)) and not binary.startswith(("-", " "))
