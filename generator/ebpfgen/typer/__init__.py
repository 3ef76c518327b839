"""Typing of expressions: syntax tree and scope in, typed :mod:`ebpfgen.ir` nodes out.

One expression yields one result or one :class:`~ebpfgen.expr.ExpressionError`. Reads the kernel description; writes nothing.
"""

from __future__ import annotations

from ebpfgen import expr, ir, model
from ebpfgen.expr import ExpressionError
from ebpfgen.records import replace
from ebpfgen.wording import of_type

from .forms import Typing
from .kernel_types import KernelTypes
from .members import MissingMember
from .numbers import BASIC, c_int, widest
from .scope import ALIASES, BUILTINS, PROBE_NAME, TARGETS, Scope
from .trees import fields_of, member_type, same_kind, text_at


class Typer(KernelTypes):
    """Types expressions against one kernel. Holds no state between calls but the kernel."""

    def value(self, written: model.Expr, scope: Scope) -> ir.Expr:
        """The typed value of an expression or of a choice between some."""
        if isinstance(written, model.Choice):
            return self._choice(written, scope)
        return Typing(self, written, scope).value(expr.parse(written))

    def condition(self, written: model.Expr, scope: Scope) -> ir.Expr:
        if isinstance(written, model.Choice):
            raise ExpressionError(written.at.problem("a condition is expected here, not a choice of fields"))
        typing = Typing(self, written, scope)
        return typing.condition(expr.parse(written))

    def conjuncts(self, written: model.Expr, scope: Scope) -> list[ir.Expr]:
        """The conditions joined by ``and``, one by one."""
        if isinstance(written, model.Choice):
            return [self.condition(written, scope)]
        typing = Typing(self, written, scope)
        return [typing.condition(part) for part in expr.conjuncts(expr.parse(written))]

    def conjunct(self, written: model.Text, index: int, scope: Scope) -> ir.Expr:
        """One of the conditions joined by ``and``."""
        return Typing(self, written, scope).condition(expr.conjuncts(expr.parse(written))[index])

    def _choice(self, written: model.Choice, scope: Scope) -> ir.Expr:
        options: list[ir.Expr] = []
        failures: list[ExpressionError] = []
        absent: list[int] = []
        for i, option in enumerate(written.options):
            try:
                options.append(Typing(self, option, scope).value(expr.parse(option)))
            except MissingMember as e:
                options.append(ir.Const(ir.U64, 0))
                absent.append(i)
                failures.append(e)
        if len(absent) == len(options):
            lacking = "; ".join(f.problem.words for f in failures)
            raise ExpressionError(written.at.problem(f"this kernel has none of these: {lacking}"))
        known = next(o for i, o in enumerate(options) if i not in absent)
        for i in absent:
            option = written.options[i]
            try:
                options[i] = Typing(self, option, scope, missing=member_type(known)).value(expr.parse(option))
            except ExpressionError:  # of what type a missing member is can be told of the last one only
                hint = "choose there, let: {x: [a.b, a.c]}, and go on from x"
                raise ExpressionError(replace(failures[absent.index(i)].problem, hint=hint)) from None
        options = [text_at(o) if self.is_text(o.type) else o for o in options]
        kinds = [o.type for o in options]
        if not all(same_kind(kinds[0], k) for k in kinds):
            raise ExpressionError(written.at.problem("alternatives are of different types: " + ", ".join(map(of_type, kinds))))
        fields = tuple(fields_of(o) for o in options)
        for option, needs in zip(written.options[:-1], fields, strict=False):
            if not needs:
                raise ExpressionError(option.at.problem("no kernel lacks this, so what is behind it in the list is never used"))
        return ir.FieldChoice(widest(kinds), tuple(options), fields, written)


__all__ = ["ALIASES", "BASIC", "BUILTINS", "PROBE_NAME", "TARGETS", "Scope", "Typer", "c_int", "text_at"]
