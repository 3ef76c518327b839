"""Wildcards: everything that matches is attached, and told apart by its name."""

from __future__ import annotations

import ctypes
import errno
import os
from collections import Counter
from pathlib import Path

import pytest

from workloads import Workloads

from .conftest import LIBC, UNKNOWN_OPTION, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
CALLS = [(1, 2, 3, 4), (5, 6, 7, 8)]


def call_all(_: Observed) -> None:
    for numbers in CALLS:
        prctl(*numbers)


def test_functions_of_a_library(observe: Observe, workloads: Workloads) -> None:
    file = workloads.library("known")
    known = ctypes.CDLL(str(file))

    def work(_: Observed) -> None:
        known.known_one(10)
        known.other(20)

    seen = observe("wild_uprobe", work, file)
    assert seen.events("begin") == [{"func": "known_one", "number": n} for n in (10, 20)]
    assert seen.events("end") == [
        {"func": "known_one", "result": 11},
        {"func": "known_one", "result": 21},
        {"func": "known_two", "result": 23},
    ]
    assert {labels: s.value for labels, s in seen.metric("calls").items()} == {("known_two", "known_t"): 1, ("other", "other"): 1}
    assert seen.counts()["truncated", "calls.probe"] == 1  # known_two does not fit the second label
    assert any("uprobe:/lib/known.so:known_*o*e: 1 function" in line for line in seen.said)


def test_tracepoints(observe: Observe) -> None:
    def work(_: Observed) -> None:
        LIBC.getpgid(ctypes.c_int(0))
        LIBC.getsid(ctypes.c_int(os.getpid()))
        LIBC.getpgid(ctypes.c_int(-1))
        for name in (b"first name", b"second name"):
            LIBC.prctl(15, ctypes.c_char_p(name), 0, 0, 0)  # PR_SET_NAME

    before = Path("/proc/thread-self/comm").read_text().strip().encode()
    try:
        seen = observe("wild_tracepoint", work)
    finally:
        LIBC.prctl(15, ctypes.c_char_p(before), 0, 0, 0)
    calls = seen.events("call")
    assert [(row["probe"], row["first"]) for row in calls] == [
        ("sys_enter_getpgid", 0),
        ("sys_enter_getsid", os.getpid()),
        ("sys_enter_getpgid", 2**64 - 1 if calls[2]["first"] > 2**32 else 2**32 - 1),
    ]
    assert calls[0]["number"] == calls[2]["number"] != calls[1]["number"]
    answers = [(row["probe"], row["result"]) for row in seen.events("answer")]
    assert answers == [("sys_exit_getpgid", os.getpgid(0)), ("sys_exit_getpgid", -errno.ESRCH)]
    assert {labels: s.value for labels, s in seen.metric("tasks").items()} == {("task_rename",): 2}


def test_kernel_functions(observe: Observe) -> None:
    seen = observe("wild_kprobe", call_all)
    name = "security_task_prctl"
    assert seen.events("begin") == [{"func": name, "option": UNKNOWN_OPTION}] * len(CALLS)
    ends = Counter((row["func"], row["result"]) for row in seen.events("end"))
    assert ends[name, -errno.ENOSYS] == len(CALLS)
    assert any("kprobe:security_task_prct*: 1 function" in line for line in seen.said)


def test_kernel_functions_without_their_names(observe: Observe) -> None:
    """What every kernel with kprobes can."""
    seen = observe("wild_unnamed", call_all)
    assert [s.value for s in seen.metric("calls").values()] == [len(CALLS)]
