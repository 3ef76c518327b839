"""Specs against the lab's kernels, as captured there."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfgen import kernel, loader
from ebpfgen.check import check
from ebpfgen.kernel_description import Description
from ebpfgen.portability.survey import Survey, named, survey

KERNELS = Path(__file__).parents[1] / "kernel_description/kernels"
LABELS = ("5.10", "6.1", "6.12", "7.3")


@functools.cache
def described(label: str) -> Description:
    return kernel.from_file(KERNELS / f"{label}.kdesc")


def surveyed(text: str, built: str, *others: str) -> Survey:
    """What a spec built for one kernel does on it and on others (all of the lab's when none is named)."""
    labels = (built, *(others or [label for label in LABELS if label != built]))
    whole = f"ebpfgen: 1\nname: x\nsummary: x\n{text}"
    checked = check(loader.load(whole.encode(), "x.yaml"), described(built))
    return survey(checked, described(built), named((f"{label}.kdesc", described(label)) for label in labels))


@pytest.fixture
def states() -> Callable[[Survey, str], list[str]]:
    """The states of an attach point, kernel by kernel."""

    def find(found: Survey, text: str) -> list[str]:
        (row,) = [row for row in found.rows if row.text == text]
        return [cell.state for cell in row.cells]

    return find


def why(found: Survey, text: str, column: int) -> list[str]:
    (row,) = [row for row in found.rows if row.text == text]
    return [reason.words for reason in row.cells[column].reasons]
