"""Types from C declarations: the text of a header in, BTF out. Knows as much of C as ``kernel.h`` needs, asserts the rest away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from kernel_description.making import Maker

_NUMBERS = {  # size, encoding of BTF
    "char": (1, 1), "signed char": (1, 1), "unsigned char": (1, 0), "short": (2, 1), "unsigned short": (2, 0),
    "int": (4, 1), "unsigned int": (4, 0), "long": (8, 1), "unsigned long": (8, 0), "long long": (8, 1),
    "unsigned long long": (8, 0), "bool": (1, 4),
}  # fmt: skip
_QUALIFIERS = ("const", "volatile")


class Type(NamedTuple):
    """A type's id in the BTF, its size and alignment, and how it is spelled."""

    id: int
    size: int
    align: int
    text: str


class Member(NamedTuple):
    name: str
    type: Type
    offset: int  # bits
    bits: int  # 0 unless a bit field


class Declarations:
    """What a header declares. ``structs``: members by the name of their struct."""

    def __init__(self, text: str) -> None:
        self.structs: dict[str, tuple[Member, ...]] = {}
        self._make = Maker()
        self._order: list[Callable[[], int]] = []  # the n-th makes the type of id n + 1
        self._known: dict[str, Type] = {}
        self._tokens: list[str] = re.findall(r"\w+|[^\w\s]", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
        while self._tokens:
            self._declaration()

    def function(self, prototype: str) -> None:
        """Adds a function: ``int tcp_connect(struct sock *sk)``."""
        self._tokens = re.findall(r"\w+|[^\w\s]", prototype + ";")
        self._declaration()

    def tracepoint(self, name: str, arguments: str) -> None:
        """Adds what the kernel's types have of a tracepoint that is called with these arguments."""
        self.function(f"int __traceiter_{name}(void *__data, {arguments})")
        self.function(f"void __bpf_trace_{name}(void *__data, {arguments})")
        proto = self._known[f"proto __bpf_trace_{name}"]
        self._new(f"typedef btf_trace_{name}", 8, lambda: self._make.typedef(f"btf_trace_{name}", self._pointer(proto).id))

    def blob(self) -> bytes:
        """The BTF of all that was declared."""
        made = 0
        while made < len(self._order):
            made += 1
            assert self._order[made - 1]() == made
        return self._make.blob()

    # Types

    def _new(self, key: str, size: int, make: Callable[[], int], text: str = "", align: int = 0) -> Type:
        if key not in self._known:
            self._order.append(make)
            self._known[key] = Type(len(self._order), size, align or size or 1, text or key)
        return self._known[key]

    def _pointer(self, to: Type) -> Type:
        star = "" if to.text.endswith("*") else " "
        return self._new(f"{to.text}{star}*", 8, lambda: self._make.ptr(to.id))

    def _array(self, of: Type, length: int) -> Type:
        index = self._named("int")
        text = f"{of.text}[{length}]"
        return self._new(text, of.size * length, lambda: self._make.array(of.id, length, index.id), align=of.align)

    def _named(self, name: str) -> Type:
        if name == "void":
            return Type(0, 0, 1, "void")
        if f"typedef {name}" in self._known:
            return self._known[f"typedef {name}"]
        size, encoding = _NUMBERS[name]
        return self._new(name, size, lambda: self._make.number(name, size, encoding))

    # Declarations

    def _next(self, *expected: str) -> str:
        token = self._tokens.pop(0)
        assert not expected or token in expected, (token, expected, self._tokens[:8])
        return token

    def _declaration(self) -> None:
        if self._tokens[0] == "typedef":
            self._next()
            name, to = self._declarator(self._base())
            self._next(";")
            self._new(f"typedef {name}", to.size, lambda: self._make.typedef(name, to.id), name, to.align)
            return
        of = self._base()
        if self._tokens[0] == ";":
            self._next()
            return
        name, result = self._declarator(of)
        params = list(self._params())
        self._next(";")
        words = [(param, kind.id) for param, kind in params]
        proto = self._new(f"proto {name}", 0, lambda: self._make.proto(result.id, *words))
        self._new(f"function {name}", 0, lambda: self._make.function(name, proto.id))

    def _params(self) -> Iterator[tuple[str, Type]]:
        self._next("(")
        while self._tokens[0] != ")":
            yield self._declarator(self._base())
            if self._tokens[0] == ",":
                self._next()
        self._next(")")

    def _base(self) -> Type:
        """What stands before the declarator: qualifiers, and a type's name or its body."""
        if self._tokens[0] in _QUALIFIERS:
            word = self._next()
            of = self._base()
            make = self._make.const if word == "const" else self._make.volatile
            return self._new(f"{word} {of.text}", of.size, lambda: make(of.id), align=of.align)
        if self._tokens[0] in ("struct", "union", "enum"):
            return self._tagged(self._next())
        words = [self._next()]
        while " ".join([*words, self._tokens[0]]) in _NUMBERS:
            words.append(self._next())
        return self._named(" ".join(words))

    def _tagged(self, word: str) -> Type:
        name = "" if self._tokens[0] == "{" else self._next()
        if self._tokens[0] != "{":
            return self._known.get(f"{word} {name}") or Type(self._later(word, name), 0, 1, f"{word} {name}")
        self._next("{")
        text = f"{word} {name}" if name else f"{word} {{{len(self._order)}}}"
        if word == "enum":
            values = list(self._enumerators())
            return self._new(text, 4, lambda: self._make.enum(name, *values))
        members, size, align = self._members(word == "union")
        if name:
            self.structs[name] = members
        flag = any(m.bits for m in members)
        words = [(m.name, m.type.id, m.bits << 24 | m.offset) for m in members]
        make = lambda: self._make.struct(name, size, *words, union=word == "union", flag=flag)  # noqa: E731 - one of several
        if f"forward {text}" in self._known:  # pointed at before: its id is given out
            at = self._known[f"forward {text}"].id
            self._order[at - 1] = make
            self._known[text] = Type(at, size, align, text)
        return self._new(text, size, make, text, align)

    def _later(self, word: str, name: str) -> int:
        """The id of a struct that is pointed at before it is declared, or never is."""
        return self._new(f"forward {word} {name}", 0, lambda: self._make.fwd(name, word == "union")).id

    def _enumerators(self) -> Iterator[tuple[str, int]]:
        value = -1
        while self._tokens[0] != "}":
            name, value = self._next(), value + 1
            if self._tokens[0] == "=":
                self._next()
                value = int(self._next())
            yield name, value
            if self._tokens[0] == ",":
                self._next()
        self._next("}")

    def _members(self, union: bool) -> tuple[tuple[Member, ...], int, int]:
        found: list[Member] = []
        at, align = 0, 1  # at: bits
        size = 0
        while self._tokens[0] != "}":
            of = self._base()
            name, kind = ("", of) if self._tokens[0] == ";" else self._declarator(of)
            bits = 0
            if self._tokens[0] == ":":
                self._next()
                bits = int(self._next())
            self._next(";")
            assert kind.size, (name, kind)
            align = max(align, kind.align)
            unit = 8 * kind.align
            crosses = at // unit != (at + bits - 1) // unit
            at = 0 if union else at if bits and not crosses else -(-at // unit) * unit
            found.append(Member(name, kind, at, bits))
            at += bits or 8 * kind.size
            size = max(size, at)
        self._next("}")
        return tuple(found), -(-size // (8 * align)) * align, align

    def _declarator(self, of: Type) -> tuple[str, Type]:
        while self._tokens[0] == "*":
            self._next()
            of = self._pointer(of)
        name = self._next()
        lengths = []
        while self._tokens[0] == "[":
            self._next()
            lengths.append(int(self._next()))
            self._next("]")
        for length in reversed(lengths):
            of = self._array(of, length)
        return name, of
