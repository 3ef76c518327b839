"""Numbers whose size differs between kernels: one artefact, built for this machine's kernel, reads each as the guest's kernel has it."""

from __future__ import annotations

import os

import pytest

from .conftest import LIBC, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
PR_SET_NAME = 15


def test_a_running_task_is_on_one_cpu(observe: Observe) -> None:
    def work(_: Observed) -> None:
        prctl(1, 2, 3, 4)
        LIBC.prctl(PR_SET_NAME, b"renamed")

    seen = observe("sizes", work)
    expected = {"on_cpu": 1, "on_rq": 1, "prio": 120 + os.nice(0)}
    assert expected in seen.events("read")
    assert all(row == expected for row in seen.events("read"))
    assert seen.events("followed") == [expected]
