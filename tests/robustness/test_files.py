"""Files that are no specs: each gets one message that names the place, nothing is built, and what was there stays."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .commands import (
    CALL,
    EBPFGEN,
    EBPFRUN,
    MACHINE,
    SPEC,
    USAGE,
    build,
    one_message,
    rubbish,
    run,
    spec,
    tree,
)

pytestmark = pytest.mark.root  # tracepoints of the running kernel are root's to see

GOOD = CALL.format(name="call", summary="Calls.", probe="p", on="tracepoint:syscalls:sys_enter_getppid").encode()


def _bomb() -> bytes:
    return b"a: &a [x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (n, n, n - 1, n - 1) for n in range(ord("b"), ord("z")))


def _sparse(size: int) -> Callable[[Path], None]:
    def make(path: Path) -> None:
        with path.open("wb") as file:
            file.truncate(size)

    return make


BAD: dict[str, tuple[bytes | Callable[[Path], None], str]] = {
    "broken": (b"ebpfgen: 1\nname: [call\n", "call.yaml:"),
    "tab": (b"ebpfgen: 1\nname:\n\tcall\n", "call.yaml:3:1: "),
    "duplicate key": (GOOD + b"name: again\n", "call.yaml:8:1: name: duplicate key"),
    "unknown key": (GOOD + b"probs: []\n", "call.yaml:8:1: probs: "),
    "anchors": (_bomb(), "call.yaml:1:"),
    "not UTF-8": (GOOD.replace(b"Calls.", b"Cafe\xe9."), "call.yaml:3:14: "),
    "UTF-16": (GOOD.decode().encode("utf-16"), "call.yaml:1:1: "),
    "NUL": (GOOD.replace(b"Calls.", b"C\0alls."), "call.yaml:3:11: "),
    "empty": (b"", "call.yaml:1:1: "),
    "two documents": (GOOD + b"---\n" + GOOD, "call.yaml:8:1: "),
    "deep": (b"name: " + b"[" * 100_000, "call.yaml:1:"),
    "a tag that would run": (b"!!python/object/apply:os.system ['true']\n", "call.yaml:1:1: "),
    "100 MB": (_sparse(100 << 20), "call.yaml:1:1: the file is too big: 104857600 bytes, at most 1048576 are read"),
    "a folder": (lambda path: path.mkdir(), "call.yaml: there is no spec"),
    "a pipe": (lambda path: os.mkfifo(path), "call.yaml:1:1: is a pipe or a device"),
    "a link to nothing": (lambda path: path.symlink_to("nowhere"), "call.yaml:1:1: no such file"),
    "a link to itself": (lambda path: path.symlink_to("call.yaml"), "call.yaml: cannot be read: Too many levels"),
    "another name": (GOOD.replace(b"name: call", b"name: cull"), "call.yaml:2:7: name: "),
    "a keyword of C": (
        GOOD.replace(b"{call: {fields", b"{while: {fields").replace(b"emit: call", b"emit: while"),
        "call.yaml:5:",
    ),
    "no identifier": (GOOD.replace(b"{call: {fields", b"{ca-ll: {fields"), "call.yaml:5:"),
    "a map of 2^40 entries": (
        GOOD + b"maps: {many: {type: hash, max_entries: 1099511627776, key: u64, value: u64}}\n",
        "call.yaml:8:40: maps.many.max_entries: ",
    ),
    "an event over the ring's size": (
        GOOD.replace(b"comm: comm}", b"comm: comm, path: string(4096)}").replace(b"emit: call", b"emit: call, with: {path: comm}")
        + b"ring: 4KiB\n",
        "call.yaml:5:",
    ),
    "a missing tracepoint": (
        GOOD.replace(b"sys_enter_getppid", b"sys_enter_getpppid"),
        "did you mean syscalls:sys_enter_getppid",
    ),
}


def write(content: bytes | Callable[[Path], None], path: Path) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(exist_ok=True)
    if callable(content):
        content(path)
    else:
        path.write_bytes(content)


def exit_status(name: str) -> int:
    return {"a folder": USAGE, "a link to itself": MACHINE}.get(name, SPEC)


BUILT = (
    "broken",
    "not UTF-8",
    "100 MB",
    "a folder",
    "a pipe",
    "a link to itself",
    "a map of 2^40 entries",
    "a missing tracepoint",
)


@pytest.mark.parametrize("name", BUILT)
def test_a_bad_spec_is_one_message_and_changes_nothing(name: str, tmp_path: Path) -> None:
    content, words = BAD[name]
    write(content, tmp_path / "call.yaml")
    message = one_message(run(EBPFGEN, "build", "call.yaml", "--out", "out", cwd=tmp_path), exit_status(name), words)
    assert message.startswith("call.yaml:" if exit_status(name) == SPEC else "ebpfgen: call.yaml: ")
    assert not (tmp_path / "out").exists()


def test_each_bad_spec_is_one_message_in_one_run(tmp_path: Path) -> None:
    specs = [name for name in BAD if exit_status(name) == SPEC]
    for name in specs:
        write(BAD[name][0], tmp_path / name / "call.yaml")
    done = run(EBPFGEN, "check", *(f"{name}/call.yaml" for name in specs), cwd=tmp_path)
    assert done.status == SPEC
    *problems, total = done.err.splitlines()
    assert total == f"{len(specs)} problems in {len(specs)} files"
    for name, problem in zip(specs, problems, strict=True):
        assert problem.startswith(f"{name}/call.yaml:")
        assert BAD[name][1] in problem


@pytest.mark.parametrize("name", ["broken", "100 MB", "a missing tracepoint"])
def test_a_run_of_a_bad_spec_says_the_same_and_leaves_the_earlier_artefact(name: str, home: Path) -> None:
    content, words = BAD[name]
    path = home / "specs" / "call.yaml"
    write(content, path)
    before = tree(home / "build")
    done = run(EBPFRUN, "specs/call.yaml", "--count", "1", cwd=home)
    assert "ebpfrun: building specs/call.yaml\n" in done.err
    one_message(done, SPEC, words, lines=2)
    assert tree(home / "build") == before
    assert not rubbish(home / "build")


def test_every_mistake_is_told_in_one_run(tmp_path: Path) -> None:
    path = spec(tmp_path)
    path.write_text(path.read_text().replace("emit: call", "emit: call, with: {comm: nsecs, pid: nothing, cpu: cpu}"))
    done = run(EBPFGEN, "check", path.name, cwd=tmp_path)
    assert done.status == SPEC
    assert [line.split(" ")[1] for line in done.err.splitlines()[:-1]] == [
        f"probes[0].with.{key}:" for key in ("comm", "pid", "cpu")
    ]


def test_files_that_are_not_there(tmp_path: Path) -> None:
    one_message(run(EBPFGEN, "build", "none.yaml", cwd=tmp_path), SPEC, "none.yaml:1:1: no such file")
    (tmp_path / "empty").mkdir()
    one_message(run(EBPFGEN, "build", "empty", cwd=tmp_path), USAGE, "ebpfgen: empty: there is no spec")
    one_message(run(EBPFGEN, "build", "x" * 300 + ".yaml", cwd=tmp_path), SPEC, "the file name is too long")


def test_names_of_files_are_bytes(tmp_path: Path) -> None:
    """A name that is no UTF-8 can be told, and can be in the way of nothing."""
    path = os.fsencode(tmp_path) + b"/caf\xe9.yaml"
    with open(path, "wb") as file:  # noqa: PTH123 - bytes
        file.write(GOOD)
    done = run(EBPFGEN, "check", os.fsdecode(path), "--format", "json")
    assert (done.status, done.err) == (SPEC, "")
    one_message(run(EBPFGEN, "build", os.fsdecode(path), "--out", tmp_path / "out"), SPEC, "caf\\udce9")


def test_two_specs_that_would_become_one_artefact(tmp_path: Path) -> None:
    one, two = spec(tmp_path / "one"), spec(tmp_path / "two")
    done = run(EBPFGEN, "build", one, two, "--out", tmp_path / "out")
    one_message(done, USAGE, f"{one} and {two} would both become {tmp_path}/out/call")
    build(one, tmp_path / "one/../one/call.yaml", tmp_path / "one", out=tmp_path / "out")  # one spec, named three times


def test_what_is_no_artefact_is_not_replaced(tmp_path: Path) -> None:
    path = spec(tmp_path)
    (tmp_path / "call").mkdir()
    (tmp_path / "call" / "diary.txt").write_text("dear diary")
    one_message(run(EBPFGEN, "build", path, "--out", tmp_path), MACHINE, "call: holds diary.txt, which is no part of an artefact")
    assert (tmp_path / "call" / "diary.txt").read_text() == "dear diary"
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "call").write_text("a file")
    one_message(run(EBPFGEN, "build", path, "--out", tmp_path / "out"), MACHINE, "out/call: is in the way of a folder")
    assert not rubbish(tmp_path / "out")
    one_message(run(EBPFGEN, "build", path, "--out", path), MACHINE, "call.yaml: ")
