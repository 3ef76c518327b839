"""Arguments by name, on a kernel that has them elsewhere than the one that the artefact was built for: as built for a kernel that
calls ``task_rename`` otherwise, run on this one."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import cast

import pytest

from codegen.running import Lab, prctl
from ebpfgen import ir
from ebpfgen.argument_reads import reads
from ebpfgen.btf import Btf
from ebpfgen.btf_index import FUNC, FUNC_PROTO, PTR, TYPEDEF, Sections
from ebpfgen.inputs.attachment import signature_of
from ebpfgen.kernel_description import Description
from ebpfgen.kernel_host import HostSource
from ebpfgen.pipeline import Setting
from ebpfgen.portability import called
from ebpfrun import arguments, manifest
from ebpfrun.errors import AttachError
from ebpfrun.tracer import Tracer, load_driver

pytestmark = [pytest.mark.root, pytest.mark.kernel]
OWN = Path("/proc/thread-self/comm")
Change = Callable[[Btf, dict[str, int]], dict[str, int]]


class Called(HostSource):
    """This kernel as if it called the tracepoint task_rename(task, comm) otherwise. ``change`` gets the arguments, by name with their
    types, and gives as many others."""

    fingerprint = "called otherwise"

    def __init__(self, name: str, change: Change) -> None:
        super().__init__()
        self.index_key = f"{self.index_key}-{name}"
        self._change = change

    def btf(self) -> bytes:
        data = bytearray(super().btf())
        sections, known = Sections.of(cast("bytes", data)), Btf(bytes(data))
        words = sections.words
        of_tracepoint = [known.find_function("__traceiter_task_rename"), known.find_typedef("btf_trace_task_rename")]
        for id in filter(None, of_tracepoint):
            proto = id
            while (kind := known._type(proto)[1]) != FUNC_PROTO:
                assert kind in (FUNC, PTR, TYPEDEF)
                proto = words[known._offsets[proto] + 2]
            at = known._offsets[proto] + 5  # behind the words of the type and of void *__data
            called = self._change(known, {"task": words[at + 1], "comm": words[at + 3]})
            named = words[at] != 0
            for i, (name, type) in enumerate(called.items()):
                words[at + 2 * i] = data.index(b"\0%s\0" % name.encode(), sections.names) + 1 - sections.names if named else 0
                words[at + 2 * i + 1] = type
        return bytes(data)


def described(name: str, change: Change) -> Setting:
    return Setting.of(Description(Called(name, change), (Description, ())))


def swapped(_: Btf, now: dict[str, int]) -> dict[str, int]:
    return {"comm": now["comm"], "task": now["task"]}


def another_before(_: Btf, now: dict[str, int]) -> dict[str, int]:
    return {"file": now["comm"], "task": now["task"]}


def of_another_type(known: Btf, now: dict[str, int]) -> dict[str, int]:
    return {"task": now["task"], "comm": known.find("int") or 0}


def renamed(_: Btf, now: dict[str, int]) -> dict[str, int]:
    return {"task": now["task"], "file": now["comm"]}


def rename() -> None:
    before = OWN.read_text().strip()
    OWN.write_text("another name")
    OWN.write_text(before)


def spec(kind: str, new: str = "args.comm") -> str:
    pid = "args.task.pid" if kind == "tp_btf" else "((struct task_struct *)args.task).pid"
    return f"""
events: {{renamed: {{fields: {{thread: u32, old: string(16), new: string(16)}}}}}}
probes:
  - on: {kind}:task_rename
    emit: renamed
    with: {{thread: (u32){pid}, old: str(args.task.comm), new: str({new})}}
"""


@pytest.mark.parametrize("kind", ["tp_btf", "raw_tracepoint"])
def test_arguments_that_moved_are_read_where_they_are(lab: Lab, kind: str) -> None:
    other = Lab(lab.folder, described("swapped", swapped))
    built = other.build(spec(kind))
    told = manifest.read(str(built))
    assert [[p.name for p in s.takes] for s in told.signatures] == [["comm", "task"]]
    assert {name: {offset for _, offset in places} for name, places in told.signatures[0].reads.items()} == {
        "comm": {0},
        "task": {8},
    }
    traced = other.run_built(built, rename)
    own = OWN.read_text().strip()
    rows = [(row["old"], row["new"]) for row in traced.events("renamed")]
    assert rows == [(own, "another name"), ("another name", own)]


def test_what_moved_is_told_to_who_wants_to_know(lab: Lab, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    built = Lab(other, described("swapped", swapped)).build(spec("tp_btf"))
    said: list[tuple[str, bool]] = []
    with Tracer(str(built), filters={"pid": os.getpid()}, notice=lambda text, always: said.append((text, always))):
        pass
    assert ("tp_btf:task_rename: args.comm is argument 1 here, 0 where it was built", False) in said
    said.clear()
    built = lab.build(spec("tp_btf"))
    with Tracer(str(built), filters={"pid": os.getpid()}, notice=lambda text, always: said.append((text, always))):
        pass
    assert not [text for text, _ in said if "where it was built" in text]


def test_an_argument_of_another_name_at_the_same_place_is_the_same(lab: Lab) -> None:
    other = Lab(lab.folder, described("renamed", renamed))
    traced = other.run(spec("tp_btf", "args.file"), rename)
    assert next(row["new"] for row in traced.events("renamed")) == "another name"


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("before", another_before, "args.file of tp_btf:task_rename is not there: this kernel calls it without"),
        ("type", of_another_type, "args.comm of tp_btf:task_rename is a pointer here, a number of 4 bytes where it was built"),
    ],
)
def test_what_this_kernel_does_not_give_is_refused(lab: Lab, name: str, change: Change, words: str) -> None:
    new = "args.file" if name == "before" else "uptr((u64)args.comm)"
    built = Lab(lab.folder, described(name, change)).build(spec("tp_btf", new))
    with pytest.raises(AttachError) as refused:
        Tracer(str(built)).open()
    assert re.fullmatch(rf"t\.yaml:9:\d+: probe task_rename: {re.escape(words)}", str(refused.value))


def test_what_was_perhaps_meant_is_offered() -> None:
    signature = manifest.Signature("tracepoint", "x", (manifest.Parameter("old_folio", "pointer", 8),), {})
    asked = manifest.Named("old_folio", 3, 7)
    program = manifest.Program("p", "", "tp_btf", {}, "t.yaml", 3, "tp_btf:x", 0, (asked,))
    whole = manifest.Manifest(*[()] * len(manifest.Manifest._fields))._replace(signatures=(signature,))  # type: ignore[arg-type]
    there = (manifest.Parameter("mapping", "pointer", 8), manifest.Parameter("folio", "pointer", 8))
    refused = arguments.Arguments(whole, lambda *_: (manifest.Parameter("n", "number", 4), *there)).why_not(program)
    assert refused is not None
    assert refused.why == "args.old_folio of tp_btf:x is not there: this kernel calls it without; did you mean args.folio?"


def test_a_program_that_asks_nothing_of_types_but_arguments(lab: Lab) -> None:
    """All that clang noted is set apart then."""
    text = """
