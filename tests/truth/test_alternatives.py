"""Programs for kernels other than this one: the verifier has judged them, even where nothing can be attached here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun import manifest
from ebpfrun.door import Driver
from ebpfrun.manifest import Program

pytestmark = [pytest.mark.root, pytest.mark.kernel]
SPECS = sorted(path.stem for path in (Path(__file__).parents[2] / "specs").glob("*.yaml"))
NEEDS_ITS_FUNCTION = ("fentry", "fexit")  # to be loaded at all


def judged(program: Program) -> bool:
    return program.kind not in NEEDS_ITS_FUNCTION


@pytest.mark.parametrize("spec", SPECS)
def test_the_verifier_accepts_every_program(artefact: Callable[[str], Path], spec: str) -> None:
    found = manifest.read(str(artefact(spec)))
    programs = list(filter(judged, found.programs))
    assert programs
    with Driver(found.path(f"{spec}.so"), found.path(f"{spec}_cffi.py")).open() as held:
        for program in programs:
            held.autoload(program.name)
        held.load()


def test_older_kernels_have_their_alternatives(artefact: Callable[[str], Path]) -> None:
    kinds = {spec: {p.kind for p in manifest.read(str(artefact(spec))).programs} for spec in ("net", "biolatency", "vfsstat")}
    assert kinds["biolatency"] == {"tp_btf", "fentry", "kprobe"}
    assert kinds["vfsstat"] == {"fentry", "kprobe"}
    assert "kretprobe" in kinds["net"]
