"""USDT probes of a library whose arguments are known: integers of all sizes, constants, memory, texts, and a semaphore."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload, Workloads

from .conftest import Observe, Observed

pytestmark = [pytest.mark.root, pytest.mark.kernel]

SMALLEST = (-(2**7), 0, -(2**15), 0, -(2**31), 0, -(2**63), 0)
GREATEST = (2**7 - 1, 2**8 - 1, 2**15 - 1, 2**16 - 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1)
MIXED = (-1, 200, -300, 60000, -70000, 3_000_000_000, -5_000_000_000, 10**19)
TYPES = (ctypes.c_int8, ctypes.c_uint8, ctypes.c_int16, ctypes.c_uint16, ctypes.c_int32, ctypes.c_uint32, ctypes.c_int64,
         ctypes.c_uint64)  # fmt: skip


@pytest.fixture
def file(workloads: Workloads) -> Path:
    return workloads.library("known")


@pytest.fixture
def known(file: Path) -> ctypes.CDLL:
    return ctypes.CDLL(str(file))


def call_numbers(known: ctypes.CDLL) -> None:
    for numbers in (SMALLEST, GREATEST, MIXED):
        known.known_numbers(*(kind(n) for kind, n in zip(TYPES, numbers, strict=True)))


def test_arguments_of_all_sizes(observe: Observe, known: ctypes.CDLL, file: Path) -> None:
    def work(_: Observed) -> None:
        call_numbers(known)
        known.known_places(42, b"some text")
        known.known_places(-43, b"")

    seen = observe("usdt", work, file)
    assert seen.events("numbers") == [dict(zip("abcdefgh", numbers, strict=True)) for numbers in (SMALLEST, GREATEST, MIXED)]
    assert seen.events("place") == [
        {"constant": -7, "number": 42, "text": "some text"},
        {"constant": -7, "number": -43, "text": ""},
    ]


def test_arguments_are_extended_to_64_bits(observe: Observe, known: ctypes.CDLL, file: Path) -> None:
    seen = observe("usdt_extended", lambda _: call_numbers(known), file)
    expected = [dict(zip("abcdef", (n % 2**64 for n in numbers), strict=False)) for numbers in (SMALLEST, GREATEST, MIXED)]
    assert seen.events("numbers") == expected


def test_every_place_of_a_probe(observe: Observe, known: ctypes.CDLL, file: Path) -> None:
    def work(_: Observed) -> None:
        for number in (1, 11, 21, -5):
            known.known_several(number)

    assert observe("usdt", work, file).events("several") == [{"number": n} for n in (1, 11, 21, -5)]


def test_a_semaphore_is_raised_while_the_tracer_is_there(observe: Observe, known: ctypes.CDLL, file: Path) -> None:
    wanted: list[int] = []
    assert known.known_guarded(1) == 0
    seen = observe("usdt", lambda _: wanted.append(known.known_guarded(2)), file)
    assert known.known_guarded(3) == 0
    assert wanted == [1]
    assert seen.events("guarded") == [{"number": 2}]


def test_in_a_program_that_is_not_position_independent(
    observe: Observe, workloads: Workloads, workload: Callable[..., Workload]
) -> None:
    """What kernels without attach cookies can, too: libbpf tells places apart by their addresses."""
    work = workload("fires", 25)
    seen = observe("usdt_in_program", lambda _: work.go(), Path(workloads.command("fires")[0]), work.pid)
    assert seen.events("several") == [{"number": n} for n in range(1, 26)]


def test_what_a_library_does_not_have(observe: Observe, known: ctypes.CDLL, file: Path) -> None:
    seen = observe("usdt_wrong", lambda _: known.known_several(1), file)
    assert seen.attached() == []
    why = {
        line.partition(" (")[0].rpartition(":")[2]: line.rpartition("known.so")[2] for line in seen.said if "passed over" in line
    }
    assert why == {
        "number": " has no USDT probe known:number; did you mean known:numbers?",
        "numbers": " has no USDT probe unknown:numbers; did you mean known:numbers?",
        "several": ": the probe known:several gives arg0 only, arg3 is asked for",
    }
