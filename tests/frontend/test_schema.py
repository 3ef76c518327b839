"""The JSON Schema itself: sound, closed, told in words, and documented."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ebpfgen import fieldtypes, names, schema, typer
from ebpfgen.model import At, Text
from ebpfgen.problems import Mark

DOCS = Path(__file__).parents[2] / "docs" / "spec.md"
SCHEMA: dict[str, Any] = json.loads(schema.text())
DEFS: dict[str, dict[str, Any]] = SCHEMA["$defs"]


def _objects(node: object, at: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every subschema that describes a mapping."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield at, node
        for key, value in node.items():
            yield from _objects(value, f"{at}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _objects(value, f"{at}/{index}")


def _keys() -> set[str]:
    return {key for _, node in _objects(SCHEMA) for key in node.get("properties", {})}


def test_it_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize(("at", "node"), list(_objects(SCHEMA)))
def test_mappings_are_closed(at: str, node: dict[str, Any]) -> None:
    if "properties" in node:
        assert node["additionalProperties"] is False
    else:
        assert node["additionalProperties"].keys() == {"$ref"}
        assert node["propertyNames"] == {"$ref": "#/$defs/name"}


@pytest.mark.parametrize(("at", "node"), list(_objects(SCHEMA)))
def test_what_is_expected_has_a_title_and_keys_have_help(at: str, node: dict[str, Any]) -> None:
    assert "title" in node
    for key, value in node.get("properties", {}).items():
        chain = [value]
        while "$ref" in chain[-1]:
            chain.append(DEFS[chain[-1]["$ref"].rpartition("/")[2]])
        assert any("description" in one for one in chain[:2]), f"{at}/{key} has no help for editors"
        assert any("title" in one for one in chain), f"{at}/{key} has no title for messages"


def test_statements_probes_and_spans_have_the_same_verbs() -> None:
    statement = {key: value for key, value in DEFS["statement"]["properties"].items() if key != "let"}
    for body in ("probe", "span"):
        own = DEFS[body]["properties"]
        assert {key: own.get(key) for key in statement} == statement
    verbs = [branch["required"] for branch in DEFS["statement"]["oneOf"]]
    direct = [branch["required"] for branch in DEFS["do_or_verb"]["oneOf"]]
    assert [["do"], *verbs[1:]] == direct
    assert verbs[0] == ["let"]


def test_every_key_is_documented() -> None:
    prose = re.sub(r"```.*?```", "", DOCS.read_text(encoding="utf-8"), flags=re.DOTALL)
    words = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`[^`]+`", prose))))
    assert _keys() - words == set()


def test_types_are_those_that_the_checker_knows() -> None:
    words = {word for word in fieldtypes.WORDS if word.isidentifier()}
    assert set(DEFS["key_type"]["anyOf"][0]["enum"]) == words
    for word in (*words, "string(16)", "argv(16)", "enum:a|b", "flags:open"):
        assert isinstance(fieldtypes.parse(Text(word, At(Mark("x.yaml", 1, 1), ""))), fieldtypes.FieldType)
    params = DEFS["param"]["properties"]["type"]["anyOf"][0]["enum"]
    assert {*params, "string"} == set(fieldtypes.PARAM_WORDS)


def test_builtins_are_refused_as_variables() -> None:
    assert set(typer.BUILTINS) <= names.BUILTINS


def test_patterns_end_where_the_text_ends() -> None:
    """Python's ``$`` also matches before a line end; in JSON Schema it does not."""
    from ebpfgen.source import parse

    root = parse(b'ebpfgen: 1\nname: "x\\n"\nsummary: s\nprobes: [{on: "kprobe:a", stop: true}]\n', "x.yaml")
    assert [problem.path for problem in schema.problems(root)] == ["name"]
