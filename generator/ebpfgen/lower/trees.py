"""Questions about typed expressions that several parts of lowering ask. Receives nodes of :mod:`ebpfgen.ir`; writes no C."""

from __future__ import annotations

from ebpfgen import ir

OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def first_that_exists(v: ir.FieldChoice) -> ir.Expr:
    """The choice as conditions: what only one of the options needs tells whether it can be taken."""
    common = set(v.fields[0]).intersection(*map(set, v.fields[1:]))
    chosen = v.options[-1]
    for option, fields in reversed(list(zip(v.options[:-1], v.fields[:-1], strict=True))):
        telling = tuple(f for f in fields if f not in common)
        chosen = ir.Conditional(v.type, ir.Exists(ir.BoolT(), telling or fields), option, chosen)
    return chosen


def conjuncts(v: ir.Expr) -> list[ir.Expr]:
    if isinstance(v, ir.Binary) and v.op == "&&":
        return conjuncts(v.left) + conjuncts(v.right)
    return [v]


def is_zero(v: ir.Expr) -> bool:
    return isinstance(v, ir.Const) and v.value == 0


def has_const(v: ir.Binary) -> bool:
    return isinstance(v.left, ir.Const) or isinstance(v.right, ir.Const)


def reads(key: object, name: str) -> bool:
    """Whether the value that a key of :class:`Known` stands for depends on the map."""
    return any(isinstance(n, (ir.Lookup, ir.InMap)) and n.map == name for n in ir.walk(key))
