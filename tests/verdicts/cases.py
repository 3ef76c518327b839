"""Programs that a kernel refuses, each for one reason: the real program of refused.yaml, with a mistake written into its C.

The generator makes no such programs, so they are made by hand (:mod:`verdicts.making`): after that, they go the way of all others,
through clang, bpftool, the driver and libbpf, with their table of places. Data only: the lab's guests take what was built before.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

SPEC = Path(__file__).with_name("refused.yaml")
LINE, COLUMN = 15, 9
"""Where the statement stands into which mistakes are written: ``emit``."""


class Case(NamedTuple):
    """``code`` is written before the statement, ``top`` before the functions, ``change`` replaces text; ``what`` begins what the
    user is told; ``line``: where in the spec it is said to be, 0 for the attach point as a whole, None where kernels differ."""

    name: str
    what: str
    code: str = ""
    top: str = ""
    change: tuple[str, str] = ("", "")
    line: int | None = LINE
    may_load: bool = False  # newer kernels take it
    slow: bool = False  # minutes in a guest


_LOOKUP = "{ __u32 k = 1; __u64 *v = bpf_map_lookup_elem(&seen, &k); "
CASES = (
    Case("endless_loop", "a loop in it may never end", "while (1) barrier();"),
    Case("long_loop", "the kernel gave up after following", "for (int i = 0; i < 2000000; i++) barrier();", slow=True),
    Case("null_entry", "it uses an entry of a map, or a record, without", _LOOKUP + "*v = 3; }"),
    Case(
        "stack",
        "it needs 672 bytes of stack",
        "if (deep(bpf_get_prandom_u32())) return 0;",
        'static __noinline int deeper(long x) { char b[320]; asm volatile("*(u8 *)(%0 + 0) = %1" : : "r"(b), "r"(x) : "memory"); '
        "return b[0]; }\n"
        'static __noinline int deep(long x) { char b[320]; asm volatile("*(u8 *)(%0 + 0) = %1" : : "r"(b), "r"(x) : "memory"); '
        "return b[0] + deeper(x); }",
        line=0,
        may_load=True,  # since 6.13 each function has a stack of its own
    ),
    Case("below_the_stack", "it uses 600 bytes of its stack", 'asm volatile("*(u64 *)(r10 - 600) = %0" : : "r"(1L));'),
    Case("out_of_range", "it may reach outside", _LOOKUP + "if (v && v[bpf_get_prandom_u32() & 7] == 3) return 0; }"),
    Case("unreleased", "on some way through it a record", change=("submit(e, sizeof(*e));", "barrier();")),
    Case(
        "helper",
        "this kernel does not let programs of this kind call bpf_skb_load_bytes",
        "{ char b[8] = {}; bpf_skb_load_bytes(ctx, 0, b, 8); }",
    ),
    Case(
        "licence",
        "it calls a function that the kernel keeps for programs under the GPL",
        "if (!bpf_get_current_task()) return 0;",
        change=('= "GPL"', '= "MIT"'),
    ),
    Case("number_as_pointer", "it follows a number", "{ __u64 *t = (void *)bpf_get_current_task(); if (*t == 3) return 0; }"),
    Case(
        "register",
        "it uses a register that was never set",
        '{ long x; bpf_get_prandom_u32(); asm volatile("%0 = r5" : "=r"(x)); if (x == 3) return 0; }',
    ),
    Case(
        "misaligned",
        "it reads or writes a number at an address",
        '{ long x; asm volatile("*(u64 *)(r10 - 512) = %1; *(u64 *)(r10 - 504) = %1; %0 = *(u64 *)(r10 - 509)" : "=r"(x) : "r"(1L)); '
        "if (x == 3) return 0; }",
    ),
    Case(
        "arithmetic",
        "it computes with an address",
        _LOOKUP + 'if (v) { asm volatile("%0 *= 3" : "+r"(v)); if (!v) return 0; } }',
    ),
    Case("argument", "the second argument of a call", "bpf_map_delete_elem(&seen, (void *)8);"),
    Case(
        "member",
        "struct task_struct has no member no_such_member",
        "if (BPF_CORE_READ((struct task_struct___bad *)bpf_get_current_task(), no_such_member) == 3) return 0;",
        "struct task_struct___bad { int no_such_member; } __attribute__((preserve_access_index));",
    ),
    Case(
        "kernel_function",
        "it calls a function of the kernel",
        "bpf_no_such_function();",
        "extern void bpf_no_such_function(void) __weak __ksym;",
        line=None,
    ),
    Case(
        "context",
        "it reads a part of its context",
        '{ long x; asm volatile("%0 = *(u32 *)(%1 + 4)" : "=r"(x) : "r"(ctx)); if (x == 3) return 0; }',
    ),
)


def plain(log: str) -> str:
    """A log without addresses of one machine, and of a long one the end only."""
    lines = log.rstrip("\n").split("\n")
    return re.sub(r"0xffff[0-9a-f]{12}", "0xffff888000000000", "\n".join(lines[-200:])) + "\n"
