"""Typing of expressions: syntax tree and scope in, typed :mod:`ebpfgen.ir` nodes out.

One expression yields one result or one :class:`~ebpfgen.expr.ExpressionError`. Reads the kernel description; writes nothing.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from . import btf, expr, ir, model
from .constants import header_constants
from .expr import ExpressionError
from .fieldtypes import FieldType
from .kernel import Kernel
from .problems import near_misses
from .wording import counted, of_type, of_value

BASIC = {
    "u8": (8, False), "u16": (16, False), "u32": (32, False), "u64": (64, False),
    "s8": (8, True), "s16": (16, True), "s32": (32, True), "s64": (64, True),
    "i8": (8, True), "i16": (16, True), "i32": (32, True), "i64": (64, True),
    "__u8": (8, False), "__u16": (16, False), "__u32": (32, False), "__u64": (64, False),
    "__s8": (8, True), "__s16": (16, True), "__s32": (32, True), "__s64": (64, True),
    "char": (8, True), "signed char": (8, True), "unsigned char": (8, False), "short": (16, True), "unsigned short": (16, False),
    "int": (32, True), "unsigned int": (32, False), "unsigned": (32, False), "long": (64, True), "unsigned long": (64, False),
    "long long": (64, True), "unsigned long long": (64, False),
}  # fmt: skip

_COMPARED: dict[str, Callable[[int, int], bool]] = {
    "==": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_OPPOSITE = {">=": "<", "<=": ">"}
LONGEST_LITERAL = 255
BUILTINS: dict[str, ir.Type] = {
    "nsecs": ir.IntT(64, False, "timestamp"),
    "pid": ir.IntT(32, False, "pid"),
    "tid": ir.IntT(32, False, "tid"),
    "uid": ir.IntT(32, False, "uid"),
    "gid": ir.IntT(32, False, "gid"),
    "ppid": ir.IntT(32, False, "pid"),
    "comm": ir.StringT(16),
    "cpu": ir.IntT(32, False, "cpu"),
    "cgroup": ir.IntT(64, False, "cgroup"),
    "wanted": ir.BoolT(),
    "filtered": ir.BoolT(),
}
OF_TASK = ("pid", "tid", "uid", "gid", "ppid", "comm", "cgroup", "wanted")
ALIASES = {"time": "nsecs"}
FUNCTIONS = (
    "str", "uptr", "kptr", "argv", "buf", "ip", "mac", "ntohs", "ntohl", "ntohll",
    "htons", "htonl", "abs", "min", "max", "dev", "exists", "strlen", "startswith",
)  # fmt: skip


@dataclass(slots=True)
class Scope:
    """What names mean at one place. ``names``: variables; ``args``: inputs by name, or why there are none; ``numbered``:
    arg0, arg1 …; ``space``: where plain numbers used as pointers point to; ``record``: the struct whose members the args are, for
    which other kernels may have others; ``task``: "current", "none" or an expression."""

    names: dict[str, ir.Expr] = field(default_factory=dict)
    args: Mapping[str, ir.Expr] = field(default_factory=dict)
    no_args: str = "this attach point gives no args"
    numbered: tuple[ir.Expr, ...] = ()
    retval: ir.Expr | None = None
    no_retval: str = ""
    space: ir.Space = "kernel"
    record: btf.Struct | None = None
    task: ir.Expr | str = "current"
    params: Mapping[str, ir.ParamInfo] = field(default_factory=dict)
    maps: Mapping[str, ir.MapInfo] = field(default_factory=dict)
    target: str = ""
    failed: dict[str, ExpressionError] = field(default_factory=dict)  # names whose value is not known here, and why
    variables: set[str] = field(default_factory=set)  # of the whole program, each given once

    def inner(self) -> Scope:
        return replace(self, names=dict(self.names), failed=dict(self.failed))


def type_of_field(kind: FieldType) -> ir.Type:
    """The type of a stored field, read back."""
    match kind.shape:
        case "bool":
            return ir.BoolT()
        case "string":
            return ir.StringT(kind.size)
        case "bytes":
            return ir.BytesT(kind.word, kind.size)
        case "argv":
            return ir.ArgvT()
    return ir.IntT(kind.bits, kind.signed, kind.word)


class Typer:
    """Types expressions against one kernel. Holds no state between calls but the kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.btf = kernel.btf

    # Entry points

    def value(self, written: model.Expr, scope: Scope) -> ir.Expr:
        """The typed value of an expression or of a choice between some."""
        if isinstance(written, model.Choice):
            return self._choice(written, scope)
        return _Typing(self, written, scope).value(expr.parse(written))

    def condition(self, written: model.Expr, scope: Scope) -> ir.Expr:
        if isinstance(written, model.Choice):
            raise ExpressionError(written.at.problem("a condition is expected here, not a choice of fields"))
        typing = _Typing(self, written, scope)
        return typing.condition(expr.parse(written))

    def conjuncts(self, written: model.Expr, scope: Scope) -> list[ir.Expr]:
        """The conditions joined by ``and``, one by one."""
        if isinstance(written, model.Choice):
            return [self.condition(written, scope)]
        typing = _Typing(self, written, scope)
        return [typing.condition(part) for part in expr.conjuncts(expr.parse(written))]

    def conjunct(self, written: model.Text, index: int, scope: Scope) -> ir.Expr:
        """One of the conditions joined by ``and``."""
        return _Typing(self, written, scope).condition(expr.conjuncts(expr.parse(written))[index])

    # Types of the kernel

    def type_of(self, type_id: int, space: ir.Space = "kernel", trusted: bool = False) -> ir.Type:
        found = self.btf.resolve(type_id)
        match found:
            case btf.Int(bool=True):
                return ir.BoolT()
            case btf.Int(size=size, signed=signed):
                return ir.IntT(size * 8, signed)
            case btf.Enum(size=size, signed=signed):
                return ir.IntT(size * 8, signed)
            case btf.Ptr(target=target):
                return self.pointer_to(target, space, trusted)
            case btf.Array(element=element, length=length):
                return ir.PlaceT(type_id, self.btf.c_name(type_id), None, (element, length))
            case btf.Struct():
                return ir.PlaceT(type_id, self.btf.c_name(type_id), found, None)
        return ir.PlaceT(type_id, self.btf.c_name(type_id), None, None)

    def pointer_to(self, target: int, space: ir.Space, trusted: bool = False) -> ir.PtrT:
        spelled = f"{self.btf.c_name(target)} *" if target else "void *"
        behind = self.btf.resolve(target)
        if isinstance(behind, btf.Int):
            return ir.PtrT(space, 0, ir.IntT(behind.size * 8, behind.signed), False, spelled)
        if isinstance(behind, btf.Fwd) and (full := self.btf.find(behind.name, btf.Struct)):
            target = full
        return ir.PtrT(space, target, None, trusted, spelled)

    def size_of(self, type_id: int) -> int:
        found = self.btf.resolve(type_id)
        match found:
            case btf.Array(element=element, length=length):
                return self.size_of(element) * length
            case btf.Ptr():
                return 8
            case btf.Void() | btf.FuncProto() | btf.Fwd():
                return 0
        return found.size

    def is_text(self, kind: ir.Type) -> bool:
        """An array of characters in memory."""
        if not isinstance(kind, ir.PlaceT) or not kind.array:
            return False
        element = self.btf.resolve(kind.array[0])
        return isinstance(element, btf.Int) and element.size == 1

    def fit(self, value: ir.Expr, kind: FieldType) -> ir.Expr | str:
        """``value`` as it can be stored in a field of that type, or why it can't."""
        given = value
        if self.is_text(value.type):
            value = text_at(value)
        match kind.shape, value.type:
            case "int", ir.IntT():
                return fit_number(value, kind)
            case "int", ir.PtrT() if kind.word in ("hex", "u64"):
                return value
            case "bool", ir.BoolT():
                return value
            case "bool", ir.IntT() if isinstance(value, ir.Const) and value.value in (0, 1):
                return value
            case "string", ir.StringT(size=size):
                if isinstance(value, ir.Text) and size > kind.size:
                    return f"the text takes {size} bytes with its NUL, {kind} holds {kind.size}"
                return value
            case "bytes", ir.BytesT(word=word) if word == kind.word:
                return value
            case "argv", ir.ArgvT():
                return value
            case "string", ir.ArgvT() if isinstance(value, ir.BufferAt):
                return value
        return f"{kind} is expected, this is {of_value(given)}{self._how_to_make(kind, given)}"

    def _how_to_make(self, kind: FieldType, value: ir.Expr) -> str:
        address = isinstance(value.type, ir.PtrT) or (isinstance(value.type, ir.IntT) and value.type.bits == 64)
        if kind.shape == "string" and address and not isinstance(value, ir.Const):
            return ": read the text with str(…)"
        if kind.word == "ip":
            return ": make one with ip(…)"
        if kind.word == "mac":
            return ": make one with mac(…)"
        if kind.shape == "argv":
            return ": make one with argv(…) or buf(…)"
        if kind.shape == "bool" and isinstance(value.type, ir.IntT):
            return ": true or false are possible" if isinstance(value, ir.Const) else ": write x != 0"
        if kind.shape == "int" and isinstance(value.type, ir.BoolT):
            return ": write x ? 1 : 0"
        if kind.shape == "int" and (hint := self.unquoted(value)):
            return f": {hint}"
        return ""

    def unquoted(self, value: ir.Expr) -> str:
        """What to do where a constant's name is given as text."""
        name = value.value.decode(errors="replace") if isinstance(value, ir.Text) else ""
        return f"write {name} without quotes" if name in header_constants() or self.kernel.constant(name) else ""

    # Choices

    def _choice(self, written: model.Choice, scope: Scope) -> ir.Expr:
        options: list[ir.Expr] = []
        failures: list[ExpressionError] = []
        absent: list[int] = []
        for i, option in enumerate(written.options):
            try:
                options.append(_Typing(self, option, scope).value(expr.parse(option)))
            except _MissingMember as e:
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
                options[i] = _Typing(self, option, scope, missing=_member_type(known)).value(expr.parse(option))
            except ExpressionError:  # of what type a missing member is can be told of the last one only
                hint = "choose there, let: {x: [a.b, a.c]}, and go on from x"
                raise ExpressionError(replace(failures[absent.index(i)].problem, hint=hint)) from None
        options = [text_at(o) if self.is_text(o.type) else o for o in options]
        kinds = [o.type for o in options]
        if not all(_same_kind(kinds[0], k) for k in kinds):
            raise ExpressionError(written.at.problem("alternatives are of different types: " + ", ".join(map(of_type, kinds))))
        fields = tuple(fields_of(o) for o in options)
        for option, needs in zip(written.options[:-1], fields, strict=False):
            if not needs:
                raise ExpressionError(option.at.problem("no kernel lacks this, so what is behind it in the list is never used"))
        return ir.FieldChoice(_widest(kinds), tuple(options), fields)


