"""Kernel functions that are not just there by their name: places within them, modules', and what gcc made of static ones."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from .conftest import LAB, LIBC, UNKNOWN_OPTION, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
FLAGS = (os.O_RDONLY, os.O_RDONLY | os.O_NONBLOCK, os.O_RDONLY | os.O_NOFOLLOW)
FILE = "/etc/passwd"  # in a guest of the lab, on overlayfs, which is a module of all its kernels


def open_file(flags: int) -> None:
    os.close(os.open(FILE, flags))


def test_places_modules_and_static_functions(observe: Observe) -> None:
    def work(_: Observed) -> None:
        for numbers in ((1, 2, 3, 4), (5, 6, 7, 8)):
            prctl(*numbers)
        for flags in FLAGS:
            open_file(flags)
        room = ctypes.create_string_buffer(1024)
        for _i in range(3):
            assert LIBC.sysinfo(room) == 0

    seen = observe("functions", work)
    assert seen.events("within") == [{"option": UNKNOWN_OPTION}] * 2
    opened = [row for row in seen.events("opened") if row["func"] == "ovl_open"]
    assert [row["flags"] & (os.O_NONBLOCK | os.O_NOFOLLOW) for row in opened] == [0, os.O_NONBLOCK, os.O_NOFOLLOW]
    assert seen.events("asked") == [{"func": "do_sysinfo"}] * 3
    assert seen.events("answered") == [{"result": 0}] * 3
    made = [line for line in Path("/proc/kallsyms").read_text().splitlines() if line.split()[2].startswith("do_sysinfo.")]
    said = [line for line in seen.said if "made by the compiler from do_sysinfo" in line]
    assert bool(made) == bool(said) or not LAB
    assert all("kprobe:do_sysinfo: this kernel has do_sysinfo." in line or "kretprobe" in line for line in said)


def test_a_trampoline_at_a_modules_function_that_was_not_known_when_it_was_built(observe: Observe) -> None:
    """What modules' types add, where they were known, is in test_modules.py."""

    def work(_: Observed) -> None:
        for flags in FLAGS:
            open_file(flags)

    seen = observe("fentry_of_module", work)
    expected = [flags & (os.O_NONBLOCK | os.O_NOFOLLOW) for flags in FLAGS]
    assert [row["flags"] & (os.O_NONBLOCK | os.O_NOFOLLOW) for row in seen.events("opened")] == expected
    assert {row["func"] for row in seen.events("opened")} == {"ovl_open"}


def test_functions_of_a_module_by_wildcard(observe: Observe) -> None:
    def work(_: Observed) -> None:
        for flags in FLAGS:
            open_file(flags)

    seen = observe("functions_of_module", work)
    assert seen.metric("calls")["ovl_open",].value == len(FLAGS)
