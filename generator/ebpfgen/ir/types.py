"""Types of expressions. They are closed: a value is a number, a truth, a pointer, text, raw bytes, an argument vector, or a
place in memory too large to be a value."""

from __future__ import annotations

from typing import Literal

from ebpfgen.btf import Struct
from ebpfgen.records import field, record


@record()
class IntT:
    """``meaning``: a field type's word (duration, pid …) where it is known, for conversions; "" otherwise."""

    bits: int
    signed: bool
    meaning: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{'i' if self.signed else 'u'}{self.bits}"


@record()
class BoolT:
    def __str__(self) -> str:
        return "condition"


Space = Literal["kernel", "user"]


@record()
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


@record()
class StringT:
    size: int

    def __str__(self) -> str:
        return f"string({self.size})"


@record()
class BytesT:
    word: str  # ip or mac
    size: int

    def __str__(self) -> str:
        return self.word


@record()
class ArgvT:
    def __str__(self) -> str:
        return "argv"


@record()
class PlaceT:
    """A struct or array in memory: usable for members, ``ip()``, ``str()``, not as a number. ``array``: (element type id,
    length) of an array, else None."""

    type_id: int
    spelled: str
    struct: Struct | None
    array: tuple[int, int] | None

    def __str__(self) -> str:
        return self.spelled


@record()
class EntryT:
    map: str

    def __str__(self) -> str:
        return f"entry of map {self.map}"


Type = IntT | BoolT | PtrT | StringT | BytesT | ArgvT | PlaceT | EntryT

U64 = IntT(64, False)
S64 = IntT(64, True)
