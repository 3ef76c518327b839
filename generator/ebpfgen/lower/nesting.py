"""Which programs can be under way on a CPU at the same time: what they may share there depends on it.

Facts of the kernel, by attach point.
"""

from __future__ import annotations

from ebpfgen import ir

_ONE_AT_A_TIME = ("tracepoint", "kprobe", "kretprobe", "profile", "interval", "software", "hardware")
_CALLS = "syscalls"
"""The category of the tracepoints of one system call each. Linux 7 lets another thread go on in the midst of a program there, and
runs that one's programs too."""
PREEMPTIBLE = ("uprobe", "uretprobe", "usdt")
"""Kinds whose programs the kernel, since 6.0, may interrupt in favour of another thread that runs the same program. Since 6.10
they can forbid it, and do: see :mod:`~ebpfgen.emit.program`. Programs of other kinds interrupt them all the same."""
LEVELS = 4
"""Programs that are not one at a time that can have memory of a CPU at once: one in a thread, and one in each of the kinds of
interrupts that can come on top of another: of software, of hardware, and those that cannot be masked."""


def one_at_a_time(program: ir.Program) -> bool:
    """Whether the kernel runs it, and others of which this says the same, one at a time on a CPU, whatever interrupts it
    (``bpf_prog_active``): they can share memory of the CPU. All others can be interrupted by, or give way to, another that would
    write there meanwhile: tp_btf and fentry by one another, before Linux 6.2 and 5.12 even by themselves; lsm and iter wherever
    the kernel may switch to another thread, and since 7.0 tp_btf and raw_tracepoint too."""
    return program.kind in _ONE_AT_A_TIME and program.target.get("category") != _CALLS
