"""docs/recording.md says what the code does: sizes, kinds, the version."""

from __future__ import annotations

import re
from pathlib import Path

from ebpfrun.recording import chunks, contents

TEXT = (Path(__file__).parents[2] / "docs" / "recording.md").read_text(encoding="utf-8")


def rows(title: str) -> list[list[str]]:
    """The table whose header holds ``title``."""
    lines = TEXT.partition(f"| {title} |\n|---|---|\n")[2].splitlines()
    table = lines[: next((i for i, line in enumerate(lines) if not line.startswith("|")), len(lines))]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def test_the_heads_are_as_long_as_it_says() -> None:
    assert sum(int(size) for size, _ in rows("bytes | head of the file")) == len(chunks.head())
    assert sum(int(size) for size, _ in rows("bytes | chunk")) == len(chunks.chunk(b"kind", 0, b""))
    assert f"version {chunks.VERSION}" in TEXT


def test_every_kind_is_there() -> None:
    kinds = {kind.strip("`").encode() for kind, _ in rows("kind | holds")}
    assert kinds == {contents.ABOUT, contents.EVENTS, contents.READINGS, contents.NAMES, contents.CLOCK, contents.ACCOUNT}
