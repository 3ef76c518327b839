"""Expressions, each with its type. Nothing of them refers to the spec's text."""

from __future__ import annotations

from dataclasses import dataclass

from ebpfgen.btf import Member, Struct

from .types import ArgvT, BoolT, BytesT, IntT, Space, StringT, Type


@dataclass(frozen=True, slots=True)
class Const:
    type: IntT | BoolT
    value: int
    name: str = ""  # as the spec writes it


@dataclass(frozen=True, slots=True)
class Text:
    type: StringT
    value: bytes


@dataclass(frozen=True, slots=True)
class Local:
    """A variable of the generated function: ``let``."""

    type: Type
    name: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that a span kept: a member of its entry."""

    type: Type
    name: str


@dataclass(frozen=True, slots=True)
class Builtin:
    type: Type
    name: str


@dataclass(frozen=True, slots=True)
class ParamValue:
    type: Type
    name: str


@dataclass(frozen=True, slots=True)
class Input:
    """Something that the context gives; ``c`` is its C text, ``name`` what the spec calls it."""

    type: Type
    c: str
    name: str
    uses: tuple[tuple[Struct, Member], ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step into a struct (``member``) or an array (``index``)."""

    owner: Struct | None
    member: Member | None
    index: Expr | None = None
    missing: bool = False  # the kernel described does not have this member


@dataclass(frozen=True, slots=True)
class Load:
    """What lies at ``steps`` behind the pointer ``base``: a number, a pointer, or a place."""

    type: Type
    base: Expr
    steps: tuple[Step, ...]
    spelled_base: str  # struct request


@dataclass(frozen=True, slots=True)
class Follow:
    """A number behind a pointer to numbers: ``*p``."""

    type: IntT
    pointer: Expr
    index: Expr


@dataclass(frozen=True, slots=True)
class Unary:
    type: Type
    op: str
    operand: Expr


@dataclass(frozen=True, slots=True)
class Binary:
    type: Type
    op: str
    left: Expr
    right: Expr


@dataclass(frozen=True, slots=True)
class Conditional:
    type: Type
    condition: Expr
    yes: Expr
    no: Expr


@dataclass(frozen=True, slots=True)
class Cast:
    type: Type
    operand: Expr
    c_type: str


@dataclass(frozen=True, slots=True)
class Lookup:
    """``map[keys]`` or one field of it; ``default`` from ``??``."""

    type: Type
    map: str
    keys: tuple[Expr, ...]
    field: str | None
    default: Expr | None = None


@dataclass(frozen=True, slots=True)
class InMap:
    type: BoolT
    map: str
    keys: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class OneOf:
    type: BoolT
    item: Expr
    values: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """The first of ``options`` whose fields the running kernel has; ``fields`` are the steps to test, per option."""

    type: Type
    options: tuple[Expr, ...]
    fields: tuple[tuple[tuple[Struct, Member], ...], ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether the running kernel has all of ``fields``. Of one that the kernel described lacks, ``any_kind`` says that its type
    may be any: it is not going to be read."""

    type: BoolT
    fields: tuple[tuple[Struct, Member], ...]
    any_kind: bool = False


@dataclass(frozen=True, slots=True)
class StringAt:
    """A C string at a pointer; ``size`` 0 means as many as the destination holds."""

    type: StringT
    pointer: Expr
    space: Space


@dataclass(frozen=True, slots=True)
class BufferAt:
    """``length`` bytes at a pointer."""

    type: Type
    pointer: Expr
    length: Expr
    space: Space


@dataclass(frozen=True, slots=True)
class ArgvAt:
    type: ArgvT
    pointer: Expr


@dataclass(frozen=True, slots=True)
class IpOf:
    """An address from 4 or 16 bytes: a number in network order, or a place."""

    type: BytesT
    source: Expr
    width: int


@dataclass(frozen=True, slots=True)
class MacOf:
    type: BytesT
    source: Expr


@dataclass(frozen=True, slots=True)
class Call:
    type: Type
    function: str
    args: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class StringTest:
    """``left`` equals (or starts with, ``prefix``) the text."""

    type: BoolT
    left: Expr
    right: bytes
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class StringIsParam:
    """``left`` equals the text of a parameter."""

    type: BoolT
    left: Expr
    param: ParamValue


Expr = (
    Const | Text | Local | Kept | Builtin | ParamValue | Input | Load | Follow | Unary | Binary | Conditional | Cast | Lookup
    | InMap | OneOf | FieldChoice | Exists | StringAt | BufferAt | ArgvAt | IpOf | MacOf | Call | StringTest | StringIsParam
)  # fmt: skip
