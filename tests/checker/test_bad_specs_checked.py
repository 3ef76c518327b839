"""Each mistake in tests/bad_specs_checked passes the schema and is found by the checker, at its place, in the words that its file
expects. The kernel is the one of :mod:`fake_kernel`."""

from __future__ import annotations

from pathlib import Path

import pytest

import fake_kernel
import golden_diagnostics
from ebpfgen.check import check
from ebpfgen.loader import load

FOLDER = Path(__file__).parents[1] / "bad_specs_checked"


def diagnose(data: bytes, file: str) -> object:
    return check(load(data, file), fake_kernel.kernel())


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_problems_are_those_expected(path: Path, rewrite_goldens: bool) -> None:
    golden_diagnostics.compare(path, diagnose, rewrite_goldens)


def test_every_bad_spec_expects_something() -> None:
    silent = [path.name for path in FOLDER.glob("*.yaml") if not path.read_text().startswith("# ")]
    assert not silent