metrics: {seen: {kind: counter, help: x, labels: {id: i64}}}
probes: [{on: "tp_btf:sys_enter", task: none, where: args.id == SYS_prctl, count: seen, by: {id: args.id}}]
"""
    built = lab.build(text)
    assert [read.member for read in reads((built / "t.bpf.o").read_bytes())] == ["id"]
    assert sum(sample.value for sample in lab.run_built(built, prctl).metrics["seen"].values()) >= 1


def test_the_next_alternative_is_taken(lab: Lab) -> None:
    other = Lab(lab.folder, described("before", another_before))
    text = """
events: {renamed: {fields: {told: bool}}}
probes:
  - on:
      first:
        - {on: "tp_btf:task_rename", let: {told: "str(args.file) != \\"\\""}}
        - {on: "tp_btf:task_rename", let: {told: "args.task.pid == 0"}}
    emit: renamed
"""
    assert [row["told"] for row in other.run(text, rename).events("renamed")] == [False, False]


def test_this_kernel_s_signatures_are_those_that_the_generator_reads(lab: Lab) -> None:
    driver = load_driver(manifest.read(str(lab.build(spec("tp_btf")))))
    kernel = lab.setting.kernel
    of = [("tracepoint", name, kernel.raw_tracepoint(name)) for name in list(kernel.raw_tracepoints())[::20]]
    of += [("function", name, kernel.function(name)) for name in list(kernel.functions())[::400]]
    assert len(of) > 100
    for kind, name, proto in of:
        told = driver.signature(kind, name)
        expected = [(p.name, p.type, p.size) for p in signature_of(kind, name, proto, kernel.btf).takes] if proto else None
        assert (told is None) == (expected is None), name
        assert list(map(tuple, told or ())) == (expected or []), name
    assert driver.signature("function", "no_such_function") is None
    driver.forget_types()


def test_the_notes_of_arguments_are_kept_from_libbpf(lab: Lab) -> None:
    folder = lab.build(spec("tp_btf"))
    found = reads((folder / "t.bpf.o").read_bytes())
    assert {(read.struct, read.member, read.place) for read in found} == {
        ("args_of_tracepoint_task_rename", "task", 0),
        ("args_of_tracepoint_task_rename", "comm", 8),
    }
    assert b"args_of_" not in (folder / "t.btf").read_bytes()


def test_a_struct_by_value_takes_the_places_that_it_needs() -> None:
    takes = [manifest.Parameter(*p) for p in (("sock", "struct socket *", 8), ("value", "struct sockptr_t", 16), ("n", "number", 4))]
    assert [arguments.place(name, takes) for name in ("sock", "value", "n")] == [0, 1, 3]
    now = [takes[1], takes[0], manifest.Parameter("=", "number", 4)]
    assert arguments.found("sock", takes, now) == 2
    assert arguments.found("n", takes, now) == "is not there: this kernel calls it without"


@pytest.mark.parametrize("seed", range(300))
def test_the_table_and_the_runtime_find_the_same(seed: int) -> None:
    """Signatures at random, of few names and types: whatever the one makes of them, the other does."""
    random = Random(seed)

    def signature() -> ir.Signature:
        names = random.sample("abcd", random.randrange(1, 5))
        types = [random.choice([("number", 4), ("number", 8), ("struct s", 16), ("pointer", 8)]) for _ in (*names, "=")]
        takes = [ir.Parameter(name, type, size) for name, (type, size) in zip((*names, "="), types, strict=True)]
        return ir.Signature("function", "f", tuple(takes[: len(takes) - random.randrange(2)]))

    here, there = signature(), signature()
    built, now = ([manifest.Parameter(p.name, p.type, p.size) for p in s.takes] for s in (here, there))
    for name in [p.name for p in here.takes]:
        expected = called.found(name, here, there)
        got = arguments.found(name, built, now)
        own = next(p for p in here.takes if p.name == name)
        if expected is None:
            assert "is not there" in str(got)
        elif (expected.type, expected.size) != (own.type, own.size):
            assert got == f"is a {expected} here, a {own} where it was built"
        else:
            assert got == there.place(expected.name)
