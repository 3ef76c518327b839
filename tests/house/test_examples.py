"""The commands and the programs that the documents show are run as they stand: they end well, and leave what they name."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from house.markdown import ROOT, Block, blocks

BIN = Path(sys.executable).parent
KERNELS = ROOT / "tests/kernel_description/kernels"
FILES = ("README.md", *(f"docs/{path.name}" for path in sorted(ROOT.glob("docs/*.md"))))
SHELL = [block for file in FILES for block in blocks(ROOT / file, "sh")]
LINES = [block for block in SHELL if not block.text.startswith("make ")]  # what make does, CI does
PYTHON = blocks(ROOT / "docs/python.md", "python")
MOMENT = "0.05"

pytestmark = [pytest.mark.root, pytest.mark.kernel, pytest.mark.slow]


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as somebody has it who reads: the specs, killsnoop beside them, two machines' kernels."""
    shutil.copytree(ROOT / "specs", tmp_path / "specs")
    first = next(block.text for block in blocks(ROOT / "README.md", "yaml") if block.text.startswith("ebpfgen: 1"))
    (tmp_path / "specs/killsnoop.yaml").write_text(first, encoding="utf-8")
    for name, kernel in (("web1", "6.1"), ("web2", "6.12")):
        (tmp_path / f"{name}.kdesc").symlink_to(KERNELS / f"{kernel}.kdesc")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def command(line: str) -> list[str]:
    """Without the comment and what reads the output; a run that Ctrl-C would end ends by itself."""
    words = shlex.split(line, comments=True)
    words = words[: words.index("|")] if "|" in words else words
    endless = words[0] == "ebpfrun" and not {"doctor", "--replay"} & set(words)
    return [str(BIN / words[0]), *words[1:], *(["--duration", MOMENT] if endless else [])]


@pytest.mark.parametrize("block", LINES, ids=str)
def test_commands(block: Block, reader: Path) -> None:
    for line in block.text.splitlines():
        if "kernel capture" in line:  # takes seconds, and has tests of its own
            continue
        done = subprocess.run(command(line), capture_output=True, text=True)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), f"{line}\n{done.stderr}"
        for named in re.findall(r"--record ([\w.]+)|--sink \w+:([\w./]+)", line):
            assert (reader / (named[0] or named[1])).exists(), line
        if line.endswith("jq ."):
            assert all(isinstance(json.loads(row), dict) for row in done.stdout.splitlines())


def test_programs(reader: Path) -> None:
    """One after the other, as they stand in the document: each may use what those before it have made."""
    subprocess.run([BIN / "ebpfgen", "build", "specs/net.yaml", "specs/opensnoop.yaml"], check=True)
    taken: list[object] = []
    mine = SimpleNamespace(write=lambda batch: taken.extend(batch.rows()), flush=lambda: None, close=lambda: None)
    known: dict[str, object] = {"MySink": lambda: mine}
    for block in PYTHON:
        text = re.sub(r"duration=\d+", f"duration={MOMENT}", block.text).replace('"pid": 42', f'"pid": {os.getpid()}')
        if block.text.startswith("event = "):  # of a tracer that is open
            text = re.sub(r"^(event\..*)$", r"balances = \1", text, flags=re.MULTILINE)
            text = "with Tracer('build/net') as tracer:\n" + "".join(f"    {line}\n" for line in text.splitlines())
        exec(compile(text, str(block), "exec"), known)
    assert known["balances"]
    assert len((reader / "opens.jsonl").read_text().splitlines()) == len(taken)
