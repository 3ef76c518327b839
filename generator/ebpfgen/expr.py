"""Expressions: text to syntax tree.

Receives the text of one expression; returns a :class:`Node` tree whose nodes know their offset in the text. Never looks at
types or names: that is :mod:`ebpfgen.typer`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from . import grammar
from .characters import quote
from .grammar import Tree
from .model import Text
from .problems import Problem
from .records import record

DEEPEST = 100
"""Levels that an expression may have, each operator one; more is a mistake, and recursion has limits."""

CASTS = "types are u8 u16 u32 u64 i8 i16 i32 i64, pointers to them such as u64 *, and struct NAME *"

UNITS = {
    "": (1, ""),
    "ns": (1, "duration"),
    "us": (10**3, "duration"),
    "ms": (10**6, "duration"),
    "s": (10**9, "duration"),
    "m": (60 * 10**9, "duration"),
    "KiB": (2**10, "bytes"),
    "MiB": (2**20, "bytes"),
    "GiB": (2**30, "bytes"),
    "KB": (10**3, "bytes"),
    "MB": (10**6, "bytes"),
    "GB": (10**9, "bytes"),
    "B": (1, "bytes"),
}


@record()
class Node:
    pos: int


@record()
class Number(Node):
    value: int
    unit: str = ""  # "", duration, bytes


@record()
class String(Node):
    value: bytes


@record()
class Boolean(Node):
    value: bool


@record()
class Name(Node):
    name: str


@record()
class ParamName(Node):
    name: str


@record()
class Member(Node):
    base: Node
    name: str


@record()
class Index(Node):
    base: Node
    keys: tuple[Node, ...]


@record()
class Call(Node):
    function: str
    args: tuple[Node, ...]


@record()
class Unary(Node):
    op: str  # - ~ ! *
    operand: Node


@record()
class Binary(Node):
    op: str  # C's, with && || and ??
    left: Node
    right: Node


@record()
class Conditional(Node):
    condition: Node
    yes: Node
    no: Node


@record()
class Cast(Node):
    tag: str  # struct, union, enum or ""
    name: str
    stars: int
    operand: Node


@record()
class Contains(Node):
    item: Node
    container: Node


@record()
class Tuple(Node):
    items: tuple[Node, ...]


class _Bad(Exception):
    def __init__(self, pos: int, message: str) -> None:
        super().__init__(message)
        self.pos, self.message = pos, message


_BINARY = {
    "op_bor": "|", "op_bxor": "^", "op_band": "&", "op_eq": "==", "op_ne": "!=", "op_lt": "<", "op_le": "<=", "op_gt": ">",
    "op_ge": ">=", "op_shl": "<<", "op_shr": ">>", "op_add": "+", "op_sub": "-", "op_mul": "*", "op_div": "/", "op_mod": "%",
    "logical_or": "||", "logical_and": "&&", "coalesce": "??",
}  # fmt: skip
_UNARY = {"op_neg": "-", "op_not": "~", "logical_not": "!", "deref": "*"}


@functools.cache
def _grammar() -> str:
    return (Path(__file__).parent / "expr.lark").read_text()


@functools.cache
def _parser() -> grammar.Parser:
    return grammar.parser(_grammar())


@functools.lru_cache(maxsize=4096)  # each attach point of a probe types the same expressions again
def parse(text: Text) -> Node:
    """The tree of ``text``; raises :class:`ExpressionError` (one :class:`Problem`) where it is no expression."""
    source = text.text
    if not source.strip():
        raise ExpressionError(text.at.problem("an expression is expected here, this is empty"))
    try:
        tree = _parser().parse(source)
        if _levels(tree) > DEEPEST:
            raise ExpressionError(text.at.problem(f"expression nested deeper than {DEEPEST} levels"))
        return _node(tree)
    except _Bad as bad:
        raise ExpressionError(text.sub(bad.pos).problem(bad.message)) from None
    except grammar.RefusedError:
        at, message, hint = _mistake(source)
        raise ExpressionError(text.sub(at).problem(message, hint=hint)) from None


class ExpressionError(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def _levels(tree: Tree) -> int:
    """How many trees stand one in another."""
    levels, inner = 0, [tree]
    while inner:
        levels += 1
        inner = [kid for one in inner for kid in one.children if isinstance(kid, Tree)]
    return levels


_ADVICE = (  # what stands before the place, what stands there, what to do
    (r"", r"=(?!=)", "to compare, write =="),
    (r"<", r">", "'not equal' is !="),
    (r"", r";", "a spec holds expressions, not C statements"),
    (r"", r"'", "'a' is one character; text stands in double quotes"),
    (r"", r'"', 'the closing " is missing'),
    (r"[0-9]\.", r"[0-9]", "only whole numbers are possible"),
    (r"[0-9] +", rf"({'|'.join(filter(None, UNITS))})\b", "no space between a number and its unit"),
    (r"[+]", r"[+]|-", "expressions change nothing"),
    (r"", r"&", "addresses can't be taken"),
)


@functools.cache
def _lark() -> Any:
    return grammar.lark_parser(_grammar())


def _mistake(source: str) -> tuple[int, str, str]:
    """Where, what and perhaps what to do about it: as lark says of a text that does not parse."""
    import lark

    try:
        raise AssertionError(f"lark takes what its own tables refuse: {_lark().parse(source)}")
    except lark.UnexpectedInput as unexpected:
        error = unexpected
    ended = isinstance(error, lark.UnexpectedEOF) or (isinstance(error, lark.UnexpectedToken) and error.token.type == "$END")
    at = len(source) if ended else int(error.pos_in_stream or 0)
    if ended:
        return at, "the expression ends where more is expected", ""
    before, rest = source[:at], source[at:]
    if re.match(r"[\w$(\"']", rest) and (cast := re.search(r"(?<!\w)\(\s*(\w+)\s*\**\s*\)\s*$", before)):
        return cast.start(1), f"'{cast[1]}' is no type to cast to", CASTS
    hint = next((do for left, right, do in _ADVICE if re.search(f"(?:{left})$", before) and re.match(right, rest)), "")
    if isinstance(error, lark.UnexpectedToken):
        return at, f"{quote(str(error.token), 20)} is not expected here", hint
    return at, f"{quote(source[at])} does not belong in an expression", hint


def _node(tree: Any) -> Node:
    kind, kids, pos = tree
    if kind in _BINARY:
        return Binary(pos, _BINARY[kind], _node(kids[0]), _node(kids[1]))
    if kind in _UNARY:
        return Unary(pos, _UNARY[kind], _node(kids[0]))
    leaf: Node = _LEAVES[kind](pos, kids)
    return leaf


def _number(pos: int, kids: list[Any]) -> Node:
    match = re.fullmatch(r"(0[xX][0-9a-fA-F_]+|0o[0-7_]+|0b[01_]+|[0-9_]+)([A-Za-z]*)", kids[0].text)
    digits, unit = (match[1], match[2]) if match else (kids[0].text, "?")
    if unit.lower() in ("u", "l", "ul", "ull", "ll"):
        unit = ""
    if unit not in UNITS:
        raise _Bad(pos, f"{quote(unit, 20)} is no unit; durations have ns us ms s m, sizes B KB MB GB KiB MiB GiB")
    if len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567_":
        raise _Bad(pos, f"'{digits}' looks octal: write 0o{digits.lstrip('0_') or '0'} or leave out the leading 0")
    try:
        value = int(digits, 0)
    except ValueError:
        raise _Bad(pos, f"{quote(kids[0].text, 20)} is no number") from None
    factor, kind = UNITS[unit]
    if value * factor >= 2**64:
        raise _Bad(pos, f"{quote(kids[0].text, 20)} does not fit 64 bits")
    return Number(pos, value * factor, kind)


def _unquote(pos: int, token: str) -> bytes:
    import ast

    body = token[1:-1]
    for escape in re.finditer(r"\\(.)", body):
        if escape[1] not in "nrt0\\\"'x":
            raise _Bad(
                pos + 1 + escape.start(), f"{quote(escape[0])} is no escape; there are \\n \\r \\t \\0 \\\\ \\\" \\' \\xHH"
            )
    try:
        value = ast.literal_eval('b"' + "".join(c if c.isascii() else "".join(f"\\x{b:02x}" for b in c.encode())
                                                for c in body.replace('\\"', '"').replace('"', '\\"')) + '"')  # fmt: skip
    except (SyntaxError, ValueError, UnicodeEncodeError):
        raise _Bad(pos, f"{quote(token, 20)} is not a well-formed literal") from None
    assert isinstance(value, bytes)
    return value


def _char(pos: int, kids: list[Any]) -> Node:
    value = _unquote(pos, kids[0].text)
    if len(value) != 1:
        raise _Bad(pos, f"{kids[0].text} is not one byte")
    return Number(pos, value[0])


def _string(pos: int, kids: list[Any]) -> Node:
    value = _unquote(pos, kids[0].text)
    if b"\0" in value:
        raise _Bad(pos, "a string can't hold a NUL byte")
    return String(pos, value)


def _name(pos: int, kids: list[Any]) -> Node:
    name = kids[0].text
    return Boolean(pos, name == "true") if name in ("true", "false") else Name(pos, name)


def _call(pos: int, kids: list[Any]) -> Node:
    return Call(pos, kids[0].text, tuple(_nodes(kids[1])) if len(kids) > 1 else ())


def _cast(pos: int, kids: list[Any]) -> Node:
    words = [t.text for t in kids[0].children if t.type != "STAR"]
    stars = sum(1 for t in kids[0].children if t.type == "STAR")
    tag, name = (words[0], words[1]) if words[0] in ("struct", "union", "enum") else ("", " ".join(words))
    return Cast(pos, tag, name, stars, _node(kids[1]))


def _nodes(arguments: Any) -> Iterator[Node]:
    return map(_node, arguments.children)


_LEAVES: dict[str, Any] = {
    "number": _number,
    "char": _char,
    "string": _string,
    "name": _name,
    "param": lambda pos, kids: ParamName(pos, kids[0].text[1:]),
    "member": lambda pos, kids: Member(kids[1].start, _node(kids[0]), kids[1].text),
    "index": lambda pos, kids: Index(pos, _node(kids[0]), tuple(_nodes(kids[1]))),
    "call": _call,
    "cast": _cast,
    "conditional": lambda pos, kids: Conditional(pos, *map(_node, kids)),
    "contains": lambda pos, kids: Contains(pos, _node(kids[0]), _node(kids[1])),
    "contains_not": lambda pos, kids: Unary(pos, "!", Contains(pos, _node(kids[0]), _node(kids[1]))),
    "tuple": lambda pos, kids: Tuple(pos, (_node(kids[0]), *_nodes(kids[1]))),
}


def children(node: Node) -> tuple[Node, ...]:
    match node:
        case Member(base=b):
            return (b,)
        case Index(base=b, keys=k):
            return (b, *k)
        case Call(args=a):
            return a
        case Unary(operand=o) | Cast(operand=o):
            return (o,)
        case Binary(left=a, right=b) | Contains(item=a, container=b):
            return (a, b)
        case Conditional(condition=c, yes=a, no=b):
            return (c, a, b)
        case Tuple(items=i):
            return i
    return ()


def names(node: Node) -> set[str]:
    """The free names of an expression: variables, builtins, constants and maps."""
    found = {node.name} if isinstance(node, Name) else set()
    return found.union(*map(names, children(node)))


def conjuncts(node: Node) -> list[Node]:
    """The parts of ``a and b and c``."""
    if isinstance(node, Binary) and node.op == "&&":
        return conjuncts(node.left) + conjuncts(node.right)
    return [node]
