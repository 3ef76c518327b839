"""The looks of a C function: declarations stand first in their block with an empty line behind them, and no line is wide.

Receives the lines of a body, each a statement or a part of an ``if``, indented by tabs; returns lines that do the same. Knows
of C what lowering writes, and nothing of what it means.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby, takewhile

from .cline import indented, like

WIDEST = 120
TAB = 8

_DECLARED = re.compile(
    r"(?P<base>(?:const )?(?:struct \w+|union \w+|__[us]\d+|bool|char|int|long|void)) (?P<stars>\**)(?P<name>\w+)"
    r"(?P<array>\[\w+\])?(?: = (?P<value>.*))?;"
)


def lay_out(body: list[str]) -> list[str]:
    """The same function in the kernel's style; the caller indents it by one tab."""
    return [like(line, part) for line in _block(body) for part in _narrow(line)]


def _block(lines: list[str]) -> list[str]:
    """The lines of one block, not indented."""
    first: list[str] = []
    declared: dict[str, list[str]] = {}  # type → names
    rest: list[str] = []
    for line in _statements(lines):
        found = _DECLARED.fullmatch(line)
        if found is None or (found["base"].startswith("const") and not found["stars"]):
            rest.append(line)
        elif not rest:
            first.append(line)
        else:
            declared.setdefault(found["base"], []).append(f"{found['stars']}{found['name']}{found['array'] or ''}")
            rest += [like(line, part) for part in _assigned(found)]
    first += [f"{base} {', '.join(names)};" for base, names in declared.items()]
    return [*first, "", *rest] if first and rest else first + rest


def _statements(lines: list[str]) -> Iterator[str]:
    """The lines, those of inner blocks laid out."""
    for deeper, group in groupby(lines, lambda line: line.startswith("\t")):
        if deeper:
            yield from (indented(line) if line else line for line in _block([like(line, line[1:]) for line in group]))
        else:
            yield from group


def _assigned(declared: re.Match[str]) -> Iterator[str]:
    """The initialiser of a declaration that moves up, as statements."""
    name, value = declared["name"], declared["value"]
    if value is None:
        return
    if declared["array"] and value.startswith('"'):
        yield f"__builtin_memcpy({name}, {value}, sizeof({name}));"
    elif value.startswith("{"):
        yield f"__builtin_memset({'' if declared['array'] else '&'}{name}, 0, sizeof({name}));"
        yield from (f"{name}{member};" for member in _split(value[1:-1].strip()))
    else:
        yield f"{name} = {value};"


def _split(members: str) -> Iterator[str]:
    """``.a = x, .b = f(y, z)`` at the commas between members."""
    start = 0
    for at, looseness in _breaks(members):
        if looseness == (0, 0) and members.startswith(".", at):
            yield members[start:at].rstrip(", ")
            start = at
    if members:
        yield members[start:]


def _narrow(line: str) -> Iterator[str]:
    """The line in pieces that are not wide, where it can be cut."""
    own = line[: len(line) - len(line.lstrip("\t"))]
    further = f"{own}\t\t"
    while _width(line) > WIDEST:
        begin = len(line) - len(line.lstrip())
        fitting = [(looseness, at) for at, looseness in _fitting(line) if at > begin]
        if not fitting:
            break
        loosest = min(looseness for looseness, _ in fitting)
        at = max(at for looseness, at in fitting if looseness == loosest)
        yield line[:at].rstrip()
        further = _below_parenthesis(line[:at]) or further
        line = further + line[at:]
    yield line


def _fitting(line: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """The breaks of the line's wide beginning; the rest, which may be long, is not looked at."""
    return takewhile(lambda found: _width(line[: found[0]].rstrip()) <= WIDEST, _breaks(line))


def _below_parenthesis(before: str) -> str:
    """The indentation of what goes on inside a parenthesis; "" where ``before`` opens none, or one too far to the right."""
    opened = []
    for at, c in _code(before):
        if c in "([{":
            opened.append(at + 1)
        elif c in ")]}" and opened:
            opened.pop()
    column = _width(before[: opened[-1]]) - TAB if opened else WIDEST
    if column > WIDEST // 2:
        return ""
    return "\t" * (column // TAB) + " " * (column % TAB)


def _breaks(line: str) -> Iterator[tuple[int, tuple[int, int]]]:
    """Where a line can be cut: the place of what begins the next one, and how loosely it hangs together there (depth in
    parentheses, then operator; less is looser)."""
    depth = 0
    for at, c in _code(line):
        depth += (c in "([{") - (c in ")]}")
        if line.startswith(", ", at):
            yield at + 2, (depth, 0)
        elif line.startswith((" ? ", " : "), at - 1):
            yield at, (depth, 1)
        elif line.startswith(" || ", at - 2):
            yield at + 2, (depth, 2)
        elif line.startswith(" && ", at - 2):
            yield at + 2, (depth, 3)
        elif line.startswith((" + ", " - ", " | ", " & "), at - 1):
            yield at + 2, (depth, 4)


def _code(line: str) -> Iterator[tuple[int, str]]:
    """The characters outside of literals, with their places."""
    for found in re.finditer(r'"(?:\\.|[^"\\])*"|.', line):
        if not found[0].startswith('"'):
            yield found.start(), found[0]


def _width(line: str) -> int:
    """Columns that the line takes behind one tab."""
    return TAB + len(line.expandtabs(TAB))
