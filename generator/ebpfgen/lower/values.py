"""Values: numbers, conditions and pointers as C expressions.

The spec's arithmetic happens in 64 bits with the sign that the type says; where C would compute otherwise, casts are written.
What the verifier would refuse after clang's optimizer is said such that clang leaves it alone.
"""

from __future__ import annotations

from ebpfgen import cnames, ir
from ebpfgen.records import replace
from ebpfgen.typer import c_int

from .collected import is_plain
from .ctext import constant, is_atom, loose_of, operand_of, side_of
from .stores import Stores
from .trees import OPPOSITE, first_that_exists, has_const, is_zero


class Values(Stores):
    """Adds operators, choices and look-ups inside of expressions."""

    def value(self, v: ir.Expr) -> str:
        """C text of a number, condition or pointer; lines that it needs are emitted first."""
        with self.at(v):
            return self._value(v)

    def _value(self, v: ir.Expr) -> str:
        match v:
            case ir.Const():
                return constant(v)
            case ir.Local(name=name):
                return self.variable(name)
            case ir.Input():
                return self.input(v)
            case ir.ParamValue(name=name):
                return f"config.{cnames.parameter(name)}"
            case ir.Kept(type=kind, name=name):
                return self.stored(kind, f"span->{name}")
            case ir.Builtin():
                return self.builtin(v)
            case ir.Load():
                return self.load(v)
            case ir.Follow():
                return self.follow(v)
            case ir.Unary(op="!", operand=operand):
                return self.negated(operand)
            case ir.Unary(type=ir.IntT() as kind, op=op, operand=operand):
                return f"{op}{operand_of(self._as(operand, kind))}"
            case ir.Binary():
                return self._binary(v)
            case ir.Conditional():
                return self._conditional(v)
            case ir.Cast(type=kind, operand=operand, c_type=c_type):
                narrow = operand.type if isinstance(kind, ir.PtrT) else kind
                if isinstance(kind, ir.PtrT):
                    c_type = self.pointer_type(kind)
                if (
                    isinstance(kind, ir.PtrT) != isinstance(operand.type, ir.PtrT)
                    and isinstance(narrow, ir.IntT)
                    and narrow.bits < 64
                ):
                    c_type += ")(__u64"  # C converts between pointers and numbers of their size only
                return f"({c_type}){operand_of(self.value(operand))}"
            case ir.Lookup():
                return self._lookup(v)
            case ir.InMap(map=name, keys=keys):
                return self._there(self.entry(name, keys))
            case ir.OneOf(values=tests):
                return " || ".join(side_of(self.condition(t), "||") for t in tests)
            case ir.FieldChoice():
                return self.value(first_that_exists(v))
            case ir.Exists():
                return self.exists(v)
            case ir.Call():
                return self._call(v)
            case ir.StringTest():
                return self.string_test(v)
            case ir.StringIsParam():
                return self.string_is_param(v)
        raise AssertionError(f"{type(v).__name__} is no scalar")

    def condition(self, v: ir.Expr) -> str:
        """C text that is tested for being 0 only: where :meth:`value` gives 0 or 1, this may give any number or a pointer."""
        match v:
            case ir.InMap(map=name, keys=keys):
                return self.entry(name, keys)
            case ir.Binary(op="!=", left=left, right=ir.Const(value=0, name="")) if not isinstance(left, ir.Const):
                text = self.value(left)
                return text if isinstance(left.type, ir.PtrT) or is_atom(text) else f"{operand_of(text)} != 0"
        return self.value(v)

    def side(self, v: ir.Expr) -> str:
        """C text of one of two conditions joined by or."""
        match v:
            case ir.InMap():
                return self.value(v)
            case ir.Binary(op="==" | "!=" as op, left=left, right=right) if isinstance(left.type, ir.PtrT) and left.type.trusted:
                if is_zero(right):
                    return f"{'!' if op == '==' else ''}{self._there(self.value(left))}"
        return self.condition(v)

    def _there(self, pointer: str) -> str:
        """Whether the pointer is one, as a number of which clang does not know where it comes from: it would join several such
        tests to one of the pointers' bits, and the verifier refuses that."""
        self.whole.helpers.add("there")
        return f"there({pointer})"

    def negated(self, v: ir.Expr) -> str:
        if isinstance(v, ir.Binary) and v.op == "!=" and isinstance(v.left.type, ir.PtrT) and is_zero(v.right):
            return f"!{operand_of(self.value(v.left))}"
        if isinstance(v, ir.Binary) and v.op in OPPOSITE:
            return self._binary(replace(v, op=OPPOSITE[v.op]))
        if isinstance(v, ir.Unary) and v.op == "!":
            return self.value(v.operand)
        if isinstance(v, ir.Builtin) and v.name == "filtered":
            return "!config.filter_on"
        if isinstance(v, ir.StringTest):
            text = self.value(v)
            return text[1:] if text.startswith("!") else f"!{text}"
        if isinstance(v, ir.Binary) and v.op == "||":
            return self._logical(replace(v, op="&&", left=ir.Unary(v.type, "!", v.left), right=ir.Unary(v.type, "!", v.right)))
        return f"!{operand_of(self.value(v))}"

    def _binary(self, v: ir.Binary) -> str:
        if v.op in ("&&", "||"):
            return self._logical(v)
        if isinstance(v.type, ir.PtrT):
            return f"(void *){operand_of(self.value(v.left))} {v.op} {operand_of(self.value(v.right))}"
        if isinstance(v.type, ir.BoolT):
            return self._comparison(v)
        assert isinstance(v.type, ir.IntT)
        if _is_narrow(v):
            return f"{operand_of(self.value(v.left))} {v.op} {self.value(v.right)}"
        if v.op in ("<<", ">>"):
            return f"{operand_of(self._as(v.left, v.type))} {v.op} {self._shift_count(v.right)}"
        left, right = self._sides(v, v.type)
        if v.op in ("/", "%") and not isinstance(v.right, ir.Const):
            divisor = right if right.isidentifier() else self.once(("divisor", v.right), "__u64", "divisor", right)
            return f"{divisor} ? {operand_of(left)} {v.op} {divisor} : 0"
        if v.op in ("/", "%") and v.type.signed:
            # BPF before v4 has no signed division: divide the magnitude.
            signed = self.once(("signed", v.left), "__s64", "signed_value", left)
            return f"{signed} < 0 ? -(__s64)(-(__u64){signed} {v.op} {right}) : (__s64)((__u64){signed} {v.op} {right})"
        return f"{operand_of(left)} {v.op} {operand_of(right)}"

    def _sides(self, v: ir.Binary, kind: ir.IntT) -> tuple[str, str]:
        """Both sides such that C computes in 64 bits and with the sign of ``kind``, the type of the result."""
        left = (
            self.value(v.left) if isinstance(v.left, ir.Const) and not isinstance(v.right, ir.Const) else self._as(v.left, kind)
        )
        other = isinstance(v.right.type, ir.IntT) and v.right.type.bits == 64 and v.right.type.signed != kind.signed
        if isinstance(v.right, ir.Const) or not (isinstance(v.left, ir.Const) or other):
            return left, self.value(v.right)
        return left, self._as(v.right, kind)

    def _shift_count(self, count: ir.Expr) -> str:
        """C leaves open what a shift by 64 bits or more does; the processors take the count modulo 64."""
        text = operand_of(self.value(count))
        masked = isinstance(count, ir.Binary) and count.op == "&" and isinstance(count.right, ir.Const) and count.right.value < 64
        return text if masked or isinstance(count, ir.Const) else f"({text} & 63)"

    def _comparison(self, v: ir.Binary) -> str:
        left, right = self.value(v.left), self.value(v.right)
        a, b = v.left.type, v.right.type
        if isinstance(a, ir.PtrT) and is_zero(v.right):
            return f"!{operand_of(left)}" if v.op == "==" else f"{operand_of(left)} != NULL"
        if isinstance(a, ir.PtrT) or isinstance(b, ir.PtrT):
            if not (isinstance(a, ir.PtrT) and isinstance(b, ir.PtrT)) or self.declare(a, "") != self.declare(b, ""):
                left, right = f"(__u64){operand_of(left)}", f"(__u64){operand_of(right)}"
        elif isinstance(a, ir.IntT) and isinstance(b, ir.IntT) and a.signed != b.signed and not has_const(v):
            # The unsigned one is the narrower, or has at most 32 bits: so C would compare without sign.
            left, right = (f"(__s64){operand_of(t)}" if not k.signed and k.bits == 32 else t for t, k in ((left, a), (right, b)))
        return f"{loose_of(left)} {v.op} {loose_of(right)}"

    def _as(self, v: ir.Expr, kind: ir.IntT) -> str:
        """A number in 64 bits, with the sign of ``kind``: the spec's arithmetic happens there."""
        text = self.value(v)
        exact = v.type == kind and _is_exact(v) and not _is_narrow(v)
        return text if exact else f"({c_int(kind.bits, kind.signed)}){operand_of(text)}"

    def _logical(self, v: ir.Binary) -> str:
        part = self.condition if v.op == "&&" else self.side
        left = part(v.left)
        with self.captured() as lines:
            if v.op == "&&":
                self.learn(v.left)
            right = part(v.right)
        if not lines:
            return f"{side_of(left, v.op)} {v.op} {side_of(right, v.op)}"
        name = self.fresh("both" if v.op == "&&" else "either")
        self.emit(f"bool {name} = {left};")
        self.block(f"if ({name})" if v.op == "&&" else f"if (!{name})", [*lines, f"{name} = {right};"])
        return name

    def _conditional(self, v: ir.Conditional) -> str:
        reads = any(isinstance(n, ir.Lookup) for n in ir.walk(v.yes))
        condition = self.condition(v.condition) if reads else self.side(v.condition)
        for part in ir.walk((v.yes, v.no)):
            if isinstance(part, ir.Builtin) and part.name == "curtask":
                self.value(part)  # once, for both sides and what follows
        with self.captured() as yes_lines:
            self.learn(v.condition)
            yes = self._arm(v.yes, v.type)
        with self.captured() as no_lines:
            no = self._arm(v.no, v.type)
        if not yes_lines and not no_lines:
            return f"{side_of(condition)} ? {loose_of(yes)} : {loose_of(no)}"
        name = self.fresh("chosen")
        self.emit(f"{self.declare(v.type, name)};")
        self.block(f"if ({condition})", [*yes_lines, f"{name} = {yes};"], [*no_lines, f"{name} = {no};"])
        return name

    def _arm(self, v: ir.Expr, kind: ir.Type) -> str:
        """One of several values for the same place. C would give numbers of different types a third one."""
        text = self.value(v)
        if isinstance(kind, ir.IntT) and v.type != kind and not isinstance(v, ir.Const):
            return f"({c_int(kind.bits, kind.signed)}){operand_of(text)}"
        return text

    def _lookup(self, v: ir.Lookup) -> str:
        info = self.checked.maps[v.map]
        plain = is_plain(info.value)
        if v.default is not None:
            entry = self.entry(v.map, v.keys)
            stored = f"*{entry}" if plain else f"{entry}->{v.field}"
            with self.captured() as lines:
                if any(isinstance(n, (ir.Lookup, ir.InMap)) for n in ir.walk(v.default)):
                    self.emit("barrier();")  # or clang joins both tests, see _there
                default = self._arm(v.default, v.type)
            if not lines:
                return f"{entry} ? {stored} : {loose_of(default)}"
            name = self.fresh("chosen")
            self.emit(f"{self.declare(v.type, name)};")
            self.block(f"if ({entry})", [f"{name} = {stored};"], [*lines, f"{name} = {default};"])
            return name
        entry = self.sure_entry(v.map, v.keys)
        return f"*{entry}" if plain else self.stored(v.type, f"{entry}->{v.field}")

    def _call(self, v: ir.Call) -> str:
        match v.function:
            case "dev":
                major, minor = (operand_of(self.value(a)) for a in v.args)
                return f"((__u32){major} << 20 | (__u32){minor})"
            case "strlen":
                return self.string_length(v.args[0])
        macro = {
            "ntohs": "bpf_ntohs",
            "ntohl": "bpf_ntohl",
            "ntohll": "bpf_be64_to_cpu",
            "htons": "bpf_htons",
            "htonl": "bpf_htonl",
        }
        return f"{macro[v.function]}({self.value(v.args[0])})"


def _is_exact(v: ir.Expr) -> bool:
    """Whether its C text has the very type that the spec says, not only the value."""
    return not isinstance(v, (ir.Const, ir.Conditional, ir.FieldChoice)) and not getattr(v, "default", None)


def _is_narrow(v: ir.Expr) -> bool:
    """Bits of an unsigned number that has fewer than 64: C computes them in its own width, and the value is the same."""
    if not (isinstance(v, ir.Binary) and isinstance(v.right, ir.Const) and isinstance(v.left.type, ir.IntT)):
        return False
    if not (_is_narrow(v.left) or (v.left.type.bits < 64 and not v.left.type.signed and _is_exact(v.left))):
        return False
    return 0 <= v.right.value < (2**31 if v.op == "&" else 32 if v.op == ">>" else 0)
