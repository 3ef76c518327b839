"""Each kind of attach point fires, as often as it should, with the values that it should see."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import LIBC, UNKNOWN_OPTION, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
LONGEST = 60.0  # seconds to wait for a timer's ticks; a limit, not a measure

CALLS = [(1, 2, 3, 4), (2**63, 2**40 + 1, 0, 2**64 - 1), (10, 20, 30, 40)]


def call_all(_: Observed) -> None:
    for numbers in CALLS:
        prctl(*numbers)


def rename_twice(_: Observed) -> None:
    name = b"a name of 15 ch"
    before = comm().encode()
    for new in (name, before):
        LIBC.prctl(15, ctypes.c_char_p(new), 0, 0, 0)  # PR_SET_NAME


def comm() -> str:
    return Path("/proc/thread-self/comm").read_text().rstrip("\n")


def test_kprobe(observe: Observe) -> None:
    seen = observe("kprobe", call_all)
    option = {"option": UNKNOWN_OPTION, "first_again": UNKNOWN_OPTION}
    assert seen.events("seen") == [{**option, "second": a, "fourth_again": c, "fifth": d} for a, _, c, d in CALLS]


def test_kretprobe(observe: Observe) -> None:
    seen = observe("kretprobe", call_all)
    assert seen.events("seen") == [{"result": -errno.ENOSYS}] * len(CALLS)


def test_fentry(observe: Observe) -> None:
    seen = observe("fentry", call_all)
    expected = [{"option": UNKNOWN_OPTION, "second": a, "third": b, "fourth": c, "fifth": d} for a, b, c, d in CALLS]
    assert seen.events("seen") == expected


def test_fexit(observe: Observe) -> None:
    seen = observe("fexit", call_all)
    expected = [{"option": UNKNOWN_OPTION, "second": a, "fifth": d, "result": -errno.ENOSYS} for a, _, _, d in CALLS]
    assert seen.events("seen") == expected


def test_a_span_over_a_kernel_function(observe: Observe) -> None:
    seen = observe("function_span", call_all)
    rows = seen.events("seen")
    assert [(row["option"], row["result"]) for row in rows] == [(UNKNOWN_OPTION, -errno.ENOSYS)] * len(CALLS)
    assert all(row["latency"] > 0 for row in rows)


def test_tracepoint_of_a_system_call(observe: Observe) -> None:
    seen = observe("tracepoint", call_all)
    assert seen.events("call") == [{"option": UNKNOWN_OPTION, "second": a, "fifth": d} for a, _, _, d in CALLS]
    assert seen.events("answer") == [{"result": -errno.EINVAL}] * len(CALLS)


def test_tracepoint_with_texts(observe: Observe) -> None:
    name = comm()
    seen = observe("tracepoint", rename_twice)
    other = "a name of 15 ch"
    thread = {"pid": os.getpid()}  # the tracepoint's pid is the thread's: this is the first one
    assert seen.events("renamed") == [{**thread, "old": name, "new": other}, {**thread, "old": other, "new": name}]


def test_raw_tracepoint(observe: Observe) -> None:
    name = comm()
    seen = observe("raw_tracepoint", rename_twice)
    rows = seen.events("renamed")
    assert [(row["pid"], row["old"], row["new"]) for row in rows] == [
        (os.getpid(), name, "a name of 15 ch"),
        (os.getpid(), "a name of 15 ch", name),
    ]
    assert {row["number"] >> 47 for row in rows} == {2**17 - 1}  # the task's address, in the kernel's half


def test_tp_btf(observe: Observe) -> None:
    name = comm()
    seen = observe("tp_btf", rename_twice)
    who = {"pid": os.getpid(), "parent": os.getppid()}
    other = "a name of 15 ch"
    assert seen.events("renamed") == [{**who, "old": name, "new": other}, {**who, "old": other, "new": name}]


def test_uprobe_and_uretprobe(observe: Observe) -> None:
    numbers = [(7, 3), (-(2**40), 5), (2**62, -9)]

    def work(_: Observed) -> None:
        for a, b in numbers:
            LIBC.ldiv(ctypes.c_long(a), ctypes.c_long(b))
            LIBC.labs(ctypes.c_long(a))

    seen = observe("uprobe", work)
    assert seen.events("begin") == [{"first": a, "second": b} for a, b in numbers]
    assert seen.events("end") == [{"result": abs(a)} for a, _ in numbers]


def busy_until(condition: Callable[[], bool]) -> None:
    """Computes (a timer must find this process running) until the condition holds."""
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, "waited for a timer in vain"
        sum(range(20_000))


def test_timers(observe: Observe) -> None:
    """profile sees the process that runs; interval ticks on one processor, whoever runs."""

    def work(seen: Observed) -> None:
        busy_until(lambda: samples(seen) >= 5 and ticks(seen) >= 5)

    def samples(seen: Observed) -> float:
        return sum(sample.value for sample in seen.metric("samples").values())

    def ticks(seen: Observed) -> float:
        return sum(sample.value for sample in seen.metric("ticks").values())

    seen = observe("timers", work)
    assert set(seen.metric("samples")) == {(os.getpid(), comm())}
    assert len(seen.metric("ticks")) == 1


def test_software_event(observe: Observe) -> None:
    """Each page fault: fresh pages of a mapping fault once each. The kernel's own count is the second opinion."""
    pages = 40
    counted: list[int] = []

    def work(seen: Observed) -> None:
        with mmap.mmap(-1, pages * mmap.PAGESIZE) as area:
            area.madvise(mmap.MADV_NOHUGEPAGE)
            before = faults()
            for page in range(pages):
                area[page * mmap.PAGESIZE] = 1
            counted.append(faults() - before)

    seen = observe("software", work)
    (sample,) = seen.metric("faults").values()
    assert pages <= counted[0] <= sample.value


def faults() -> int:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_minflt + usage.ru_majflt
