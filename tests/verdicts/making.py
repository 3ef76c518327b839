"""Builds the programs of :mod:`verdicts.cases`: real ones, with the mistake written into their C."""

from __future__ import annotations

import sys
from pathlib import Path

from ebpfgen.emit import Emitted
from ebpfgen.pipeline import Setting, make, read_and_check
from ebpfgen.records import replace

from .cases import CASES, LINE, SPEC, Case


def with_mistake(emitted: Emitted, case: Case) -> Emitted:
    """The same with the mistake in its C; what is written stands at the statement's place in the spec."""
    lines = emitted.bpf_c.split("\n")
    at = min(line for line, mark in emitted.places.items() if mark.line == LINE)
    head = next(i for i, line in enumerate(lines, 1) if line.startswith("SEC(")) - 1
    places = {}
    new: list[str] = []
    for number, line in enumerate(lines, 1):
        if number == head and case.top:
            new += case.top.split("\n")
        if number == at and case.code:
            new.append(f"\t{case.code}")
            places[len(new)] = emitted.places[at]
        new.append(line.replace(*case.change) if case.change[0] else line)
        if number in emitted.places:
            places[len(new)] = emitted.places[number]
    text = "\n".join(new)
    assert text != emitted.bpf_c
    return replace(emitted, bpf_c=text, places=places)


def build(case: Case, out: Path, setting: Setting) -> Path:
    """The artefact of one case, in a folder of its own."""
    source, checked = read_and_check(SPEC, setting.kernel)
    emitted = with_mistake(setting.emitter.emit(checked, setting.kernel.btf), case)
    return make(emitted, source, out / case.name, setting)


def build_all(out: Path) -> None:
    setting = Setting.of()
    for case in CASES:
        build(case, out, setting)


if __name__ == "__main__":
    build_all(Path(sys.argv[1]))
