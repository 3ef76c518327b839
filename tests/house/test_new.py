"""``ebpfgen new``: what it writes builds as it is; what it must not write it does not."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ebpfgen import cli, new
from workloads import Workloads


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_starter_builds(folder: Path) -> None:
    assert cli.main(["new", "mine"]) == 0
    assert cli.main(["build", "specs/mine.yaml"]) == 0
    assert (folder / "build/mine/manifest.json").is_file()


@pytest.mark.root
@pytest.mark.kernel
def test_the_starter_runs(folder: Path, workloads: Workloads, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.main(["new", "mine"])
    monkeypatch.setenv("WORKLOAD_NOW", "1")
    command = shlex.join(workloads.command("files", folder, 3, 2))
    traced = [str(Path(sys.executable).with_name("ebpfrun")), "specs/mine.yaml", "--sink", "jsonl:rows", "-c", command]
    truth = json.loads(subprocess.run(traced, check=True, capture_output=True).stdout)
    rows = [json.loads(line) for line in (folder / "rows").read_text().splitlines()]
    opened = [(row["path"], row["pid"]) for row in rows if row.get("event") == "opened"]
    expected = [(entry["path"], truth["pid"]) for entry in truth["opens"]]
    assert [row for row in opened if row[0].startswith(str(folder))][-5:] == expected  # before them it makes the files


def test_the_first_line_leads_an_editor_to_the_schema(folder: Path) -> None:
    cli.main(["new", "mine"])
    first = (folder / "specs/mine.yaml").read_text().splitlines()[0]
    match = re.fullmatch(r"# yaml-language-server: \$schema=(.*)", first)
    assert match
    assert Path("specs", match[1]).read_text() == new.SCHEMA.read_text()


def test_in_the_checkout_the_schema_is_named_relatively() -> None:
    checkout = new.SCHEMA.parents[2]
    assert new.schema_reference(checkout / "specs/mine.yaml") == "../generator/ebpfgen/spec.schema.json"


def test_nothing_is_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = folder / "specs/mine.yaml"
    file.parent.mkdir()
    file.write_text("my work")
    assert cli.main(["new", "mine"]) == 3
    assert capsys.readouterr().err == "ebpfgen: specs/mine.yaml is there already; nothing was written\n"
    assert file.read_text() == "my work"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("9lives", "expected a name of small letters, digits and _.*; got '9lives'; did you mean lives?"),
        ("Open-Snoop", "did you mean open_snoop?"),
        ("../../etc/passwd", "got '../../etc/passwd'"),
        ('x"; system("id', r"""got 'x"; system\("id'"""),
        ("", "got ''"),
        ("x" * 41, "at most 40 characters"),
        ("int", "'int' is a keyword of C"),
        ("not", "word of the expression language"),
        ("null", "expected the tracer's name"),
    ],
)
def test_a_name_that_cannot_be_is_refused(folder: Path, capsys: pytest.CaptureFixture[str], name: str, message: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["new", "--", name])
    assert exit_.value.code == 2
    assert re.search(message, capsys.readouterr().err)
    assert not list(folder.iterdir())


def test_out_takes_a_folder_or_a_file_of_that_name(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "there").mkdir()
    assert cli.main(["new", "one", "--out", "there"]) == 0
    assert cli.main(["new", "two", "--out", "there/two.yaml"]) == 0
    assert sorted(path.name for path in (folder / "there").iterdir()) == ["one.yaml", "two.yaml"]
    assert cli.main(["new", "three", "--out", "four.yaml"]) == 3
    assert "a spec called three must be in a file called three.yaml" in capsys.readouterr().err
    assert cli.main(["new", "five", "--out", "nowhere/five.yaml"]) == 3
    assert "nowhere/five.yaml cannot be written: No such file or directory" in capsys.readouterr().err
