"""Which programs can be under way on a CPU at the same time: what they may share there depends on it.

Facts of the kernel, by kind of attach point.
"""

from __future__ import annotations

ONE_AT_A_TIME = ("tracepoint", "kprobe", "kretprobe", "profile", "interval", "software", "hardware")
"""Kinds of which the kernel runs no more than one program at a time on a CPU, whatever interrupts it (``bpf_prog_active``): they
can share memory of the CPU. All others can be interrupted by, or give way to, another that would write there meanwhile: tp_btf
and fentry by one another, before Linux 6.2 and 5.12 even by themselves; lsm and iter wherever the kernel may switch to another
thread."""
PREEMPTIBLE = ("uprobe", "uretprobe", "usdt")
"""Kinds whose programs the kernel, since 6.0, may interrupt in favour of another thread that runs the same program. Since 6.10
they can forbid it, and do: see :mod:`~ebpfgen.emit.program`. Programs of other kinds interrupt them all the same."""
LEVELS = 4
"""Programs of all other kinds that can have memory of a CPU at once: one in a thread, and one in each of the kinds of interrupts
that can come on top of another: of software, of hardware, and those that cannot be masked."""
