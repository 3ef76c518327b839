"""Habits of the tests that keep their results independent of the machine's moods."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from house.markdown import ROOT

TESTS = sorted((ROOT / "tests").rglob("*.py"))
POLLING = "wait_until"
"""What functions are called that look at a condition again and again: they alone may sleep."""


def functions(path: Path) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(path.read_bytes())) if isinstance(node, ast.FunctionDef))


def calls(node: ast.AST) -> set[str]:
    found = (call.func for call in ast.walk(node) if isinstance(call, ast.Call))
    return {ast.unparse(name) for name in found}


def test_nothing_sleeps() -> None:
    for path in TESTS:
        for function in functions(path):
            assert function.name == POLLING or not calls(function) & {"time.sleep", "sleep"}, f"{path}: {function.name}"


def test_properties_are_tried_on_the_same_examples_however_busy_the_machine_is() -> None:
    """hypothesis has a time limit of its own and other examples in every run, unless it is told."""
    for path in TESTS:
        if path.name != "properties.py":
            assert "settings" not in path.read_text().partition("from hypothesis import ")[2].partition("\n")[0], path
        for function in functions(path):
            decorators = [ast.unparse(decorator) for decorator in function.decorator_list]
            if any(decorator.startswith("given(") for decorator in decorators):
                assert any(decorator.startswith(("examples(", "SHARED")) for decorator in decorators), f"{path}: {function.name}"
