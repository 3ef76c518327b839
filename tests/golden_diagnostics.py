"""Golden diagnostics: specs with one kind of mistake, whose leading comment lines are the problems that must be reported.

A line is ``# LINE:COLUMN: PATH: MESSAGE``, in the order of the file. ``pytest --rewrite-goldens`` writes them anew; read the
difference before committing it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ebpfgen.problems import SpecError

FOLDER = Path(__file__).parent / "bad_specs"


def compare(path: Path, diagnose: Callable[[bytes, str], object], rewrite: bool) -> None:
    """``diagnose`` gets the bytes of the spec at ``path`` and its name, and must raise SpecError with what the spec expects."""
    expected, body = _split(path.read_text(encoding="utf-8"))
    found = _report(diagnose, expected, body, path.name)
    if rewrite and found != expected:
        found = _report(diagnose, found, body, path.name)  # the comment's length moved the lines
        path.write_text(_join(found, body), encoding="utf-8")
        return
    assert found == expected, f"{path.name}: these problems were found:\n" + "\n".join(found)


def _split(text: str) -> tuple[list[str], str]:
    lines = text.splitlines(keepends=True)
    count = next((i for i, line in enumerate(lines) if not line.startswith("# ")), len(lines))
    return [line[2:].rstrip("\n") for line in lines[:count]], "".join(lines[count:])


def _join(expected: list[str], body: str) -> str:
    return "".join(f"# {line}\n" for line in expected) + body


def _report(diagnose: Callable[[bytes, str], object], head: list[str], body: str, file: str) -> list[str]:
    try:
        diagnose(_join(head, body).encode(), file)
    except SpecError as error:
        return [str(problem).removeprefix(f"{file}:") for problem in error.problems]
    return []
