"""Our own answer to whether a spec conforms to the schema is jsonschema's."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ebpfgen import conform, schema
from ebpfgen.problems import SpecError
from ebpfgen.source import parse
from fuzz.mutation import mutated, seeds, text
from properties import examples

TREES = [tree for _, tree in seeds()]
WHOLE: dict[str, Any] = json.loads(schema.text())
DEFS = sorted(WHOLE["$defs"])
BAD = sorted(Path(__file__).parents[1].glob("bad_specs*/*.yaml"))
WORDS = sorted({key for part in WHOLE["$defs"].values() for key in part.get("properties", {})})
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["hash", "u32", "a", "x.y"])
VALUES = st.recursive(SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.sampled_from(WORDS), v, max_size=4), max_leaves=8)


def agree(value: Any) -> bool:
    ours = conform.conforms(value, WHOLE, WHOLE)
    assert ours == schema.validator().is_valid(value)
    return ours


def test_every_word_of_the_schema_is_known() -> None:
    def words(node: Any) -> set[str]:
        found = set(node) if isinstance(node, dict) else set()
        for word, below in node.items() if isinstance(node, dict) else ():
            parts = below.values() if word in ("properties", "$defs", "dependentSchemas") else [below]
            parts = below if word in ("anyOf", "allOf", "oneOf") else parts
            for part in parts if word not in ("enum", "const", "examples", "required", "dependentRequired") else ():
                found |= words(part)
        return found

    assert words(WHOLE) <= conform.RULES.keys() | conform.SAYS_NOTHING
    assert "default" not in words(WHOLE)


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_about_each_bad_spec(path: Path) -> None:
    try:
        node = parse(path.read_bytes(), str(path))
    except SpecError:
        return
    agree(schema.plain(node))


@examples(400, unchecked=tuple(HealthCheck))
@given(st.integers(0, 2**48))
def test_about_mutated_specs(seed: int) -> None:
    choose = random.Random(seed)
    agree(yaml.safe_load(text(mutated(choose.choice(TREES), choose, TREES))))


@examples(300)
@given(st.sampled_from(DEFS), VALUES)
def test_about_any_value(part: str, value: Any) -> None:
    rule = {"$ref": f"#/$defs/{part}", "$defs": WHOLE["$defs"]}
    assert conform.conforms(value, rule, rule) == schema.validator().evolve(schema=rule).is_valid(value)


def test_about_all_seeds() -> None:
    assert all(agree(yaml.safe_load(text(tree))) for tree in TREES)
