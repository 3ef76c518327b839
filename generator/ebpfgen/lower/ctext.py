"""C as text: quoting of what a spec says, and parentheses where C needs them.

Receives bytes, names and pieces of C; returns pieces of C. Nothing of a spec becomes C but through here or as a checked
identifier. Knows no statement, no variable and no type.
"""

from __future__ import annotations

import re

from ebpfgen import ir

NUMBERS = re.compile(r"ctx\[\d+\]|ctx->\w+(\[\d+\])?|PT_REGS_\w+\(ctx\)")
"""What the context gives as 64 bits without sign, where it is cast to a pointer."""


def c_string(text: bytes) -> str:
    """A C string literal of any bytes. Escapes are octal and three digits long, so that no digit behind one joins it."""
    plain = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?()' else f"\\{b:03o}" for b in text)
    return f'"{plain}"'


def c_comment(text: str) -> str:
    """Text that can stand inside a C comment."""
    return text.replace("\\", "/").replace("*/", "* /").replace("/*", "/ *")


def constant(v: ir.Const) -> str:
    if isinstance(v.type, ir.BoolT):
        return "true" if v.value else "false"
    if v.name:
        return f"{v.value} /* {v.name} */"
    if v.value >= 2**63:
        return f"{v.value:#x}ULL"
    if v.value == -(2**63):
        return "(-9223372036854775807LL - 1)"  # the number alone, before its sign, fits no signed type
    return str(v.value) if abs(v.value) < 2**31 else f"{v.value}LL"


def is_simple(line: str) -> bool:
    """One statement that needs no braces and declares nothing."""
    return line.endswith(";") and not re.match(r"\t|if |\}|(struct|char|bool|long|const|__[us]\d+) ", line)


def side_of(text: str, op: str = "") -> str:
    """``text`` as a side of && or || (``op``), or before a ?: in parentheses where it holds the other of them, or a choice."""
    bare = text
    while (shorter := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = shorter
    return f"({text})" if {"&&", "||", "?"} - {op} & set(re.findall(r"&&|\|\||\?", bare)) else text


def is_atom(text: str) -> bool:
    return text.replace("_", "").replace("->", "").replace(".", "").isalnum()


def operand_of(text: str) -> str:
    """``text`` in parentheses unless it binds tighter than any operator next to it could."""
    if is_atom(text.lstrip("!~")) or (text.endswith("*/") and text.split(" ")[0].lstrip("-").isdigit()):
        return text
    depth = 0
    for i, c in enumerate(text):
        depth += c in "([{"
        depth -= c in ")]}"
        if depth == 0 and c in " <>=!&|+-*/%^?~" and not text.startswith("->", i) and not (c == ">" and text[i - 1 : i] == "-"):
            return f"({text})"
    return text


def loose_of(text: str) -> str:
    """``text`` beside a comparison, or as what is chosen: as :func:`operand_of`, but -1 and *entry need no parentheses there."""
    return text if re.fullmatch(r"-[0-9]+(LL)?|\*\w+", text) else operand_of(text)


def primary_of(text: str) -> str:
    """``text`` in parentheses unless -> can stand behind it."""
    depth = 0
    for i, c in enumerate(text):
        depth += c in "([{"
        depth -= c in ")]}"
        if depth == 0 and text[0] == "(" and i + 1 < len(text) and not text.startswith(("->", ".", "["), i + 1):
            return f"({text})"  # a cast
    return operand_of(text)


def path_of(steps: tuple[ir.Step, ...]) -> str:
    text = ""
    for step in steps:
        if step.member is not None:
            text += ("." if text else "") + step.member.name
        elif isinstance(step.index, ir.Const):
            text += f"[{step.index.value}]"
    return text
