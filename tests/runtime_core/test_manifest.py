from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun.errors import ArtefactError
from ebpfrun.manifest import All, First, One, read, verify

from .conftest import one


def test_the_plan_keeps_its_shape(artefact: Callable[..., Path]) -> None:
    folder = artefact({"all": [one("on_getppid"), {"first": [one("on_kprobe", True), one("on_fork")]}]})
    manifest = read(str(folder))
    assert manifest.attach[0].plan == All((One(0, False), First((One(4, True), One(2, False)))))
    verify(manifest, ("getppid.so",))


def test_another_schema_names_both_and_the_way_out(artefact: Callable[..., Path]) -> None:
    folder = artefact(one("on_getppid"), schema=2)
    with pytest.raises(ArtefactError, match="schema 2, this ebpfrun reads schema 1; rebuild with `ebpfgen build`"):
        read(str(folder))


def test_every_truncation_is_an_artefact_error(artefact: Callable[..., Path]) -> None:
    path = artefact(one("on_getppid")) / "manifest.json"
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(ArtefactError, match="rebuild"):
            read(str(path.parent))


def test_every_missing_key_is_named(artefact: Callable[..., Path]) -> None:
    path = artefact(one("on_getppid")) / "manifest.json"
    whole = json.loads(path.read_text())
    for key in whole.keys() - {"config", "ring"}:
        path.write_text(json.dumps({k: v for k, v in whole.items() if k != key}))
        with pytest.raises(ArtefactError, match=f"the key '{key}' is missing"):
            read(str(path.parent))


@pytest.mark.parametrize("value", [None, 7, "x", [1], {"a": 1}, True])
def test_values_of_the_wrong_kind_are_artefact_errors(artefact: Callable[..., Path], value: object) -> None:
    path = artefact(one("on_getppid")) / "manifest.json"
    whole = json.loads(path.read_text())
    for key in whole:
        path.write_text(json.dumps({**whole, key: value}))
        with contextlib.suppress(ArtefactError):  # and nothing else
            read(str(path.parent))


SIGNATURE = {"kind": "tracepoint", "name": "x", "takes": [["task", "struct task_struct *", 8]], "reads": {"task": [[64, 0]]}}
TASK = {"name": "task", "line": 3, "column": 5}
CHOICE = {"line": 3, "options": [{"text": "a", "needs": [["s", "a", "int"]]}, {"text": "b", "needs": []}], "built": 0, "programs": [0]}


@pytest.mark.parametrize(
    ("program", "whole", "words"),
    [
        ({"signature": 0, "arguments": [TASK]}, {"signatures": [SIGNATURE]}, ""),
        ({"signature": 1, "arguments": [TASK]}, {"signatures": [SIGNATURE]}, "there is no signature 1"),
        ({"arguments": [TASK]}, {"signatures": [SIGNATURE]}, "its signature has no task"),
        ({"signature": 0, "arguments": [TASK | {"name": "comm"}]}, {"signatures": [SIGNATURE]}, "its signature has no comm"),
        ({}, {"signatures": [SIGNATURE | {"takes": [["task", "struct"]]}]}, "lists of three, and pairs of numbers"),
        ({}, {"signatures": [SIGNATURE | {"reads": {"task": [64]}}]}, "lists of three, and pairs of numbers"),
        ({"record": [TASK | {"size": 8, "into": ["s", "m", 8]}]}, {}, ""),
        ({"record": [TASK | {"size": 8, "into": ["s"]}]}, {}, "a struct, a member and a number"),
        ({}, {"choices": [CHOICE]}, ""),
        ({}, {"choices": [CHOICE | {"built": 2}]}, "there is no option 2"),
    ],
)
def test_what_programs_are_called_with(artefact: Callable[..., Path], program: object, whole: dict[str, object], words: str) -> None:
    path = artefact(one("on_getppid")) / "manifest.json"
    found = json.loads(path.read_text())
    found["programs"][0].update(program)
    path.write_text(json.dumps(found | whole))
    if not words:
        read(str(path.parent))
        return
    with pytest.raises(ArtefactError, match=words):
        read(str(path.parent))


def test_what_is_there_twice_is_refused(artefact: Callable[..., Path]) -> None:
    """Or a sink would open a file for each and lose sight of one."""
    path = artefact(one("on_getppid")) / "manifest.json"
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "events": whole["events"] * 2}))
    with pytest.raises(ArtefactError, match="events: one is there twice"):
        read(str(path.parent))


def test_an_altered_file_is_refused(artefact: Callable[..., Path]) -> None:
    folder = artefact(one("on_getppid"))
    with (folder / "getppid.so").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ArtefactError, match=r"getppid.so: not the file that was built"):
        verify(read(str(folder)), ("getppid.so",))


def test_no_artefact_says_how_to_build_one(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="ebpfgen build"):
        read(str(tmp_path))
