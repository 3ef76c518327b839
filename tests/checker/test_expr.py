"""Expressions: C's precedence, places, units, escapes, how deep they may nest."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycparser import c_ast, c_parser  # type: ignore[import-untyped]  # cffi brings it

from ebpfgen import expr
from ebpfgen.expr import DEEPEST, ExpressionError, conjuncts, names, parse
from ebpfgen.model import At, Text
from ebpfgen.problems import Mark, Problem

BINARY = ("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=", "&&", "||")


def tree(text: str) -> expr.Node:
    return parse(Text(text, At(Mark("x.yaml", 3, 10), "where")))


def mistake(text: str) -> Problem:
    with pytest.raises(ExpressionError) as caught:
        tree(text)
    return caught.value.problem


def ours(node: expr.Node) -> str:
    """With every parenthesis that precedence leaves out."""
    match node:
        case expr.Number(value=value):
            return str(value)
        case expr.Name(name=name):
            return name
        case expr.Unary(op=op, operand=operand):
            return f"({op}{ours(operand)})"
        case expr.Binary(op=op, left=left, right=right):
            return f"({ours(left)} {op} {ours(right)})"
        case expr.Conditional(condition=condition, yes=yes, no=no):
            return f"({ours(condition)} ? {ours(yes)} : {ours(no)})"
        case expr.Member(base=base, name=name):
            return f"({ours(base)}.{name})"
        case expr.Index(base=base, keys=keys):
            return f"({ours(base)}[{', '.join(map(ours, keys))}])"
        case expr.Contains(item=item, container=container):
            return f"({ours(item)} in {ours(container)})"
    raise AssertionError(node)


def of_c(node: c_ast.Node) -> str:
    match node:
        case c_ast.Constant():
            return str(node.value)
        case c_ast.ID():
            return str(node.name)
        case c_ast.UnaryOp():
            return f"({node.op}{of_c(node.expr)})"
        case c_ast.BinaryOp():
            return f"({of_c(node.left)} {node.op} {of_c(node.right)})"
        case c_ast.TernaryOp():
            return f"({of_c(node.cond)} ? {of_c(node.iftrue)} : {of_c(node.iffalse)})"
        case c_ast.StructRef():
            return f"({of_c(node.name)}.{node.field.name})"
        case c_ast.ArrayRef():
            return f"({of_c(node.name)}[{of_c(node.subscript)}])"
    raise AssertionError(node)


def parsed_as_c(text: str) -> c_ast.Node:
    return c_parser.CParser().parse(f"int x = {text};").ext[0].init


def _more(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(BINARY), inner).map(" ".join),
        st.tuples(st.sampled_from(("-", "~", "!", "*")), inner).map(" ".join),
        st.tuples(inner, st.just("?"), inner, st.just(":"), inner).map(" ".join),
        inner.map(lambda text: f"({text})"),
        st.tuples(st.sampled_from("ab"), st.sampled_from((".m", "->m", "[1]"))).map("".join),
    )


@settings(max_examples=250, deadline=None)
@given(st.recursive(st.sampled_from(("a", "b", "c", "1", "2")), _more, max_leaves=12))
def test_precedence_is_that_of_c(text: str) -> None:
    assert ours(tree(text)) == of_c(parsed_as_c(text))


@pytest.mark.parametrize(("text", "meaning"), [
    ("not a == b and c", "((!(a == b)) && c)"),
    ("not a or b and not c", "((!a) || (b && (!c)))"),
    ("!a == b", "((!a) == b)"),
    ("a & b in m", "(a & (b in m))"),
    ("a + 1 in m and b", "(((a + 1) in m) && b)"),
    ("a not in m or b", "((!(a in m)) || b)"),
    ("a ?? b ?? c > 1", "(a ?? (b ?? (c > 1)))"),
    ("a ?? 0 ? b : c", "((a ?? 0) ? b : c)"),
    ("a or b ?? c", "((a or b) ?? c)".replace("or", "||")),
    ("a->b.c[1]->d", "((((a.b).c)[1]).d)"),
])  # fmt: skip
def test_precedence_of_what_c_lacks(text: str, meaning: str) -> None:
    assert ours(tree(text)) == meaning


@pytest.mark.parametrize(("text", "value", "unit"), [
    ("10", 10, ""), ("0x1F", 31, ""), ("0o17", 15, ""), ("0b101", 5, ""), ("1_000", 1000, ""), ("10u", 10, ""), ("10ULL", 10, ""),
    ("7ns", 7, "duration"), ("5us", 5_000, "duration"), ("10ms", 10_000_000, "duration"), ("2s", 2_000_000_000, "duration"),
    ("1m", 60_000_000_000, "duration"), ("3B", 3, "bytes"), ("4KiB", 4096, "bytes"), ("1MiB", 1 << 20, "bytes"),
    ("1GiB", 1 << 30, "bytes"), ("4KB", 4000, "bytes"), ("18446744073709551615", 2**64 - 1, ""), ("'a'", 97, ""), (r"'\n'", 10, ""),
    (r"'\''", 39, ""), (r"'\x7f'", 127, ""),
])  # fmt: skip
def test_numbers(text: str, value: int, unit: str) -> None:
    assert tree(text) == expr.Number(0, value, unit)


@pytest.mark.parametrize(("text", "value"), [
    ('"plain"', b"plain"), (r'"\n\r\t\\\""', b'\n\r\t\\"'), (r'"\x41\x42"', b"AB"), ('"é"', "é".encode()), ('"\'"', b"'"), ('""', b""),
])  # fmt: skip
def test_texts(text: str, value: bytes) -> None:
    assert tree(text) == expr.String(0, value)


@pytest.mark.parametrize(("text", "column", "words"), [
    ("1 == 10sec", 15, "'sec' is no unit"),
    ("18446744073709551616", 10, "does not fit 64 bits"),
    ("18014398509481984KiB", 10, "does not fit 64 bits"),
    ("a == 017", 15, "looks octal"),
    ("'ab'", 10, "does not belong"),
    ("'é'", 10, "is not one byte"),
    (r'"a\q"', 12, "is no escape"),
    (r'"\x4"', 10, "is not a well-formed literal"),
    (r'"a\0b"', 10, "NUL"),
    ("a = 1", 12, "write =="),
    ("a +", 13, "ends where more is expected"),
    ("", 10, "this is empty"),
    ("(u33)x", 11, "no type to cast to"),
    ("f(a, )", 15, "not expected"),
    ("a b", 12, "not expected"),
])  # fmt: skip
def test_mistakes_have_their_place(text: str, column: int, words: str) -> None:
    found = mistake(text)
    assert words in found.words
    assert (found.mark.line, found.mark.column) == (3, column)


def test_nodes_know_where_they_begin() -> None:
    node = tree("a.b == $p and f(x, (u32)y)[0] in m")
    assert isinstance(node, expr.Binary) and isinstance(node.left, expr.Binary) and isinstance(node.right, expr.Contains)
    member, param, index = node.left.left, node.left.right, node.right.item
    assert isinstance(member, expr.Member) and isinstance(index, expr.Index) and isinstance(index.base, expr.Call)
    assert [node.pos, member.pos, param.pos, node.right.pos, index.base.args[1].pos] == [0, 2, 7, 14, 19]


@pytest.mark.parametrize(
    ("opened", "closed"), [("-", ""), ("not ", ""), ("f(", ")"), ("a[", "]"), ("1 + (", ")"), ("a ? b : ", "")]
)
def test_as_deep_as_it_may_be(opened: str, closed: str) -> None:
    assert tree(opened * (DEEPEST // 3) + "1" + closed * (DEEPEST // 3))
    assert "nested deeper" in mistake(opened * (DEEPEST + 1) + "1" + closed * (DEEPEST + 1)).message


def test_parentheses_alone_are_no_depth() -> None:
    assert tree("(" * 1000 + "1" + ")" * 1000) == expr.Number(1000, 1)


def test_parts_of_a_condition() -> None:
    assert [ours(part) for part in conjuncts(tree("a and (b or c) && d == 1"))] == ["a", "(b || c)", "(d == 1)"]


def test_free_names() -> None:
    assert names(tree("f(a, b[c].d) in m and $p == (u32)e")) == {"a", "b", "c", "m", "e"}
