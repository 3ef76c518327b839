"""Code blocks of the documents."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, its text, and the line on which the text begins."""

    file: str
    line: int
    language: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def blocks(path: Path, language: str) -> list[Block]:
    """The blocks of ``path`` in ``language``, in order."""
    text = path.read_text(encoding="utf-8")
    found = [
        Block(str(path.relative_to(ROOT)), text.count("\n", 0, match.start()) + 2, match[1], match[2])
        for match in _BLOCK.finditer(text)
    ]
    return [block for block in found if block.language == language]
