"""What is made of logs, kernel by kernel: recorded ones, so that nothing but their text matters.

``recorded/KERNEL/CASE.log`` is what that kernel wrote, ``CASE.txt`` what is read in it. ``pytest --rewrite-goldens`` reads all logs anew;
first it takes new ones that ``make test-kernels ARGS=tests/verdicts`` left in the lab's folder of results.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from ebpfrun import meanings, verdict

RECORDED = Path(__file__).with_name("recorded")
BEGIN, END = "-- BEGIN PROG LOAD LOG --", "-- END PROG LOAD LOG --"


def told(log: str) -> str:
    """All that is read in a log, as text."""
    said = verdict.parse(f"{BEGIN}\n{log}{END}\n")
    meant = meanings.meaning(said.said, said.report)
    lines = [f"what: {meant.what}", f"change: {meant.change}", *(f"said: {line}" for line in said.said)]
    lines += [f"instruction: {said.instruction}", f"code: {said.code}", f"source: {said.source}"]
    if said.report:
        lines += [
            f"report: {said.report.title} (line {said.report.line})",
            f"  {said.report.reason}",
            f"  {said.report.suggestion}",
        ]
    return "\n".join(lines) + "\n"


def logs(kernel: str = "*") -> list[Path]:
    return sorted(RECORDED.glob(f"{kernel}/*.log"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "log" in metafunc.fixturenames:
        if metafunc.config.getoption("--rewrite-goldens"):
            results = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ebpfgen-kernels" / "results"
            for folder in results.glob("*/refused"):
                shutil.copytree(folder, RECORDED / folder.parent.name, dirs_exist_ok=True)
        metafunc.parametrize("log", [pytest.param(p, id=f"{p.parent.name}-{p.stem}") for p in logs()])


def test_a_log_is_read_as_before(log: Path, rewrite_goldens: bool) -> None:
    found = told(log.read_text())
    golden = log.with_suffix(".txt")
    if rewrite_goldens:
        golden.write_text(found)
    assert found == golden.read_text()


@pytest.mark.parametrize("kernel", ["5.10", "6.1", "6.12", "6.18", "7.3"])
def test_each_kernel_refuses_at_least_ten_in_words_that_are_known(kernel: str) -> None:
    meant = {p.stem: told(p.read_text()).split("\n")[0] for p in logs(kernel)}
    assert len(set(meant.values())) >= 10
    assert not [name for name, what in meant.items() if "can't tell that the program is safe" in what]


def test_newer_words_are_shown_where_they_are_not_known_here() -> None:
    log = "0: (bf) r6 = r1\nsomething new about R6\nVerification failed: New: Thing\nReason:\n  It is new.\nprocessed 1 insns\n"
    assert told(log).startswith("what: It is new.\n")
    assert told(log.partition("Verification")[0]).startswith(
        "what: it can't tell that the program is safe: something new about R6\n"
    )


def test_a_log_without_anything_is_no_crash() -> None:
    assert told("").startswith("what: it can't tell that the program is safe: it does not say why\n")
