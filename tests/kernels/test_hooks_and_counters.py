"""Hooks of security modules, and what processors count."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from .conftest import UNKNOWN_OPTION, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
CALLS = [(1, 2, 3, 4), (2**63, 2**40 + 1, 0, 2**64 - 1)]


def test_lsm(observe: Observe) -> None:
    with subprocess.Popen(["sleep", "1000"]) as other:

        def work(_: Observed) -> None:
            for numbers in CALLS:
                prctl(*numbers)
            os.kill(other.pid, 0)
            os.kill(other.pid, signal.SIGKILL)
            other.wait()

        try:
            seen = observe("lsm", work)
        finally:
            other.kill()
    assert seen.events("prctl") == [{"option": UNKNOWN_OPTION, "second": a, "fifth": d} for a, _, _, d in CALLS]
    assert seen.events("kill") == [{"target": other.pid, "comm": "sleep", "signal": n} for n in (0, signal.SIGKILL)]


def test_hardware(observe: Observe) -> None:
    """Where the processor counts: a busy process is sampled. Elsewhere the reason is one line."""

    def work(seen: Observed) -> None:
        end = time.monotonic() + 60
        while not seen.metric("samples"):
            assert time.monotonic() < end, "waited for a sample in vain"
            sum(range(20_000))

    if not any(Path(f"/sys/bus/event_source/devices/{cpu}").exists() for cpu in ("cpu", "cpu_core", "armv8_pmuv3_0")):
        with pytest.raises(pytest.skip.Exception, match=r"do not count cycles \(virtual machines often have no counters\)$"):
            observe("hardware", work)
        pytest.skip("the processors count no cycles here")
    observe("hardware", work)
