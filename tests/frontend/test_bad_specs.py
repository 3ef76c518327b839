"""Each mistake in tests/bad_specs is reported at its place, in the words that its file expects."""

from __future__ import annotations

from pathlib import Path

import pytest

import golden_diagnostics
from ebpfgen.loader import load


@pytest.mark.parametrize("path", sorted(golden_diagnostics.FOLDER.glob("*.yaml")), ids=lambda path: path.stem)
def test_problems_are_those_expected(path: Path, rewrite_goldens: bool) -> None:
    golden_diagnostics.compare(path, load, rewrite_goldens)


def test_every_bad_spec_expects_something() -> None:
    silent = [path.name for path in golden_diagnostics.FOLDER.glob("*.yaml") if not path.read_text().startswith("# ")]
    assert not silent
