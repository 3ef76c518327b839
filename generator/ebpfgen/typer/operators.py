"""Operators: arithmetic in 64 bits, logic, choices, casts. Constants are folded here."""

from __future__ import annotations

from collections.abc import Callable

from ebpfgen import btf, expr, ir
from ebpfgen.problems import near_misses
from ebpfgen.records import replace
from ebpfgen.wording import of_type, of_value

from .comparisons import COMPARED, Comparisons
from .numbers import BASIC, c_int, meaning_of
from .trees import same_kind


class Operators(Comparisons):
    """Adds operators and casts."""

    def unary(self, node: expr.Unary) -> ir.Expr:
        if node.op == "!":
            return ir.Unary(ir.BoolT(), "!", self.condition(node.operand))
        if node.op == "*":
            pointer = self.value(node.operand)
            if isinstance(pointer.type, ir.PtrT) and pointer.type.element:
                return ir.Follow(pointer.type.element, pointer, ir.Const(ir.U64, 0))
            raise self.fail(node, f"'*' needs a pointer to numbers, for example (u64 *)x; this is {of_value(pointer)}")
        operand = self.number(node.operand)
        assert isinstance(operand.type, ir.IntT)
        if isinstance(operand, ir.Const):
            value = -operand.value if node.op == "-" else ~operand.value & 2**64 - 1
            if value < -(2**63):
                raise self.fail(node, "the value does not fit 64 bits")
            return ir.Const(ir.IntT(64, value < 0, operand.type.meaning), value)
        return ir.Unary(ir.S64 if node.op == "-" else ir.IntT(64, operand.type.signed), node.op, operand)

    def binary(self, node: expr.Binary) -> ir.Expr:
        op = node.op
        if op in ("&&", "||"):
            return ir.Binary(ir.BoolT(), op, self.condition(node.left), self.condition(node.right))
        if op == "??":
            return self.default(node)
        if op in ("==", "!=", "<", "<=", ">", ">="):
            left = self.value(node.left)
            return self.compare(node, op, left, self.beside(left, node.right))
        return self.arithmetic(node)

    def default(self, node: expr.Binary) -> ir.Expr:
        left = self.value(node.left)
        if not isinstance(left, ir.Lookup) or isinstance(left.type, ir.EntryT):
            raise self.fail(node, "'??' gives a default for a value of a map: map[key] ?? 0")
        right = self.value(node.right)
        if isinstance(left.type, ir.BoolT) and isinstance(right.type, ir.BoolT):
            return replace(left, default=right)
        if not isinstance(left.type, ir.IntT) or not isinstance(right.type, ir.IntT):
            raise self.fail(node.right, self.no_default(left, right))
        self.fits(node.right, right, left.type)
        return replace(left, type=self.joined(node, left, right), default=right)

    @staticmethod
    def no_default(left: ir.Expr, right: ir.Expr) -> str:
        if isinstance(left.type, (ir.IntT, ir.BoolT)):
            return f"{of_type(left.type)} is expected behind '??' here, this is {of_value(right)}"
        return f"'??' gives defaults for numbers and conditions, not for {of_type(left.type)}"

    def arithmetic(self, node: expr.Binary) -> ir.Expr:
        op, left = node.op, self.value(node.left)
        if isinstance(left.type, ir.PtrT) and op in ("+", "-"):
            return self.pointer_arithmetic(node, left)
        if op in ("&", "|", "^"):
            self.loose(node)
        left, right = self.a_number(node.left, left), self.number(node.right)
        a, b = left.type, right.type
        assert isinstance(a, ir.IntT) and isinstance(b, ir.IntT)
        if op in ("/", "%") and isinstance(right, ir.Const) and right.value == 0:
            raise self.fail(node.right, "division by zero")
        if op in ("<<", ">>") and isinstance(right, ir.Const) and not 0 <= right.value < 64:
            raise self.fail(node.right, f"a shift by {right.value} bits; 0 to 63 are possible")
        if isinstance(left, ir.Const) and isinstance(right, ir.Const):
            return self.fold(node, left, right)
        signed = (a.signed and not isinstance(left, ir.Const)) or (b.signed and not isinstance(right, ir.Const))
        if op in ("<<", ">>"):
            signed = a.signed  # the count has no part in it
        by_positive = isinstance(right, ir.Const) and a.signed and right.value >= 0
        if op in ("/", "%") and (signed or a.signed or b.signed) and not by_positive:
            hint = "cast where it is never negative: (u64)x"
            raise self.fail(node, "a signed number can only be divided by a constant above 0", hint=hint)
        return ir.Binary(ir.IntT(64, signed, meaning_of(op, a, b, left, right)), op, left, right)

    def loose(self, node: expr.Binary) -> None:
        """Refuses C's trap: ``a & b == c`` is ``a & (b == c)``."""
        for side in (node.left, node.right):
            if isinstance(side, expr.Binary) and side.op in COMPARED:
                raise self.fail(node, f"'{side.op}' binds tighter than '{node.op}'", hint=f"write (a {node.op} b) {side.op} c")

    def fold(self, node: expr.Binary, left: ir.Const, right: ir.Const) -> ir.Expr:
        a, b = left.value, right.value
        assert isinstance(left.type, ir.IntT) and isinstance(right.type, ir.IntT)
        folded: Callable[[], int] = {
            "+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b,
            "/": lambda: abs(a) // abs(b) * (1 if (a < 0) == (b < 0) else -1),
            "%": lambda: abs(a) % abs(b) * (-1 if a < 0 else 1), "<<": lambda: a << b, ">>": lambda: a >> b, "&": lambda: a & b,
            "|": lambda: a | b, "^": lambda: a ^ b,
        }[node.op]  # fmt: skip
        value = folded()
        if not -(2**63) <= value < 2**64:
            raise self.fail(node, "the value does not fit 64 bits")
        return ir.Const(ir.IntT(64, value < 0, left.type.meaning or right.type.meaning), value)

    def pointer_arithmetic(self, node: expr.Binary, left: ir.Expr) -> ir.Expr:
        assert isinstance(left.type, ir.PtrT)
        right = self.number(node.right, "a number of bytes")
        if left.type.target or (left.type.element and left.type.element.bits != 8):
            hint = "cast it to (u8 *) to count in bytes"
            raise self.fail(node, f"arithmetic on {of_value(left)}", hint=hint)
        return ir.Binary(replace(left.type, trusted=False), node.op, left, right)

    def conditional(self, node: expr.Conditional) -> ir.Expr:
        condition, yes, no = self.condition(node.condition), self.value(node.yes), self.value(node.no)
        scalars = same_kind(yes.type, no.type) and isinstance(yes.type, (ir.IntT, ir.BoolT, ir.PtrT))
        if not scalars and not (isinstance(yes.type, ir.BytesT) and yes.type == no.type):
            sides = f"{of_value(yes)} and {of_value(no)}"
            possible = "numbers, conditions, addresses or pointers of one type"
            raise self.fail(node, f"'? :' chooses between {possible}, not {sides}")
        return ir.Conditional(self.joined(node, yes, no), condition, yes, no)

    def cast(self, node: expr.Cast) -> ir.Expr:
        operand = self.value(node.operand)
        space = operand.type.space if isinstance(operand.type, ir.PtrT) else self.scope.space
        if not isinstance(operand.type, (ir.IntT, ir.PtrT, ir.BoolT)):
            raise self.fail(node, f"{of_value(operand)} can't be cast")
        if node.tag == "enum":
            raise self.fail(node, "casts to enums have no use here; cast to a number type")
        if node.tag:
            found = self.btf.find(node.name, btf.Struct)
            if found is None:
                near = near_misses(node.name, self.btf.struct_names())
                raise self.fail(node, f"this kernel has no {node.tag} {node.name}", near)
            if node.stars != 1:
                raise self.fail(node, f"a cast to a {node.tag} has one star: ({node.tag} {node.name} *)x")
            return ir.Cast(self.typer.pointer_to(found, space), operand, f"{node.tag} {node.name} *")
        if node.name in ("void",):
            if node.stars != 1:
                raise self.fail(node, "cast to (void *) or to a number type")
            return ir.Cast(ir.PtrT(space), operand, "void *")
        if node.name == "bool":
            raise self.fail(node, "cast to bool: write x != 0")
        if node.name not in BASIC:
            raise self.fail(node, f"'{node.name}' is no type to cast to", near_misses(node.name, BASIC))
        bits, signed = BASIC[node.name]
        if node.stars > 1:
            return ir.Cast(ir.PtrT(space, 0, ir.IntT(64, False), spelled=f"{node.name} **"), operand, "__u64 *")
        if node.stars == 1:
            return ir.Cast(
                ir.PtrT(space, 0, ir.IntT(bits, signed), spelled=f"{node.name} *"), operand, f"{c_int(bits, signed)} *"
            )
        if isinstance(operand, ir.Const) and isinstance(operand.type, ir.IntT):
            wrapped = operand.value & (1 << bits) - 1
            wrapped -= (1 << bits) if signed and wrapped >> bits - 1 else 0
            return ir.Const(ir.IntT(bits, signed), wrapped)
        meaning = operand.type.meaning if isinstance(operand.type, ir.IntT) else ""
        return ir.Cast(ir.IntT(bits, signed, meaning), operand, c_int(bits, signed))
