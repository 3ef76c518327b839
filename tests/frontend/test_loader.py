"""A spec as written arrives in the model, with every text at its place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ebpfgen.loader import load, load_path
from ebpfgen.model import All, AttachPoint, Choice, Expr, First, Linear, Spec, Text
from ebpfgen.problems import SpecError

ROOT = Path(__file__).parents[2]
HEAD = "ebpfgen: 1\nname: spec\nsummary: a spec\n"


def spec_of(body: str) -> Spec:
    return load((HEAD + body).encode(), "specs/spec.yaml")


def texts(exprs: dict[str, Expr] | None) -> dict[str, str | list[str]]:
    return {
        name: [option.text for option in expr.options] if isinstance(expr, Choice) else expr.text
        for name, expr in (exprs or {}).items()
    }


def test_declarations() -> None:
    spec = spec_of(
        "description: |\n  more\n  text\n"
        "ring: 256KiB\n"
        "params: {rate: {type: u32, default: 0x63, min: 1, max: 1_0, help: per second}, on: {type: bool, help: switch}}\n"
        "maps:\n"
        "  conns: {type: lru_hash, max_entries: 16, key: {a: u64, b: u32}, value: u64}\n"
        "  slots: {type: array, max_entries: 4, value: {n: u64}}\n"
        "events: {seen: {summary: one, fields: {time: timestamp, pid: pid}}}\n"
        "metrics:\n"
        "  n: {kind: counter, help: number, labels: {pid: pid}, top: 10, max_entries: 7}\n"
        "  h: {kind: histogram, unit: us, buckets: {min: -1, max: 10, step: 2}, help: times}\n"
        "  l: {kind: histogram, buckets: log2, help: times}\n"
        "probes: [{on: 'kprobe:a', emit: seen}]\n"
    )
    assert (spec.name, spec.summary, spec.description) == ("spec", "a spec", "more\ntext")
    assert spec.ring is not None
    assert spec.ring.text == "256KiB"
    rate = spec.params["rate"]
    assert [part and part.text for part in (rate.type, rate.default, rate.min, rate.max)] == ["u32", "0x63", "1", "1_0"]
    assert spec.params["on"].default is None
    conns, slots = spec.maps["conns"], spec.maps["slots"]
    assert (conns.type, conns.max_entries.text, list(conns.key.fields)) == ("lru_hash", "16", ["a", "b"])
    assert conns.value.scalar is not None
    assert slots.key.scalar is not None
    assert (conns.value.scalar.text, slots.key.scalar.text, slots.value.fields["n"].text) == ("u64", "u32", "u64")
    assert spec.events["seen"].summary == "one"
    assert {name: kind.text for name, kind in spec.events["seen"].fields.fields.items()} == {"time": "timestamp", "pid": "pid"}
    n, h, low = spec.metrics["n"], spec.metrics["h"], spec.metrics["l"]
    assert n.labels is not None
    assert n.max_entries is not None
    assert (n.kind, n.help, list(n.labels.fields), n.top, n.max_entries.text) == ("counter", "number", ["pid"], 10, "7")
    assert isinstance(h.buckets, Linear)
    assert (h.unit, h.buckets.min, h.buckets.max, h.buckets.step) == ("us", -1, 10, 2)
    assert low.buckets is None


def test_attach_points() -> None:
    spec = spec_of(
        "probes:\n"
        "  - {on: 'kprobe:a', stop: true}\n"
        "  - {on: ['kprobe:a', '?kprobe:b', {first: ['fentry:c', {on: 'kprobe:c', let: {x: arg0}, where: arg0 > 1}]}],\n"
        "     stop: true}\n"
        "  - {on: {on: ['kprobe:a', 'kprobe:b'], let: {x: arg1}}, stop: true}\n"
        "  - {on: {first: [['kprobe:a', 'kprobe:b'], 'kprobe:c']}, stop: true}\n"
    )
    one, many, shared, first = (probe.on for probe in spec.probes)
    assert isinstance(one, AttachPoint)
    assert (one.text.text, one.optional, one.let, one.where) == ("kprobe:a", False, {}, None)

    assert isinstance(many, All)
    a, b, c = many.of
    assert isinstance(a, AttachPoint)
    assert isinstance(b, AttachPoint)
    assert (b.text.text, b.optional) == ("kprobe:b", True)
    assert b.text.at.mark.column == "  - {on: ['kprobe:a', '?kprobe:b'".index("kprobe:b") + 1
    assert isinstance(c, First)
    fentry, kprobe = c.of
    assert isinstance(fentry, AttachPoint)
    assert isinstance(kprobe, AttachPoint)
    assert texts(kprobe.let) == {"x": "arg0"}
    assert isinstance(kprobe.where, Text)
    assert kprobe.where.text == "arg0 > 1"

    assert isinstance(shared, All)
    assert [(point.text.text, texts(point.let)) for point in shared.of if isinstance(point, AttachPoint)] == [
        ("kprobe:a", {"x": "arg1"}),
        ("kprobe:b", {"x": "arg1"}),
    ]
    assert isinstance(first, First)
    assert isinstance(first.of[0], All)
    assert len(first.of[0].of) == 2


def test_statements() -> None:
    spec = spec_of(
        "probes:\n"
        "  - on: kprobe:a\n"
        "    do:\n"
        "      - {let: {a: 1, b: [x.y, z]}}\n"
        "      - {if: a > 0, emit: seen, with: {c: true}}\n"
        "      - {observe: h, of: a, by: {c: b}}\n"
        "      - {set: 'm[a].f', to: 5}\n"
        "      - {set: 'm[a]', to: {f: a, g: 2}}\n"
        "      - {if: a, then: [{count: n}], else: [{delete: 'm[a]'}, {stop: true}]}\n"
    )
    let, emit, observe, change, store, choose = spec.probes[0].do
    assert (let.verb, texts(let.fields), let.target) == ("let", {"a": "1", "b": ["x.y", "z"]}, None)
    assert (emit.verb, texts(emit.fields), emit.target and emit.target.text) == ("emit", {"c": "true"}, "seen")
    assert isinstance(emit.condition, Text)
    assert emit.condition.text == "a > 0"
    assert isinstance(observe.value, Text)
    assert (observe.verb, observe.value.text, texts(observe.fields)) == ("observe", "a", {"c": "b"})
    assert isinstance(change.value, Text)
    assert (change.verb, change.target and change.target.text, change.value.text, change.fields) == ("set", "m[a].f", "5", None)
    assert (store.value, texts(store.fields)) == (None, {"f": "a", "g": "2"})
    assert choose.verb == "if"
    assert isinstance(choose.condition, Text)
    assert [one.verb for one in choose.then] == ["count"]
    assert [one.verb for one in choose.otherwise] == ["delete", "stop"]
    assert (choose.otherwise[0].at.path, choose.otherwise[0].at.mark.line) == ("probes[0].do[5].else[0]", 12)


def test_a_probe_may_be_its_one_statement() -> None:
    spec = spec_of(
        "probes:\n"
        "  - on: kprobe:a\n"
        "    let: {a: 1}\n"
        "    if: a\n"
        "    emit: seen\n"
        "  - {on: kprobe:a, name: b, task: none, where: pid > 1, if: tid, then: [{stop: true}]}\n"
    )
    first, second = spec.probes
    assert texts(first.let) == {"a": "1"}
    (emit,) = first.do
    assert (emit.verb, emit.fields, emit.at.path, emit.at.mark.line) == ("emit", None, "probes[0].emit", 8)
    assert isinstance(emit.condition, Text)
    assert (second.name, second.task and second.task.text) == ("b", "none")
    assert [statement.verb for statement in second.do] == ["if"]


def test_spans() -> None:
    spec = spec_of(
        "spans:\n"
        "  a: {start: 'kprobe:a', end: 'kretprobe:a', emit: seen}\n"
        "  b: {start: 'kprobe:a', end: 'kretprobe:a', key: [x, [y, z]], keep: {k: arg0}, where: k,\n"
        "      max_entries: 5, do: [{count: n}]}\n"
        "  c: {start: 'kprobe:a', end: 'kretprobe:a', key: rq, let: {rq: arg0}, count: n}\n"
    )
    a, b, c = spec.spans.values()
    assert (a.key, a.keep, a.where, a.max_entries) == ((), {}, None, None)
    assert isinstance(b.key[0], Text)
    assert isinstance(b.key[1], Choice)
    assert (texts(b.keep), b.max_entries and b.max_entries.text) == ({"k": "arg0"}, "5")
    assert [key.text for key in c.key if isinstance(key, Text)] == ["rq"]


def test_the_name_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(HEAD + "probes: [{on: 'kprobe:a', stop: true}]\n")
    assert load_path(path).file == str(path)
    with pytest.raises(SpecError, match="they must be equal"):
        load_path(path.rename(tmp_path / "other.yaml"))


def test_mistakes_of_the_schema_and_of_names_come_in_one_run() -> None:
    with pytest.raises(SpecError) as caught:
        spec_of("evnets: {}\nevents: {int: {fields: {a: u128}}}\nprobes: [{on: 'kprobe:a'}]\n")
    assert [problem.path for problem in caught.value.problems] == ["evnets", "events.int", "events.int.fields.a", "probes[0]"]


def _examples() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "spec.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("example", _examples(), ids=lambda text: str(text).split(":")[0])
def test_examples_of_the_documentation_load(example: str) -> None:
    if example.startswith("on:"):
        example = "probes:\n  - stop: true\n" + "".join(f"    {line}\n" for line in example.splitlines())
    if not re.search("^(probes|spans):", example, re.MULTILINE):
        example += "probes: [{on: 'kprobe:a', stop: true}]\n"
    spec_of(example)
