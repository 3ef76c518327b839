"""Functions in the kernel's style: the same statements, declarations first, no wide lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from ebpfgen.kernel_style import WIDEST, lay_out

GENERATED = sorted((Path(__file__).parent / "golden").glob("*/*.bpf.c"))


def text(*lines: str) -> list[str]:
    return list(lines)


def test_declarations_move_to_the_top_of_their_block() -> None:
    body = text("if (config.off)", "\treturn 0;", "__u64 now = bpf_ktime_get_ns();", "__u64 then;", "struct sock *sk = f(now);",
                "if (sk) {", "\tg(sk);", "\tbool seen = sk->seen;", "\th(seen);", "}", "return 0;")  # fmt: skip
    assert lay_out(body) == text(
        "__u64 now, then;", "struct sock *sk;", "", "if (config.off)", "\treturn 0;", "now = bpf_ktime_get_ns();", "sk = f(now);",
        "if (sk) {", "\tbool seen;", "", "\tg(sk);", "\tseen = sk->seen;", "\th(seen);", "}", "return 0;",
    )  # fmt: skip


def test_what_is_at_the_top_already_keeps_its_value() -> None:
    body = text("struct sock *sk = (struct sock *)ctx[0];", "__u64 key = (__u64)sk;", "f(&key);", "return 0;")
    assert lay_out(body) == text(*body[:2], "", *body[2:])


def test_records_and_arrays_are_zeroed_where_they_are_filled() -> None:
    body = text("f();", 'struct key key = { .pid = g(1, 2), .text = "a, .b" };', "struct key none = {};", "char comm[16] = {};",
                'char literal[4] = "abc";', "const char *name;", "return 0;")  # fmt: skip
    assert lay_out(body) == text(
        "struct key key, none;", "char comm[16], literal[4];", "const char *name;", "", "f();",
        "__builtin_memset(&key, 0, sizeof(key));", "key.pid = g(1, 2);", 'key.text = "a, .b";',
        "__builtin_memset(&none, 0, sizeof(none));", "__builtin_memset(comm, 0, sizeof(comm));",
        '__builtin_memcpy(literal, "abc", sizeof(literal));', "return 0;",
    )  # fmt: skip


def test_a_body_without_declarations_stays() -> None:
    body = text("if (a)", "\tgoto done;", "f();", "done:", "g();", "return 0;")
    assert lay_out(body) == body


def test_wide_lines_go_on_below_their_parenthesis() -> None:
    names = [f"a_rather_long_argument_{i}" for i in range(8)]
    whole = f"\tcall({', '.join(names)});"
    lines = lay_out(["if (x)", whole])[1:]
    assert "".join(line.strip() + " " for line in lines).strip() == whole.strip()
    assert all(line.expandtabs(8).startswith(" " * len("\tcall(".expandtabs(8))) for line in lines[1:])


def test_a_wide_choice_is_cut_at_its_alternatives() -> None:
    condition, yes, no = "some_field_exists(struct one, member)", f"yes({'y' * 60})", f"no({'n' * 60})"
    assert lay_out([f"x = {condition} ? {yes} : {no};"]) == [f"x = {condition} ? {yes}", f"\t\t: {no};"]


def test_literals_are_not_cut() -> None:
    literal = '"' + "a, b && c ? " * 12 + '"'
    assert lay_out([f"f(x, {literal});"]) == ["f(x,", f"  {literal});"]


@pytest.mark.parametrize("operator", [" ? ", " : ", " + ", " && ", ", "])
def test_every_piece_is_shorter_than_what_it_was_cut_from(operator: str) -> None:
    """Also where a piece begins with an operator, behind spaces, and can't be cut again."""
    for left in (10, 60, 90, 109, 110, 111, 130):
        line = f"abc({'x' * left}{operator}{'y' * 150}{operator}{'z' * 150});"
        lines = lay_out([line])
        assert len(lines) <= 3
        assert "".join("".join(lines).split()) == "".join(line.split())


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.parent.name)
def test_generated_lines_are_not_wide(path: Path) -> None:
    assert not [line for line in path.read_text(encoding="utf-8").expandtabs(8).splitlines() if len(line) > WIDEST]
