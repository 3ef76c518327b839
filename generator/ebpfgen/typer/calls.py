"""Functions of the language: one method for each, called call_NAME."""

from __future__ import annotations

from ebpfgen import expr, ir
from ebpfgen.problems import near_misses
from ebpfgen.records import replace
from ebpfgen.wording import counted, of_value

from .operators import Operators
from .scope import BUILTINS
from .trees import each_option, fields_of, text_at

FUNCTIONS = (
    "str", "uptr", "kptr", "argv", "buf", "ip", "mac", "ntohs", "ntohl", "ntohll",
    "htons", "htonl", "abs", "min", "max", "dev", "exists", "strlen", "startswith",
)  # fmt: skip


class Calls(Operators):
    """Adds functions."""

    def call(self, node: expr.Call) -> ir.Expr:
        method = getattr(self, f"call_{node.function}", None) if node.function in FUNCTIONS else None
        if method is None:
            if node.function in self.scope.names or node.function in (*BUILTINS, "curtask", "retval"):
                raise self.fail(node, f"'{node.function}' is no function: write it without parentheses")
            near = near_misses(node.function, FUNCTIONS)
            raise self.fail(
                node, f"there is no function '{node.function}'", near, "" if near else "there are " + " ".join(FUNCTIONS)
            )
        result: ir.Expr = method(node)
        return result

    def arity(self, node: expr.Call, least: int, most: int | None = None) -> None:
        most = least if most is None else most
        if not least <= len(node.args) <= most:
            wanted = counted(most, "argument") if least == most else f"{least} or {most} arguments"
            raise self.fail(node, f"{node.function}() takes {wanted}, {len(node.args)} given")

    def call_str(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1, 2)
        value = self.value(node.args[0])
        if isinstance(value.type, ir.StringT):
            return value
        if self.typer.is_text(value.type):
            return text_at(value)
        pointer, space = self.pointer(node.args[0])
        size = self.constant(node.args[1], "the length") if len(node.args) > 1 else 0
        if len(node.args) > 1 and not 2 <= size <= 4096:
            raise self.fail(node.args[1], f"a length from 2 to 4096 is expected, this is {size}")
        return ir.StringAt(ir.StringT(size), pointer, space)

    def call_uptr(self, node: expr.Call) -> ir.Expr:
        return self._in_space(node, "user")

    def call_kptr(self, node: expr.Call) -> ir.Expr:
        return self._in_space(node, "kernel")

    def _in_space(self, node: expr.Call, space: ir.Space) -> ir.Expr:
        self.arity(node, 1)
        pointer, _ = self.pointer(node.args[0])
        kind = pointer.type if isinstance(pointer.type, ir.PtrT) else ir.PtrT(space)
        return ir.Cast(replace(kind, space=space, trusted=False), pointer, "void *")

    def call_argv(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1)
        pointer, space = self.pointer(node.args[0])
        if space != "user":
            raise self.fail(node, "argv() reads user memory: argv(uptr(x))")
        return ir.ArgvAt(ir.ArgvT(), pointer)

    def call_buf(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 2)
        pointer, space = self.pointer(node.args[0])
        return ir.BufferAt(ir.ArgvT(), pointer, self.number(node.args[1], "a length"), space)

    def call_ip(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1)
        value = self.value(node.args[0])
        result = ir.BytesT("ip", 16)
        match value.type:
            case ir.BytesT(word="ip"):
                return value
            case ir.IntT(bits=32):
                return ir.IpOf(result, value, 4)
            case ir.PlaceT(type_id=type_id) if (size := self.typer.size_of(type_id)) in (4, 16):
                return each_option(value, lambda place: ir.IpOf(result, place, size))
            case ir.PtrT(target=target) if target and self.typer.size_of(target) in (4, 16):
                return ir.IpOf(result, value, self.typer.size_of(target))
        raise self.fail(node, f"ip() takes 4 or 16 bytes or a u32 in network order, this is {of_value(value)}")

    def call_mac(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1)
        value = self.value(node.args[0])
        six = isinstance(value.type, ir.PlaceT) and self.typer.size_of(value.type.type_id) >= 6
        if six or isinstance(value.type, ir.PtrT):
            return each_option(value, lambda place: ir.MacOf(ir.BytesT("mac", 6), place))
        raise self.fail(node, f"mac() takes 6 bytes or a pointer to them, this is {of_value(value)}")

    def _swap(self, node: expr.Call, bits: int) -> ir.Expr:
        self.arity(node, 1)
        value = self.number(node.args[0])
        assert isinstance(value.type, ir.IntT)
        if value.type.bits > bits and not isinstance(value, ir.Const):
            raise self.fail(node, f"{node.function}() takes {bits} bits, this is {of_value(value)}", hint=f"cast it: (u{bits})x")
        return ir.Call(ir.IntT(bits, False), node.function, (value,))

    def call_ntohs(self, node: expr.Call) -> ir.Expr:
        return self._swap(node, 16)

    call_htons = call_ntohs

    def call_ntohl(self, node: expr.Call) -> ir.Expr:
        return self._swap(node, 32)

    call_htonl = call_ntohl

    def call_ntohll(self, node: expr.Call) -> ir.Expr:
        return self._swap(node, 64)

    def call_abs(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1)
        value = self.number(node.args[0])
        assert isinstance(value.type, ir.IntT)
        if isinstance(value, ir.Const):
            return replace(value, type=replace(value.type, signed=False), value=abs(value.value), name="")
        if not value.type.signed:
            return value
        negative = ir.Binary(ir.BoolT(), "<", value, ir.Const(ir.S64, 0))
        return ir.Conditional(ir.IntT(64, False, value.type.meaning), negative, ir.Unary(ir.S64, "-", value), value)

    def _extreme(self, node: expr.Call, op: str) -> ir.Expr:
        self.arity(node, 2)
        left, right = self.number(node.args[0]), self.number(node.args[1])
        return ir.Conditional(self.joined(node, left, right), self.compare(node, op, left, right), left, right)

    def call_min(self, node: expr.Call) -> ir.Expr:
        return self._extreme(node, "<")

    def call_max(self, node: expr.Call) -> ir.Expr:
        return self._extreme(node, ">")

    def call_dev(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 2)
        major, minor = self.number(node.args[0]), self.number(node.args[1])
        return ir.Call(ir.IntT(32, False, "dev_t"), "dev", (major, minor))

    def call_exists(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1)
        value = type(self)(self.typer, self.written, self.scope, missing=ir.U64).value(node.args[0])
        fields = fields_of(value)
        if not fields:
            raise self.fail(node, "exists() asks for a member of a kernel struct")
        if not all(struct.name for struct, _ in fields):
            raise self.fail(node, "exists() can't ask inside of a struct without a name: ask for the member that is this struct")
        return ir.Exists(ir.BoolT(), fields, any_kind=True)

    def call_strlen(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1)
        value = self.as_text(self.value(node.args[0]))
        if not isinstance(value.type, ir.StringT) or isinstance(value, ir.Text):
            raise self.fail(node, f"strlen() takes text that was read, this is {of_value(value)}")
        return each_option(value, lambda text: ir.Call(ir.IntT(32, False), "strlen", (text,)))

    def call_startswith(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 2)
        text, prefix = self.as_text(self.value(node.args[0])), self.value(node.args[1])
        if not isinstance(text.type, ir.StringT) or not isinstance(prefix, ir.Text):
            hint = "read the text with str(…)" if isinstance(text.type, ir.PtrT) else ""
            raise self.fail(node, 'startswith() takes text and a literal: startswith(comm, "kworker")', hint=hint)
        if isinstance(text, ir.Text):
            return ir.Const(ir.BoolT(), int(text.value.startswith(prefix.value)))
        return each_option(text, lambda text: ir.StringTest(ir.BoolT(), text, prefix.value, prefix=True))