def _member_type(value: ir.Expr) -> ir.Type:
    """The type of the member at which an expression ends, behind what is done to it."""
    match value:
        case ir.Cast() | ir.Unary():
            return _member_type(value.operand)
        case ir.StringAt():
            return _member_type(value.pointer)
        case ir.IpOf() | ir.MacOf():
            return _member_type(value.source)
    return value.type


def text_at(value: ir.Expr) -> ir.StringAt:
    """The text in an array of characters."""
    assert isinstance(value.type, ir.PlaceT) and value.type.array
    return ir.StringAt(ir.StringT(value.type.array[1]), value, _space(value.base) if isinstance(value, ir.Load) else "kernel")


SIGN_FREE = ("pid", "tid", "uid", "gid", "cpu", "port", "ifindex", "hex", "cgroup", "flags", "dev_t")
"""Field types that hold what the kernel itself keeps in signed and unsigned types alike."""
MAGNITUDES = ("timestamp", "duration", "bytes")


def unlike(meaning: str, other: str) -> bool:
    """Whether numbers of these meanings have nothing to do with one another: a time and a size."""
    return meaning != other and meaning in MAGNITUDES and other in MAGNITUDES


def fit_number(value: ir.Expr, kind: FieldType) -> ir.Expr | str:
    number = value.type
    assert isinstance(number, ir.IntT)
    if unlike(number.meaning, kind.word):
        return f"{kind} is expected, this is {of_type(number)}"
    if isinstance(value, ir.Const):
        low, high = (-(1 << kind.bits - 1), (1 << kind.bits - 1) - 1) if kind.signed else (0, (1 << kind.bits) - 1)
        return value if low <= value.value <= high else f"{value.value} does not fit {kind} ({low} to {high})"
    if number.bits > kind.bits and not _bounded(value, kind.bits):
        return (
            f"{number} does not fit {kind} ({kind.bits} bits): cast it, for example ({'i' if kind.signed else 'u'}{kind.bits})x"
        )
    if number.signed and not kind.signed and kind.word not in SIGN_FREE:
        return f"{number} may be negative, {kind} holds no sign: cast it where it can't be, ({'u'}{kind.bits})x"
    if not number.signed and kind.signed and number.bits >= kind.bits and kind.word in ("i8", "i16", "i32", "i64"):
        return f"{number} does not fit {kind}: cast it, (i{kind.bits})x"
    return value


