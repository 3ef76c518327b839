"""Expressions, each with its type. Nothing of them refers to the spec's text but to say where something stands."""

from __future__ import annotations

from ebpfgen import model
from ebpfgen.btf import Member, Struct
from ebpfgen.records import field, record

from .node import Node
from .types import ArgvT, BoolT, BytesT, IntT, Space, StringT, Type


@record()
class Const(Node):
    type: IntT | BoolT
    value: int
    name: str = ""  # as the spec writes it


@record()
class Text(Node):
    type: StringT
    value: bytes


@record()
class Local(Node):
    """A variable of the generated function: ``let``."""

    type: Type
    name: str


@record()
class Kept(Node):
    """A value that a span kept: a member of its entry."""

    type: Type
    name: str


@record()
class Builtin(Node):
    type: Type
    name: str


@record()
class ParamValue(Node):
    type: Type
    name: str


@record()
class Input(Node):
    """Something that the context gives; ``c`` is its C text, ``name`` what the spec calls it."""

    type: Type
    c: str
    name: str
    uses: tuple[tuple[Struct, Member], ...] = ()


@record()
class Step:
    """One step into a struct (``member``) or an array (``index``)."""

    owner: Struct | None
    member: Member | None
    index: Expr | None = None
    missing: bool = False  # the kernel described does not have this member


@record()
class Load(Node):
    """What lies at ``steps`` behind the pointer ``base``: a number, a pointer, or a place."""

    type: Type
    base: Expr
    steps: tuple[Step, ...]
    spelled_base: str  # struct request


@record()
class Follow(Node):
    """A number behind a pointer to numbers: ``*p``."""

    type: IntT
    pointer: Expr
    index: Expr


@record()
class Unary(Node):
    type: Type
    op: str
    operand: Expr


@record()
class Binary(Node):
    type: Type
    op: str
    left: Expr
    right: Expr


@record()
class Conditional(Node):
    type: Type
    condition: Expr
    yes: Expr
    no: Expr


@record()
class Cast(Node):
    type: Type
    operand: Expr
    c_type: str


@record()
class Lookup(Node):
    """``map[keys]`` or one field of it; ``default`` from ``??``."""

    type: Type
    map: str
    keys: tuple[Expr, ...]
    field: str | None
    default: Expr | None = None


@record()
class InMap(Node):
    type: BoolT
    map: str
    keys: tuple[Expr, ...]


@record()
class OneOf(Node):
    type: BoolT
    item: Expr
    values: tuple[Expr, ...]


@record()
class FieldChoice(Node):
    """The first of ``options`` whose fields the running kernel has; ``fields`` are the steps to test, per option; ``written``:
    the options as the spec has them, and where."""

    type: Type
    options: tuple[Expr, ...]
    fields: tuple[tuple[tuple[Struct, Member], ...], ...]
    written: model.Choice | None = field(default=None, compare=False)


@record()
class Exists(Node):
    """Whether the running kernel has all of ``fields``. Of one that the kernel described lacks, ``any_kind`` says that its type
    may be any: it is not going to be read."""

    type: BoolT
    fields: tuple[tuple[Struct, Member], ...]
    any_kind: bool = False


@record()
class StringAt(Node):
    """A C string at a pointer; ``size`` 0 means as many as the destination holds."""

    type: StringT
    pointer: Expr
    space: Space


@record()
class BufferAt(Node):
    """``length`` bytes at a pointer."""

    type: Type
    pointer: Expr
    length: Expr
    space: Space


@record()
class ArgvAt(Node):
    type: ArgvT
    pointer: Expr


@record()
class IpOf(Node):
    """An address from 4 or 16 bytes: a number in network order, or a place."""

    type: BytesT
    source: Expr
    width: int


@record()
class MacOf(Node):
    type: BytesT
    source: Expr


@record()
class Call(Node):
    type: Type
    function: str
    args: tuple[Expr, ...]


@record()
class StringTest(Node):
    """``left`` equals (or starts with, ``prefix``) the text."""

    type: BoolT
    left: Expr
    right: bytes
    prefix: bool = False


@record()
class StringIsParam(Node):
    """``left`` equals the text of a parameter."""

    type: BoolT
    left: Expr
    param: ParamValue


Expr = (
    Const | Text | Local | Kept | Builtin | ParamValue | Input | Load | Follow | Unary | Binary | Conditional | Cast | Lookup
    | InMap | OneOf | FieldChoice | Exists | StringAt | BufferAt | ArgvAt | IpOf | MacOf | Call | StringTest | StringIsParam
)  # fmt: skip
