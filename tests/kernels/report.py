"""The table: test × kernel, and why for everything that is not passed.

Receives what the guests wrote (:mod:`kernels.reporting`) and how they ended; returns lines of text and whether all is well.
A skip is well only where kernels.toml says so for kernels of that age.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from .guest import Ended
from .packages import Known, Lab

WIDEST = 100  # characters of a test's name in the table
WORDS = ("ok", "skip", "known", "FAIL", "HUNG")  # what may become of a test


class Outcome(NamedTuple):
    word: str
    why: str = ""

    @property
    def well(self) -> bool:
        return self.word in ("ok", "skip", "known")


class Column(NamedTuple):
    """One guest: outcomes by test, and what went wrong besides (the guest itself, or a run without any test)."""

    kernel: str
    seconds: float
    outcomes: dict[str, Outcome]
    trouble: str = ""


def column(lab: Lab, kernel: str, seconds: float, ended: Ended, report: Path) -> Column:
    outcomes: dict[str, Outcome] = {}
    lines = report.read_text().splitlines() if report.exists() else []
    for entry in map(json.loads, lines):
        test = entry["test"]
        outcomes[test] = _worse(outcomes.get(test), _outcome(entry, kernel, lab))
    for test in outcomes:
        for known in lab.known:
            if known.means(kernel, test):
                outcomes[test] = _expected(outcomes[test], known)
    return Column(kernel, seconds, outcomes, ended.why or _trouble(ended.status, outcomes))


def _trouble(status: int | None, outcomes: dict[str, Outcome]) -> str:
    """What pytest's status tells beyond the tests' outcomes: 1 means that tests failed."""
    if not outcomes:
        return f"no test ran (pytest's status: {status})"
    failed = any(outcome.word in ("FAIL", "known") for outcome in outcomes.values())
    return "" if status == 0 or (status == 1 and failed) else f"pytest ended with {status}"


def _outcome(entry: dict[str, str], kernel: str, lab: Lab) -> Outcome:
    match entry["outcome"]:
        case "passed":
            return Outcome("ok")
        case "started":
            return Outcome("HUNG", "began, and never ended")
        case "skipped" if any(skip.allows(kernel, entry["why"]) for skip in lab.skips):
            return Outcome("skip", entry["why"])
        case "skipped":
            return Outcome("FAIL", f"skipped, on a kernel new enough for it: {entry['why']}")
    return Outcome("FAIL", entry["why"])


def _expected(outcome: Outcome, known: Known) -> Outcome:
    match outcome.word:
        case "FAIL":
            return Outcome("known", f"{known.test}: {known.why}")
        case "ok":
            return Outcome("FAIL", f"passed, although it is known to fail here: {known.why}")
    return outcome


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
    """Skips and known failures by reason first, then each failure in full."""
    reasons: Counter[tuple[str, str, str]] = Counter()
    for column in columns:
        reasons.update((column.kernel, o.word, o.why) for o in column.outcomes.values() if o.word in ("skip", "known"))
    lines = [f"{kernel}: {count} {word}: {why}" for (kernel, word, why), count in reasons.items()]
    for column in columns:
        if column.trouble:
            lines.append(f"{column.kernel}: FAILED: {column.trouble}")
        for test, outcome in column.outcomes.items():
            if not outcome.well:
                lines.append(f"\n=== {test} on {column.kernel}: {outcome.word}\n{outcome.why}")
                lines.append(f"again: make test-kernels KERNELS={column.kernel} ARGS={shlex.quote(shlex.quote(test))}")
    return lines


def well(columns: Sequence[Column]) -> bool:
    return all(not column.trouble and all(outcome.well for outcome in column.outcomes.values()) for column in columns)


def _short(test: str) -> str:
    short = re.sub(r"^tests/(\w+/)(?:test_)?(\w+)\.py::(?:test_)?", r"\1\2: ", test)
    return short if len(short) <= WIDEST else short[: WIDEST - 1] + "…"
