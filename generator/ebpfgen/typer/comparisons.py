"""Comparisons, and C's traps in them: of signs, of unlike things, of what is always so."""

from __future__ import annotations

import operator
from collections.abc import Callable

from ebpfgen import expr, ir
from ebpfgen.expr import ExpressionError
from ebpfgen.problems import near_misses
from ebpfgen.records import replace
from ebpfgen.wording import of_type, of_value

from .members import Members
from .numbers import holds, unlike
from .trees import each_option

COMPARED: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_OPPOSITE = {">=": "<", "<=": ">"}


class Comparisons(Members):
    """Adds comparisons."""

    def compare(self, node: expr.Node, op: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        left, right = self.as_text(left), self.as_text(right)
        a, b = left.type, right.type
        if isinstance(a, ir.StringT) and isinstance(b, ir.StringT):
            return self.compare_text(node, op, left, right)
        if isinstance(a, ir.StringT) or isinstance(b, ir.StringT):
            text, other = (left, right) if isinstance(a, ir.StringT) else (right, left)
            hint = "read the text with str(…)" if isinstance(other.type, ir.PtrT) else self.typer.unquoted(text)
            raise self.fail(node, f"compares text with {of_value(other)}", hint=hint)
        if isinstance(a, ir.BoolT) or isinstance(b, ir.BoolT):
            return self.compare_truth(node, op, left, right)
        if isinstance(a, ir.PtrT) or isinstance(b, ir.PtrT):
            return self.compare_pointers(node, op, left, right)
        if not isinstance(a, ir.IntT) or not isinstance(b, ir.IntT):
            raise self.fail(node, f"{of_value(left)} and {of_value(right)} can't be compared")
        if unlike(a.meaning, b.meaning):
            raise self.fail(node, f"compares {of_type(a)} with {of_type(b)}")
        if isinstance(left, ir.Const) and isinstance(right, ir.Const):
            return ir.Const(ir.BoolT(), int(COMPARED[op](left.value, right.value)))
        if left == right:
            raise self.fail(node, "compares a value with itself")
        self.same_sign(node, left, right)
        for kind, beside, always in ((a, right, ">="), (b, left, "<=")):
            if op in (always, _OPPOSITE[always]) and isinstance(beside, ir.Const) and beside.value == 0 and not kind.signed:
                outcome = "true" if op == always else "false"
                raise self.fail(node, f"an unsigned number ({kind}) is never negative: this is always {outcome}")
        return ir.Binary(ir.BoolT(), op, left, right)

    def compare_truth(self, node: expr.Node, op: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        kinds = (left.type, right.type)
        if op not in ("==", "!=") or not all(isinstance(k, (ir.BoolT, ir.IntT)) for k in kinds):
            raise self.fail(node, f"{of_value(left)} and {of_value(right)} can't be compared with {op}")
        for value in (left, right):
            if isinstance(value.type, ir.IntT) and not (isinstance(value, ir.Const) and value.value in (0, 1)):
                raise self.fail(node, f"a condition and {of_value(value)} can't be compared")
        return ir.Binary(ir.BoolT(), op, left, right)

    def compare_pointers(self, node: expr.Node, op: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        for value in (left, right):
            plain = isinstance(value, ir.Const) or (isinstance(value.type, ir.IntT) and value.type.bits == 64)
            if not isinstance(value.type, ir.PtrT) and not plain:
                raise self.fail(node, f"compares a pointer with {of_value(value)}")
        if op not in ("==", "!="):
            raise self.fail(node, f"pointers are compared with == and != only, not {op}")
        return ir.Binary(ir.BoolT(), op, left, right)

    def compare_text(self, node: expr.Node, op: str, left: ir.Expr, right: ir.Expr) -> ir.Expr:
        if op not in ("==", "!="):
            raise self.fail(node, f"text is compared with == and != only, not {op}")
        if isinstance(left, ir.Text) and not isinstance(right, ir.Text):
            left, right = right, left
        if isinstance(left, ir.Text) and isinstance(right, ir.Text):
            return ir.Const(ir.BoolT(), int((left.value == right.value) == (op == "==")))
        if isinstance(left, ir.ParamValue) and not isinstance(right, ir.Text):
            left, right = right, left
        test: ir.Expr
        if isinstance(right, ir.Text):
            wanted = right.value
            test = each_option(left, lambda text: ir.StringTest(ir.BoolT(), text, wanted))
        elif isinstance(right, ir.ParamValue) and not isinstance(left, ir.ParamValue):
            param = right
            test = each_option(left, lambda text: ir.StringIsParam(ir.BoolT(), text, param))
        else:
            raise self.fail(node, 'text can be compared with a literal "…" or a $parameter only')
        return test if op == "==" else ir.Unary(ir.BoolT(), "!", test)

    def same_sign(self, node: expr.Node, left: ir.Expr, right: ir.Expr) -> None:
        """Refuses C's trap: comparing signed with unsigned numbers where a negative one would turn into a huge one."""
        a, b = left.type, right.type
        assert isinstance(a, ir.IntT) and isinstance(b, ir.IntT)
        if isinstance(left, ir.Const) or isinstance(right, ir.Const):
            self.fits(node, left, b)
            self.fits(node, right, a)
            return
        if a.signed == b.signed:
            return
        signed, unsigned = (a, b) if a.signed else (b, a)
        bits = max(a.bits, b.bits)
        if (unsigned.bits >= signed.bits and unsigned.bits > 32) or unsigned.bits == signed.bits:
            why = "a negative number would pass for a huge one"
            hint = f"cast the unsigned one, (i{bits})x, or where it is never negative the signed one, (u{bits})x"
            raise self.fail(node, f"compares signed {signed} with unsigned {unsigned}: {why}", hint=hint)

    def beside(self, left: ir.Expr, node: expr.Node) -> ir.Expr:
        """What is compared with ``left``; where that is text and this no name, perhaps quotes are missing."""
        try:
            return self.value(node)
        except ExpressionError as error:
            p = error.problem
            if isinstance(node, expr.Name) and not (p.near or p.hint) and isinstance(self.as_text(left).type, ir.StringT):
                raise ExpressionError(replace(p, hint=f'text is written "{node.name}"')) from None
            raise

    def fits(self, node: expr.Node, value: ir.Expr, kind: ir.IntT) -> None:
        """Refuses a constant beside numbers among which it can't be."""
        if not isinstance(value, ir.Const):
            return
        if value.value < 0 and not kind.signed:
            raise self.fail(node, f"an unsigned number ({kind}) is never negative", hint=f"cast it: (i{kind.bits})x")
        if not holds(kind, value.value):
            raise self.fail(node, f"{value.value} does not fit {kind}")

    def contains(self, node: expr.Contains) -> ir.Expr:
        if isinstance(node.container, expr.Tuple):
            item = self.value(node.item)
            pairs = [self.compare(v, "==", item, self.beside(item, v)) for v in node.container.items]
            return ir.OneOf(ir.BoolT(), item, tuple(pairs))
        if isinstance(node.container, expr.Name) and node.container.name in self.scope.maps:
            found = self.scope.maps[node.container.name]
            nodes = node.item.items if isinstance(node.item, expr.Tuple) else (node.item,)
            return ir.InMap(ir.BoolT(), found.name, self.keys(node.item, nodes, found))
        if isinstance(node.container, expr.Name) and node.container.name in self.scope.failed:
            raise self.scope.failed[node.container.name]
        near = near_misses(node.container.name, self.scope.maps) if isinstance(node.container, expr.Name) else ()
        hint = "to compare with one value, write ==" if not isinstance(node.container, expr.Name) else ""
        raise self.fail(node.container, "behind 'in' a map or a list (1, 2, 3) is expected", near, hint)
