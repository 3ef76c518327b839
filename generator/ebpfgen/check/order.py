"""The order of a program's variables: each as late as what needs it allows, and none that nothing reads.

Receives typed statements and returns typed statements. What they mean stays the same.
"""

from __future__ import annotations

from collections.abc import Iterable

from ebpfgen import ir


def closure(lets: list[ir.Let], wanted: set[str]) -> set[str]:
    """``wanted`` and every variable that their values need."""
    found = set(wanted)
    for let in reversed(lets):
        if let.name in found:
            found |= {n.name for n in ir.walk(let.value) if isinstance(n, ir.Local)}
    return found


def lets_where_needed(lets: Iterable[ir.Statement], body: list[ir.Statement], first: Iterable[str] = ()) -> list[ir.Statement]:
    """Each variable right before the first statement that needs it, so that conditions come as early as they can; but before a
    statement that changes a map from which it is read. ``first``: those that everything needs."""
    pending = [s for s in lets if isinstance(s, ir.Let)]
    leading = closure(pending, set(first))
    done: list[ir.Statement] = [s for s in pending if s.name in leading]
    pending = [s for s in pending if s.name not in leading]
    for statement in body:
        changed = {n.map for n in ir.walk(statement) if isinstance(n, (ir.MapSet, ir.MapAdd, ir.MapDelete))}
        stale = {
            s.name for s in pending if any(isinstance(n, (ir.Lookup, ir.InMap)) and n.map in changed for n in ir.walk(s.value))
        }
        needed = closure(pending, stale | {n.name for n in ir.walk(statement) if isinstance(n, ir.Local)})
        done += [s for s in pending if s.name in needed]
        pending = [s for s in pending if s.name not in needed]
        done.append(statement)
    return done
