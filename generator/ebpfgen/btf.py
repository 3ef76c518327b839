"""BTF, read lazily: the kernel's types as the checker sees them.

Receives the bytes of a BTF blob (format: Documentation/bpf/btf.rst of Linux), returns types by id and by name. Nothing but the
index, :class:`Index`, is read before it is asked for; the index can be kept and given back. Never reads files. Malformed input
raises :class:`BtfError` and nothing else.
"""

from __future__ import annotations

import builtins
from bisect import bisect_left
from collections.abc import Iterator
from mmap import mmap

from .btf_index import (
    ARRAY,
    CONST,
    DECL_TAG,
    ENUM,
    ENUM64,
    FLOAT,
    FUNC,
    FUNC_PROTO,
    FWD,
    INT,
    PTR,
    RESTRICT,
    STRUCT,
    TYPE_TAG,
    TYPEDEF,
    UNION,
    VAR,
    VOLATILE,
    Index,
    Sections,
    make_index,
    text_of,
)
from .btf_index import (
    BtfError as BtfError,
)
from .records import record


@record()
class Void:
    pass


@record()
class Int:
    name: str
    size: int  # bytes
    signed: builtins.bool
    bool: builtins.bool = False
    char: builtins.bool = False  # plain char, or what BTF says is one


@record()
class Float:
    name: str
    size: int


@record()
class Ptr:
    target: int  # type id


@record()
class Array:
    element: int  # type id
    length: int


@record()
class Struct:
    id: int
    name: str  # "" when anonymous
    union: bool
    size: int


@record()
class Enum:
    id: int
    name: str
    size: int
    signed: bool
    values: tuple[tuple[str, int], ...]


@record()
class FuncProto:
    params: tuple[tuple[str, int], ...]  # name, type id; a variadic end is ("...", 0)
    result: int  # type id; 0 is void


@record()
class Fwd:
    name: str
    union: bool


CType = Void | Int | Float | Ptr | Array | Struct | Enum | FuncProto | Fwd


@record()
class Member:
    name: str
    type_id: int
    bit_offset: int  # from the start of the struct asked, anonymous members added up
    bit_size: int  # 0 unless a bit field


_NAMES_OF = {Struct: (STRUCT, UNION), Enum: (ENUM, ENUM64), Int: (INT,), Float: (FLOAT,), Fwd: (FWD,)}
_QUALIFIERS = {CONST: "const", VOLATILE: "volatile", RESTRICT: "restrict"}
_TRANSPARENT = frozenset({TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, VAR, DECL_TAG, TYPE_TAG})
_LEAST_NEGATIVE = 0xFFFF0000  # -65536
_MOST_HOPS = 64  # typedefs and qualifiers in a row; kernels have fewer than ten
_MOST_DECLARED = 256  # types spelled in one declaration


