"""Every form of an expression: syntax tree in, typed expression out."""

from __future__ import annotations

from ebpfgen import expr, ir
from ebpfgen.wording import counted

from .calls import Calls

LONGEST_LITERAL = 255


class Typing(Calls):
    """The whole of the language."""

    def value(self, node: expr.Node) -> ir.Expr:
        return ir.located(self._value(node), self.written.sub(node.pos).mark)

    def _value(self, node: expr.Node) -> ir.Expr:
        match node:
            case expr.Number(value=v, unit=unit):
                return ir.Const(ir.IntT(64, False, unit), v)
            case expr.Boolean(value=b):
                return ir.Const(ir.BoolT(), int(b))
            case expr.String(value=text):
                if len(text) > LONGEST_LITERAL:
                    raise self.fail(node, f"text of {counted(len(text), 'byte')}; at most {LONGEST_LITERAL} are possible")
                return ir.Text(ir.StringT(len(text) + 1), text)
            case expr.Name():
                return self.name(node)
            case expr.ParamName(name=name):
                return self.param(node, name)
            case expr.Member():
                return self.member(node)
            case expr.Index():
                return self.index(node)
            case expr.Call():
                return self.call(node)
            case expr.Cast():
                return self.cast(node)
            case expr.Unary():
                return self.unary(node)
            case expr.Binary():
                return self.binary(node)
            case expr.Conditional():
                return self.conditional(node)
            case expr.Contains():
                return self.contains(node)
            case expr.Tuple():
                raise self.fail(node, "a list of values is only for '(a, b) in map' and 'x in (1, 2)'")
        raise AssertionError(node)
