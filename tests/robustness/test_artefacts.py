"""Artefacts that are not what was built: refused in one message, never half-used, and built again where their spec is there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _cffi_backend
import pytest

from ebpfgen import freshness
from ebpfrun import manifest
from ebpfrun.errors import ArtefactError

from .commands import EBPFGEN, EBPFRUN, MACHINE, SPEC, build, one_message, reseal, rubbish, run, spec, tree

pytestmark = [pytest.mark.root, pytest.mark.kernel]

ONCE = ("--quiet", "-c", "true")
FILES = [*freshness.artefact_files("call"), "manifest.json"]
USED = ("call.so", "call_cffi.py", "call.bpf.o", "manifest.json")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def alter(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


HARM: dict[str, Callable[[Path], None]] = {"truncated": truncate, "altered": alter, "emptied": empty, "removed": Path.unlink}


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("file", USED)
def test_a_damaged_file_is_named(file: str, harm: str, home: Path) -> None:
    HARM[harm](home / "build/call" / file)
    word = "build/call" if (file, harm) != ("manifest.json", "removed") else "build/call/"
    message = one_message(run(EBPFRUN, word, *ONCE, cwd=home), MACHINE, "build/call", "`ebpfgen build`")
    assert file in message


@pytest.mark.parametrize("harm", HARM)
@pytest.mark.parametrize("file", FILES)
def test_any_damage_is_seen_by_a_build(file: str, harm: str, call: Path) -> None:
    assert freshness.built_inputs(call) is not None
    HARM[harm](call / file)
    assert freshness.built_inputs(call) is None


@pytest.mark.parametrize("file", ["call.so", "manifest.json", "call.bpf.c"])
def test_what_is_damaged_is_built_again(file: str, home: Path) -> None:
    before = tree(home / "build")
    HARM["altered"](home / "build/call" / file)
    one_message(run(EBPFGEN, "build", "specs", "--check", cwd=home), SPEC, "specs/call.yaml: not up to date")
    done = run(EBPFRUN, "specs/call.yaml", *ONCE, cwd=home)
    one_message(done, 0, "ebpfrun: building specs/call.yaml")
    assert tree(home / "build") == before
    assert not rubbish(home / "build")


def test_a_changed_byte_of_a_manifest_is_refused_or_means_nothing(call: Path) -> None:
    path = call / "manifest.json"
    whole, meant = path.read_bytes(), manifest.read(str(call))
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << at % 7]) + whole[at + 1 :])
        try:
            assert manifest.read(str(call)) == meant, at
        except ArtefactError as error:
            assert str(path) in str(error), at


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a later schema": (lambda m: m.update(schema=99), "this artefact has schema 99, this ebpfrun reads schema 1; rebuild"),
    "an earlier schema": (lambda m: m.update(schema=0), "this artefact has schema 0, this ebpfrun reads schema 1; rebuild"),
    "no schema": (lambda m: m.pop("schema"), "the key 'schema' is missing; rebuild"),
    "another architecture": (lambda m: m["built"].update(machine="s390x"), "built for s390x, this machine is "),
    "no architecture": (lambda m: m["built"].pop("machine"), "built for "),
    "other code": (lambda m: m.update(code="0" * 64), "not of the same build as the manifest"),
    "another name": (lambda m: m.update(name="cull"), "cull.so: "),
    "a program too few": (lambda m: m.update(programs=[]), "there is no program 0"),
    "an unknown program": (lambda m: m["programs"][0].update(name="nothing"), "program nothing: "),
    "an unknown kind": (lambda m: m["programs"][0].update(kind="nprobe"), "call.yaml:7: this ebpfrun can't attach a nprobe"),
    "a config of another size": (lambda m: m["config"].update(size=m["config"]["size"] + 8), "the program's config has "),
    "a config field outside": (lambda m: m["config"]["fields"][-1].update(offset=1 << 20), "lies outside of the block"),
    "a tracepoint that is not here": (
        lambda m: m["programs"][0]["target"].update(name="sys_enter_getpppid"),
        "tracepoint:syscalls:sys_enter_getppid: this kernel has no such tracepoint; did you mean syscalls:sys_enter_getppid",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_manifest_that_speaks_of_something_else(change: str, home: Path) -> None:
    how, words = CHANGES[change]
    reseal(home / "build/call", how)
    one_message(run(EBPFRUN, "build/call", *ONCE, cwd=home), MACHINE, words)


def test_the_library_of_another_artefact(home: Path) -> None:
    """Each file is whole, but they were not built together."""
    other = home / "other"
    build(spec(other, probe="others"), out=other / "build")
    for file in ("call.so", "call_cffi.py"):
        shutil.copy(other / "build/call" / file, home / "build/call" / file)
    one_message(run(EBPFRUN, "build/call", *ONCE, cwd=home), MACHINE, "build/call/call.so: not the file that was built")
    reseal(
        home / "build/call", lambda m: m["files"].update({"call.so": manifest.sha256((home / "build/call/call.so").read_bytes())})
    )
    one_message(run(EBPFRUN, "build/call", *ONCE, cwd=home), MACHINE, "build/call/call.so: not of the same build as the manifest")


def test_a_folder_whose_name_is_no_text(home: Path) -> None:
    folder = home.rename(os.fsdecode(os.fsencode(home) + b"-\xe9"))
    assert run(EBPFRUN, "build/call", *ONCE, cwd=folder).out == ""
    assert run(EBPFRUN, folder / "build/call", *ONCE).status == 0


@pytest.mark.parametrize("content", ["no library", "another library", "no binding", "another program"])
def test_files_that_are_something_else_altogether(content: str, home: Path) -> None:
    file = "call_cffi.py" if content in ("no binding", "another program") else "call.so"
    path = home / "build/call" / file
    if content == "another library":
        path.write_bytes(Path(str(_cffi_backend.__file__)).read_bytes())
    else:
        path.write_text({"no library": "hello", "no binding": "hello", "another program": "ffi = 7\n"}[content])
    reseal(home / "build/call", lambda m: m["files"].update({file: manifest.sha256(path.read_bytes())}))
    one_message(run(EBPFRUN, "build/call", *ONCE, cwd=home), MACHINE, f"build/call/{file}: ")
