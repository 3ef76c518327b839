"""Columns of their own for what was cut or could not be read: names of fields, separated by spaces."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ebpfrun.decode import TRUNCATED, UNREADABLE, marked
from ebpfrun.manifest import Event

RESERVED = ("truncated", "unreadable")


def marked_fields(event: Event, of_rows: Sequence[int]) -> list[Iterable[str | None]]:
    """Of each row's marks; None where there is none."""

    def column(which: int) -> Iterable[str | None]:
        return (" ".join(marked(event, marks, which)) or None if marks else None for marks in of_rows)

    return [column(TRUNCATED), column(UNREADABLE)]
