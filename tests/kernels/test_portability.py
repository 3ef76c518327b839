"""What the portability table says of each artefact on this kernel, against what happens: which attach points are taken, which
are not, and why. On a machine that is no guest of the lab: of the kernel there.

The table speaks of artefacts built on the host, for its kernel; so it was made there (:mod:`kernels.prebuild`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ebpfrun.errors import AttachError
from ebpfrun.tracer import Tracer

from .conftest import LAB
from .prebuild import PREDICTED, SPECS

pytestmark = [pytest.mark.root, pytest.mark.kernel]

SHIPPED = [path.stem for path in sorted(SPECS[0].glob("*.yaml"))]
OTHERS = ["chosen", "moved", "renamed", "sizes", "wild_kprobe", "wild_tracepoint", "wild_unnamed", "iterators", "lsm"]
MADE_FOR_THIS = [
    *("optional", "since_field", "since_field_if_asked", "since_function", "since_record", "since_tracepoint", "until_function"),
]
WORDS = {
    "no_tracepoint": r"no (such )?tracepoint",
    "no_function": r"no (such )?function",
    "not_typed": r"no function of that name in its BTF",
    "not_hookable": r"does not let|no function|Invalid argument|not supported|busy",
    "not_configured": r"CONFIG_|not supported",
    "refused": r"does not let programs hook",
    "no_member": r"the kernel refuses this program",
    "no_argument": r"is not there",
    "other_type": r" here, a .* where it was built",
    "moved": r"is argument \d+ here, \d+ where it was built|in the record, the program reads",
    "no_helper": r"the kernel refuses this program|cookie",
    "left_out": r".",
}
"""What the runtime says, by the table's code. Between a function that was inlined and one that never was, only a table tells."""


@pytest.fixture(scope="module")
def table(lab_artefacts: Path) -> tuple[str, dict[str, Any]]:
    """The label of this kernel, and what is said of each spec."""
    found = json.loads((lab_artefacts / PREDICTED).read_text())
    return LAB or found["built_for"], {spec["name"]: spec for spec in found["specs"]}


Point = tuple[str, int]
"""An attach point: its text and the line of the spec."""


class Said:
    """What the runtime tells: what it passed over, and why. ``lines``: those of the spec that an attach point may be told of by:
    its own, and that of what it lacks. ``read``: of each choice between fields the one that is read."""

    def __init__(self, lines: dict[Point, set[int]]) -> None:
        self.lines = lines
        self.passed: dict[Point, str] = {}
        self.read: dict[Point, str] = {}

    def __call__(self, line: str, _important: bool) -> None:
        if found := re.match(r"reads (.*) \([^ :]+:(\d+)\), of (.*)", line):
            self.read[found[3], int(found[2])] = found[1]
        if found := re.match(r"passed over (.*) \([^ :]+:(\d+)(?::\d+)?\): (.*)", line):
            (point,) = [p for p, lines in self.lines.items() if p[0] == found[1] and int(found[2]) in lines]
            self.passed[point] = found[3]


@pytest.mark.parametrize("name", SHIPPED + OTHERS + MADE_FOR_THIS)
def test_it_happens_as_the_table_says(lab_artefacts: Path, table: tuple[str, dict[str, Any]], name: str) -> None:
    label, specs = table
    rows = [row for row in specs[name]["lines"] if row["kind"] == "attach"]
    cells = {(row["text"], row["line"]): row["on"][label] for row in rows}
    said = Said({point: {point[1], *(why.get("line", 0) for why in cell.get("why", ()))} for point, cell in cells.items()})
    tracer = Tracer(str(lab_artefacts / name), notice=said)
    try:
        tracer.open()
        attached = {(program.text, program.line) for program in tracer.attached}
    except AttachError as error:
        assert not specs[name]["attaches"][label], f"{label}: predicted to attach: {error}"
        check_reasons(rows, label, str(error))
        return
    finally:
        tracer.close()
    assert specs[name]["attaches"][label], f"{label}: predicted to fail"
    by_kernel = {point for point, cell in cells.items() if not cell.get("in_file")}
    assert attached & by_kernel == {point for point in by_kernel if cells[point]["state"] in ("attached", "wrong")}
    assert {cells[point]["state"] for point in attached - by_kernel} <= {"attached", "spare"}
    for row in specs[name]["lines"]:
        if row["kind"] == "choice" and row["on"][label]["state"] == "option":
            assert said.read[row["text"], row["line"]] == row["text"].split(" | ")[row["on"][label]["option"]]
    for point, why in said.passed.items():
        if not cells[point].get("in_file"):
            assert cells[point]["state"] in ("passed", "absent"), (point, why)
            assert re.search(pattern(cells[point]), why), (point, why, cells[point])
    assert {point for point, cell in cells.items() if cell["state"] == "absent"} <= said.passed.keys()


def check_reasons(rows: list[dict[str, Any]], label: str, message: str) -> None:
    """Each attach point that the message blames was predicted to fail, for that reason and at that place."""
    cells = {row["text"]: row["on"][label] for row in rows}
    if found := re.match(r"\S+:(\d+):(\d+): probe (\S+): (.*)", message):
        (row,) = [row for row in rows if row["probe"] == found[3] and row["on"][label]["state"] == "failed"]
        assert [reason["line"] for reason in row["on"][label]["why"]] == [int(found[1])]
        assert re.search(pattern(row["on"][label]), found[4])
        return
    blamed = [text for text in cells if f" {text}: " in message]
    assert blamed, message
    for text in blamed:
        why = message.partition(f" {text}: ")[2].partition("; ")[0]
        assert cells[text]["state"] == "failed", (text, why)
        assert re.search(pattern(cells[text]), why), (text, why, cells[text])


def pattern(cell: dict[str, Any]) -> str:
    return "|".join(WORDS[reason["code"]] for reason in cell["why"])
