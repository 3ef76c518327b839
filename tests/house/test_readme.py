"""The README and its siblings: what they show exists, builds and runs; ``--rewrite-goldens`` writes the table of specs anew."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ebpfgen import cli
from ebpfgen.loader import load_path
from house.markdown import ROOT, Block, blocks

README = ROOT / "README.md"
BIN = Path(sys.executable).parent
COMMANDS = [
    pytest.param(line, id=f"{block.file}:{line}")
    for file in ("README.md", "CONTRIBUTING.md", "tests/kernels/README.md", *(f"docs/{p.name}" for p in sorted(ROOT.glob("docs/*.md"))))
    for block in blocks(ROOT / file, "sh")
    for line in block.text.splitlines()
]


def spec_table() -> str:
    """The table of shipped specs, from the specs themselves."""
    rows = [(spec.name, spec.summary) for spec in map(load_path, sorted((ROOT / "specs").glob("*.yaml")))]
    lines = [f"| [{name}](specs/{name}.yaml) | {summary} |" for name, summary in rows]
    return "\n".join(["| spec | what it shows |", "|---|---|", *lines, ""])


def test_the_table_of_specs_is_that_of_the_folder(rewrite_goldens: bool) -> None:
    text = README.read_text(encoding="utf-8")
    before, begin, rest = text.partition("<!-- specs -->\n")
    shown, end, after = rest.partition("<!-- /specs -->")
    assert begin
    assert end
    if rewrite_goldens:
        README.write_text(before + begin + spec_table() + end + after, encoding="utf-8")
        return
    assert shown == spec_table(), "write it anew: make test ARGS='tests/house --rewrite-goldens'"


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_exists(line: str) -> None:
    words = shlex.split(line, comments=True)
    program = Path(words[0]).name
    if program == "make":
        assert words[1] in make_targets()
    elif program in ("ebpfgen", "ebpfrun"):
        command = words[: words.index("|")] if "|" in words else words
        shown = help_of(program, command[1])
        options = [word for word in command[1:] if word.startswith("-")]
        assert [option for option in options if not re.search(rf"(^|[\s,]){option}\b", shown)] == []
    else:
        assert (ROOT / words[0]).is_file()


def help_of(program: str, first: str) -> str:
    """The help of a subcommand, or the general one of ebpfrun when ``first`` is a spec or an option."""
    command = [str(BIN / program), *([] if first.endswith(".yaml") or first.startswith("-") else [first]), "--help"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def first_tracer() -> Block:
    return next(block for block in blocks(README, "yaml") if block.text.startswith("ebpfgen: 1"))


def test_the_first_tracer_is_short() -> None:
    assert len(first_tracer().text.splitlines()) < 20


def test_the_first_tracer_builds(tmp_path: Path) -> None:
    spec = tmp_path / "killsnoop.yaml"
    spec.write_text(first_tracer().text, encoding="utf-8")
    assert cli.main(["build", str(spec), "--out", str(tmp_path / "out")]) == 0


@pytest.mark.root
@pytest.mark.kernel
def test_the_first_tracer_shows_who_signalled_whom(tmp_path: Path) -> None:
    (tmp_path / "killsnoop.yaml").write_text(first_tracer().text, encoding="utf-8")
    command = "sh -c 'echo $$ >pid; kill -0 $$; kill -URG $$; kill -9 4194305 2>&-; exit 7'"  # above any pid
    traced = [str(BIN / "ebpfrun"), "killsnoop.yaml", "--sink", "jsonl:-", "-c", command]
    done = subprocess.run(traced, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 7, done.stderr
    own = int((tmp_path / "pid").read_text())
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["pid"], row["signal"], row["target"], row["result"]) for row in rows] == [
        (own, 0, own, 0),
        (own, "SIGURG", own, 0),
        (own, "SIGKILL", 4194305, "ESRCH"),
    ]


def test_the_architecture_fits_on_two_pages_and_names_every_module() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 100
    packages = [ROOT / "generator/ebpfgen", ROOT / "runtime/ebpfrun"]
    modules = [path for package in packages for path in package.glob("*.py")]
    modules += [path.parent for package in packages for path in package.glob("*/__init__.py")]
    words = set(re.findall(r"\w+", text))
    unnamed = {path.stem for path in modules if not path.stem.startswith("__")} - words
    assert not unnamed
