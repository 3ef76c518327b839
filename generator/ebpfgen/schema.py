"""Located nodes are held against the JSON Schema of the spec format.

Receives a tree from :mod:`ebpfgen.source`. Returns problems, one per mistake, in plain words and at the place of the mistake;
never raises for what the tree holds and never changes it. ``spec.schema.json`` is the one description of the keys; editors
read it too. What it says about names and types beyond their spelling is checked later.

The schema keeps to a few shapes so that its errors can be told in words:

* ``title`` is what was expected, as a noun phrase; ``description`` is help for editors;
* the branches of an ``anyOf`` differ in their JSON type, so that the one meant is known, or they are all spellings of a text;
* a choice between keys is an ``anyOf`` or ``oneOf`` of nothing but ``required``; in ``dependentSchemas`` it is a rule about
  the key beside it, which the ``description`` states.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .characters import quote
from .conform import conforms
from .model import At
from .problems import Problem, near_misses
from .records import record
from .source import Mapping, Node, Scalar, Sequence, resolve

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

Where = tuple[str | int, ...]
VERSION = 1


def text() -> str:
    """The JSON Schema, as text."""
    return Path(__file__).with_name("spec.schema.json").read_text(encoding="utf-8")


def problems(root: Node) -> list[Problem]:
    """Everything about ``root`` that the schema does not allow, in the order of the file."""
    version = root.entries.get("ebpfgen") if isinstance(root, Mapping) else None
    if isinstance(version, Scalar) and type(version.value) is int and version.value != VERSION:
        return [version.at.problem(f"format version {version.text} is not known, expected {VERSION}")]
    value = plain(root)
    if conforms(value, _schema(), _schema()):
        return []
    errors = [leaf for error in validator().iter_errors(value) for leaf in _leaves(_error(error))]
    found = {problem for error in _telling(errors) for problem in _explain(error, root)}
    return sorted(found, key=lambda p: (p.mark, p.path, p.message))


# --- validation ---------------------------------------------------------------------------------------------------------


@cache
def _schema() -> dict[str, Any]:
    schema: dict[str, Any] = json.loads(text())
    return schema


@cache
def validator() -> Validator:
    from jsonschema import Draft202012Validator, validators

    def is_integer(_: Any, value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)  # 1.0 is no integer here

    strict = validators.extend(  # type: ignore[no-untyped-call]
        Draft202012Validator,
        {"pattern": _pattern},
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", is_integer),
    )
    validator: Validator = strict(_schema())
    return validator


def _pattern(_: Any, pattern: str, instance: object, __: Any) -> Iterator[ValidationError]:
    """``pattern`` as the standard means it: ``$`` is the end of the text, in Python also a line end before it."""
    from jsonschema import ValidationError

    if isinstance(instance, str) and not re.search(pattern.replace("$", r"\Z"), instance):
        yield ValidationError("pattern")


def plain(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.entries.items()}


def _locate(root: Node, where: Iterable[str | int]) -> Node:
    node = root
    for step in where:
        if isinstance(node, Mapping) and isinstance(step, str):
            node = node.entries[step]
        elif isinstance(node, Sequence) and isinstance(step, int):
            node = node.items[step]
    return node


def _key_at(node: Node, key: str) -> At:
    return node.keys[key] if isinstance(node, Mapping) else node.at


# --- from jsonschema's errors to those worth telling ----------------------------------------------------------------------


@record(eq=False)
class _Error:
    """One error of jsonschema: ``rule`` with its ``limit`` in ``schema``, at ``trail`` of the whole schema, does not hold for
    ``value`` at ``where``. ``branches``: what is wrong with it according to each branch of an ``anyOf`` or ``oneOf``."""

    where: Where
    rule: str
    limit: Any
    value: Any
    schema: dict[str, Any]
    trail: Where
    branches: dict[str | int, list[_Error]]

    @property
    def about_name(self) -> bool:
        """Is it about the spelling of a key?"""
        return "propertyNames" in self.trail

    @property
    def choice(self) -> list[str]:
        """The keys among which the schema wants a choice; empty for any other error."""
        if self.rule in ("anyOf", "oneOf") and all(branch.keys() == {"required"} for branch in self.limit):
            return [branch["required"][0] for branch in self.limit]
        return []

    @property
    def is_companion(self) -> bool:
        """A choice that is a rule about the key beside it."""
        return bool(self.choice) and "dependentSchemas" in self.trail

    @property
    def unknown(self) -> list[str]:
        """The keys that the schema does not know."""
        return [key for key in self.value if key not in self.schema["properties"]] if self.rule == "additionalProperties" else []

    @property
    def missing(self) -> list[str]:
        return [key for key in self.limit if key not in self.value] if self.rule == "required" else []

    @property
    def lacking(self) -> list[tuple[str, str]]:
        """Keys that need another beside them, with that other."""
        rules: dict[str, list[str]] = self.limit if self.rule == "dependentRequired" else {}
        pairs = [(key, other) for key, others in rules.items() for other in others]
        return [(key, other) for key, other in pairs if key in self.value and other not in self.value]

    def near_keys(self, key: str) -> tuple[str, ...]:
        return near_misses(key, self.schema["properties"])


def _error(error: ValidationError) -> _Error:
    branches: dict[str | int, list[_Error]] = {}
    for inner in error.context or ():
        branches.setdefault(inner.relative_schema_path[0], []).append(_error(inner))
    schema = error.schema if isinstance(error.schema, dict) else {}
    trail = tuple(error.absolute_schema_path)
    where = (*error.absolute_path, *([str(error.instance)] if "propertyNames" in trail else []))
    return _Error(where, str(error.validator), error.validator_value, error.instance, schema, trail, branches)


def _leaves(error: _Error) -> Iterator[_Error]:
    """Goes down into the branch of an ``anyOf`` that was meant: the only one that allows the value's type."""
    meant = [branch for branch in error.branches.values() if not any(_is_wrong_type(inner, error.where) for inner in branch)]
    if error.rule == "anyOf" and not error.choice and len(meant) == 1:
        for inner in meant[0]:
            yield from _leaves(inner)
    else:
        yield error


