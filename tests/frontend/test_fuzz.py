"""Whatever the bytes are, load() gives a spec or a SpecError with at least one problem in that file."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from ebpfgen.loader import load
from ebpfgen.problems import Mark, Problem, SpecError
from properties import examples

ROOT = Path(__file__).parents[2]
SPEC = b"""\
ebpfgen: 1
name: spec
summary: everything that the language has
params: {failed: {type: bool, default: false, help: only those that failed}}
maps: {conns: {type: lru_hash, max_entries: 64, key: {sk: u64}, value: {born: u64, comm: comm}}}
events: {seen: {summary: one, fields: {time: timestamp, path: "string(64)", op: enum:req_op}}}
metrics:
  sizes: {kind: histogram, unit: bytes, buckets: {min: 0, max: 10, step: 1}, labels: {pid: pid}, help: sizes}
probes:
  - on: {first: [{on: tp_btf:block_io_start, let: {rq: args.rq}}, [kprobe:a, "?kprobe:b"]]}
    where: not $failed or retval < 0
    do:
      - {if: a == b, set: "conns[rq]", to: {born: nsecs}}
      - if: rq in conns
        then: [{observe: sizes, of: elapsed, by: {pid: 1}}]
        else: [{delete: "conns[rq]"}, {stop: true}]
spans:
  open: {start: kprobe:a, end: kretprobe:a, key: [x, y], keep: {f: args.f}, emit: seen, with: {path: str(f)}}
"""
SEEDS = [SPEC, *(path.read_bytes() for folder in ("specs", "tests/bad_specs") for path in sorted((ROOT / folder).glob("*.yaml")))]
TOKENS = [
    b"\n", b"\t", b"  ", b"- ", b": ", b"? ", b"{", b"}", b"[", b"]", b",", b"'", b'"', b"&a ", b"*a ", b"!x ", b"|\n", b">-\n",
    b"#", b"---\n", b"...\n", b"%YAML 1.2\n", b"<<: ", b"null", b"true", b"1", b"1.5", b"0x", b"~", b"\\x00", b"\x00", b"\xff",
    b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\r", b"if: ", b"then: ", b"do: ", b"on: ", b"first: ", b"emit: ", b"let: ", b"key: ",
    b"to: ",
]  # fmt: skip


def survives(data: bytes) -> None:
    for problem in problems_of(data):
        assert problem.mark.file == "specs/spec.yaml"
        assert 1 <= problem.mark.line <= data.count(b"\n") + data.count(b"\r") + 1
        assert problem.mark.column >= 1
        assert str(problem).isprintable()
        assert "valid under any of the given schemas" not in str(problem)


def problems_of(data: bytes) -> list[Problem]:
    try:
        load(data, "specs/spec.yaml")
    except SpecError as error:
        return error.problems or [Problem(Mark("", 0, 0), "", "an error without a problem")]
    return []


@examples(200)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_arbitrary_bytes(data: bytes) -> None:
    survives(data)


@examples(150)
@given(st.lists(st.sampled_from(TOKENS), max_size=40).map(b"".join))
def test_yaml_tokens_in_any_order(data: bytes) -> None:
    survives(data)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A real spec with some pieces removed, doubled, moved or replaced."""
    data = draw(st.sampled_from(SEEDS))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 30)))
        piece = draw(st.one_of(st.sampled_from(TOKENS), st.just(data[start:end] * 2), st.just(b""), st.binary(max_size=3)))
        data = data[:start] + piece + data[end:]
    return data


@examples(200)
@given(mutated())
def test_mutated_specs(data: bytes) -> None:
    survives(data)


SCALARS = ["x", "1", "1.5", "true", "null", "''", "kprobe:a", "{}", "[]"]
KEYS = ["on", "first", "let", "emit", "set", "to", "if", "then", "do", "type", "key", "min"]


def _collections(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    lists = st.lists(inner, max_size=3)
    mappings = st.dictionaries(st.sampled_from(KEYS), inner, max_size=4)
    return st.one_of(
        lists.map(lambda items: f"[{', '.join(items)}]"),
        mappings.map(lambda entries: "{" + ", ".join(f"{key}: {value}" for key, value in entries.items()) + "}"),
    )


@st.composite
def wrong_values(draw: st.DrawFn) -> bytes:
    """Well-formed YAML that says something else: a value of the spec replaced by one of another kind."""
    lines = SPEC.decode().splitlines()
    at = draw(st.integers(0, len(lines) - 1))
    key, _, _ = lines[at].partition(":")
    values = st.recursive(st.sampled_from(SCALARS), _collections, max_leaves=8)
    lines[at] = f"{key}: {draw(values)}"
    return "\n".join(lines).encode()


@examples(200)
@given(wrong_values())
def test_values_of_another_kind(data: bytes) -> None:
    survives(data)


def test_the_seed_is_a_spec() -> None:
    assert load(SPEC, "specs/spec.yaml").name == "spec"
