"""Questions about typed expressions: the members on the way, the memory they read, the options they choose between."""

from __future__ import annotations

from collections.abc import Callable

from ebpfgen import btf, ir
from ebpfgen.records import replace


def text_at(value: ir.Expr) -> ir.StringAt:
    """The text in an array of characters."""
    assert isinstance(value.type, ir.PlaceT) and value.type.array
    return ir.StringAt(ir.StringT(value.type.array[1]), value, space_of(value.base) if isinstance(value, ir.Load) else "kernel")


def space_of(pointer: ir.Expr) -> ir.Space:
    return pointer.type.space if isinstance(pointer.type, ir.PtrT) else "kernel"


def same_kind(a: ir.Type, b: ir.Type) -> bool:
    if isinstance(a, (ir.IntT, ir.BoolT)) and isinstance(b, (ir.IntT, ir.BoolT)):
        return True
    if isinstance(a, ir.PtrT) and isinstance(b, ir.PtrT):
        return a.target == b.target and a.space == b.space
    return a == b or (isinstance(a, ir.StringT) and isinstance(b, ir.StringT))


def each_option(value: ir.Expr, make: Callable[[ir.Expr], ir.Expr]) -> ir.Expr:
    """What ``make`` makes of the value; of a choice between fields, what it makes of each."""
    if not isinstance(value, ir.FieldChoice):
        return make(value)
    options = tuple(map(make, value.options))
    return replace(value, type=options[0].type, options=options)


def fields_of(value: ir.Expr) -> tuple[tuple[btf.Struct, btf.Member], ...]:
    """Every struct member on the way to ``value``."""
    match value:
        case ir.Input(uses=uses):
            return uses
        case ir.Load(base=base, steps=steps):
            return fields_of(base) + tuple((s.owner, s.member) for s in steps if s.owner and s.member)
        case ir.Unary() | ir.Cast():
            return fields_of(value.operand)
        case ir.StringAt() | ir.Follow():
            return fields_of(value.pointer)
        case ir.Binary():
            return fields_of(value.left) + fields_of(value.right)
        case ir.IpOf() | ir.MacOf():
            return fields_of(value.source)
        case ir.Call(args=args):
            return tuple(f for a in args for f in fields_of(a))
    return ()


def member_type(value: ir.Expr) -> ir.Type:
    """The type of the member at which an expression ends, behind what is done to it."""
    match value:
        case ir.Cast() | ir.Unary():
            return member_type(value.operand)
        case ir.StringAt():
            return member_type(value.pointer)
        case ir.IpOf() | ir.MacOf():
            return member_type(value.source)
    return value.type
