"""One thing on several kernels: which of them have which of its inputs, members or constants.

Receives kernels and a thing as ``describe`` takes it, a member behind a struct's name too (``struct:task_struct.on_cpu``);
returns a :class:`Comparison`. Where something lies is left out: CO-RE follows it.
"""

from __future__ import annotations

from collections.abc import Sequence

from ebpfgen.describe import Account, UnknownThing, describe
from ebpfgen.kernel_description import Description
from ebpfgen.problems import near_misses
from ebpfgen.records import record


@record()
class Difference:
    """A word with its type, and on which kernels it is so."""

    word: str
    type: str
    on: tuple[bool, ...]


@record()
class Comparison:
    """``rows``: in the order of the kernels that have them first. ``lacking``: why a kernel has nothing of it, "" where it
    has."""

    thing: str
    labels: tuple[str, ...]
    rows: tuple[Difference, ...]
    lacking: tuple[str, ...]

    @property
    def differing(self) -> tuple[Difference, ...]:
        """What is not the same on all kernels that have the thing."""
        there = [not why for why in self.lacking]
        return tuple(row for row in self.rows if list(row.on) != there)


def compare(kernels: Sequence[tuple[str, Description]], thing: str) -> Comparison:
    """``kernels``: each with its label. Raises UnknownThing when none of them has the thing, or the member."""
    whole, member = _without_member(thing)
    accounts: list[Account | None] = []
    lacking: list[str] = []
    for _, kernel in kernels:
        try:
            accounts.append(describe(kernel, whole))
            lacking.append("")
        except UnknownThing as unknown:
            accounts.append(None)
            lacking.append(str(unknown))
    if not any(accounts):
        raise UnknownThing(lacking[0])
    rows = _rows(accounts)
    if member:
        known = [row.word for row in rows]
        rows = tuple(row for row in rows if row.word == member)
        if not rows:
            raise UnknownThing(f"no {whole} of these kernels has a member {member}", near_misses(member, known))
    return Comparison(thing, tuple(label for label, _ in kernels), rows, tuple(lacking))


def _without_member(thing: str) -> tuple[str, str]:
    kind, _, name = thing.partition(":")
    if kind not in ("struct", "union"):
        return thing, ""
    struct, _, member = name.partition(".")
    return f"{kind}:{struct}", member


def _rows(accounts: Sequence[Account | None]) -> tuple[Difference, ...]:
    found: dict[tuple[str, str], list[bool]] = {}
    for i, account in enumerate(accounts):
        for row in account.rows if account else ():
            found.setdefault((row.word, row.type), [False] * len(accounts))[i] = True
    return tuple(Difference(word, kind, tuple(on)) for (word, kind), on in found.items())


def as_text(comparison: Comparison) -> str:
    """A table of what differs; all rows where a member is asked for."""
    asked = _without_member(comparison.thing)[1]
    rows = comparison.rows if asked else comparison.differing
    lines = [
        comparison.thing,
        *(f"  {label}: {why}" for label, why in zip(comparison.labels, comparison.lacking, strict=True) if why),
    ]
    if not rows:
        where = "those that have it" if any(comparison.lacking) else f"all {len(comparison.labels)} kernels"
        return "\n".join([*lines, f"  the same on {where}: {' '.join(row.word for row in comparison.rows)}"])
    words, types = (max(map(len, column)) for column in ([row.word for row in rows], [row.type for row in rows]))
    lines += ["", f"  {'':{words}}  {'':{types}}  " + "  ".join(f"{label:8}" for label in comparison.labels).rstrip()]
    for row in rows:
        cells = "  ".join(
            f"{'yes' if on else '-':{max(8, len(label))}}" for label, on in zip(comparison.labels, row.on, strict=True)
        )
        lines.append(f"  {row.word:{words}}  {row.type:{types}}  {cells}".rstrip())
    same = len(comparison.rows) - len(rows)
    return "\n".join([*lines, *([f"  and {same} that are the same on all of them"] if same and not asked else [])])


def as_data(comparison: Comparison) -> dict[str, object]:
    """JSON: {"thing", "kernels": [label …], "lacking": {label: why}, "rows": [{"word", "type", "on": [label …]}]}."""
    labels = comparison.labels
    rows = [
        {"word": row.word, "type": row.type, "on": [label for label, on in zip(labels, row.on, strict=True) if on]}
        for row in comparison.rows
    ]
    lacking = {label: why for label, why in zip(labels, comparison.lacking, strict=True) if why}
    return {"thing": comparison.thing, "kernels": list(labels), "lacking": lacking, "rows": rows}
