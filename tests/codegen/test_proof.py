"""What the manifest says of records is what the compiled program has: any other offset or size is noticed."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from ebpfgen import data, elf, kernel, toolchain
from ebpfgen.btf import Btf
from ebpfgen.check import check
from ebpfgen.emit import Emitted, Emitter
from ebpfgen.loader import load
from ebpfgen.proof import Described, prove
from ebpfgen.rendering import Templates

SPEC = b"""\
ebpfgen: 1
name: all
summary: Records of every sort.
params:
  least: {type: i32, default: 3, help: the least option}
events:
  call: {fields: {option: i32, time: timestamp, who: comm, byte: u8, more: u64}}
  other: {fields: {byte: u8}}
metrics:
  sizes: {kind: histogram, unit: bytes, help: sizes, labels: {pid: pid, comm: comm}}
  top: {kind: gauge, unit: calls, help: the largest}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option > $least
    do:
      - {emit: call, with: {option: args.option, time: nsecs, who: comm, byte: 1, more: 2}}
      - {emit: other, with: {byte: 1}}
      - {observe: sizes, of: args.arg2, by: {pid: pid, comm: comm}}
      - {max: top, of: (i64)args.arg2}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Emitted, bytes]:
    """What is emitted for a spec, and the BTF of its object."""
    described = kernel.running()
    emitted = Emitter(Templates(data.templates())).emit(check(load(SPEC, "all.yaml"), described), described.btf)
    folder = tmp_path_factory.mktemp("object")
    Path(folder, "all.bpf.c").write_text(emitted.bpf_c)
    Path(folder, "all.h").write_text(emitted.header)
    with toolchain.Compiler(toolchain.find(), folder, "all") as clang:
        clang.begin(emitted.bpf_c)
        clang.finish()
    section = elf.Object(Path(folder, "all.bpf.o").read_bytes()).section(".BTF")
    assert section
    return emitted, section.data


def test_each_record_is_proven(made: tuple[Emitted, bytes]) -> None:
    emitted, types = made
    structs = {described.struct for described in emitted.described}
    assert structs >= {"all_config", "call_event", "other_event", "sizes_value", "top_value"}
    assert len(structs) == len(emitted.described) == 6
    prove(emitted.described, Btf(types))


def changes(record: dict[str, Any]) -> list[dict[str, Any]]:
    """The record with one number changed, in every way."""
    found = []
    for key, by in (("offset", 1), ("offset", 8), ("size", 1), ("size", -1)):
        for i in range(len(record["fields"])):
            changed = copy.deepcopy(record)
            changed["fields"][i][key] += by
            found.append(changed)
    return [*found, record | {"size": record["size"] + 8}]


def test_any_other_number_is_noticed(made: tuple[Emitted, bytes]) -> None:
    emitted, types = made
    tried = 0
    for described in emitted.described:
        for changed in changes(described.told):
            with pytest.raises(AssertionError, match=f"struct {described.struct} has"):
                prove([described._replace(told=changed)], Btf(types))
            tried += 1
    assert tried > 60


def test_a_record_that_is_not_there(made: tuple[Emitted, bytes]) -> None:
    with pytest.raises(AssertionError, match="struct nosuch is not in the object's BTF"):
        prove([Described("nosuch", {"size": 8, "fields": []}, ())], Btf(made[1]))
