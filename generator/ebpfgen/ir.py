"""The typed program: what the checker hands to lowering.

Every expression node has a ``type``; nothing here refers to the spec's text but places in messages. Types are closed: a value
is a number, a truth, a pointer, text, raw bytes, an argument vector, or a place in memory too large to be a value.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from . import model
from .btf import Member, Struct
from .cnames import FileNames
from .fieldtypes import FieldType
from .kernel import Tracepoint
from .layout import StructLayout

# Types -------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IntT:
    """``meaning``: a field type's word (duration, pid …) where it is known, for conversions; "" otherwise."""

    bits: int
    signed: bool
    meaning: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"


@dataclass(frozen=True, slots=True)
class BoolT:
    def __str__(self) -> str:
        return "condition"


Space = Literal["kernel", "user"]


@dataclass(frozen=True, slots=True)
class PtrT:
    """``target``: BTF type id, or ``element`` for a pointer to plain numbers (u64 *), or neither for void *. ``trusted``
    pointers (tp_btf, fentry) may be followed directly."""

    space: Space
    target: int = 0
    element: IntT | None = None
    trusted: bool = False
    spelled: str = field(default="void *", compare=False)

    def __str__(self) -> str:
        return self.spelled


@dataclass(frozen=True, slots=True)
class StringT:
    size: int

    def __str__(self) -> str:
        return f"string({self.size})"


@dataclass(frozen=True, slots=True)
class BytesT:
    word: str  # ip or mac
    size: int

    def __str__(self) -> str:
        return self.word


@dataclass(frozen=True, slots=True)
class ArgvT:
    def __str__(self) -> str:
        return "argv"


@dataclass(frozen=True, slots=True)
class PlaceT:
    """A struct or array in memory: usable for members, ``ip()``, ``str()``, not as a number. ``array``: (element type id,
    length) of an array, else None."""

    type_id: int
    spelled: str
    struct: Struct | None
    array: tuple[int, int] | None

    def __str__(self) -> str:
        return self.spelled


@dataclass(frozen=True, slots=True)
class EntryT:
    map: str

    def __str__(self) -> str:
        return f"entry of map {self.map}"


Type = IntT | BoolT | PtrT | StringT | BytesT | ArgvT | PlaceT | EntryT

U64 = IntT(64, False)
S64 = IntT(64, True)

# Expressions -------------------------------------------------------------------------------------------------------------


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

# Statements --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Let:
    name: str
    value: Expr


@dataclass(frozen=True, slots=True)
class Emit:
    event: str
    values: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric's verb; ``value`` already in the metric's unit, None for count."""

    metric: str
    verb: str
    keys: tuple[Expr, ...]
    value: Expr | None


@dataclass(frozen=True, slots=True)
class MapSet:
    """Stores an entry (``field`` None; ``values`` by field, absent ones 0) or one field of an entry that is there."""

    map: str
    keys: tuple[Expr, ...]
    field: str | None
    values: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class MapAdd:
    map: str
    keys: tuple[Expr, ...]
    field: str | None
    value: Expr


@dataclass(frozen=True, slots=True)
class MapDelete:
    map: str
    keys: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class If:
    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    pass


@dataclass(frozen=True, slots=True)
class Filter:
    """The common filters: ends the program for a task that is not wanted. ``task``: whose, None for the current one."""

    task: Expr | None


@dataclass(frozen=True, slots=True)
class Where:
    """Ends the program where the condition is false."""

    condition: Expr


@dataclass(frozen=True, slots=True)
class SpanStart:
    """Stores the start: ``kept`` values under ``keys``."""

    span: str
    keys: tuple[Expr, ...]
    kept: tuple[tuple[str, Expr], ...]


@dataclass(frozen=True, slots=True)
class SpanEnd:
    """Finds the start and removes it, whatever ``body`` does. An end without a start is counted as ``unpaired``, unless
    (``count_unpaired``) starts were left out on purpose."""

    span: str
    keys: tuple[Expr, ...]
    body: tuple[Statement, ...]
    count_unpaired: bool


Statement = Let | Emit | Measure | MapSet | MapAdd | MapDelete | If | Stop | Filter | Where | SpanStart | SpanEnd

# The whole ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Program:
    """One kernel program. ``target`` as in the manifest; ``context`` the C type of ctx; ``filtered`` says that the common
    filters are applied; ``task`` the task they speak of (None: the current one)."""

    name: str
    probe: str
    section: str
    kind: str
    target: dict[str, object]
    context: str
    text: str
    at: model.At
    body: tuple[Statement, ...]
    filtered: bool
    task: Expr | None
    record: Tracepoint | None  # whose fields the context has at fixed offsets


@dataclass(frozen=True, slots=True)
class MapInfo:
    """A map of the spec; ``key`` and ``value`` hold a field "value"/"key" when the spec gives one type."""

    name: str
    type: str
    max_entries: int
    key: StructLayout
    value: StructLayout
    scalar_value: bool
    at: model.At


@dataclass(frozen=True, slots=True)
class EventInfo:
    name: str
    id: int
    summary: str
    layout: StructLayout  # with the header: id, marks
    marks: dict[str, int]


@dataclass(frozen=True, slots=True)
class MetricInfo:
    name: str
    kind: str
    verb: str
    help: str
    unit: str
    top: int | None
    linear: model.Linear | None
    max_entries: int
    key: StructLayout | None
    map_type: str

    @property
    def slots(self) -> int:
        if self.kind != "histogram":
            return 0
        return 64 if not self.linear else (self.linear.max - self.linear.min) // self.linear.step + 2


@dataclass(frozen=True, slots=True)
class SpanInfo:
    name: str
    max_entries: int
    key: StructLayout
    value: StructLayout
    kept_types: dict[str, Type]


@dataclass(frozen=True, slots=True)
class ParamInfo:
    name: str
    type: FieldType
    help: str
    default: int | bool | str
    min: int | None
    max: int | None


@dataclass(frozen=True, slots=True)
class Plan:
    """A node of an attach plan: ``kind`` program (``program`` is an index), all or first."""

    kind: Literal["program", "all", "first"]
    program: int = -1
    optional: bool = False
    of: tuple[Plan, ...] = ()


@dataclass(frozen=True, slots=True)
class AttachInfo:
    probe: str
    at: model.At
    plan: Plan


@dataclass(frozen=True, slots=True)
class LeftOut:
    """An alternative that the kernel described does not have and that can't be typed without it."""

    probe: str
    text: str
    at: model.At
    why: str


@dataclass(frozen=True, slots=True)
class CheckedSpec:
    """Everything emission needs; nothing of it can fail any more."""

    spec: model.Spec
    names: FileNames
    params: dict[str, ParamInfo]
    maps: dict[str, MapInfo]
    events: dict[str, EventInfo]
    metrics: dict[str, MetricInfo]
    spans: dict[str, SpanInfo]
    programs: tuple[Program, ...]
    attach: tuple[AttachInfo, ...]
    left_out: tuple[LeftOut, ...]
    ring: int
    tables: dict[str, dict[str, str]]
