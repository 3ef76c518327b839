"""Programs that interrupt one another while they build values that are too large for the stack.

A read of memory that a process does not have makes a page fault, and with it a tracepoint: there the next program begins, in the
midst of what the first one does.
"""

from __future__ import annotations

import struct

import pytest

from codegen.running import Lab, Traced, prctl
from ebpfgen.lower.nesting import LEVELS

pytestmark = [pytest.mark.root, pytest.mark.kernel]

DECLARED = """
maps: {m: {type: hash, max_entries: 16, key: u32, value: {first: u64, text: string(200), last: u64}}}
metrics: {begun: {kind: counter, help: x, labels: {level: u32}}}
probes:
"""
STEP = 0x1008
"""From where one program reads to where the next does; no process has memory there."""
FIRST = {
    "tp_btf": (
        "on: 'tp_btf:sys_enter', where: args.id == SYS_prctl and ((struct pt_regs *)args.regs).di == 0x7f00",
        "((struct pt_regs *)args.regs).si",
    ),
    "tracepoint": ("on: 'tracepoint:syscalls:sys_enter_prctl', where: args.option == 0x7f00", "args.arg2"),
    "uprobe": ("on: 'uprobe:libc.so.6:prctl', where: arg0 == 0x7f00", "arg1"),
}


def probe(on: str, level: int, text: str) -> str:
    setting = f"{{set: 'm[{level}]', to: {{first: {level}, text: 'str(uptr({text}))', last: {level}}}}}"
    return f"  - {{{on}, do: [{{count: begun, by: {{level: {level}}}}}, {setting}]}}\n"


def nested(lab: Lab, kind: str, levels: int) -> Traced:
    """One program in each level, begun by the fault of the one before it."""
    probes = [probe(*FIRST[kind][:1], 1, *FIRST[kind][1:])]
    probes += [
        probe(f"on: 'tp_btf:page_fault_kernel', where: args.address == {STEP * (level - 1)}", level, f"args.address + {STEP}")
        for level in range(2, levels + 1)
    ]
    return lab.run(DECLARED + "".join(probes), lambda: prctl(STEP))


def entries(*levels: int) -> dict[bytes, list[bytes]]:
    """None could read its text, and says so in its marks."""
    return {struct.pack("=I", n): [struct.pack("=Q200sQI4x", n, b"", n, 2)] for n in levels}


@pytest.mark.parametrize("kind", FIRST)
def test_each_has_memory_of_its_own(lab: Lab, kind: str) -> None:
    traced = nested(lab, kind, LEVELS)
    assert traced.maps["m"] == entries(*range(1, LEVELS + 1))
    assert traced.counted("nested", "m") == 0


def test_what_finds_no_memory_is_counted(lab: Lab) -> None:
    """Nothing is stored then, and all others are as they were. What is not built makes no fault either."""
    traced = nested(lab, "tp_btf", LEVELS + 2)
    begun = {labels[0]: sample.value for labels, sample in traced.metrics["begun"].items()}
    assert traced.maps["m"] == entries(*range(1, LEVELS + 1))
    assert sorted(begun) == [*range(1, LEVELS + 2)]
    assert traced.counted("nested", "m") == begun[LEVELS + 1] > 0
