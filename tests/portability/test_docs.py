"""What README.md and docs/kernels.md show of the shipped specs on the lab's kernels is what the command says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ebpfgen import cli
from ebpfgen.portability.lack import CODES
from ebpfgen.wording import counted
from portability.conftest import KERNELS, LABELS

ROOT = Path(__file__).parents[2]
ORDER = tuple(reversed(LABELS))
WORDS = ["check", str(ROOT / "specs"), *(word for label in ORDER for word in ("--kernel", f"{label}.kdesc"))]


def shown(capsys: pytest.CaptureFixture[str], *more: str) -> str:
    assert cli.main([*WORDS, *more]) in (0, 1)
    return capsys.readouterr().out


def summary(data: dict[str, object]) -> str:
    """A row for each spec: runs, and how many of its lines choose otherwise than on the first kernel."""
    rows = ["| spec | " + " | ".join(f"Linux {label}" for label in ORDER) + " |", "|---|" + "---|" * len(ORDER)]
    specs = data["specs"]
    assert isinstance(specs, list)
    for spec in specs:
        cells = []
        for label in ORDER:
            others = spec["runs"][label] and sum(taken(row["on"][label]) != taken(row["on"][ORDER[0]]) for row in spec["lines"])
            cells.append(
                ("runs" if spec["runs"][label] else "**fails**") + (f" ({counted(others, 'line')} otherwise)" if others else "")
            )
        rows.append(f"| {spec['name']} | " + " | ".join(cells) + " |")
    return "\n".join(rows) + "\n"


def taken(cell: dict[str, object]) -> object:
    return cell.get("option", cell["state"] == "attached")


def codes() -> str:
    return "| `code` | means |\n|---|---|\n" + "".join(f"| `{code}` | {words} |\n" for code, words in CODES.items())


@pytest.mark.parametrize(("file", "mark"), [("README.md", "kernels"), ("docs/kernels.md", "table"), ("docs/kernels.md", "codes")])
def test_what_the_documents_show(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, rewrite_goldens: bool, file: str, mark: str
) -> None:
    monkeypatch.chdir(KERNELS)
    match mark:
        case "kernels":
            expected = summary(json.loads(shown(capsys, "--format", "json")))
        case "table":
            command = "ebpfgen check specs/ " + " ".join(f"--kernel {label}.kdesc" for label in ORDER)
            expected = f"```console\n$ {command}\n{shown(capsys)}```\n"
        case _:
            expected = codes()
    path = ROOT / file
    before, begin, rest = path.read_text(encoding="utf-8").partition(f"<!-- {mark} -->\n")
    found, end, after = rest.partition(f"<!-- /{mark} -->")
    assert begin and end
    if rewrite_goldens:
        path.write_text(before + begin + expected + end + after, encoding="utf-8")
        return
    assert found == expected, "write it anew: make test ARGS='tests/portability --rewrite-goldens'"
