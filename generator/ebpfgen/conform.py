"""Whether a value conforms to a JSON Schema: yes or no, in the words of the standard that our schema uses.

Receives plain values and the schema; says nothing of what is wrong. That is jsonschema's part, whose import alone takes longer
than all else that is done with a spec before clang; so it is asked about specs that don't conform only.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

Schema = dict[str, Any] | bool
TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "integer": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
}
SAYS_NOTHING = {"$schema", "$id", "$defs", "title", "description", "examples", "default", "then", "else"}


def conforms(value: Any, schema: Schema, whole: dict[str, Any]) -> bool:
    """``whole``: where ``$ref`` leads. Raises KeyError for a word that is not known here."""
    if isinstance(schema, bool):
        return schema
    return all(RULES[word](value, limit, schema, whole) for word, limit in schema.items() if word not in SAYS_NOTHING)


def _ref(value: Any, limit: str, _: Any, whole: dict[str, Any]) -> bool:
    target: Any = whole
    for step in limit.split("/")[1:]:
        target = target[step]
    return conforms(value, target, whole)


def _type(value: Any, limit: str | list[str], *_: Any) -> bool:
    return any(TYPES[name](value) for name in ([limit] if isinstance(limit, str) else limit))


def _same(a: Any, b: Any) -> bool:
    """Of scalars: 1 is 1.0, but not true."""
    return bool(a == b) and isinstance(a, bool) is isinstance(b, bool)


def _additional(value: Any, limit: Schema, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    if not isinstance(value, dict):
        return True
    known = schema.get("properties", {})
    return all(conforms(part, limit, whole) for key, part in value.items() if key not in known)


def _properties(value: Any, limit: dict[str, Schema], _: Any, whole: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or all(conforms(value[key], part, whole) for key, part in limit.items() if key in value)


def _dependent(value: Any, limit: dict[str, Any], _: Any, whole: dict[str, Any]) -> bool:
    return not isinstance(value, dict) or all(conforms(value, part, whole) for key, part in limit.items() if key in value)


def _if(value: Any, limit: Schema, schema: dict[str, Any], whole: dict[str, Any]) -> bool:
    return conforms(value, schema.get("then" if conforms(value, limit, whole) else "else", True), whole)


def _pattern(value: Any, limit: str, *_: Any) -> bool:
    return not isinstance(value, str) or re.search(limit.replace("$", r"\Z"), value) is not None


RULES: dict[str, Callable[[Any, Any, dict[str, Any], dict[str, Any]], bool]] = {
    "$ref": _ref,
    "type": _type,
    "enum": lambda v, limit, *_: any(_same(v, one) for one in limit),
    "const": lambda v, limit, *_: _same(v, limit),
    "required": lambda v, limit, *_: not isinstance(v, dict) or all(key in v for key in limit),
    "dependentRequired": lambda v, limit, *_: not isinstance(v, dict) or all(n in v for k in limit if k in v for n in limit[k]),
    "dependentSchemas": _dependent,
    "properties": _properties,
    "additionalProperties": _additional,
    "propertyNames": lambda v, limit, _, whole: not isinstance(v, dict) or all(conforms(key, limit, whole) for key in v),
    "items": lambda v, limit, _, whole: not isinstance(v, list) or all(conforms(item, limit, whole) for item in v),
    "minItems": lambda v, limit, *_: not isinstance(v, list) or len(v) >= limit,
    "minProperties": lambda v, limit, *_: not isinstance(v, dict) or len(v) >= limit,
    "maxProperties": lambda v, limit, *_: not isinstance(v, dict) or len(v) <= limit,
    "minLength": lambda v, limit, *_: not isinstance(v, str) or len(v) >= limit,
    "pattern": _pattern,
    "minimum": lambda v, limit, *_: not (TYPES["number"](v) and v < limit),
    "maximum": lambda v, limit, *_: not (TYPES["number"](v) and v > limit),
    "allOf": lambda v, limit, _, whole: all(conforms(v, part, whole) for part in limit),
    "anyOf": lambda v, limit, _, whole: any(conforms(v, part, whole) for part in limit),
    "oneOf": lambda v, limit, _, whole: sum(conforms(v, part, whole) for part in limit) == 1,
    "not": lambda v, limit, _, whole: not conforms(v, limit, whole),
    "if": _if,
}
