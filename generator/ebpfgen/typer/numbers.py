"""Numbers: what they can be, what they mean, and which fields can hold them. Receives typed numbers; asks no kernel."""

from __future__ import annotations

from ebpfgen import ir
from ebpfgen.fieldtypes import FieldType
from ebpfgen.wording import of_type

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
SIGN_FREE = ("pid", "tid", "uid", "gid", "cpu", "port", "ifindex", "hex", "cgroup", "flags", "dev_t")
"""Field types that hold what the kernel itself keeps in signed and unsigned types alike."""
MAGNITUDES = ("timestamp", "duration", "bytes")


def c_int(bits: int, signed: bool) -> str:
    return f"__{'s' if signed else 'u'}{bits}"


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
    if number.bits > kind.bits and not bounded(value, kind.bits):
        return (
            f"{number} does not fit {kind} ({kind.bits} bits): cast it, for example ({'i' if kind.signed else 'u'}{kind.bits})x"
        )
    if number.signed and not kind.signed and kind.word not in SIGN_FREE:
        return f"{number} may be negative, {kind} holds no sign: cast it where it can't be, ({'u'}{kind.bits})x"
    if not number.signed and kind.signed and number.bits >= kind.bits and kind.word in ("i8", "i16", "i32", "i64"):
        return f"{number} does not fit {kind}: cast it, (i{kind.bits})x"
    return value


def bounded(value: ir.Expr, bits: int) -> bool:
    """Whether the operation itself shows that the value fits ``bits``."""
    if isinstance(value, ir.Conditional):
        return bounded(value.yes, bits) and bounded(value.no, bits)
    if isinstance(value, ir.Const):
        return 0 <= value.value < 1 << bits
    if isinstance(value.type, ir.IntT) and value.type.bits <= bits:
        return True
    if isinstance(value, ir.Binary) and value.op == "&":
        return any(isinstance(v, ir.Const) and bounded(v, bits) for v in (value.left, value.right))
    if isinstance(value, ir.Binary) and value.op == "%" and isinstance(value.right, ir.Const):
        return 0 < value.right.value <= 1 << bits
    if isinstance(value, ir.Binary) and value.op == ">>" and isinstance(value.right, ir.Const):
        return isinstance(value.left.type, ir.IntT) and value.left.type.bits - value.right.value <= bits
    return False


def holds(kind: ir.IntT, number: int) -> bool:
    return -(1 << kind.bits - 1) <= number < 1 << kind.bits - 1 if kind.signed else 0 <= number < 1 << kind.bits


def widest(kinds: list[ir.Type]) -> ir.Type:
    numbers = [k for k in kinds if isinstance(k, ir.IntT)]
    if len(numbers) == len(kinds) and len(set(numbers)) > 1:
        return ir.S64 if any(n.signed for n in numbers) else ir.U64
    return kinds[0]


def range_of(value: ir.Expr) -> tuple[int, int]:
    """The least and the greatest number that ``value`` can be."""
    kind = value.type
    assert isinstance(kind, ir.IntT)
    if isinstance(value, ir.Const):
        return value.value, value.value
    return (-(1 << kind.bits - 1), (1 << kind.bits - 1) - 1) if kind.signed else (0, (1 << kind.bits) - 1)


def narrowest(*ranges: tuple[int, int]) -> ir.IntT | None:
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    kinds = (ir.IntT(bits, low < 0) for bits in (8, 16, 32, 64))
    return next((kind for kind in kinds if holds(kind, low) and holds(kind, high)), None)


def meaning_of(op: str, a: ir.IntT, b: ir.IntT, left: ir.Expr, right: ir.Expr) -> str:
    """What a number stands for after an operation: a difference of times is a duration, a scaled one nothing."""
    if op == "-" and a.meaning == b.meaning == "timestamp":
        return "duration"
    if op in ("+", "-"):
        if a.meaning == b.meaning or isinstance(right, ir.Const):
            return a.meaning
        return b.meaning if isinstance(left, ir.Const) else ""
    return ""
