"""``ebpfrun list``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from ebpfrun import building, cli

SPEC = "ebpfgen: 1\nname: {name}\nsummary: {summary}\nprobes: []\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs, no ebpfgen's own beside them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(building, "shipped", lambda: None)
    (tmp_path / "specs").mkdir()
    return tmp_path


def spec(folder: Path, name: str, summary: str = "a tracer") -> bytes:
    text = SPEC.format(name=name, summary=summary).encode()
    (folder / "specs" / f"{name}.yaml").write_bytes(text)
    return text


def built(folder: Path, name: str, text: bytes, kinds: tuple[str, ...] = ("tracepoint",)) -> Path:
    target = folder / "build" / name
    target.mkdir(parents=True)
    (target / f"{name}.so").write_bytes(b"")
    program = {"name": "p", "section": "", "target": {}, "file": "", "line": 1, "text": ""}
    manifest = {
        "schema": 1, "name": name, "summary": "built summary", "description": "",
        "spec": {"file": f"{name}.yaml", "sha256": hashlib.sha256(text).hexdigest()}, "code": "", "built": {},
        "files": {f"{name}.so": ""}, "ring": 0, "config": None, "filters": [], "params": [], "events": [], "metrics": [],
        "maps": [], "programs": [{**program, "kind": kind} for kind in kinds], "attach": [], "left_out": [],
        "counters": [], "tables": {},
    }  # fmt: skip
    (target / "manifest.json").write_text(json.dumps(manifest))
    return target


def listed(capsys: pytest.CaptureFixture[str], *more: str) -> dict[str, Any]:
    assert cli.main(["list", "--format", "json", *more]) == 0
    return {tracer["name"]: tracer for tracer in json.loads(capsys.readouterr().out)}


def test_states(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec(folder, "new", "nobody built it")
    built(folder, "fresh", spec(folder, "fresh"), ("tp_btf", "tracepoint", "tp_btf"))
    built(folder, "old", b"another text")
    spec(folder, "old")
    built(folder, "alone", b"its spec is elsewhere")
    (built(folder, "torn", spec(folder, "torn")) / "torn.so").unlink()
    found = listed(capsys)
    assert {name: tracer["state"] for name, tracer in found.items()} == {
        "alone": "built", "fresh": "built", "new": "not built", "old": "stale", "torn": "damaged",
    }  # fmt: skip
    assert found["fresh"]["kinds"] == ["tp_btf", "tracepoint"]
    assert (found["fresh"]["summary"], found["new"]["summary"]) == ("built summary", "nobody built it")
    assert (found["alone"]["spec"], found["new"]["artefact"]) == (None, None)
    assert "torn.so is missing" in found["torn"]["why"]


def test_text(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec(folder, "new", "nobody built it")
    built(folder, "fresh", spec(folder, "fresh"))
    assert cli.main(["list"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "NAME   STATE      ATTACHES TO  SUMMARY",
        "fresh  built      tracepoint   built summary",
        "new    not built  -            nobody built it",
    ]


def test_another_build_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built(folder, "fresh", spec(folder, "fresh"))
    assert listed(capsys, "--build", "elsewhere")["fresh"]["state"] == "not built"


def test_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list"]) == 0
    assert capsys.readouterr().out == "no tracers: neither artefacts in build nor specs in specs\n"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('"quoted: with a colon"  # remark', "quoted: with a colon"),
        ("'single'", "single"),
        ("plain # remark", "plain"),
        (">-\n  folded text\n  goes on", "folded text"),
        ("|\n  block", "block"),
    ],
)
def test_summaries_without_a_yaml_parser(written: str, read: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec(folder, "some", written)
    assert listed(capsys)["some"]["summary"] == read
