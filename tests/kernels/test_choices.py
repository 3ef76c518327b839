"""Alternatives: the first that this kernel has is taken. Which that is, is written here for each kernel of the lab."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import LAB, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel, pytest.mark.skipif(not LAB, reason="says what kernels of the lab do")]

OPEN = {"5.10": "do_filp_open", "6.1": "do_filp_open", "6.12": "do_filp_open", "7.3": "do_file_open"}
CLOSE = {"5.10": "close_fd", "6.1": "close_fd", "6.12": "file_close_fd", "7.3": "file_close_fd"}
STATE_RENAMED = {"5.10": False, "6.1": True, "6.12": True, "7.3": True}


def test_the_first_that_this_kernel_has(observe: Observe, tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.touch()
    number = 900  # a descriptor that nobody else uses: attaching opens and closes files too

    def work(_: Observed) -> None:
        found = os.open(path, os.O_RDONLY)
        os.dup2(found, number)
        os.close(number)
        os.close(found)
        prctl(0, 0, 0, 0)

    seen = observe("chosen", work)
    assert set(seen.attached()) == {f"fentry:{OPEN[LAB]}", f"kprobe:{CLOSE[LAB]}", "tracepoint:syscalls:sys_enter_prctl"}
    assert [row for row in seen.events("open") if row["path"] == str(path)] == [{"function": OPEN[LAB], "path": str(path)}]
    assert [row for row in seen.events("close") if row["fd"] == number] == [{"function": CLOSE[LAB], "fd": number}]
    assert seen.events("state") == [{"renamed": STATE_RENAMED[LAB], "state": 0}]  # it runs