def _is_wrong_type(error: _Error, where: Where) -> bool:
    if error.where != where:
        return False
    if error.rule == "anyOf" and not error.choice:
        return all(any(_is_wrong_type(inner, where) for inner in branch) for branch in error.branches.values())
    return error.rule == "type"


def _telling(errors: list[_Error]) -> Iterator[_Error]:
    """Leaves out what only follows from another error at the same place: of a wrong type, of a misspelt key."""
    mistyped = {error.where for error in errors if error.rule == "type"}
    undecided = {error.where for error in errors if error.choice and not error.is_companion}
    wanted: dict[Where, set[str]] = {}  # keys that another problem says are wanted
    for error in errors:
        near = {name for key in error.unknown for name in error.near_keys(key)}
        wanted.setdefault(error.where, set()).update(near, (other for _, other in error.lacking))
    for error in errors:
        if error.where in mistyped:
            follows = error.rule != "type"
        elif error.rule == "required":
            follows = bool(wanted[error.where].intersection(error.missing))
        elif error.is_companion and error.where in undecided:
            follows = True
        else:
            follows = bool(wanted[error.where].intersection(error.choice)) and not set(error.choice).intersection(error.value)
        if not follows:
            yield error


# --- in words -----------------------------------------------------------------------------------------------------------


def _explain(error: _Error, root: Node) -> Iterator[Problem]:
    if error.about_name:
        *where, key = error.where
        at = _key_at(_locate(root, where), str(key))
        yield at.problem(f"expected {_title(error)}, got {quote(str(key))}")
        return
    node = _locate(root, error.where)
    about_keys = list(_explain_keys(error, node)) if isinstance(node, Mapping) else []
    yield from about_keys or [node.at.problem(*_explain_value(error, node))]


def _explain_keys(error: _Error, node: Mapping) -> Iterator[Problem]:
    """Problems about which keys a mapping has; none for an error of another kind."""
    for key in error.unknown:
        yield _unknown_key(key, error, node)
    for key in error.missing:
        yield node.at.problem(f"missing key {quote(key)}, expected {_title_of(error.schema, key)}")
    for key, other in error.lacking:
        yield node.keys[key].problem(f"{quote(key)} needs {quote(other)} beside it")
    if error.rule == "not" and "description" in error.schema:
        yield node.at.problem(error.schema["description"])
    if choice := error.choice:
        there = [key for key in node.entries if key in choice]
        if error.is_companion:
            yield node.at.problem(error.schema["description"])
        elif there:
            message = f"{quote(there[0])} and {quote(there[1])} together, expected only one of {', '.join(choice)}"
            yield node.keys[there[1]].problem(message)
        else:
            yield node.at.problem(f"expected one of the keys {', '.join(choice)}")


