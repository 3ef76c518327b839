"""A pytest plugin for the guest: writes each test's outcome at once, so that what was reached is known even if the guest hangs.

One JSON object a line, into the file that LAB_REPORT names: ``{"test", "outcome", "why", "seconds"}``. The outcome is "started"
first, then "passed", "failed" or "skipped" (with the reason).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import pytest

LONGEST_WHY = 4000


class Reporter:
    def __init__(self, file: TextIO) -> None:
        self.file = file

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._say(item.nodeid, "started", "", 0)
        return (yield)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != "passed":
            self._say(report.nodeid, report.outcome, _why(report), report.duration)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._say(report.nodeid or "collection", "failed", report.longreprtext, 0)

    def _say(self, test: str, outcome: str, why: str, seconds: float) -> None:
        line = {"test": test, "outcome": outcome, "why": why[-LONGEST_WHY:], "seconds": round(seconds, 2)}
        print(json.dumps(line), file=self.file, flush=True)


def _why(report: pytest.TestReport) -> str:
    if isinstance(report.longrepr, tuple):
        return report.longrepr[2].removeprefix("Skipped: ")
    return report.longreprtext


def pytest_configure(config: pytest.Config) -> None:
    file = Path(os.environ["LAB_REPORT"]).open("a")  # noqa: SIM115  closed when pytest ends
    config.add_cleanup(file.close)
    config.pluginmanager.register(Reporter(file))
