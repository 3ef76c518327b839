"""Which programs of an attach plan are attached, once it is known which can be.

The runtime's choice (:mod:`ebpfrun.choose`), word for word, without asking a kernel: ``first`` takes the first alternative that
gives programs, ``all`` needs all of its parts, what is optional may give none. A test compares the two over plans at random.
"""

from __future__ import annotations

from collections.abc import Callable

from ebpfgen import ir


def choose(plan: ir.Plan, possible: Callable[[int], bool]) -> tuple[int, ...] | None:
    """The programs to attach, None when there is no way."""
    if plan.kind == "program":
        if possible(plan.program):
            return (plan.program,)
        return () if plan.optional else None
    parts = [choose(part, possible) for part in plan.of]
    if plan.kind == "all":
        chosen = [part for part in parts if part is not None]
        return tuple(program for part in chosen for program in part) if len(chosen) == len(parts) else None
    for part in parts:
        if part:
            return part
    return None if None in parts else ()


def programs(plan: ir.Plan) -> tuple[int, ...]:
    """Every program of a plan, in order."""
    return (plan.program,) if plan.kind == "program" else tuple(p for part in plan.of for p in programs(part))
