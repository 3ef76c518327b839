"""The portability table for programs: every line of every spec, every reason in full, in JSON's types (docs/kernels.md)."""

from __future__ import annotations

from collections.abc import Sequence

from .survey import Cell, Named, Reason, Survey


def as_data(surveys: Sequence[Survey], kernels: Sequence[Named]) -> dict[str, object]:
    return {
        "built_for": kernels[0].label,
        "kernels": [
            {"label": k.label, "file": k.file or None, "release": k.kernel.release, "machine": k.kernel.machine} for k in kernels
        ],
        "specs": [_spec(survey, [named.label for named in kernels]) for survey in surveys],
    }


def _spec(survey: Survey, labels: Sequence[str]) -> dict[str, object]:
    lines = [
        {
            "line": row.at.mark.line,
            "column": row.at.mark.column,
            "kind": row.kind,
            "probe": row.probe,
            "text": row.text,
            "on": {label: _cell(cell) for label, cell in zip(labels, row.cells, strict=True)},
        }
        for row in survey.rows
    ]
    return {
        "name": survey.name,
        "file": survey.file,
        "runs": {label: outcome.runs for label, outcome in zip(labels, survey.outcomes, strict=True)},
        "attaches": {label: outcome.attaches for label, outcome in zip(labels, survey.outcomes, strict=True)},
        "lacks": {label: [_reason(r) for r in reasons] for label, reasons in zip(labels, survey.lacks, strict=True) if reasons},
        "remarks": {
            label: [_reason(r) for r in reasons] for label, reasons in zip(labels, survey.remarks, strict=True) if reasons
        },
        "lines": lines,
    }


def _cell(cell: Cell) -> dict[str, object]:
    found: dict[str, object] = {"state": cell.state}
    if cell.state == "option":
        found["option"] = cell.option
    if cell.in_file:
        found["in_file"] = True
    if cell.reasons:
        found["why"] = [_reason(reason, near=cell.state == "failed") for reason in cell.reasons]
    if cell.otherwise:
        found["with_options"] = [_reason(reason) for reason in cell.otherwise]
    return found


def _reason(reason: Reason, near: bool = False) -> dict[str, object]:
    lack = reason.lack
    found: dict[str, object] = {"code": lack.code, "thing": lack.thing, "message": lack.why}
    optional = {
        "line": lack.at.line if lack.at else None,
        "since": reason.since,
        "until": reason.until,
        "near": list(lack.seek()) if near else None,
    }
    return found | {key: value for key, value in optional.items() if value}
