"""What the verifier's words mean, and what to change in a spec: for people who never read a kernel's log.

Receives its words, returns a :class:`Meaning`. Pure.
"""

from __future__ import annotations

import re

from .lean import NamedTuple
from .verdict import Report

_OURS = "a spec can't cause this: please report it, with the kernel's words"
_NTH = ("", "first", "second", "third", "fourth", "fifth")


class Meaning(NamedTuple):
    """``what``: behind "the kernel refuses this program: "; ``change``: what can be done about it, "" when nothing is known."""

    what: str
    change: str


_CORE = (
    r"CO-RE relocation <\w+> \[\d+\] (?P<kind>struct|union|enum) (?P<type>\w+?)(?:___\w+)?"
    r"(?:\.(?P<member>[\w.\[\]]+)|::(?P<value>\w+))? "
)
# In this order: a later one may match the words of an earlier one.
_MEANINGS: tuple[tuple[str, str, str], ...] = (
    (
        _CORE,
        "{missing}",
        "list alternatives, [a.b, a.c], or ask first: exists(a.b) ? a.b : 0",
    ),
    (
        r"unknown#195896080",
        "it reads a member that this kernel's types do not have",
        "list alternatives, [a.b, a.c], or ask first: exists(a.b) ? a.b : 0",
    ),
    (
        r"infinite loop detected|back-edge|loop .*not converging|too many iterations",
        "a loop in it may never end, as far as the kernel can tell",
        "the loops are those that read argv(…), compare texts and clear memory: shorter lengths make them shorter",
    ),
    (
        r"program is too large\. Processed (?P<n>\d+) insn",
        "the kernel gave up after following {n} instructions: there are too many ways through it, or a loop is too long",
        "fewer conditions in one probe, shorter texts and argv(…), or several probes instead of one",
    ),
    (
        r"sequence of (?P<n>\d+) jumps is too complex",
        "there are too many ways through it: the kernel gave up at {n} branches that wait to be followed",
        "fewer conditions in one probe, shorter texts and argv(…), or several probes instead of one",
    ),
    (
        r"combined stack size of (?P<n>\d+) calls is (?P<bytes>\d+)",
        "it needs {bytes} bytes of stack, with the functions that it calls; the kernel grants 512",
        "keep fewer and shorter texts at a time, in keys above all",
    ),
    (
        r"invalid (?:write to |read from )?(?:variable-offset )?stack (?:R\d+ )?(?:type=\w+ )?off=?-(?P<bytes>\d+)",
        "it uses {bytes} bytes of its stack, or a part that it has not; the kernel grants 512",
        "keep fewer and shorter texts at a time, in keys above all",
    ),
    (
        r"invalid (?:indirect )?(?:read|access) (?:from|to) stack",
        "it reads memory of its own stack that it never wrote",
        _OURS,
    ),
    (
        r"(?:invalid mem access '|on )(?:map_value|ringbuf_mem|alloc_mem|mem)_or_null",
        "it uses an entry of a map, or a record, without having seen that there is one",
        "ask first, `key in map`, or give a default, `map[key] ?? 0`",
    ),
    (
        r"invalid mem access '(?:\w*ptr_or_null_|\w+_or_null)|on \w+_or_null",
        "it follows a pointer that may be NULL",
        "ask first: p != 0 ? p.member : 0",
    ),
    (
        r"R\d+ invalid mem access '(?:inv|scalar|fp|unknown)",
        "it follows a number as if it were a pointer that the kernel vouches for",
        "say what it points to, (struct x *)p: such pointers are read with care",
    ),
    (
        r"invalid access to (?:map|memory|packet|buffer)|value is outside|unbounded memory access|min value is negative",
        "it may reach outside of the memory that it uses: an index or a length has no bound that the kernel can see",
        "give it one: a[i & 7], buf(p, min(n, 64))",
    ),
    (
        r"Unreleased reference|reference leak|reference has not been acquired",
        "on some way through it a record that it reserved in the ring is neither sent nor given back",
        _OURS,
    ),
    (
        r"unknown func (?P<helper>\w+)#|cannot use helper (?P<helper2>\w+)#|helper (?P<helper3>\w+).* not allowed",
        "this kernel does not let programs of this kind call {helper}",
        "attach to another kind of point, or leave out what needs it",
    ),
    (
        r"invalid func (?P<helper>\w+)#",
        "it calls a function that this kernel does not have ({helper})",
        "leave out what needs it, or use a newer kernel",
    ),
    (
        r"cannot call GPL|GPL-restricted",
        "it calls a function that the kernel keeps for programs under the GPL, and this program's licence is another",
        "declare it under the GPL, as programs that ebpfgen makes are",
    ),
    (r"!read_ok", "it uses a register that was never set", _OURS),
    (
        r"misaligned",
        "it reads or writes a number at an address that is no multiple of the number's size",
        "read it with care, from a pointer that is cast: (struct x *)p",
    ),
    (
        r"pointer arithmetic|arithmetic on|bitwise operator|pointer .* prohibited|math between",
        "it computes with an address in a way that the kernel does not allow",
        "make it a number first: (u64)p",
    ),
    (
        r"leaks addr",
        "it would give addresses of the kernel away",
        "run it with CAP_PERFMON (as root), or leave the pointers out",
    ),
    (
        r"kernel function|kfunc|BPF_CALL uses reserved fields",
        "it calls a function of the kernel that this one does not have, or not for programs of this kind",
        "leave out what needs it, or use a newer kernel",
    ),
    (
        r"R(?P<register>[1-5]) type=(?P<got>\w+) expected=(?P<wanted>\w+)",
        "the {nth} argument of a call is of a kind that the function does not take ({got}, not {wanted})",
        _OURS,
    ),
    (
        r"modified ctx ptr|dereference of modified",
        "it reads the context by a computed address, which the kernel allows for constant ones only",
        "read the member once, in let, and use that",
    ),
    (
        r"invalid bpf_context access",
        "it reads a part of its context that programs of this kind may not read, or that is not there",
        "another field, or another kind of attach point",
    ),
    (
        r"func '(?P<function>\w+)' doesn't have (?P<n>\d+)-?th argument",
        "{function} has no argument {n} on this kernel",
        "list the attach points of both kernels as alternatives (first: …), each with its own let",
    ),
    (
        r"access beyond (?:the end of member )?(?:struct )?(?P<type>\w+)",
        "it reads beyond the end of {type}, as this kernel lays it out",
        "",
    ),
    (
        r"write into map forbidden|cannot write into|only read (?:is )?(?:from|supported)",
        "it writes to memory that it may only read",
        _OURS,
    ),
    (r"unreachable insn|jump out of range", "a part of it can never be reached", _OURS),
)


def meaning(said: tuple[str, ...], report: Report | None = None) -> Meaning:
    """Of the verifier's last words; its report tells what is not known here."""
    words = "\n".join(said) + " "
    for pattern, what, change in _MEANINGS:
        if found := re.search(pattern, words):
            return Meaning(what.format_map(_Found(found)), change)
    if report and report.reason:
        return Meaning(report.reason, report.suggestion)
    return Meaning(f"it can't tell that the program is safe: {said[-1] if said else 'it does not say why'}", "")


class _Found(dict[str, str]):
    """What a pattern found, in words."""

    def __init__(self, found: re.Match[str]) -> None:
        super().__init__({name: value for name, value in found.groupdict().items() if value})

    def __missing__(self, name: str) -> str:
        match name:
            case "helper":
                return self.get("helper2") or self.get("helper3") or "a function"
            case "nth":
                return _NTH[int(self["register"])]
            case "missing":
                what = f"{self['kind']} {self['type']}"
                if "member" in self:
                    return f"{what} has no member {self['member']} (of that kind) on this kernel"
                return f"this kernel has no {what}{' with ' + self['value'] if 'value' in self else ''}"
        raise KeyError(name)
