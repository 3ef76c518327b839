"""Where in the spec an instruction comes from: the artefact's own table, read only when a program is refused.

Receives the manifest; an artefact without the table (made by hand) has no places.
"""

from __future__ import annotations

import json

from . import manifest
from .lean import Any, NamedTuple
from .manifest import Manifest, Program

_SUFFIX = "places.json"


class Place(NamedTuple):
    """``line`` and ``column`` in the spec, from 1; ``c_line`` in the generated C, 0 where that is not known."""

    line: int
    column: int
    c_line: int


class Places:
    def __init__(self, m: Manifest) -> None:
        file = f"{m.name}.{_SUFFIX}"
        self._lines: dict[int, list[int]] = {}
        self._programs: dict[str, list[list[int]]] = {}
        self._source = m.path(f"{m.name}.bpf.c")
        if file in m.files:
            manifest.verify(m, (file,))
            with open(m.path(file), encoding="utf-8") as text:
                data: dict[str, Any] = json.load(text)
            self._lines = {int(line): place for line, place in data["lines"].items()}
            self._programs = data["programs"]

    def of(self, program: Program, path: tuple[int, ...], c_line: int = 0) -> Place | None:
        """The place of the last of the instructions in ``path`` that has one: those of helper functions have none of their own.
        ``c_line``: a line of C that is known already, and looked at first."""
        if c_line in self._lines:
            return self._place(c_line)
        for number in reversed(path):
            line = self.c_line(program, number)
            if line in self._lines:
                return self._place(line)
        return None

    def _place(self, c_line: int) -> Place:
        line, column = self._lines[c_line]
        return Place(line, column, c_line)

    def c_line(self, program: Program, instruction: int) -> int:
        line = 0
        for first, of_it in self._programs.get(program.name, ()):
            if first > instruction:
                break
            line = of_it
        return line

    def source(self, line: int) -> str:
        """That line of the generated C, "" where it can't be read: it is there for people, and may be missing."""
        try:
            with open(self._source, encoding="utf-8") as file:
                lines = file.read().split("\n")
        except OSError:
            return ""
        return lines[line - 1].strip() if 0 < line <= len(lines) else ""
