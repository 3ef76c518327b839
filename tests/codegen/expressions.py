"""Random expressions of the spec language over numbers of every width, and what they are worth.

The model is the language's, not the generator's: numbers are mathematical; arithmetic happens in 64 bits, with a sign when a side
that is no constant has one; comparisons are those of mathematics; a division by a variable that is 0 gives 0.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

Numbers = dict[str, int]


@dataclass(frozen=True)
class Kind:
    bits: int
    signed: bool

    def wrap(self, number: int) -> int:
        number &= (1 << self.bits) - 1
        return number - (1 << self.bits) if self.signed and number >> self.bits - 1 else number

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"


@dataclass(frozen=True)
class Made:
    """``text`` as a spec writes it; ``kind`` None for a condition; ``worth`` from the values of the variables."""

    text: str
    kind: Kind | None
    worth: Callable[[Numbers], int]
    constant: bool = False


KINDS = [Kind(bits, signed) for bits in (8, 16, 32, 64) for signed in (False, True)]
VARIABLES = {f"{kind}x": kind for kind in KINDS}
U64, S64 = Kind(64, False), Kind(64, True)
CONSTANTS = (
    0,
    1,
    2,
    3,
    5,
    7,
    8,
    10,
    31,
    63,
    100,
    127,
    128,
    255,
    256,
    1000,
    32768,
    65535,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 63) - 1,
)
_ORDER = {"==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b,
          ">=": lambda a, b: a >= b}  # fmt: skip
_PLAIN = {"+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "&": lambda a, b: a & b, "|": lambda a, b: a | b,
          "^": lambda a, b: a ^ b}  # fmt: skip


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def any(self, depth: int) -> Made:
        return self.condition(depth) if self.random.random() < 0.3 else self.number(depth)

    def number(self, depth: int) -> Made:
        if depth <= 0:
            return self.leaf()
        make = self.random.choice(
            (
                self.leaf,
                self.plain,
                self.plain,
                self.plain,
                self.shift,
                self.division,
                self.unary,
                self.cast,
                self.choice,
                self.extreme,
            )
        )
        return make(depth) if make != self.leaf else self.leaf()  # type: ignore[call-arg]

    def leaf(self) -> Made:
        if self.random.random() < 0.25:
            value = self.random.choice(CONSTANTS)
            return Made(str(value), U64, lambda _: value, constant=True)
        return self.variable()

    def variable(self) -> Made:
        name, kind = self.random.choice(list(VARIABLES.items()))
        return Made(name, kind, lambda numbers: numbers[name])

    def varying(self, depth: int) -> Made:
        """A number that is no constant."""
        made = self.number(depth)
        return self.variable() if made.constant else made

    def plain(self, depth: int) -> Made:
        op = self.random.choice(list(_PLAIN))
        a, b = self.varying(depth - 1), self.number(depth - 1)
        if self.random.random() < 0.5:
            a, b = b, a
        assert a.kind and b.kind
        kind = Kind(64, (a.kind.signed and not a.constant) or (b.kind.signed and not b.constant))
        return Made(f"({a.text} {op} {b.text})", kind, lambda n: kind.wrap(_PLAIN[op](a.worth(n), b.worth(n))))

    def shift(self, depth: int) -> Made:
        a = self.number(depth - 1)
        assert a.kind
        kind = Kind(64, a.kind.signed)
        if self.random.random() < 0.5:
            count = self.random.randrange(64)
            b = Made(str(count), U64, lambda _: count, constant=True)
        else:
            b = self.varying(depth - 1)
        if a.constant and b.constant:
            a = self.variable()
            kind = Kind(64, a.kind.signed if a.kind else False)
        if self.random.random() < 0.5:
            return Made(f"({a.text} << {b.text})", kind, lambda n: kind.wrap(a.worth(n) << (b.worth(n) & 63)))
        return Made(f"({a.text} >> {b.text})", kind, lambda n: kind.wrap(a.worth(n) >> (b.worth(n) & 63)))

    def division(self, depth: int) -> Made:
        op = self.random.choice("/%")
        a = self.varying(depth - 1)
        assert a.kind
        if a.kind.signed:  # by constants only
            by = self.random.choice([c for c in CONSTANTS if c])
            sign = Kind(64, True)

            def signed(n: Numbers) -> int:
                x = a.worth(n)
                quotient = abs(x) // by * (-1 if x < 0 else 1)
                return sign.wrap(quotient if op == "/" else x - quotient * by)

            return Made(f"({a.text} {op} {by})", sign, signed)
        b = self.number(depth - 1)
        if (b.kind and b.kind.signed) or (b.constant and b.worth({}) == 0):
            b = Made("7", U64, lambda _: 7, constant=True)

        def unsigned(n: Numbers) -> int:
            x, y = a.worth(n), b.worth(n)
            return (x // y if op == "/" else x % y) if y else 0

        return Made(f"({a.text} {op} {b.text})", U64, unsigned)

    def unary(self, depth: int) -> Made:
        a = self.varying(depth - 1)
        assert a.kind
        if self.random.random() < 0.5:
            return Made(f"(-{a.text})", S64, lambda n: S64.wrap(-a.worth(n)))
        kind = Kind(64, a.kind.signed)
        if a.kind.signed and self.random.random() < 0.3:
            return Made(f"abs({a.text})", U64, lambda n: U64.wrap(abs(a.worth(n))))
        return Made(f"(~{a.text})", kind, lambda n: kind.wrap(~a.worth(n)))

    def cast(self, depth: int) -> Made:
        a = self.any(depth - 1)
        if a.constant:
            a = self.variable()
        kind = self.random.choice(KINDS)
        return Made(f"(({kind}){a.text})", kind, lambda n: kind.wrap(a.worth(n)))

    def choice(self, depth: int) -> Made:
        condition, a, b = self.condition(depth - 1), self.number(depth - 1), self.number(depth - 1)
        found = _joined(a, b)
        if found is None:
            a = Made(f"((i64){a.text})", S64, _wrapped(S64, a))
            b = Made(f"((i64){b.text})", S64, _wrapped(S64, b))
            found = S64
        return Made(
            f"({condition.text} ? {a.text} : {b.text})", found, lambda n: a.worth(n) if condition.worth(n) else b.worth(n)
        )

    def extreme(self, depth: int) -> Made:
        name = self.random.choice(("min", "max"))
        a, b = self.varying(depth - 1), self.varying(depth - 1)
        assert a.kind and b.kind
        if a.text == b.text:
            return a
        kind = Kind(64, a.kind.signed)
        if a.kind.signed != b.kind.signed:
            b = Made(f"(({kind}){b.text})", kind, _wrapped(kind, b))
        best = min if name == "min" else max
        joined = _joined(a, b)
        return Made(f"{name}({a.text}, {b.text})", joined, lambda n: best(a.worth(n), b.worth(n)))

    def condition(self, depth: int) -> Made:
        if depth > 0 and (op := self.random.choice(("", "", "and", "or", "not"))):
            a, b = self.condition(depth - 1), self.condition(depth - 1)
            if op == "not":
                return Made(f"(not {a.text})", None, lambda n: not a.worth(n))
            if op == "and":
                return Made(f"({a.text} and {b.text})", None, lambda n: a.worth(n) and b.worth(n))
            return Made(f"({a.text} or {b.text})", None, lambda n: a.worth(n) or b.worth(n))
        return self.comparison(depth)

    def comparison(self, depth: int) -> Made:
        op = self.random.choice(list(_ORDER))
        a = self.varying(depth - 1)
        assert a.kind
        if self.random.random() < 0.4:
            value = self.random.choice([c for c in (*CONSTANTS, -1, -128) if _holds(a.kind, c) and c != 0])
            return Made(f"({a.text} {op} {value})", None, lambda n: _ORDER[op](a.worth(n), value))
        b = self.varying(depth - 1)
        assert b.kind
        signed, unsigned = (a, b) if a.kind.signed else (b, a)
        assert signed.kind and unsigned.kind
        if signed.kind.signed != unsigned.kind.signed and (unsigned.kind.bits == 64 or unsigned.kind.bits == signed.kind.bits):
            b = Made(f"(({a.kind}){b.text})", a.kind, _wrapped(a.kind, b))
        if a.text == b.text:
            return Made(f"({a.text} != 0)", None, lambda n: a.worth(n) != 0)
        return Made(f"({a.text} {op} {b.text})", None, lambda n: _ORDER[op](a.worth(n), b.worth(n)))


def _wrapped(kind: Kind, made: Made) -> Callable[[Numbers], int]:
    return lambda n: kind.wrap(made.worth(n))


def _holds(kind: Kind, number: int) -> bool:
    return kind.wrap(number) == number


def _joined(a: Made, b: Made) -> Kind | None:
    """The narrowest kind that holds both; None when there is none."""
    assert a.kind and b.kind
    ends = []
    for made in (a, b):
        assert made.kind
        if made.constant:
            ends += [made.worth({})]
        elif made.kind.signed:
            ends += [-(1 << made.kind.bits - 1), (1 << made.kind.bits - 1) - 1]
        else:
            ends += [0, (1 << made.kind.bits) - 1]
    signed = min(ends) < 0
    for bits in (8, 16, 32, 64):
        kind = Kind(bits, signed)
        if all(_holds(kind, end) for end in ends):
            return kind
    return None
