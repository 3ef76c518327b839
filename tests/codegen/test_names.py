"""Whatever a spec calls its things (and the rules of names let it), the C builds, and each thing is itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen.running import Lab, prctl
from ebpfgen import cnames, data, names
from ebpfgen.ir import Let
from ebpfgen.loader import load
from ebpfgen.problems import SpecError

PRCTL = "tracepoint:syscalls:sys_enter_prctl"
WORD = re.compile(r"(?<![\w.>])[a-z][a-z0-9_]*")
NO_C = re.compile(r"/\*.*?\*/|\{[#%{].*?[#%}]\}|//.*?$|#.*?$|\".*?\"", re.DOTALL | re.MULTILINE)


def words_of_the_generated_c() -> set[str]:
    """Every small word of the templates' C, and the variables that lowering makes."""
    found = {word for path in data.templates().rglob("*.j2") for word in WORD.findall(NO_C.sub(" ", path.read_text()))}
    lowering = "".join(path.read_text() for path in Path(cnames.__file__).with_name("lower").glob("*.py"))
    return found | set(re.findall(r'(?:fresh\(|, )"([a-z0-9_]+)"', lowering))


def candidates() -> list[str]:
    """Those that a spec may use for anything."""
    library = {"main", "malloc", "printf", "exit", "index", "log", "logf", "round", "roundl", "vfork", "memset", "strlen", "abs"}
    more = {f"{word}{n}" for word in ("key", "value", "e", "comm", "now", "chosen") for n in (2, 3)} | {
        "x",
        "x_",
        "x__",
        "bpf_x",
        "at_x",
    }
    found = words_of_the_generated_c() | cnames.FIXED | cnames.LOCALS | cnames.MACROS | library | more
    refused = names.C_WORDS | names.C_TYPES | names.WORDS | names.BUILTINS | names.OPTIONS | names.COLUMNS
    return sorted(word for word in found - refused if not word.startswith("__"))


def spec(words: list[str], programs: list[str]) -> str:
    """Every word is a parameter; every second one a map, the others metrics, variables, fields of events, labels; ``programs`` are
    probes and spans."""
    halves = words[::2], words[1::2]
    maps = {word: {"type": "hash", "max_entries": 1, "key": "u32", "value": {word: "u32"}} for word in halves[0]}
    metrics = {word: {"kind": "counter", "help": "x", "labels": {word: "u32", "l": "u32"}} for word in halves[1]}
    parts = [list(zip(*halves, strict=True))[i : i + 30] for i in range(0, len(halves[1]), 30)]
    events = {f"e_{i}": {"fields": {word: "u64" for _, word in part}} for i, part in enumerate(parts)}
    params = {word: {"type": "u32", "help": "x"} for word in words}
    variables = [
        {
            "on": PRCTL,
            "name": f"variables_{i}",
            "let": {word: f"args.arg2 + ${word} + ${other}" for other, word in part},
            "emit": f"e_{i}",
        }
        for i, part in enumerate(parts)
    ]
    statements = [
        *({"set": f"{word}[1]", "to": {word: 1}} for word in maps),
        *({"add": f"{word}[1].{word}", "of": 1} for word in maps),
        *({"count": word, "by": {word: 1, "l": 1}} for word in metrics),
    ]
    # The stack holds the keys of some statements, not of all.
    stores = [{"on": PRCTL, "name": f"stores_{i}", "do": statements[i : i + 25]} for i in range(0, len(statements), 25)]
    events["seen"] = {"fields": {"pid": "pid"}}
    probes = [*variables, *stores, *({"on": PRCTL, "name": word, "emit": "seen"} for word in programs if word in maps)]
    spans = {word: {"start": PRCTL, "end": PRCTL, "key": ["tid", "cpu"], "keep": {word: "args.arg2", "l": "pid"},
                    "where": f"{word} == 1 or l == 1 or elapsed > 1s", "emit": "seen"}
             for word in programs if word in halves[1]}  # fmt: skip
    whole = {"params": params, "maps": maps, "events": events, "metrics": metrics, "probes": probes, "spans": spans}
    return "".join(f"{key}: {json.dumps(value)}\n" for key, value in whole.items())