def _unknown_key(key: str, error: _Error, node: Mapping) -> Problem:
    known: dict[str, Any] = error.schema["properties"]
    head, colon, rest = key.partition(":")
    value = node.entries[key]
    if colon and head in known and isinstance(value, Scalar) and value.value is None:
        hint = f"a space is missing behind ':', write {quote(head + ': ' + rest)}"
        return node.keys[key].problem("unknown key", hint=hint)
    near = error.near_keys(key)
    message = "unknown key" if near else f"unknown key, expected one of {', '.join(k for k in known if k not in node.entries)}"
    return node.keys[key].problem(message, near)


_LIST_HINT = "each item of a list begins with '- '"


def _explain_value(error: _Error, node: Node) -> tuple[str, tuple[str, ...], str]:
    """Message, near misses and hint for a value that is not what it should be."""
    title, limit = _title(error), error.limit
    counts = {"minimum": f"at least {limit}", "maximum": f"at most {limit}", "maxProperties": f"at most {limit} entries"}
    if error.rule in counts:
        size = f"{len(node.entries)}" if isinstance(node, Mapping) else _describe(node)
        return f"expected {counts[error.rule]}, got {size}", (), ""
    if error.rule in ("minItems", "minProperties", "minLength"):
        return f"expected {title}, got an empty one", (), ""
    if error.rule == "not":
        return str(error.schema.get("description", f"expected {title}")), (), ""
    near: tuple[str, ...] = ()
    hint = ""
    if isinstance(node, Scalar):
        near = _near_values(error, node.value) if isinstance(node.value, str) else ()
        hint = "" if near else _hint(error, node)
    elif error.rule == "type" and error.limit == "array":
        hint = _LIST_HINT
    return f"expected {title}, got {_describe(node)}", near, hint


def _hint(error: _Error, node: Scalar) -> str:
    if error.rule == "type" and error.limit == "array":
        return _LIST_HINT
    known = dict.fromkeys(map(_first_word, _examples(error.schema)))
    if len(known) > 1:
        return f"one of {', '.join(known)}"
    is_text = error.rule == "type" and "string" in error.limit
    if is_text and node.value is not None and re.search(error.schema.get("pattern", ""), node.text):
        return "in quotes it is text"
    return ""


def _describe(node: Node) -> str:
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, str):
        return quote(node.text) if isinstance(resolve(node.text), str) else f"the text {quote(node.text)}"
    return node.text


def _near_values(error: _Error, value: str) -> tuple[str, ...]:
    """``value`` with its first word put right, by the values and examples of the schema."""
    known = {_first_word(example): example for example in reversed(list(_examples(error.schema)))}
    word = _first_word(value)
    rest = value.lstrip("?").removeprefix(word)
    return tuple(near + rest if rest and near != word else known[near] for near in near_misses(word, known))


def _first_word(text: str) -> str:
    return re.split(r"[^A-Za-z0-9_]", text.lstrip("?"), maxsplit=1)[0]


def _examples(schema: dict[str, Any]) -> Iterator[str]:
    schema = _target(schema)
    yield from (example for key in ("enum", "examples") for example in schema.get(key, ()))
    for branch in schema.get("anyOf", ()):
        yield from _examples(branch)


def _target(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        found: dict[str, Any] = _schema()["$defs"][schema["$ref"].rpartition("/")[2]]
        schema = found
    return schema


def _title_of(schema: dict[str, Any], key: str) -> str:
    known = schema.get("properties", {}).get(key, {})
    return str(known.get("title") or _target(known).get("title", "a value"))


def _title(error: _Error) -> str:
    """What was expected: the title nearest to where the schema speaks of this value, before those of its references."""
    title = ""
    node: Any = _schema()
    for step in error.trail:
        while step not in node and "$ref" in node:  # jsonschema leaves references out of the trail
            node = _schema()["$defs"][node["$ref"].rpartition("/")[2]]
            title = title or node.get("title", "")
        node = node[step]
        if step in ("properties", "items", "additionalProperties", "propertyNames", "anyOf"):
            title = ""
        if isinstance(node, dict) and isinstance(node.get("title"), str):
            title = title or node["title"]
    return title or str(error.schema.get("title", "another value"))
