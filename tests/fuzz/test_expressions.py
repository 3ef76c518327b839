"""Expressions: their trees, their mistakes, and whatever the text is, a tree or an ExpressionError."""

from __future__ import annotations

import operator
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfgen import expr
from ebpfgen.expr import ExpressionError, parse
from ebpfgen.model import At, Text
from ebpfgen.problems import Mark
from properties import examples

AT = At(Mark("spec.yaml", 7, 11), "probes[0].where")


def tree(text: str) -> expr.Node:
    return parse(Text(text, AT))


def shown(node: expr.Node) -> str:
    """The tree with all its parentheses."""
    match node:
        case expr.Number(value=value):
            return str(value)
        case expr.Name(name=name):
            return name
        case expr.ParamName(name=name):
            return f"${name}"
        case expr.Boolean(value=value):
            return str(value).lower()
        case expr.String(value=value):
            return repr(value)
        case expr.Member(base=base, name=name):
            return f"{shown(base)}.{name}"
        case expr.Index(base=base, keys=keys):
            return f"{shown(base)}[{', '.join(map(shown, keys))}]"
        case expr.Call(function=function, args=args):
            return f"{function}({', '.join(map(shown, args))})"
        case expr.Cast(tag=tag, name=name, stars=stars, operand=operand):
            return f"({tag}{' ' if tag else ''}{name}{'*' * stars}){shown(operand)}"
        case expr.Unary(op=op, operand=operand):
            return f"({op}{shown(operand)})"
        case expr.Binary(op=op, left=left, right=right):
            return f"({shown(left)} {op} {shown(right)})"
        case expr.Conditional(condition=condition, yes=yes, no=no):
            return f"({shown(condition)} ? {shown(yes)} : {shown(no)})"
        case expr.Contains(item=item, container=container):
            return f"({shown(item)} in {shown(container)})"
        case expr.Tuple(items=items):
            return f"<{', '.join(map(shown, items))}>"
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + b * c - d", "((a + (b * c)) - d)"),
        ("a - b - c", "((a - b) - c)"),
        ("a << b + c", "(a << (b + c))"),
        ("a & b == c", "(a & (b == c))"),
        ("a | b ^ c & d", "(a | (b ^ (c & d)))"),
        ("a < b == c < d", "((a < b) == (c < d))"),
        ("a == b and c or d", "(((a == b) && c) || d)"),
        ("a && b || c && d", "((a && b) || (c && d))"),
        ("not a == b", "(!(a == b))"),
        ("!a == b", "((!a) == b)"),
        ("not a in m", "(!(a in m))"),
        ("a not in m", "(!(a in m))"),
        ("a & 3 in m", "(a & (3 in m))"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a ?? b ?? c", "(a ?? (b ?? c))"),
        ("a ?? b or c", "(a ?? (b || c))"),
        ("-a.b[1]->c", "(-a.b[1].c)"),
        ("-a * ~b", "((-a) * (~b))"),
        ("*p + 1", "((*p) + 1)"),
        ("a * *p", "(a * (*p))"),
        ("(u32)a + b", "((u32)a + b)"),
        ("(u32)a.b", "(u32)a.b"),
        ("(struct task_struct *)a.b", "(struct task_struct*)a.b"),
        ("((struct task_struct *)a).b", "(struct task_struct*)a.b"),
        ("(unsigned long long *)p", "(unsigned long long*)p"),
        ("(char **)p", "(char**)p"),
        ("(a)", "a"),
        ("(a) - b", "(a - b)"),
        ("(a, b) in m", "(<a, b> in m)"),
        ("f(a, b + 1)", "f(a, (b + 1))"),
        ("$a + true", "($a + true)"),
        ("notable and inner or order", "((notable && inner) || order)"),
        ("long_ago + u8_count", "(long_ago + u8_count)"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    assert shown(tree(text)) == expected


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("42", 42, ""), ("0x2A", 42, ""), ("0o52", 42, ""), ("0b101010", 42, ""), ("1_000", 1000, ""), ("10ms", 10**7, "duration"),
        ("5us", 5000, "duration"), ("1s", 10**9, "duration"), ("2m", 12 * 10**10, "duration"), ("7ns", 7, "duration"),
        ("4KiB", 4096, "bytes"), ("1MiB", 1 << 20, "bytes"), ("1GiB", 1 << 30, "bytes"), ("1KB", 1000, "bytes"), ("3B", 3, "bytes"),
        ("1ULL", 1, ""), ("0", 0, ""), (str(2**64 - 1), 2**64 - 1, ""), ("'a'", 97, ""), ("'\\n'", 10, ""), ("'\\''", 39, ""),
    ],
)  # fmt: skip
def test_numbers(text: str, value: int, unit: str) -> None:
    assert tree(text) == expr.Number(0, value, unit)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"plain"', b"plain"),
        (r'"a\"b\\c\n\t\x41"', b'a"b\\c\n\tA'),
        ('"é…"', "é…".encode()),
        (r'"??/ */ %s {x}"', rb"??/ */ %s {x}"),
        ('"' + "((((?????" * 20 + '"', b"((((?????" * 20),
        ('""', b""),
    ],
)
def test_text(text: str, value: bytes) -> None:
    assert tree(text) == expr.String(0, value)


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("a +", 3, "the expression ends where more is expected"),
        ("a + * b +", 9, "the expression ends where more is expected"),
        ("a = b", 2, "'=' does not belong in an expression"),
        ("a ; b", 2, "';' does not belong in an expression"),
        ("a b", 2, "'b' is not expected here"),
        ("1.5", 2, "'5' is not expected here"),
        ("010", 0, "'010' looks octal: write 0o10 or leave out the leading 0"),
        ("10parsecs", 0, "'parsecs' is no unit"),
        (str(2**64), 0, "does not fit 64 bits"),
        (r'x == "\q"', 6, r"'\q' is no escape"),
        (r'"a\x00b"', 0, "a string can't hold a NUL byte"),
        ("a\u200bb", 1, r"'\u200b' does not belong in an expression"),
        ("", 0, "an expression is expected here, this is empty"),
        ("(a)b", 1, "'a' is no type to cast to"),
        ("x in ()", 6, "')' is not expected here"),
    ],
)
def test_mistakes_are_told_at_their_place(text: str, column: int, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        tree(text)
    problem = caught.value.problem
    assert message in problem.message
    assert problem.mark == Mark("spec.yaml", 7, 11 + column)


@pytest.mark.parametrize(
    "make",
    [lambda n: "!" * n + "a", lambda n: "a" + ".b" * n, lambda n: " + ".join("a" * (n + 1)), lambda n: "f(" * n + "a" + ")" * n],
)
def test_depth_has_a_limit(make: Callable[[int], str]) -> None:
    assert tree(make(30))
    with pytest.raises(ExpressionError, match="nested deeper than 100 levels"):
        tree(make(500))
    with pytest.raises(ExpressionError, match="nested deeper than 100 levels"):
        tree(make(20_000))


def test_parentheses_and_text_are_no_levels() -> None:
    assert shown(tree("(" * 500 + "a" + ")" * 500)) == "a"


def test_places_of_nodes() -> None:
    found = tree("alpha + beta.gamma == str(delta)")
    assert isinstance(found, expr.Binary)
    assert isinstance(found.right, expr.Call)
    assert found.right.pos == "alpha + beta.gamma == str(delta)".index("str")
    assert isinstance(found.left, expr.Binary)
    assert found.left.right == expr.Member(13, expr.Name(8, "beta"), "gamma")


# Against Python, whose precedence is C's for these operators.
_NUMBERS = st.integers(0, 1000).map(str)


@st.composite
def sums(draw: st.DrawFn) -> str:
    parts = draw(st.lists(st.tuples(_NUMBERS, st.sampled_from([" + ", " - ", " * "])), min_size=1, max_size=8))
    text = "".join(f"{'-' if draw(st.booleans()) else ''}{n}{op}" for n, op in parts) + draw(_NUMBERS)
    return f"({text}) * 3 - {text}" if draw(st.booleans()) else text


def worth(node: expr.Node) -> int:
    match node:
        case expr.Number(value=value):
            return value
        case expr.Unary(op="-", operand=operand):
            return -worth(operand)
        case expr.Binary(op=op, left=left, right=right):
            return {"+": operator.add, "-": operator.sub, "*": operator.mul}[op](worth(left), worth(right))  # type: ignore[no-any-return]
    raise AssertionError(node)


@examples()
@given(sums())
def test_arithmetic_groups_as_python_does(text: str) -> None:
    assert worth(tree(text)) == eval(text)


TOKENS = ["a", "b.c", "$p", "1", "0x", "10ms", '"t"', "'c'", "(", ")", "[", "]", ",", ".", "->", "+", "-", "*", "/", "%", "<<", ">>", "<", ">=", "==",
          "!=", "&", "|", "^", "~", "!", "&&", "||", "and", "or", "not", "in", "?", ":", "??", "(u8)", "(struct x *)", "true", "str(", "\\", ";", "=",
          "é", "\x00", "\u200b", " "]  # fmt: skip


@examples(300)
@given(
    st.one_of(
        st.text(max_size=60),
        st.lists(st.sampled_from(TOKENS), max_size=14).map(" ".join),
        st.lists(st.sampled_from(TOKENS), max_size=14).map("".join),
    )
)
def test_any_text_is_a_tree_or_a_mistake(text: str) -> None:
    try:
        found = tree(text)
    except ExpressionError as error:
        assert str(error.problem).isprintable()
        assert error.problem.mark.column >= 11
        assert error.problem.mark.column <= 11 + len(text)
    else:
        assert shown(found)