@pytest.mark.slow
@pytest.mark.parametrize("maps", [0, 1])
def test_any_name_builds(lab: Lab, maps: int) -> None:
    words = candidates()[maps:]
    words = words[: len(words) // 2 * 2]
    reserved = cnames.FIXED | cnames.LOCALS | cnames.MACROS
    lab.build(spec(words, [word for word in words if word in reserved or cnames.is_taken(word)]))


def accepted(word: str) -> Iterator[str]:
    """Where the rules of names let a spec use the word."""
    for place, text in {
        "map": f"maps: {{{word}: {{type: hash, max_entries: 1, key: u32, value: u32}}}}",
        "field": f"events: {{e: {{fields: {{{word}: u32}}}}}}",
        "param": f"params: {{{word}: {{type: u32, help: x}}}}",
    }.items():
        try:
            load(f"ebpfgen: 1\nname: t\nsummary: x\n{text}\nprobes: [{{on: {PRCTL}, emit: e}}]\n".encode(), "t.yaml")
        except SpecError:
            continue
        yield place


@pytest.mark.parametrize("word", ["int", "while", "offsetof", "size_t", "u32", "and", "__x"])
def test_what_c_can_not_have_is_refused_everywhere(word: str) -> None:
    assert not list(accepted(word))


@pytest.mark.root
@pytest.mark.kernel
def test_names_of_the_templates_are_a_spec_s_own(lab: Lab) -> None:
    """Maps and metrics called like those that every artefact has, variables called like those that lowering makes."""
    traced = lab.run(
        """
maps:
  events: {type: hash, max_entries: 8, key: u32, value: u32}
  keys: {type: hash, max_entries: 8, key: u32, value: u32}
events:
  counters: {fields: {events: u64, key: u64, value: u64}}
metrics:
  count: {kind: counter, help: x}
  config: {kind: counter, help: x, labels: {key: u64}}
params: {filter_pid: {type: u32, default: 7, help: x}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    let: {key: args.arg2, key2: key + 1, count: key2 + 1, e: count + 1, now: e + 1, ctx: now + 1}
    do:
      - {set: "events[1]", to: (u32)key}
      - {set: "keys[(u32)key]", to: (u32)ctx}
      - {sum: count, of: count}
      - {count: config, by: {key: e}}
      - {emit: counters, with: {events: "events[1]", key: "keys[(u32)key]", value: key2 + $filter_pid}}
""",
        lambda: prctl(10),
    )
    assert traced.events("counters") == [{"events": 10, "key": 15, "value": 18, "marks": 0}]
    assert traced.metrics["count"][()].value == 12
    assert {labels: sample.value for labels, sample in traced.metrics["config"].items()} == {(13,): 1}
    assert traced.counted("produced", "counters") == 1


def test_a_name_given_again_is_another_variable(lab: Lab) -> None:
    checked = lab.check("""
events: {seen: {fields: {n: u64}}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    let: {n: args.arg2}
    do:
      - {emit: seen}
      - {let: {n: n + 1}}
      - {emit: seen}
""")
    variables = [statement.name for statement in checked.programs[0].body if isinstance(statement, Let)]
    assert len(variables) == len(set(variables)) == 2


def test_an_input_that_is_needed_before_its_name_is_given_has_that_name(lab: Lab) -> None:
    artefact = lab.build("""
events: {seen: {fields: {n: u64}}}
probes:
  - {on: tracepoint:syscalls:sys_enter_prctl, where: args.arg2 != 3, let: {n: args.arg2, m: n + args.arg2}, emit: seen, with: {n: m}}
""")
    text = next(artefact.glob("*.bpf.c")).read_text()
    assert re.findall(r"(\w+) = ctx->args\[1\];", text) == ["n"]
    assert not re.search(r"\bn2\b|\barg2\b", text)


def test_programs_of_any_symbol_build(lab: Lab) -> None:
    symbols = [
        "main",
        "malloc",
        "int",
        "SEC",
        "LICENSE",
        "0abc",
        "linux",
        "bpf_htons",
        "exit",
        "count",
        "config",
        "_ZN3fooEv",
        "a.b",
        "a@@V1",
        "NULL",
    ]
    probes = "\n".join(f'  - {{on: "uprobe:/bin/x:{symbol}", count: seen}}' for symbol in symbols)
    artefact = lab.build(f"metrics: {{seen: {{kind: counter, help: x}}}}\nprobes:\n{probes}\n")
    manifest = json.loads((artefact / "manifest.json").read_text())
    assert [program["target"]["symbol"] for program in manifest["programs"]] == symbols


def test_programs_are_called_what_they_are_attached_to(lab: Lab) -> None:
    """Where their probe has no name; with one, they begin with that."""
    checked = lab.check(f"""
metrics: {{seen: {{kind: counter, help: x}}}}
probes:
  - {{on: {PRCTL}, count: seen}}
  - {{on: [tracepoint:syscalls:sys_enter_getpid, tp_btf:sys_exit, "uprobe:libc.so.6:malloc"], count: seen}}
  - {{on: [profile:hz:9, software:cpu-clock:100000], count: seen}}
  - {{on: {PRCTL}, count: seen}}
  - {{on: [{PRCTL}, tp_btf:sys_exit], name: given, count: seen}}
  - {{on: tp_btf:sys_enter, name: sys_enter, count: seen}}
""")
    assert [program.name for program in checked.programs] == [
        "sys_enter_prctl",
        *("sys_enter_getpid", "sys_exit", "on_malloc"),
        *("on_profile", "cpu_clock"),
        "sys_enter_prctl_2",
        *("given_enter_prctl", "given_sys_exit"),
        "sys_enter",
    ]
