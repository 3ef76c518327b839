"""Columns of their own for what was cut or could not be read: names of fields, separated by spaces."""

from __future__ import annotations

from collections.abc import Iterable

from ebpfrun.decode import TRUNCATED, UNREADABLE, Run, marked

RESERVED = ("truncated", "unreadable")


def marked_fields(run: Run) -> list[Iterable[str | None]]:
    """Of each row; None where there is none."""

    def column(which: int) -> Iterable[str | None]:
        return (" ".join(marked(run.event, marks, which)) or None if marks else None for marks in run.marks)

    return [column(TRUNCATED), column(UNREADABLE)]
