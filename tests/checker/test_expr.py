"""Expressions: what C's own grammar makes of the same text, and that whatever parses has a type or a mistake."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycparser import c_ast, c_parser  # type: ignore[import-untyped]  # cffi brings it

import fake_kernel
from ebpfgen import expr, ir
from ebpfgen.expr import ExpressionError, conjuncts, names, parse
from ebpfgen.model import At, Text
from ebpfgen.problems import Mark
from ebpfgen.typer import Scope, Typer
from properties import examples

TOKENS = (
    "pid comm nsecs curtask $p 0 1 0x1f 10ms 4KiB 'a' \"text\" ( ) [ ] . -> , ? : ?? + - * / % & | ^ ~ ! && || and or not in "
    "== != < > <= >= << >> (u32) (i64) (struct sock *) (char **) str( ip( min( max( abs( ntohs( exists( TCP_CLOSE O_CREAT true 0xffffffffffffffff"
).split(" ")
BINARY = ("+", "-", "*", "/", "%", "<<", ">>", "&", "|", "^", "==", "!=", "<", "<=", ">", ">=", "&&", "||")


def tree(text: str) -> expr.Node:
    return parse(Text(text, At(Mark("x.yaml", 3, 10), "where")))


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


@examples(250)
@given(st.recursive(st.sampled_from(("a", "b", "c", "1", "2")), _more, max_leaves=12))
def test_precedence_is_that_of_c(text: str) -> None:
    assert ours(tree(text)) == of_c(parsed_as_c(text))


def test_a_character_may_be_any_byte() -> None:
    assert tree(r"'\x7f'") == expr.Number(0, 127)


@pytest.fixture(scope="module")
def typer() -> Typer:
    return Typer(fake_kernel.kernel())


@examples(200)
@given(text=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=9).map(" ".join))
def test_what_parses_has_a_type_or_a_mistake_at_its_place(typer: Typer, text: str) -> None:
    written = Text(text, At(Mark("x.yaml", 1, 1), "where"))
    try:
        assert list(ir.walk(typer.value(written, Scope())))
    except ExpressionError as error:
        assert 1 <= error.problem.mark.column <= len(text) + 1


def test_parts_of_a_condition() -> None:
    assert [ours(part) for part in conjuncts(tree("a and (b or c) && d == 1"))] == ["a", "(b || c)", "(d == 1)"]


def test_free_names() -> None:
    assert names(tree("f(a, b[c].d) in m and $p == (u32)e")) == {"a", "b", "c", "m", "e"}
