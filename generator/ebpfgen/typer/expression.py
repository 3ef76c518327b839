"""One expression being typed: the lowest layer.

The layers above add forms of the language (:mod:`~ebpfgen.typer.named`, :mod:`~ebpfgen.typer.members`,
:mod:`~ebpfgen.typer.comparisons`, :mod:`~ebpfgen.typer.operators`, :mod:`~ebpfgen.typer.calls`, :mod:`~ebpfgen.typer.forms`);
each calls those below, and above only what is abstract here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from ebpfgen import expr, ir, model
from ebpfgen.expr import ExpressionError
from ebpfgen.records import replace
from ebpfgen.wording import of_value

from .kernel_types import KernelTypes
from .numbers import narrowest, range_of
from .scope import Scope
from .trees import space_of, text_at


class Expression(ABC):
    """One expression being typed. ``missing``: the type to give to a member that the kernel lacks."""

    def __init__(self, typer: KernelTypes, written: model.Text, scope: Scope, missing: ir.Type | None = None) -> None:
        self.typer, self.written, self.scope, self.missing = typer, written, scope, missing
        self.btf = typer.btf

    @abstractmethod
    def value(self, node: expr.Node) -> ir.Expr:
        """The typed value of any form."""

    def fail(self, node: expr.Node, message: str, near: tuple[str, ...] = (), hint: str = "") -> ExpressionError:
        return ExpressionError(self.written.sub(node.pos).problem(message, near, hint))

    def condition(self, node: expr.Node) -> ir.Expr:
        value = self.value(node)
        match value.type:
            case ir.BoolT():
                return value
            case ir.IntT() | ir.PtrT():
                return ir.Binary(ir.BoolT(), "!=", value, ir.Const(ir.U64, 0), at=value.at)
        raise self.fail(node, f"a condition is expected here, this is {of_value(value)}")

    def number(self, node: expr.Node, what: str = "a number") -> ir.Expr:
        return self.a_number(node, self.value(node), what)

    def a_number(self, node: expr.Node, value: ir.Expr, what: str = "a number") -> ir.Expr:
        if isinstance(value.type, ir.IntT):
            return value
        hint = "write x ? 1 : 0" if isinstance(value.type, ir.BoolT) else ""
        raise self.fail(node, f"{what} is expected here, this is {of_value(value)}", hint=hint)

    def as_text(self, value: ir.Expr) -> ir.Expr:
        """An array of characters as text; anything else as it is."""
        return text_at(value) if self.typer.is_text(value.type) else value

    def pointer(self, node: expr.Node) -> tuple[ir.Expr, ir.Space]:
        value = self.value(node)
        if isinstance(value.type, ir.PtrT):
            return value, value.type.space
        if isinstance(value.type, ir.PlaceT):
            return value, space_of(value.base) if isinstance(value, ir.Load) else "kernel"
        if isinstance(value.type, ir.IntT) and value.type.bits == 64 and not isinstance(value, ir.Const):
            return value, self.scope.space
        raise self.fail(node, f"a pointer is expected here, this is {of_value(value)}")

    def constant(self, node: expr.Node, what: str) -> int:
        value = self.value(node)
        if isinstance(value, ir.Const) and isinstance(value.type, ir.IntT):
            return value.value
        raise self.fail(node, f"{what} must be a constant number")

    def joined(self, node: expr.Node, a: ir.Expr, b: ir.Expr) -> ir.Type:
        """The type of what may be either: of numbers the narrowest that holds all of both."""
        if not isinstance(a.type, ir.IntT) or not isinstance(b.type, ir.IntT):
            return a.type
        found = narrowest(range_of(a), range_of(b))
        if found is None:
            raise self.fail(node, f"{a.type} and {b.type} have no common type: cast one of them, for example (i64)x")
        meanings = {v.meaning for v in (a.type, b.type) if v.meaning}
        return replace(found, meaning=meanings.pop() if len(meanings) == 1 else "")
