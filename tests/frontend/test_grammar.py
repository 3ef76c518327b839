"""The walk over lark's tables is lark's parser: the same trees, the same texts refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lark
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfgen import grammar
from properties import examples

TEXT = (Path(grammar.__file__).parent / "expr.lark").read_text()
LARK = grammar.lark_parser(TEXT)
WORDS = (
    "a b.c p->q int u32 struct union foo and or not in andx intx 1 0x1f 10ms 'a' \"x y\" $p ( ) ( ) ( ) , ? : + - * / % == != < "
    "<= > >= << >> & | ^ ~ ! . -> [ ] && || ?? unsigned long str = ; # \" '"
).split(" ")
LEAVES = st.sampled_from(["a", "b.c", "1", "$p", "'x'", '"s"', "f(a, b)", "m[1]", "(u32)a", "(struct foo *)x", "not_x", "in1"])
BINARY = st.sampled_from(["+", "-", "*", "and", "or", "in", "not in", "==", "<<", "??", "&&", "|", "<"])
EXPRESSIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds("{} {} {}".format, inner, BINARY, inner),
        st.builds("({})".format, inner),
        st.builds("({}, {})".format, inner, inner),
        st.builds("not {}".format, inner),
        st.builds("-{}".format, inner),
        st.builds("{} ? {} : {}".format, inner, inner, inner),
        st.builds("f({}).x->y[{}]".format, inner, inner),
        st.builds("(unsigned long *){}".format, inner),
    ),
    max_leaves=12,
)


def of_lark(text: str) -> Any:
    try:
        return plain(LARK.parse(text))
    except lark.UnexpectedInput:
        return None


def plain(tree: Any) -> Any:
    if isinstance(tree, lark.Token):
        return grammar.Token(tree.type, str(tree), int(tree.start_pos or 0))
    return grammar.Tree(str(tree.data), [plain(kid) for kid in tree.children], tree.meta.start_pos)


def of_tables(text: str) -> Any:
    try:
        return grammar.parser(TEXT).parse(text)
    except grammar.RefusedError:
        return None


@examples()
@given(EXPRESSIONS)
def test_expressions(text: str) -> None:
    assert of_tables(text) == of_lark(text)


@examples()
@given(st.lists(st.sampled_from(WORDS), max_size=8), st.sampled_from([" ", "", "\n\t"]))
def test_words_in_any_order(words: list[str], between: str) -> None:
    text = between.join(words)
    assert of_tables(text) == of_lark(text)


@pytest.mark.parametrize("harm", [lambda data: data[:70], lambda data: data.replace(b"shift", b"shirt"), lambda data: b""])
def test_kept_tables_that_are_rubbish(harm: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert of_tables("a + 1") == of_lark("a + 1")
    (kept,) = (tmp_path / "ebpfgen").iterdir()
    rubbish = harm(kept.read_bytes())
    kept.write_bytes(rubbish)
    assert of_tables("a + 1") == of_lark("a + 1")
    assert kept.read_bytes() != rubbish
