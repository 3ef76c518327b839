"""Programs for kernels other than this one: the verifier has judged them, even where nothing can be attached here."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun import manifest
from ebpfrun.door import Driver
from ebpfrun.errors import DriverError
from ebpfrun.manifest import Manifest, Program

pytestmark = [pytest.mark.root, pytest.mark.kernel]
SPECS = sorted(path.stem for path in (Path(__file__).parents[2] / "specs").glob("*.yaml"))
NEEDS_ITS_FUNCTION = ("fentry", "fexit")  # to be loaded at all
ABSENT = re.compile(r"failed to find kernel BTF type ID of '(\w+)'")


def load(found: Manifest, programs: list[Program]) -> str | None:
    """The name of the tracepoint that this kernel does not have and that a program needs; None when all are loaded."""
    object = manifest.verified(found, f"{found.name}.bpf.o")
    with Driver(found.path(f"{found.name}.so"), found.path(f"{found.name}_cffi.py")).open(object) as held:
        for program in programs:
            held.autoload(program.name)
        try:
            held.load()
        except DriverError as error:
            if absent := ABSENT.search(error.log):
                return absent[1]
            raise
    return None


@pytest.mark.parametrize("spec", SPECS)
def test_the_verifier_accepts_every_program(artefact: Callable[[str], Path], spec: str) -> None:
    found = manifest.read(str(artefact(spec)))
    programs = [program for program in found.programs if program.kind not in NEEDS_ITS_FUNCTION]
    while absent := load(found, programs):
        programs = [p for p in programs if (p.kind, p.target.get("name")) != ("tp_btf", absent)]
        assert programs


def test_older_kernels_have_their_alternatives(artefact: Callable[[str], Path]) -> None:
    kinds = {spec: {p.kind for p in manifest.read(str(artefact(spec))).programs} for spec in ("net", "biolatency", "vfsstat")}
    assert kinds["biolatency"] == {"tp_btf", "fentry", "kprobe"}
    assert kinds["vfsstat"] == {"fentry", "kprobe", "tracepoint"}
    assert "kretprobe" in kinds["net"]