def _bounded(value: ir.Expr, bits: int) -> bool:
    """Whether the operation itself shows that the value fits ``bits``."""
    if isinstance(value, ir.Conditional):
        return _bounded(value.yes, bits) and _bounded(value.no, bits)
    if isinstance(value, ir.Const):
        return 0 <= value.value < 1 << bits
    if isinstance(value.type, ir.IntT) and value.type.bits <= bits:
        return True
    if isinstance(value, ir.Binary) and value.op == "&":
        return any(isinstance(v, ir.Const) and _bounded(v, bits) for v in (value.left, value.right))
    if isinstance(value, ir.Binary) and value.op == "%" and isinstance(value.right, ir.Const):
        return 0 < value.right.value <= 1 << bits
    if isinstance(value, ir.Binary) and value.op == ">>" and isinstance(value.right, ir.Const):
        return isinstance(value.left.type, ir.IntT) and value.left.type.bits - value.right.value <= bits
    return False


class _MissingMember(ExpressionError):
    """A struct that the kernel has, or a tracepoint's record, without the member."""


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


def _same_kind(a: ir.Type, b: ir.Type) -> bool:
    if isinstance(a, (ir.IntT, ir.BoolT)) and isinstance(b, (ir.IntT, ir.BoolT)):
        return True
    if isinstance(a, ir.PtrT) and isinstance(b, ir.PtrT):
        return a.target == b.target and a.space == b.space
    return a == b or (isinstance(a, ir.StringT) and isinstance(b, ir.StringT))


