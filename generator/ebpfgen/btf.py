"""BTF, read lazily: the kernel's types as the checker sees them. (contract; bodies to be written)"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Void:
    pass


@dataclass(frozen=True, slots=True)
class Int:
    name: str
    size: int  # bytes
    signed: bool
    bool: bool = False
    char: bool = False


@dataclass(frozen=True, slots=True)
class Float:
    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Ptr:
    target: int  # type id


@dataclass(frozen=True, slots=True)
class Array:
    element: int  # type id
    length: int


@dataclass(frozen=True, slots=True)
class Struct:
    id: int
    name: str  # "" when anonymous
    union: bool
    size: int


@dataclass(frozen=True, slots=True)
class Enum:
    id: int
    name: str
    size: int
    signed: bool
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class FuncProto:
    params: tuple[tuple[str, int], ...]  # name, type id; a variadic end is ("...", 0)
    result: int  # type id; 0 is void


@dataclass(frozen=True, slots=True)
class Fwd:
    name: str
    union: bool


CType = Void | Int | Float | Ptr | Array | Struct | Enum | FuncProto | Fwd


@dataclass(frozen=True, slots=True)
class Member:
    name: str
    type_id: int
    bit_offset: int  # from the start of the struct asked, anonymous members added up
    bit_size: int  # 0 unless a bit field


class Btf:
    """Types by id; id 0 is void. Reading is lazy: nothing is parsed before it is asked for."""

    def __init__(self, data: bytes) -> None: ...

    def resolve(self, type_id: int) -> CType:
        """The type behind typedef, const, volatile, restrict, type and declaration tags."""
        raise NotImplementedError

    def typedef_name(self, type_id: int) -> str | None:
        """The outermost typedef's name, through qualifiers (``u32``, ``sector_t``), None when there is none."""
        raise NotImplementedError

    def find(self, name: str, *kinds: type) -> int | None:
        """The id of the type of that name: kinds from Struct, Enum, Int, Fwd…; ``Struct`` covers unions. Typedefs are
        found by :meth:`find_typedef`."""
        raise NotImplementedError

    def find_typedef(self, name: str) -> int | None:
        raise NotImplementedError

    def members(self, struct: Struct) -> tuple[Member, ...]:
        """Direct members, in order; an anonymous one has the name ""."""
        raise NotImplementedError

    def member(self, struct: Struct, name: str) -> Member | None:
        """The member of that name, looked for inside anonymous members too."""
        raise NotImplementedError

    def member_names(self, struct: Struct) -> list[str]:
        """Every name that :meth:`member` would find."""
        raise NotImplementedError

    def c_name(self, type_id: int) -> str:
        """The type as C spells it: ``struct sock *``, ``unsigned int``, ``char[16]``."""
        raise NotImplementedError

    def struct_names(self) -> list[str]:
        raise NotImplementedError
