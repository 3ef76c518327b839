"""One spec on several kernels, as rows: a line of the spec each, with a cell for each kernel.

Receives a spec checked against the kernel that it is built for, and the kernels; returns what the table and its JSON are made of.
Says since or until which of the kernels something is there. Prints nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from ebpfgen import ir, model
from ebpfgen.kernel import Kernel
from ebpfgen.records import record

from . import Outcome, Point, predict
from .lack import UNASKED, Lack


@record()
class Named:
    """A kernel and what its column is called; ``file`` is empty for the running one."""

    label: str
    kernel: Kernel
    file: str = ""


@record()
class Reason:
    """Why, on one kernel. ``since`` and ``until``: the first, or the last, of the kernels that have what this one lacks."""

    lack: Lack
    since: str = ""
    until: str = ""

    @property
    def words(self) -> str:
        line = f" (line {self.lack.at.line})" if self.lack.at else ""
        when = f" (works since {self.since})" if self.since else f" (works up to {self.until})" if self.until else ""
        return f"{self.lack.why}{line}{when}"


@record()
class Cell:
    """``state``: of an attach point, as :data:`~ebpfgen.portability.State` has it, or "wrong" where it reads something else than
    meant; of a choice "option", or "unused" where nothing that is attached there needs it. ``option`` counts from 0."""

    state: str
    reasons: tuple[Reason, ...] = ()
    otherwise: tuple[Reason, ...] = ()
    option: int = -1
    in_file: bool = False


@record()
class Row:
    """``kind``: "attach" or "choice". ``text`` as the spec has it."""

    kind: str
    probe: str
    text: str
    at: model.At
    cells: tuple[Cell, ...]


@record()
class Survey:
    """``lacks``: what each kernel lacks for the spec as a whole; ``remarks``: what is otherwise there."""

    name: str
    file: str
    outcomes: tuple[Outcome, ...]
    rows: tuple[Row, ...]
    lacks: tuple[tuple[Reason, ...], ...]
    remarks: tuple[tuple[Reason, ...], ...]


def survey(checked: ir.CheckedSpec, built: Kernel, kernels: Sequence[Named]) -> Survey:
    outcomes = tuple(predict(checked, built, named.kernel) for named in kernels)
    rows = [_attach_row(points, kernels) for points in zip(*(outcome.points for outcome in outcomes), strict=True)]
    rows += _choice_rows(outcomes)
    ordered = sorted(rows, key=lambda row: row.at.mark)
    lacks = tuple(_reasons(outcome.lacks, [o.lacks for o in outcomes], kernels) for outcome in outcomes)
    remarks = tuple(tuple(map(Reason, outcome.remarks)) for outcome in outcomes)
    return Survey(checked.spec.name, checked.spec.file, outcomes, tuple(ordered), lacks, remarks)


def named(kernels: Iterable[tuple[str, Kernel]]) -> tuple[Named, ...]:
    """Columns for kernels by their files."""
    given = list(kernels)
    called = labels([(file, kernel.release) for file, kernel in given])
    return tuple(Named(label, kernel, file) for label, (file, kernel) in zip(called, given, strict=True))


def labels(kernels: Sequence[tuple[str, str]]) -> list[str]:
    """What kernels of (file, release) are called: like the file where that is short and clear, else by letters."""
    stems = [Path(file).stem if file else re.split(r"[-+]", release)[0] for file, release in kernels]
    short = [len(stem) <= _LONGEST and stem.isprintable() and stems.count(stem) == 1 for stem in stems]
    letters = [chr(ord("A") + i % 26) * (i // 26 + 1) for i in range(len(stems))]
    return [stem if fine else letter for stem, fine, letter in zip(stems, short, letters, strict=True)]


_LONGEST = 10
"""Characters of a column's name."""


def _attach_row(points: tuple[Point, ...], kernels: Sequence[Named]) -> Row:
    first = points[0]
    lacks = [point.lacks for point in points]
    cells = []
    for point in points:
        state = "wrong" if point.taken and point.lacks else point.state
        otherwise = _reasons(point.otherwise, [p.otherwise for p in points], kernels) if point.taken else ()
        cells.append(Cell(state, _reasons(point.lacks, lacks, kernels), otherwise, in_file=point.in_file))
    return Row("attach", first.probe, first.text, first.at, tuple(cells))


def _choice_rows(outcomes: Sequence[Outcome]) -> list[Row]:
    chosen: dict[model.At, tuple[model.Choice, str, list[set[int]]]] = {}
    for i, outcome in enumerate(outcomes):
        for point in outcome.points:
            for choice in point.choices if point.taken else ():
                entry = chosen.setdefault(choice.written.at, (choice.written, point.probe, [set() for _ in outcomes]))
                entry[2][i].add(choice.option)
    rows = []
    for at, (written, probe, options) in chosen.items():
        cells = [Cell("option", option=min(taken)) if taken else Cell("unused") for taken in options]
        rows.append(Row("choice", probe, " | ".join(option.text for option in written.options), at, tuple(cells)))
    return rows


def _reasons(lacks: tuple[Lack, ...], everywhere: Sequence[tuple[Lack, ...]], kernels: Sequence[Named]) -> tuple[Reason, ...]:
    return tuple(
        Reason(lack) if lack.code in UNASKED else Reason(lack, *_when(lack.thing, everywhere, kernels)) for lack in lacks
    )


def _when(thing: str, everywhere: Sequence[tuple[Lack, ...]], kernels: Sequence[Named]) -> tuple[str, str]:
    """The first kernel that has the thing, where all older ones lack it; the last that has it, where all newer ones lack it."""
    pairs = [pair for pair in zip(kernels, everywhere, strict=True) if not any(lack.code in UNASKED for lack in pair[1])]
    by_age = sorted(pairs, key=lambda pair: _age(pair[0].kernel.release))
    has = [all(lack.thing != thing for lack in lacks) for _, lacks in by_age]
    labels = [kernel.label for kernel, _ in by_age]
    if True in has and has == sorted(has):
        return labels[has.index(True)], ""
    if True in has and has == sorted(has, reverse=True):
        return "", labels[has.index(False) - 1]
    return "", ""


def _age(release: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", release)]
