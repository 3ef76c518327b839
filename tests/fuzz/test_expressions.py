"""Whatever text stands where an expression is expected: parsing gives a tree or an ExpressionError at a place inside the text."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import fake_kernel
from ebpfgen import expr
from ebpfgen.bodies import walk
from ebpfgen.expr import ExpressionError
from ebpfgen.model import At, Text
from ebpfgen.problems import Mark
from ebpfgen.typer import Scope, Typer

TOKENS = (
    "a args.x args.flags arg0 retval pid comm $p 0 1 0x1f 0o7 0b1 10ms 4KiB 1e9 9999999999999999999999 'a' '' '\\n' \"text\" \"\\x41\" \"\\q\" "
    "( ) [ ] . -> , ? : ?? + - * / % & | ^ ~ ! && || and or not in == != < > <= >= << >> = (u32) (struct sock *) (char **) struct "
    "str( ip( min( m[ true false and and not not"
).split(" ")
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(TOKENS), max_size=25).map(" ".join))


def written(text: str) -> Text:
    return Text(text, At(Mark("x.yaml", 1, 1), "where"))


def everything(node: expr.Node) -> list[expr.Node]:
    return [node, *(below for child in expr.children(node) for below in everything(child))]


@settings(max_examples=300, deadline=None)
@given(TEXTS)
@example("(" * 5000)
@example("-" * 5000 + "1")
@example("a." * 5000 + "a")
@example("a[" * 300)
@example("not " * 300 + "a")
@example("1 ? " * 300 + "1" + " : 1" * 300)
@example("a and " * 3000 + "a")
@example("a ?? " * 3000 + "a")
@example("\x00")
@example("'\\u0041'")
@example('"\\x"')
@example("0x")
@example("1__0")
@example("１")
def test_any_text_is_an_expression_or_a_mistake_at_its_place(text: str) -> None:
    try:
        tree = expr.parse(written(text))
    except ExpressionError as error:
        assert 1 <= error.problem.mark.column <= len(text) + 1
        assert str(error.problem).isprintable()
        return
    assert all(0 <= node.pos < len(text) for node in everything(tree))


@pytest.fixture(scope="module")
def typer() -> Typer:
    return Typer(fake_kernel.kernel())


@settings(max_examples=250, deadline=None)
@given(text=st.lists(st.sampled_from(TOKENS), min_size=1, max_size=9).map(" ".join))
def test_what_parses_has_a_type_or_a_mistake_at_its_place(typer: Typer, text: str) -> None:
    try:
        value = typer.value(written(text), Scope())
    except ExpressionError as error:
        assert 1 <= error.problem.mark.column <= len(text) + 1
        return
    assert list(walk(value))


def test_the_tokens_reach_the_parser() -> None:
    """Else the tests above would test little."""
    assert isinstance(expr.parse(written("not $p and args.flags -> x [ 1 ] << 10ms")), expr.Binary)