class Btf:
    """Types by id; id 0 is void. Reading is lazy: nothing is parsed before it is asked for."""

    def __init__(self, data: bytes | mmap, index: Index | None = None) -> None:
        """``index``: what :attr:`index` was for the same data. Raises BtfError when ``data`` is not BTF."""
        self.data = data
        sections = Sections.of(data)
        self._words = sections.words
        self._raw_name = sections.name
        self._names_end = sections.names_end - sections.names
        self.index = index or make_index(sections)
        self._offsets = self.index.offsets
        self._flat: dict[int, dict[str, Member]] = {}

    def __len__(self) -> int:
        """Types, void included."""
        return len(self._offsets)

    def resolve(self, type_id: int) -> CType:
        """The type behind typedef, const, volatile, restrict, type and declaration tags (and the prototype of a function)."""
        type_id = self._strip(type_id, _TRANSPARENT)
        if type_id == 0:
            return Void()
        at, kind, count = self._type(type_id)
        words = self._words
        if kind == INT:
            return self._int(at)
        if kind == PTR:
            return Ptr(words[at + 2])
        if kind in (STRUCT, UNION):
            return Struct(type_id, self._name(words[at]), kind == UNION, words[at + 2])
        if kind == ARRAY:
            return Array(words[at + 3], words[at + 5])
        if kind in (ENUM, ENUM64):
            return self._enum(type_id, at, kind, count)
        if kind == FUNC_PROTO:
            return self._proto(at, count)
        if kind == FWD:
            return Fwd(self._name(words[at]), bool(words[at + 1] >> 31))
        if kind == FLOAT:
            return Float(self._name(words[at]), words[at + 2])
        raise BtfError(f"BTF: type {type_id} is a section of variables where a type was expected")

    def size(self, type_id: int) -> int:
        """Bytes of a value of the type; 0 of what has no value."""
        found = self.resolve(type_id)
        match found:
            case Array(element=element, length=length):
                return self.size(element) * length
            case Ptr():
                return 8
            case Void() | FuncProto() | Fwd():
                return 0
        return found.size

    def find(self, name: str, *kinds: type) -> int | None:
        """The id of the type of that name: kinds from Struct, Enum, Int, Float, Fwd; ``Struct`` covers unions. The first,
        by id, where there are several. Typedefs are found by :meth:`find_typedef`."""
        wanted = frozenset(number for kind in kinds or _NAMES_OF for number in _NAMES_OF[kind])
        return next(self._named(name, wanted), None)

    def find_typedef(self, name: str) -> int | None:
        return next(self._named(name, frozenset({TYPEDEF})), None)

    def find_variable(self, name: str) -> int | None:
        return next(self._named(name, frozenset({VAR})), None)

    def find_function(self, name: str) -> int | None:
        """The id of the function of that name; :meth:`resolve` gives its prototype."""
        return next(self._named(name, frozenset({FUNC})), None)

    def find_constants(self, name: str) -> list[tuple[int, Enum]]:
        """Every enumerator of that name: its value and its enum, in order of ids."""
        wanted = name.encode(errors="surrogatepass")
        names, enums = self.index.constants, self.index.constant_enums
        found = []
        for i in range(bisect_left(names, wanted, key=self._raw_name), len(names)):
            if self._raw_name(names[i]) != wanted:
                break
            enum = self.resolve(enums[i])
            assert isinstance(enum, Enum)
            found += [(value, enum) for constant, value in enum.values if constant == name]
        return found

    def members(self, struct: Struct) -> tuple[Member, ...]:
        """Direct members, in order; an anonymous one has the name ""."""
        at, _, count = self._type(struct.id)
        words = self._words
        kind_flag = words[at + 1] >> 31
        found = []
        for i in range(at + 3, at + 3 + 3 * count, 3):
            name, type_id, position = words[i : i + 3]
            size = 0
            if kind_flag:
                size, position = position >> 24, position & 0xFFFFFF
            else:
                size, shift = self._old_bit_field(type_id)
                position += shift
            found.append(Member(self._name(name), type_id, position, size))
        return tuple(found)

    def member(self, struct: Struct, name: str) -> Member | None:
        """The member of that name, looked for inside anonymous members too."""
        if struct.id not in self._flat:
            known: dict[str, Member] = {}
            for member in self.flat_members(struct):
                known.setdefault(member.name, member)
            self._flat[struct.id] = known
        return self._flat[struct.id].get(name)

    def member_names(self, struct: Struct) -> list[str]:
        """Every name that :meth:`member` would find."""
        return [m.name for m in self.flat_members(struct)]

    def flat_members(self, struct: Struct) -> Iterator[Member]:
        """Named members in order, those of anonymous members in their place, with offsets from the start of ``struct``."""
        seen = {struct.id}  # a struct inside itself is no C, but bytes can say so
        todo = [(member, 0) for member in reversed(self.members(struct))]
        while todo:
            member, base = todo.pop()
            at = base + member.bit_offset
            if member.name:
                yield Member(member.name, member.type_id, at, member.bit_size)
                continue
            inner = self.resolve(member.type_id)
            if isinstance(inner, Struct) and inner.id not in seen:
                seen.add(inner.id)
                todo += [(m, at) for m in reversed(self.members(inner))]

    def c_name(self, type_id: int) -> str:
        """The type as C spells it: ``struct sock *``, ``unsigned int``, ``char[16]``; an anonymous struct is ``struct {...}``."""
        return self.declaration(type_id, "")

    def declaration(self, type_id: int, name: str) -> str:
        """``name`` declared with that type: ``char comm[16]``, ``void (*destroy)(struct sock *)``."""
        return self._declare(type_id, name, [_MOST_DECLARED])

    def struct_names(self) -> list[str]:
        """Names of structs and unions, sorted."""
        return self.names(STRUCT, UNION)

    def names(self, *kinds: int, prefix: str = "") -> list[str]:
        """Names of the types of those kinds that begin with ``prefix``, sorted, each once."""
        words, offsets = self._words, self._offsets
        start = prefix.encode()
        ids = self.index.by_name
        found: dict[str, None] = {}
        for i in range(bisect_left(ids, start, key=self._raw_name_of), len(ids)):
            at = offsets[ids[i]]
            raw = self._raw_name(words[at])
            if not raw.startswith(start):
                break
            if words[at + 1] >> 24 & 31 in kinds:
                found[text_of(raw)] = None
        return list(found)

    def constant_names(self) -> list[str]:
        """Names of enumerators, sorted, each once."""
        return list(dict.fromkeys(map(self._name, self.index.constants)))

    def _named(self, name: str, kinds: frozenset[int]) -> Iterator[int]:
        wanted = name.encode(errors="surrogatepass")
        ids = self.index.by_name
        for i in range(bisect_left(ids, wanted, key=self._raw_name_of), len(ids)):
            at = self._offsets[ids[i]]
            if self._raw_name(self._words[at]) != wanted:
                return
            if self._words[at + 1] >> 24 & 31 in kinds:
                yield ids[i]

    def _type(self, type_id: int) -> tuple[int, int, int]:
        """Word offset, kind and count of members. ``type_id`` is not void."""
        if not 0 < type_id < len(self._offsets):
            raise BtfError(f"BTF: there is no type {type_id} (the last is {len(self._offsets) - 1})")
        at = self._offsets[type_id]
        info = self._words[at + 1]
        return at, info >> 24 & 31, info & 0xFFFF

    def _strip(self, type_id: int, through: frozenset[int]) -> int:
        for _ in range(_MOST_HOPS):
            if type_id == 0:
                return 0
            at, kind, _ = self._type(type_id)
            if kind not in through:
                return type_id
            type_id = self._words[at + 2]
        raise BtfError(f"BTF: the types behind type {type_id} go round in a circle")

    def _raw_name_of(self, type_id: int) -> bytes:
        return self._raw_name(self._words[self._offsets[type_id]])

    def _name(self, offset: int) -> str:
        if offset == 0:
            return ""
        if offset >= self._names_end:
            raise BtfError(f"BTF: a name lies {offset} bytes into {self._names_end} bytes of names")
        return text_of(self._raw_name(offset))

    def _int(self, at: int) -> Int:
        encoding = self._words[at + 3] >> 24
        name = self._name(self._words[at])
        return Int(name, self._words[at + 2], bool(encoding & 1), bool(encoding & 4), name == "char" or bool(encoding & 2))

    def _enum(self, type_id: int, at: int, kind: int, count: int) -> Enum:
        words = self._words
        signed = bool(words[at + 1] >> 31)
        if not self.index.signs and kind == ENUM:
            # Before Linux 6.0 enums had no sign. Negative constants are near zero (-1, an errno), high bits are flags.
            signed = any(words[i] >= _LEAST_NEGATIVE for i in range(at + 4, at + 3 + 2 * count, 2))
        values = []
        if kind == ENUM:
            for i in range(at + 3, at + 3 + 2 * count, 2):
                value = words[i + 1]
                values.append((self._name(words[i]), value - (value >> 31 << 32) if signed else value))
        else:
            for i in range(at + 3, at + 3 + 3 * count, 3):
                value = words[i + 1] | words[i + 2] << 32
                values.append((self._name(words[i]), value - (value >> 63 << 64) if signed else value))
        return Enum(type_id, self._name(words[at]), words[at + 2], signed, tuple(values))

    def _proto(self, at: int, count: int) -> FuncProto:
        words = self._words
        params = [(self._name(words[i]), words[i + 1]) for i in range(at + 3, at + 3 + 2 * count, 2)]
        if params and params[-1] == ("", 0):
            params[-1] = ("...", 0)
        return FuncProto(tuple(params), words[at + 2])

    def _old_bit_field(self, type_id: int) -> tuple[int, int]:
        """Bits and shift of a member whose bit field is told by its integer type (no kind_flag); 0 bits when it is none."""
        type_id = self._strip(type_id, _TRANSPARENT)
        if type_id == 0:
            return 0, 0
        at, kind, _ = self._type(type_id)
        if kind != INT:
            return 0, 0
        encoding = self._words[at + 3]
        bits, shift = encoding & 0xFF, encoding >> 16 & 0xFF
        whole = bits == 8 * self._words[at + 2] and not shift
        return (0, 0) if whole else (bits, shift)

    def _declare(self, type_id: int, inner: str, budget: list[int]) -> str:
        budget[0] -= 1
        if budget[0] < 0:
            raise BtfError(f"BTF: type {type_id} is part of a declaration without end")
        if type_id == 0:
            return _joined("void", inner)
        at, kind, count = self._type(type_id)
        target = self._words[at + 2]
        name = self._name(self._words[at])
        if kind in _QUALIFIERS:
            if target and self._type(target)[1] == PTR:
                return self._declare(target, _joined(_QUALIFIERS[kind], inner), budget)
            return f"{_QUALIFIERS[kind]} {self._declare(target, inner, budget)}"
        if kind == PTR:
            around = target and self._type(target)[1] in (ARRAY, FUNC_PROTO)
            return self._declare(target, f"(*{inner})" if around else f"*{inner}", budget)
        if kind == ARRAY:
            return self._declare(self._words[at + 3], f"{inner}[{self._words[at + 5]}]", budget)
        if kind == FUNC_PROTO:
            return self._declare(target, f"{inner}({self._params(at, count, budget)})", budget)
        if kind in (FUNC, VAR, DECL_TAG, TYPE_TAG):
            return self._declare(target, inner, budget)
        return _joined(_spelled(kind, name, bool(self._words[at + 1] >> 31)), inner)

    def _params(self, at: int, count: int, budget: list[int]) -> str:
        params = self._proto(at, count).params
        return ", ".join("..." if p == ("...", 0) else self._declare(p[1], p[0], budget) for p in params) or "void"


def _spelled(kind: int, name: str, flag: bool) -> str:
    word = {STRUCT: "struct", UNION: "union", ENUM: "enum", ENUM64: "enum", FWD: "union" if flag else "struct"}.get(kind)
    if word is None:
        return name
    return f"{word} {name}" if name else f"{word} {{...}}"


def _joined(base: str, inner: str) -> str:
    return base + inner if not inner or inner.startswith("[") else f"{base} {inner}"
