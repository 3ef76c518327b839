"""How problems speak of values, types and numbers of things. Receives them, returns words; decides nothing."""

from __future__ import annotations

from collections.abc import Iterable

from . import ir
from .characters import quote


def article(noun: str) -> str:
    """``noun`` with "a" or "an" before it."""
    return f"{'an' if noun[0] in 'aeioAEIO' or noun.startswith('un') else 'a'} {noun}"


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(words: Iterable[str], last: str = "or") -> str:
    """``a, b or c``."""
    *some, end = words
    return f"{', '.join(some)} {last} {end}" if some else end


def of_type(kind: ir.Type) -> str:
    """What a value of that type is: ``a pid (u32)``, ``a pointer (struct sock *)``."""
    match kind:
        case ir.IntT(meaning=meaning) if meaning and meaning != str(kind):
            return f"{article(meaning)} ({kind})" if meaning != "bytes" else f"a number of bytes ({kind})"
        case ir.PtrT():
            return f"a pointer ({kind})"
        case ir.StringT():
            return "text"
        case ir.EntryT(map=name):
            return f"a whole entry of map {name}"
        case ir.PlaceT(array=array):
            return f"{'an array' if array else 'a record'} ({kind})"
    return article(str(kind))


def of_value(value: ir.Expr) -> str:
    """What a value is, and which where it is constant."""
    match value:
        case ir.Const(type=ir.BoolT(), value=truth):
            return "true" if truth else "false"
        case ir.Const(value=number, name=name):
            return f"the number {name or number}"
        case ir.Text(value=text):
            return f"the text {quote(text.decode(errors='backslashreplace'), 20)}"
    return of_type(value.type)
