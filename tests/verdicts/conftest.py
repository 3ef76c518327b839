"""The artefacts with mistakes, built once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .cases import Case


@pytest.fixture(scope="session")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Case], Path]:
    """The folder of a case's artefact; in a guest of the kernel lab, built before on the host."""
    if built := os.environ.get("EBPFGEN_TEST_ARTEFACTS"):
        return lambda case: Path(built) / "refused" / case.name / "refused"
    from ebpfgen.pipeline import Setting

    from .making import build

    out = tmp_path_factory.mktemp("refused")
    setting = Setting.of()
    _ = setting.kernel.btf.data  # opened here, and kept
    made: dict[str, Path] = {}

    def one(case: Case) -> Path:
        if case.name not in made:
            made[case.name] = build(case, out, setting)
        return made[case.name]

    return one
