"""A line of generated C that knows where in the spec it comes from.

It is text wherever text is needed; what cuts, joins or indents lines hands the place on with :func:`like`.
"""

from __future__ import annotations

from .problems import Mark


class Line(str):
    """``at`` is None for what no single place of the spec asks for."""

    __slots__ = ("at",)
    at: Mark | None

    def __new__(cls, text: str, at: Mark | None = None) -> Line:
        line = super().__new__(cls, text)
        line.at = at
        return line


def place_of(line: str) -> Mark | None:
    return line.at if isinstance(line, Line) else None


def like(line: str, text: str) -> Line:
    """``text``, from where ``line`` comes from."""
    return Line(text, place_of(line))


def indented(line: str) -> Line:
    return like(line, f"\t{line}")
