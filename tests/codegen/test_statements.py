"""What the generated programs do is what the language says: statements over maps in the kernel against an interpreter."""

from __future__ import annotations

import json
import random
import struct
from typing import Any

import pytest

from codegen.running import Lab, each, prctl
from codegen.statements import FIELDS, Maker, Program, State
from ebpfgen.lower import statements as lowering

PROGRAMS = 8  # of a spec
CALLS = 60


def spec(programs: list[Program]) -> str:
    sections: dict[str, object] = {"ring": "1MiB", "maps": {}, "events": {}, "probes": []}
    maps: dict[str, Any] = {}
    events: dict[str, Any] = {}
    probes: list[Any] = []
    for i, program in enumerate(programs):
        plain = {"type": "hash", "max_entries": 4, "key": "u64", "value": "u64"}
        maps |= {f"p{i}a": plain, f"p{i}b": plain, f"p{i}c": {**plain, "value": {"p": "u64", "q": "u64"}}}
        events[f"p{i}e"] = {"fields": {f"f{k}": "u64" for k in range(FIELDS)}}
        used = [{"if": "x > 5", "then": [{"stop": True}]}]
        # All is declared for all programs, so each uses all of it; never in these runs.
        never = [
            {"emit": f"p{i}e", "with": {f"f{k}": 0 for k in range(FIELDS)}},
            *({"delete": f"p{i}{m}[0]"} for m in "abc"),
            {"stop": True},
        ]
        probes.append({"on": "tracepoint:syscalls:sys_enter_prctl", "name": f"p{i}", "where": "args.option == 0x7f00",
                       "let": dict(program.lets), "do": [{"if": "args.arg5 == 77", "then": never}, *used, *program.do]})  # fmt: skip
    sections |= {"maps": maps, "events": events, "probes": probes}
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in sections.items())


def entries(dumped: dict[bytes, list[bytes]], form: str) -> dict[int, tuple[int, ...]]:
    return {struct.unpack("=Q", key)[0]: struct.unpack(form, values[0]) for key, values in dumped.items()}


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(4))
def test_the_kernel_does_what_the_language_says(lab: Lab, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 2:
        monkeypatch.setattr(lowering, "STACK_SHARED", -1)  # as if all that was too much for the stack
    programs = [Maker(f"p{i}", seed * PROGRAMS + i).program() for i in range(PROGRAMS)]
    choose = random.Random(seed)
    calls = [(choose.randrange(6), choose.randrange(6)) for _ in range(CALLS)]
    traced = lab.run(spec(programs), lambda: each(*zip(*calls, strict=True)))
    for i, program in enumerate(programs):
        state = State()
        for call in calls:
            program.run(state, call)
        text = f"{program.lets}\n" + "\n".join(map(str, program.do))
        assert [tuple(row[f"f{k}"] for k in range(FIELDS)) for row in traced.events(f"p{i}e")] == state.rows, text
        assert {m: traced.counted("absent", f"p{i}{m}") for m in "abc"} == state.absent, text
        for name in "ab":
            assert entries(traced.maps[f"p{i}{name}"], "=Q") == {k: (v,) for k, v in state.maps[name].items()}, text
        assert entries(traced.maps[f"p{i}c"], "=QQ") == {k: (v["p"], v["q"]) for k, v in state.maps["c"].items()}, text


@pytest.mark.root
@pytest.mark.kernel
def test_fields_that_are_not_named_are_0_be_it_the_only_one(lab: Lab) -> None:
    traced = lab.run(
        """
maps:
  one: {type: hash, max_entries: 8, key: u32, value: {only: i64}}
  two: {type: hash, max_entries: 8, key: u32, value: {n: u64, text: string(8)}}
events: {seen: {fields: {only: i64, n: u64}}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    do:
      - {set: "one[1]", to: {only: 5}}
      - {set: "one[1]", to: {}}
      - {set: "two[1]", to: {n: 5, text: comm}}
      - {set: "two[1]", to: {}}
      - {emit: seen, with: {only: "one[1].only ?? 7", n: "two[1].n ?? 7"}}
""",
        lambda: prctl(1),
    )
    assert [(row["only"], row["n"]) for row in traced.rows["seen"]] == [(0, 0)]
