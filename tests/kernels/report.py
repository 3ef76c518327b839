"""The table: test × kernel, and why for everything that is not passed.

Receives what the guests wrote (:mod:`kernels.reporting`) and how they ended; returns lines of text and whether all is well. A skip
is well only where kernels.toml says so for kernels of that age.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .guest import Ended
from .packages import Skip


class Outcome(NamedTuple):
    word: str
    why: str = ""

    @property
    def well(self) -> bool:
        return self.word in ("ok", "skip")


class Column(NamedTuple):
    """One guest: outcomes by test, and what went wrong besides (the guest itself, or a run without any test)."""

    kernel: str
    seconds: float
    outcomes: dict[str, Outcome]
    trouble: str = ""


def column(kernel: str, seconds: float, ended: Ended, report: Path, skips: Sequence[Skip]) -> Column:
    outcomes: dict[str, Outcome] = {}
    lines = report.read_text().splitlines() if report.exists() else []
    for entry in map(json.loads, lines):
        test = entry["test"]
        outcomes[test] = _worse(outcomes.get(test), _outcome(entry, kernel, skips))
    trouble = ended.why
    if not trouble and not outcomes:
        trouble = f"no test ran (pytest's status: {ended.status})"
    elif not trouble and ended.status and all(outcome.well for outcome in outcomes.values()):
        trouble = f"pytest ended with {ended.status}"
    return Column(kernel, seconds, outcomes, trouble)


def _outcome(entry: dict[str, str], kernel: str, skips: Sequence[Skip]) -> Outcome:
    match entry["outcome"]:
        case "passed":
            return Outcome("ok")
        case "started":
            return Outcome("HUNG", "began, and never ended")
        case "skipped" if any(skip.allows(kernel, entry["why"]) for skip in skips):
            return Outcome("skip", entry["why"])
        case "skipped":
            return Outcome("FAIL", f"skipped, on a kernel new enough for it: {entry['why']}")
    return Outcome("FAIL", entry["why"])


def _worse(before: Outcome | None, after: Outcome) -> Outcome:
    """A test that passed may still fail when it is torn down, never the other way round."""
    return before if before and before.word == "FAIL" else after


def table(columns: Sequence[Column]) -> list[str]:
    tests = sorted({test for column in columns for test in column.outcomes})
    width = max(map(len, (*map(_short, tests), "seconds")), default=0)
    lines = [" ".join([" " * width, *(f"{column.kernel:>6}" for column in columns)])]
    for test in tests:
        words = [column.outcomes[test].word if test in column.outcomes else "-" for column in columns]
        lines.append(" ".join([f"{_short(test):{width}}", *(f"{word:>6}" for word in words)]))
    lines.append(" ".join([f"{'seconds':{width}}", *(f"{column.seconds:6.0f}" for column in columns)]))
    return lines


def remarks(columns: Sequence[Column]) -> list[str]:
    """Skips by reason first, then each failure in full."""
    reasons: dict[tuple[str, str], int] = {}
    for column in columns:
        for outcome in column.outcomes.values():
            if outcome.word == "skip":
                reasons[column.kernel, outcome.why] = reasons.get((column.kernel, outcome.why), 0) + 1
    lines = [f"{kernel}: {count} skipped: {why}" for (kernel, why), count in sorted(reasons.items())]
    for column in columns:
        if column.trouble:
            lines.append(f"{column.kernel}: FAILED: {column.trouble}")
        for test, outcome in column.outcomes.items():
            if not outcome.well:
                lines.append(f"\n=== {test} on {column.kernel}: {outcome.word}\n{outcome.why}")
    return lines


def well(columns: Sequence[Column]) -> bool:
    return all(not column.trouble and all(outcome.well for outcome in column.outcomes.values()) for column in columns)


def _short(test: str) -> str:
    return re.sub(r"^tests/(\w+/)(?:test_)?(\w+)\.py::(?:test_)?", r"\1\2: ", test)
