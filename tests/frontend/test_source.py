"""YAML bytes to located nodes: values, places, and what is refused before it can do harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfgen import source
from ebpfgen.problems import MachineError, SpecError
from ebpfgen.source import Mapping, Node, Scalar, Sequence
from properties import examples


def parse(text: str) -> Node:
    return source.parse(text.encode(), "spec.yaml")


def value_of(text: str) -> Scalar:
    root = parse(text)
    assert isinstance(root, Mapping)
    scalar = next(iter(root.entries.values()))
    assert isinstance(scalar, Scalar)
    return scalar


def problem_of(data: str | bytes) -> str:
    with pytest.raises(SpecError) as caught:
        source.parse(data.encode() if isinstance(data, str) else data, "spec.yaml")
    return str(caught.value)


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "True", "null", "1", "0x10", "<<", "=", "~"])
def test_keys_are_text(word: str) -> None:
    root = parse(f"{word}: x")
    assert isinstance(root, Mapping)
    assert list(root.entries) == [word]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True), ("false", False), ("True", "True"), ("yes", "yes"), ("on", "on"), ("null", None), ("~", None), ("", None),
        ("42", 42), ("-7", -7), ("0x2a", 42), ("0o52", 42), ("0", 0), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("1.", 1.0),
        ("1_000", "1_000"), ("0b11", "0b11"), ("12:30", "12:30"), ("2001-01-01", "2001-01-01"), (".inf", ".inf"), ("1e", "1e"),
        ('"42"', "42"), ("'true'", "true"), ("|-\n  42", "42"), ('""', ""),
    ],
)  # fmt: skip
def test_plain_scalars_resolve_as_yaml_1_2(text: str, value: object) -> None:
    found = value_of(f"key: {text}").value
    assert found == value
    assert type(found) is type(value)


def test_scalars_keep_their_spelling() -> None:
    assert [value_of(f"key: {text}").text for text in ("0x2A", "1.50", "true", "'a''b'", '"a\\tb"')] == [
        "0x2A",
        "1.50",
        "true",
        "a'b",
        "a\tb",
    ]


@pytest.mark.parametrize(
    ("text", "column", "exact"),
    [
        ("key: plain text", 6, True),
        ("key: 'single quoted'", 7, True),
        ('key: "double quoted"', 7, True),
        ("é: 'ünï 😀 x'", 5, True),
        ("{😀: x😀y, b: c}", 5, True),
        ("key: 'a''b'", 7, False),
        ('key: "a\\"b"', 7, False),
        ('key: "a\\x62"', 7, False),
        ("key: two\n  lines", 6, False),
        ("key: 'two\n  lines'", 7, False),
        ("key: |\n  block", 6, False),
        ("key: >-\n  block", 6, False),
        ("\ufeffkey: text", 6, True),
        ("key:", 1, False),
    ],
)
def test_marks_and_exactness_of_columns(text: str, column: int, exact: bool) -> None:
    scalar = value_of(text)
    assert (scalar.at.mark.line, scalar.at.mark.column, scalar.columns_exact) == (1, column, exact)


@examples()
@given(
    st.text(st.sampled_from("ab é😀.()'\"\\:[{#,|"), min_size=1, max_size=12),
    st.sampled_from(["key: {}", "key: '{}'", 'key: "{}"', "key: [x, {}]", "key: ['é', '{}']", '\n\nk😀: {{b: "{}"}}']),
)
def test_exact_columns_point_at_the_text(text: str, frame: str) -> None:
    written = frame.format(text)
    try:
        root = source.parse(written.encode(), "spec.yaml")
    except SpecError:
        return
    lines = written.split("\n")
    for scalar in _scalars(root):
        if scalar.columns_exact:
            start = scalar.at.mark.column - 1
            assert lines[scalar.at.mark.line - 1][start : start + len(scalar.text)] == scalar.text


def _scalars(node: Node) -> list[Scalar]:
    if isinstance(node, Scalar):
        return [node]
    inner = node.items if isinstance(node, Sequence) else node.entries.values()
    return [scalar for one in inner for scalar in _scalars(one)]


def test_paths_name_the_nodes() -> None:
    root = parse("a: {b: [x, {c-d: y}]}\n'e f': z\n")
    assert [scalar.at.path for scalar in _scalars(root)] == ["a.b[0]", "a.b[1].c-d", "'e f'"]


def test_an_absent_value_stands_at_its_key() -> None:
    root = parse("a:\n  b:\n\n# comment\nc: d\n")
    assert isinstance(root, Mapping)
    absent = root.entries["a"]
    assert isinstance(absent, Mapping)
    assert (absent.entries["b"].at.mark.line, absent.entries["b"].at.mark.column) == (2, 3)


@pytest.mark.parametrize(
    "written",
    [
        "let: {rq: (struct request *)arg0}",
        "{if: a == b and c in conns, emit: x}",
        "on: ?tracepoint:syscalls:sys_enter_open",
        "with: {a: x ?? 0, b: f(x), c: x & 0xff, d: x->y}",
        "type: {a: enum:a|b, b: string(16)}",
        "where: conns[k].x == 1",
    ],
)
def test_expressions_that_need_no_quotes(written: str) -> None:
    for scalar in _scalars(parse(written)):
        assert scalar.text in written


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a: \xff", "spec.yaml:1:4: byte 3 (0xff) is not UTF-8"),
        ("é: x\nü: ".encode() + b"\xe9t\xe9", "spec.yaml:2:4: byte 10 (0xe9) is not UTF-8"),
        (b"a: \xed\xa0\x80", "spec.yaml:1:4: byte 3 (0xed) is not UTF-8"),
        ("a: x".encode("utf-16"), "this is UTF-16; save it as UTF-8"),
        (b"a: x\n\nb: \0", "spec.yaml:3:4: a NUL byte does not belong in a spec"),
        (b"a: \x1b[31m", "spec.yaml:1:4: the control character U+001B does not belong in a spec"),
        ("a: x\u2028y".encode(), "spec.yaml:1:5: the control character U+2028"),
        (b'a: "\\e[31m"', "spec.yaml:1:4: a: the escaped control character U+001B"),
        (b"", "spec.yaml:1:1: the file is empty, expected a spec"),
        (b"\xef\xbb\xbf# only a comment\n", "the file is empty, expected a spec"),
        (b'"a" b', "text goes on after the end of the spec"),
    ],
)
def test_bytes_that_are_no_text(data: bytes, expected: str) -> None:
    assert expected in problem_of(data)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused(opening: str) -> None:
    assert "nested more than 50 levels deep" in problem_of(opening * 100_000)


def test_many_values_are_refused() -> None:
    assert "more than 20000 values in one spec" in problem_of("a: [" + "x," * 100_000 + "]")


def test_an_anchor_bomb_is_refused_unexpanded() -> None:
    bomb = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 40))
    assert problem_of(bomb).startswith("spec.yaml:1:5: YAML anchors and aliases")


def test_bytes_over_the_limit_are_refused() -> None:
    fits = b"a: x\n#" + b"x" * (source.MAX_BYTES - 6)
    assert source.parse(fits, "spec.yaml")
    assert "the file is too big: more than 1048576 bytes" in problem_of(fits + b"x")


def test_a_huge_file_is_refused_without_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(100_000_000_000)  # sparse; reading it would take all memory
    with pytest.raises(SpecError, match="the file is too big: 100000000000 bytes, at most 1048576 are read"):
        source.read(path)


def test_what_might_never_end_is_not_read() -> None:
    with pytest.raises(SpecError, match="/dev/zero:1:1: is a pipe or a device, expected a spec file"):
        source.read("/dev/zero")


def test_a_missing_file_has_near_misses(tmp_path: Path) -> None:
    (tmp_path / "opensnoop.yaml").touch()
    (tmp_path / "net.yaml").touch()
    for word in ("opensnop.yaml", "opensnoop", "opensnop.yml"):
        with pytest.raises(SpecError) as caught:
            source.read(tmp_path / word)
        assert str(caught.value).endswith(f"{word}:1:1: no such file; did you mean {tmp_path}/opensnoop.yaml?")
    with pytest.raises(SpecError) as caught:
        source.read(tmp_path / "not.yaml")  # three letters of which one is the same
    assert str(caught.value).endswith("not.yaml:1:1: no such file")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere/spec.yaml", "no such file"),
        ("file/spec.yaml", "no such file"),
        (".", "is a directory, expected a spec file"),
        ("x" * 300, "the file name is too long"),
        ("a\0b", "not a file name"),
    ],
)
def test_names_that_are_no_file(tmp_path: Path, name: str, expected: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SpecError, match=expected):
        source.read(os.path.join(tmp_path, name))  # noqa: PTH118 - a Path would tidy the name


def test_a_file_that_the_machine_refuses_is_not_the_specs_fault() -> None:
    with pytest.raises(MachineError, match="/proc/self/mem: cannot be read: "):
        source.read("/proc/self/mem")
