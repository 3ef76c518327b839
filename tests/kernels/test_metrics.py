"""Metrics of every kind, on each kernel: their code is what an old verifier finds hardest."""

from __future__ import annotations

from collections import Counter

import pytest

from .conftest import UNKNOWN_OPTION, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
NUMBERS = [0, 1, 2, 3, 4, 9, 10, 11, 99, 100, 1000, 2**31, 2**32, 2**40 + 7, 2**62]


def test_each_kind(observe: Observe) -> None:
    def work(_: Observed) -> None:
        for number in NUMBERS:
            prctl(number, 0, 0, 0)

    seen = observe("metrics", work)
    assert seen.metric("calls")[UNKNOWN_OPTION,].value == len(NUMBERS)
    assert seen.metric("total")[()].value == sum(NUMBERS)
    assert slots(seen.metric("powers")[()].slots) == Counter(max(number.bit_length() - 1, 0) for number in NUMBERS)
    assert slots(seen.metric("tens")[UNKNOWN_OPTION,].slots) == Counter(min(number // 10 + 1, 11) for number in NUMBERS)
    assert seen.metric("newest")[()].value == NUMBERS[-1]
    assert seen.metric("least")[()].value == min(NUMBERS)
    assert seen.metric("most")[()].value == max(NUMBERS)


def slots(counts: tuple[int, ...]) -> dict[int, int]:
    return {slot: count for slot, count in enumerate(counts) if count}
