"""Hits for which the kernel runs no program: they are counted as missed, and with them the account is that of what was done."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun import metrics
from ebpfrun.tracer import Tracer
from workloads import Workload

from .conftest import Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]

THREADS = 60
"""More than a kernel remembers returns of at a time: 10, or two for each processor (or one) where that is more."""
READ = 0 if os.uname().machine == "x86_64" else 63
UNTOLD = "the kernel does not tell what was missed"


def asleep_in_read(tid: int, fd: int) -> bool:
    number, first, *_ = [*Path(f"/proc/self/task/{tid}/syscall").read_text().split(), ""]
    return number == str(READ) and first == hex(fd)


def test_more_returns_than_the_kernel_remembers(observe: Observe) -> None:
    if 2 * (os.cpu_count() or 1) >= THREADS:
        pytest.skip("the kernel may remember all of so few returns")
    fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_CLOEXEC)
    threads = [threading.Thread(target=os.eventfd_read, args=(fd,)) for _ in range(THREADS)]

    def work(_: Observed) -> None:
        for thread in threads:
            thread.start()
        while not all(asleep_in_read(thread.native_id or 0, fd) for thread in threads):
            pass
        os.eventfd_write(fd, THREADS)
        for thread in threads:
            thread.join()

    try:
        seen = observe("missed_returns", work)
    finally:
        os.close(fd)
    rows, counts = seen.events("read"), seen.counts()
    missed = counts.get(("missed", "kretprobe:eventfd_read"), 0)
    assert len({row["tid"] for row in rows}) == len(rows) == counts[("produced", "read")] < THREADS
    assert {row["result"] for row in rows} == {8}
    if not missed:
        pytest.skip(UNTOLD)
    assert counts[("produced", "read")] + missed == THREADS


def test_a_function_that_a_program_calls(observe: Observe) -> None:
    calls = 50

    def work(_: Observed) -> None:
        for i in range(calls):
            prctl(i, 0, 0, 0)

    seen = observe("missed_inside", work)
    asked, named, counts = seen.events("asked"), seen.events("named"), seen.counts()
    assert len(asked) == calls
    assert named == []
    if not (missed := counts.get(("missed", "kprobe:bpf_get_current_comm"), 0)):
        pytest.skip(UNTOLD)
    assert missed == calls


UNDISTURBED = {"kprobe", "wildcard", "raw_syscalls"}
"""Kinds of attach points whose programs no other task interrupts, on any kernel; for the others docs/spec.md says where."""

AT = {
    "syscalls": "tracepoint:syscalls:sys_enter_pread64",
    "tp_btf": "tp_btf:sys_enter",
    "raw_tracepoint": "raw_tracepoint:sys_enter",
    "fentry": "fentry:vfs_read",
    "fexit": "fexit:vfs_read",
}


def test_tasks_that_interrupt_one_another(lab_artefacts: Path, workload: Callable[..., Workload]) -> None:
    """Where a program is interrupted, the other task's hits are missed, and are in the account, to the last one."""
    calls, tasks = 20_000, 4 * (os.cpu_count() or 1)
    works = [workload("calls", f"pread64={calls}") for _ in range(tasks)]
    with Tracer(str(lab_artefacts / "contended")) as tracer:
        for work in works:
            work.start()
        for work in works:
            work.result()
        tracer.detach()
        (reading,) = metrics.Metrics(tracer.manifest, 0).totals(tracer)
        missed = tracer.missed()
    hits = {sample.labels[0]: sample.value for sample in reading.samples}
    assert UNDISTURBED - {"kprobe", "wildcard"} <= hits.keys()
    for kind in hits.keys() & UNDISTURBED:
        assert hits[kind] == calls * tasks, kind
    for kind in hits.keys() - UNDISTURBED:
        assert hits[kind] <= calls * tasks <= hits[kind] + missed[AT[kind]], kind
