"""Programs that begin in the midst of others: each builds its value undisturbed, and what finds no memory for that is counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun import account, metrics
from ebpfrun.tracer import Tracer
from workloads import Workload

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


def test_tasks_that_interrupt_one_another(lab_artefacts: Path, workload: Callable[..., Workload]) -> None:
    """Linux 7 lets a task go on in the midst of a program at another's system call."""
    works = [workload("calls", f"{call}=20000") for call in ("pread64", "pwrite64") * 2]
    with Tracer(str(lab_artefacts / "interrupted"), filters={"comm": "calls"}) as tracer:
        for work in works:
            work.start()
        for work in works:
            work.result()
        tracer.detach()
        whole: Counter[bool] = Counter()
        while batch := tracer.take():
            with batch:
                whole.update(row["first"] == row["last"] for row in batch.rows())
        (torn,) = metrics.Metrics(tracer.manifest, 0).totals(tracer)
        counts = account.read_counters(tracer.manifest, tracer)
    assert whole == {True: counts["produced", "read"]}
    assert [sample.value for sample in torn.samples] == [0]
