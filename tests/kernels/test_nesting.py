"""Programs that begin in the midst of others: each builds its value undisturbed, and what finds no memory for that is counted."""

from __future__ import annotations

import pytest

from .conftest import Observe, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
NOWHERE = 0x1008
"""No process has memory there: a program that reads it makes a page fault, by which the next one begins."""
LEVELS = 4


def test_values_are_whole(observe: Observe) -> None:
    seen = observe("nesting", lambda _: prctl(NOWHERE, 0, 0, 0))
    begun = {labels[0]: sample.value for labels, sample in seen.metric("begun").items()}
    assert seen.events("whole") == [{"level": n, "first": n, "text": "", "last": n} for n in (*range(1, LEVELS + 1), 6)]
    assert sorted(begun) == [1, 2, 3, 4, 5, 6]
    assert seen.counts()["nested", "values"] == begun[LEVELS + 1]
