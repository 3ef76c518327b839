"""Questions about typed expressions that several parts of lowering ask. Receives nodes of :mod:`ebpfgen.ir`; writes no C."""

from __future__ import annotations

from ebpfgen import btf, ir

OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def first_that_exists(v: ir.FieldChoice) -> ir.Expr:
    """The choice as conditions: what only one of the options needs tells whether it can be taken."""
    chosen = v.options[-1]
    for option, fields in reversed(list(zip(v.options[:-1], telling(v), strict=True))):
        chosen = ir.Conditional(v.type, ir.Exists(ir.BoolT(), fields), option, chosen)
    return chosen


def telling(v: ir.FieldChoice) -> list[tuple[tuple[btf.Struct, btf.Member], ...]]:
    """Of each option but the last, what tells whether it can be taken."""
    common = set(v.fields[0]).intersection(*map(set, v.fields[1:]))
    return [tuple(f for f in fields if f not in common) or fields for fields in v.fields[:-1]]


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