def _holds(kind: ir.IntT, number: int) -> bool:
    return -(1 << kind.bits - 1) <= number < 1 << kind.bits - 1 if kind.signed else 0 <= number < 1 << kind.bits


def _widest(kinds: list[ir.Type]) -> ir.Type:
    numbers = [k for k in kinds if isinstance(k, ir.IntT)]
    if len(numbers) == len(kinds) and len(set(numbers)) > 1:
        return ir.S64 if any(n.signed for n in numbers) else ir.U64
    return kinds[0]


def _range(value: ir.Expr) -> tuple[int, int]:
    """The least and the greatest number that ``value`` can be."""
    kind = value.type
    assert isinstance(kind, ir.IntT)
    if isinstance(value, ir.Const):
        return value.value, value.value
    return (-(1 << kind.bits - 1), (1 << kind.bits - 1) - 1) if kind.signed else (0, (1 << kind.bits) - 1)


def _narrowest(*ranges: tuple[int, int]) -> ir.IntT | None:
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    kinds = (ir.IntT(bits, low < 0) for bits in (8, 16, 32, 64))
    return next((kind for kind in kinds if _holds(kind, low) and _holds(kind, high)), None)


class _Typing:
    """One expression being typed. ``missing``: the type to give to a member that the kernel lacks."""

    def __init__(self, typer: Typer, written: model.Text, scope: Scope, missing: ir.Type | None = None) -> None:
        self.typer, self.written, self.scope, self.missing = typer, written, scope, missing
        self.btf = typer.btf

    def fail(self, node: expr.Node, message: str, near: tuple[str, ...] = (), hint: str = "") -> ExpressionError:
        return ExpressionError(self.written.sub(node.pos).problem(message, near, hint))

    # Forms

    def value(self, node: expr.Node) -> ir.Expr:
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

    def condition(self, node: expr.Node) -> ir.Expr:
        value = self.value(node)
        match value.type:
            case ir.BoolT():
                return value
            case ir.IntT() | ir.PtrT():
                return ir.Binary(ir.BoolT(), "!=", value, ir.Const(ir.U64, 0))
        raise self.fail(node, f"a condition is expected here, this is {of_value(value)}")

    def number(self, node: expr.Node, what: str = "a number") -> ir.Expr:
        return self.a_number(node, self.value(node), what)

    def a_number(self, node: expr.Node, value: ir.Expr, what: str = "a number") -> ir.Expr:
        if isinstance(value.type, ir.IntT):
            return value
        hint = "write x ? 1 : 0" if isinstance(value.type, ir.BoolT) else ""
        raise self.fail(node, f"{what} is expected here, this is {of_value(value)}", hint=hint)

    def name(self, node: expr.Name) -> ir.Expr:
        name, scope = node.name, self.scope
        if name in scope.names:
            return scope.names[name]
        if name in scope.failed:
            raise scope.failed[name]
        if name in BUILTINS:
            if name in OF_TASK and scope.task == "none":
                raise self.fail(node, f"'{name}' is not known here: the probe says 'task: none'")
            return ir.Builtin(BUILTINS[name], name)
        if name == "curtask":
            return ir.Builtin(self.task_pointer(node), name)
        if name == "probe":
            return ir.Text(ir.StringT(len(scope.target.encode()) + 1), scope.target.encode())
        if name == "retval":
            if scope.retval is None:
                raise self.fail(node, f"there is no retval here: {scope.no_retval}")
            return scope.retval
        if name.startswith("arg") and name[3:].isdigit():
            if int(name[3:]) < len(scope.numbered):
                return scope.numbered[int(name[3:])]
            raise self.fail(node, f"'{name}' is not known here: {self.inputs()}")
        if (known_constant := self.typer.kernel.constant(name)) is not None:
            number, _ = known_constant
            if len(values := {value for value, _ in self.btf.find_constants(name)}) > 1:
                several = " and ".join(str(v) for v in sorted(values))
                raise self.fail(node, f"'{name}' is {several} in different enums of this kernel", hint="write the number")
            return ir.Const(ir.IntT(64, number < 0), number, name)
        if name in header_constants():
            return ir.Const(ir.IntT(64, False), header_constants()[name], name)
        if name.startswith("SYS_"):
            return self.syscall_number(node)
        raise self.unknown(node)

    def inputs(self) -> str:
        """What the attach point gives."""
        match len(self.scope.numbered):
            case 0 if not self.scope.args:
                return self.scope.no_args
            case 0:
                return f"this attach point gives {', '.join(f'args.{a}' for a in self.scope.args)}"
            case 1:
                return "this attach point gives arg0 only"
        return f"this attach point gives arg0 … arg{len(self.scope.numbered) - 1}"

    def syscall_number(self, node: expr.Name) -> ir.Const:
        wanted = node.name.removeprefix("SYS_")
        numbers = {name: number for number, name in self.typer.kernel.syscalls().items()}
        if wanted not in numbers:
            near = tuple(f"SYS_{name}" for name in near_misses(wanted, numbers))
            raise self.fail(node, f"{self.typer.kernel.machine} has no system call '{wanted}'", near)
        return ir.Const(ir.IntT(64, False), numbers[wanted], node.name)

    def unknown(self, node: expr.Name) -> ExpressionError:
        name = node.name
        if name == "args":
            return self.fail(node, "args is not a value: write args.NAME", near_misses("args", self.scope.args))
        if name in self.scope.maps:
            return self.fail(node, f"'{name}' is a map: write {name}[key], or 'key in {name}'")
        if name in ("elapsed", "started"):
            return self.fail(node, f"'{name}' is known at the end of a span only")
        if name in self.scope.params:
            return self.fail(node, f"'{name}' is a parameter: write ${name}")
        if name.lower() in ("null", "nullptr", "none", "nil"):
            return self.fail(node, f"there is no '{name}': write 0")
        if name in self.scope.args:
            return self.fail(node, f"'{name}' is not known here", (f"args.{name}",))
        known = [*self.scope.names, *BUILTINS, "curtask", "retval", *(f"args.{a}" for a in self.scope.args)]
        near = near_misses(name, known)
        if not near and name.isupper():
            near = near_misses(name, [*self.typer.kernel.constants(), *header_constants()])
        return self.fail(node, f"'{name}' is not known here", near)

    def task_pointer(self, node: expr.Node) -> ir.PtrT:
        task = self.btf.find("task_struct", btf.Struct)
        if task is None:
            raise self.fail(node, "this kernel's types have no struct task_struct")
        return self.typer.pointer_to(task, "kernel", trusted=False)

    def param(self, node: expr.Node, name: str) -> ir.Expr:
        param = self.scope.params.get(name)
        if param is None and f"${name}" in self.scope.failed:
            raise self.scope.failed[f"${name}"]
        if param is None:
            near = tuple(f"${p}" for p in near_misses(name, self.scope.params))
            known = ", ".join(f"${p}" for p in self.scope.params)
            hint = "" if near else f"there are {known}" if known else "this spec has no params"
            raise self.fail(node, f"parameter ${name} is not declared", near, hint)
        return ir.ParamValue(type_of_field(param.type), name)

    # Members

    def member(self, node: expr.Member) -> ir.Expr:
        if isinstance(node.base, expr.Name) and node.base.name == "args" and "args" not in self.scope.names:
            return self.arg(node)
        base = self.value(node.base)
        if isinstance(base, ir.Lookup):
            return self.entry_field(node, base)
        struct, pointer, steps, spelled = self.into(node, base)
        member = self.btf.member(struct, node.name)
        if member is None:
            return self.missing_member(node, struct, pointer, steps, spelled)
        space = _space(pointer)
        trusted = isinstance(pointer.type, ir.PtrT) and pointer.type.trusted
        kind = self.typer.type_of(member.type_id, space, trusted)
        if member.bit_size and isinstance(kind, ir.IntT):
            kind = ir.IntT(kind.bits, kind.signed)
        return ir.Load(kind, pointer, (*steps, ir.Step(struct, member)), spelled)

    def into(self, node: expr.Member, base: ir.Expr) -> tuple[btf.Struct, ir.Expr, tuple[ir.Step, ...], str]:
        """The struct that ``base`` is or points to, the pointer to start from and the steps so far."""
        match base.type:
            case ir.PtrT(target=target) if target:
                found = self.btf.resolve(target)
                if isinstance(found, btf.Struct):
                    return found, base, (), self.btf.c_name(found.id)
                raise self.untyped(node, base)
            case ir.PlaceT(struct=struct) if struct and isinstance(base, ir.Load):
                return struct, base.base, base.steps, base.spelled_base
            case ir.PtrT() | ir.IntT(bits=64):
                raise self.untyped(node, base)
        raise self.fail(node, f"'{node.name}' asked of {of_value(base)}, which has no members")

    def untyped(self, node: expr.Member, base: ir.Expr) -> ExpressionError:
        hint = f"say what it points to, for example ((struct sock *)x).{node.name}"
        return self.fail(node, f"'{node.name}' asked of {of_value(base)}, whose members are not known", hint=hint)

    def missing_member(
        self, node: expr.Member, struct: btf.Struct, pointer: ir.Expr, steps: tuple[ir.Step, ...], spelled: str
    ) -> ir.Expr:
        if self.missing is None:
            near = near_misses(node.name, self.btf.member_names(struct))
            error = self.fail(node, f"{self.btf.c_name(struct.id)} has no member '{node.name}'", near)
            raise _MissingMember(error.problem) if struct.name and not struct.union else error
        member = btf.Member(node.name, 0, 0, 0)
        return ir.Load(self.missing, pointer, (*steps, ir.Step(struct, member, missing=True)), spelled)

    def arg(self, node: expr.Member) -> ir.Expr:
        if node.name in self.scope.args:
            return self.scope.args[node.name]
        if self.missing is not None and self.scope.record:
            step = ir.Step(self.scope.record, btf.Member(node.name, 0, 0, 0), missing=True)
            return ir.Load(self.missing, ir.Input(ir.PtrT("kernel", self.scope.record.id), "ctx", "args"), (step,), "args")
        if not self.scope.args:
            raise self.fail(node, f"args.{node.name}: {self.scope.no_args}")
        near = near_misses(node.name, self.scope.args)
        hint = "" if near else "there are " + ", ".join(self.scope.args)
        error = self.fail(node, f"{self.scope.target} has no argument '{node.name}'", near, hint)
        raise _MissingMember(error.problem) if self.scope.record else error

    def entry_field(self, node: expr.Member, entry: ir.Lookup) -> ir.Expr:
        found = self.scope.maps[entry.map]
        if found.scalar_value or entry.field is not None:
            raise self.fail(node, f"'{node.name}' asked of a value of map {entry.map}, which is {of_type(entry.type)}")
        names = [s.name for s in found.value.fields]
        if node.name not in names:
            raise self.fail(
                node,
                f"map {entry.map} has no field '{node.name}'",
                near := near_misses(node.name, names),
                "" if near else f"there are {', '.join(names)}",
            )
        kind = found.value.slot(node.name).type
        assert kind
        return replace(entry, type=type_of_field(kind), field=node.name)

    def is_known(self, name: str) -> bool:
        """Whether it is a value's name, be it one that can't be indexed."""
        scope = self.scope
        numbered = name.startswith("arg") and name[3:].isdigit()
        return numbered or name in scope.names or name in scope.failed or name in (*BUILTINS, "curtask", "retval", "args")

    def index(self, node: expr.Index) -> ir.Expr:
        if isinstance(node.base, expr.Name) and not self.is_known(node.base.name):
            if node.base.name in self.scope.maps:
                return self.lookup(node, self.scope.maps[node.base.name])
            near = near_misses(node.base.name, self.scope.maps)
            raise self.fail(node, f"'{node.base.name}' is neither a map nor a variable", near)
        if len(node.keys) != 1:
            raise self.fail(node, "one index is expected")
        base, at = self.value(node.base), self.number(node.keys[0], "an index")
        if isinstance(base.type, ir.PtrT) and base.type.element:
            return ir.Follow(base.type.element, base, at)
        if not isinstance(base.type, ir.PlaceT) or not base.type.array:
            raise self.fail(node, f"{of_value(base)} can't be indexed")
        element, length = base.type.array
        if not isinstance(at, ir.Const):
            raise self.fail(node.keys[0], "an index into an array must be a constant")
        if not 0 <= at.value < length:
            raise self.fail(node.keys[0], f"index {at.value} is outside {base.type.spelled}")
        if isinstance(base, ir.Input):
            return ir.Input(self.typer.type_of(element), f"{base.c}[{at.value}]", base.name, base.uses)
        if isinstance(base, ir.Load):
            kind = self.typer.type_of(element, _space(base.base))
            return replace(base, type=kind, steps=(*base.steps, ir.Step(None, None, at)))
        raise self.fail(node, f"{of_value(base)} can't be indexed here")

    # Maps

    def keys(self, at: expr.Node, nodes: tuple[expr.Node, ...], found: ir.MapInfo) -> tuple[ir.Expr, ...]:
        slots = found.key.fields
        if len(nodes) != len(slots):
            shape = ", ".join(f"{s.name}: {s.type}" for s in slots)
            raise self.fail(at, f"the key of map {found.name} has {counted(len(slots), 'part')} ({shape}), {len(nodes)} given")
        values = []
        for slot, node in zip(slots, nodes, strict=True):
            assert slot.type
            value = self.typer.fit(self.value(node), slot.type)
            if isinstance(value, str):
                raise self.fail(node, f"key of map {found.name}: {value}")
            values.append(value)
        return tuple(values)

    def lookup(self, node: expr.Index, found: ir.MapInfo) -> ir.Expr:
        keys = self.keys(node, node.keys, found)
        if found.scalar_value:
            kind = found.value.fields[0].type
            assert kind
            return ir.Lookup(type_of_field(kind), found.name, keys, "value")
        return ir.Lookup(ir.EntryT(found.name), found.name, keys, None)

    def contains(self, node: expr.Contains) -> ir.Expr:
        if isinstance(node.container, expr.Tuple):
            item = self.value(node.item)
            pairs = [self.compare(v, "==", item, self.value(v)) for v in node.container.items]
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

    # Operators

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
            return self.compare(node, op, self.value(node.left), self.value(node.right))
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

    def fits(self, node: expr.Node, value: ir.Expr, kind: ir.IntT) -> None:
        """Refuses a constant beside numbers among which it can't be."""
        if not isinstance(value, ir.Const):
            return
        if value.value < 0 and not kind.signed:
            raise self.fail(node, f"an unsigned number ({kind}) is never negative", hint=f"cast it: (i{kind.bits})x")
        if not _holds(kind, value.value):
            raise self.fail(node, f"{value.value} does not fit {kind}")

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
            return ir.Const(ir.BoolT(), int(_COMPARED[op](left.value, right.value)))
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
            test = _each(left, lambda text: ir.StringTest(ir.BoolT(), text, wanted))
        elif isinstance(right, ir.ParamValue) and not isinstance(left, ir.ParamValue):
            param = right
            test = _each(left, lambda text: ir.StringIsParam(ir.BoolT(), text, param))
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
        return ir.Binary(ir.IntT(64, signed, _meaning(op, a, b, left, right)), op, left, right)

    def loose(self, node: expr.Binary) -> None:
        """Refuses C's trap: ``a & b == c`` is ``a & (b == c)``."""
        for side in (node.left, node.right):
            if isinstance(side, expr.Binary) and side.op in _COMPARED:
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
        scalars = _same_kind(yes.type, no.type) and isinstance(yes.type, (ir.IntT, ir.BoolT, ir.PtrT))
        if not scalars and not (isinstance(yes.type, ir.BytesT) and yes.type == no.type):
            sides = f"{of_value(yes)} and {of_value(no)}"
            possible = "numbers, conditions, addresses or pointers of one type"
            raise self.fail(node, f"'? :' chooses between {possible}, not {sides}")
        return ir.Conditional(self.joined(node, yes, no), condition, yes, no)

    def joined(self, node: expr.Node, a: ir.Expr, b: ir.Expr) -> ir.Type:
        """The type of what may be either: of numbers the narrowest that holds all of both."""
        if not isinstance(a.type, ir.IntT) or not isinstance(b.type, ir.IntT):
            return a.type
        found = _narrowest(_range(a), _range(b))
        if found is None:
            raise self.fail(node, f"{a.type} and {b.type} have no common type: cast one of them, for example (i64)x")
        meanings = {v.meaning for v in (a.type, b.type) if v.meaning}
        return replace(found, meaning=meanings.pop() if len(meanings) == 1 else "")

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

    # Functions

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

    def pointer(self, node: expr.Node) -> tuple[ir.Expr, ir.Space]:
        value = self.value(node)
        if isinstance(value.type, ir.PtrT):
            return value, value.type.space
        if isinstance(value.type, ir.PlaceT):
            return value, _space(value.base) if isinstance(value, ir.Load) else "kernel"
        if isinstance(value.type, ir.IntT) and value.type.bits == 64 and not isinstance(value, ir.Const):
            return value, self.scope.space
        raise self.fail(node, f"a pointer is expected here, this is {of_value(value)}")

    def constant(self, node: expr.Node, what: str) -> int:
        value = self.value(node)
        if isinstance(value, ir.Const) and isinstance(value.type, ir.IntT):
            return value.value
        raise self.fail(node, f"{what} must be a constant number")

    def as_text(self, value: ir.Expr) -> ir.Expr:
        """An array of characters as text; anything else as it is."""
        return text_at(value) if self.typer.is_text(value.type) else value

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
                return _each(value, lambda place: ir.IpOf(result, place, size))
            case ir.PtrT(target=target) if target and self.typer.size_of(target) in (4, 16):
                return ir.IpOf(result, value, self.typer.size_of(target))
        raise self.fail(node, f"ip() takes 4 or 16 bytes or a u32 in network order, this is {of_value(value)}")

    def call_mac(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 1)
        value = self.value(node.args[0])
        six = isinstance(value.type, ir.PlaceT) and self.typer.size_of(value.type.type_id) >= 6
        if six or isinstance(value.type, ir.PtrT):
            return _each(value, lambda place: ir.MacOf(ir.BytesT("mac", 6), place))
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
        value = _Typing(self.typer, self.written, self.scope, missing=ir.U64).value(node.args[0])
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
        return _each(value, lambda text: ir.Call(ir.IntT(32, False), "strlen", (text,)))

    def call_startswith(self, node: expr.Call) -> ir.Expr:
        self.arity(node, 2)
        text, prefix = self.as_text(self.value(node.args[0])), self.value(node.args[1])
        if not isinstance(text.type, ir.StringT) or not isinstance(prefix, ir.Text):
            hint = "read the text with str(…)" if isinstance(text.type, ir.PtrT) else ""
            raise self.fail(node, 'startswith() takes text and a literal: startswith(comm, "kworker")', hint=hint)
        if isinstance(text, ir.Text):
            return ir.Const(ir.BoolT(), int(text.value.startswith(prefix.value)))
        return _each(text, lambda text: ir.StringTest(ir.BoolT(), text, prefix.value, prefix=True))


def _each(value: ir.Expr, make: Callable[[ir.Expr], ir.Expr]) -> ir.Expr:
    """What ``make`` makes of the value; of a choice between fields, what it makes of each."""
    if not isinstance(value, ir.FieldChoice):
        return make(value)
    options = tuple(map(make, value.options))
    return replace(value, type=options[0].type, options=options)


def _space(pointer: ir.Expr) -> ir.Space:
    return pointer.type.space if isinstance(pointer.type, ir.PtrT) else "kernel"


def _meaning(op: str, a: ir.IntT, b: ir.IntT, left: ir.Expr, right: ir.Expr) -> str:
    """What a number stands for after an operation: a difference of times is a duration, a scaled one nothing."""
    if op == "-" and a.meaning == b.meaning == "timestamp":
        return "duration"
    if op in ("+", "-"):
        if a.meaning == b.meaning or isinstance(right, ir.Const):
            return a.meaning
        return b.meaning if isinstance(left, ir.Const) else ""
    return ""


def c_int(bits: int, signed: bool) -> str:
    return f"__{'s' if signed else 'u'}{bits}"
