"""Specs built and run in the running kernel, inside the test's own process.

    traced = lab.run(SPEC, lambda: calls.prctl(1, 2, 3, 4))
    assert traced.events("seen") == [{"a": 1}]

Only this process is traced: every program asks the common filter first, unless a spec says ``task: none``.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ebpfgen.ir import CheckedSpec
from ebpfgen.pipeline import Setting, build_one, read_and_check
from ebpfrun import account, manifest, metrics
from ebpfrun.tracer import Tracer

HEAD = "ebpfgen: 1\nname: t\nsummary: a test\n"
PR_NOTHING = 0x7F00
"""An option that prctl does not have: it takes five numbers and does nothing."""

_libc = ctypes.CDLL(None, use_errno=True)


def prctl(*numbers: int) -> None:
    """Calls prctl(PR_NOTHING, four numbers); fewer are filled with 0."""
    words = [ctypes.c_ulong(number) for number in (*numbers, 0, 0, 0, 0)[:4]]
    _libc.prctl(ctypes.c_int(PR_NOTHING), *words)


def each(*arguments: Iterable[int]) -> None:
    """One call of :func:`prctl` for each of the first arguments, of the second ones …"""
    for numbers in zip(*arguments, strict=True):
        prctl(*numbers)


class Traced(NamedTuple):
    """What came out of a run: rows by event, samples by metric (labels → value), counters (kind, of) → number, entries of the
    spec's maps as raw bytes."""

    rows: dict[str, list[dict[str, Any]]]
    metrics: dict[str, dict[tuple[Any, ...], metrics.Sample]]
    counters: dict[tuple[str, str], int]
    maps: dict[str, dict[bytes, list[bytes]]]

    def events(self, name: str) -> list[dict[str, Any]]:
        return self.rows.get(name, [])

    def counted(self, kind: str, of: str) -> int:
        return self.counters.get((kind, of), 0)


class Lab:
    """Builds into ``folder`` against the running kernel."""

    def __init__(self, folder: Path, setting: Setting) -> None:
        self.folder, self.setting = folder, setting
        self._built = 0

    def write(self, spec: str) -> Path:
        """``spec`` with or without its first three keys, as a file in a folder of its own."""
        self._built += 1
        place = self.folder / str(self._built)
        place.mkdir()
        text = spec if spec.startswith("ebpfgen:") else HEAD + spec
        name = text.split("name: ", 1)[1].split("\n", 1)[0]
        path = place / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def check(self, spec: str) -> CheckedSpec:
        return read_and_check(self.write(spec), self.setting.kernel)[1]

    def build(self, spec: str) -> Path:
        """The artefact's folder. Clang's warnings are errors."""
        path = self.write(spec)
        return build_one(path, path.parent, self.setting)

    def run(self, spec: str, work: Callable[[], object], params: Mapping[str, Any] | None = None) -> Traced:
        """Builds, attaches, does the work, detaches, reads all."""
        return self.run_built(self.build(spec), work, params)

    def run_built(self, artefact: Path, work: Callable[[], object], params: Mapping[str, Any] | None = None) -> Traced:
        known = manifest.read(str(artefact))
        filters = {"pid": os.getpid()} if known.filters else {}
        with Tracer(known, params=params, filters=filters) as tracer:
            work()
            tracer.detach()
            return _all(tracer, known)


def _all(tracer: Tracer, known: manifest.Manifest) -> Traced:
    rows: dict[str, list[dict[str, Any]]] = {}
    while known.events and (batch := tracer.take()):
        for run in batch.runs:
            names = [slot.name for slot in run.event.fields]
            rows.setdefault(run.event.name, []).extend(
                {**dict(zip(names, row, strict=True)), "marks": marks} for row, marks in zip(run.rows(), run.marks, strict=True)
            )
    readings = metrics.Metrics(known, 0).totals(tracer)
    samples = {r.metric.name: {s.labels: s for s in r.samples} for r in readings}
    counted = account.read_counters(known, tracer)
    return Traced(rows, samples, dict(counted), {m.name: dict(tracer.dump(m.name)) for m in known.maps})
