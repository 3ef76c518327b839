"""Walks over typed programs. Receives any node, or tuples of nodes; changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

_HERE = f"{__package__}."
_FIELDS: dict[type, Callable[[Any], tuple[object, ...]] | None] = {}
"""What is below a node of a class; None for what is no node. Walks are a tenth of a build's time: most of what they meet is text
and numbers."""


def walk(node: object) -> Iterator[object]:
    """``node`` and every node of this package below it, each before those below it."""
    todo = [node]
    while todo:
        each = todo.pop()
        kind = type(each)
        try:
            fields = _FIELDS[kind]
        except KeyError:
            fields = _FIELDS[kind] = _fields(kind)
        if fields is not None:
            if kind is not tuple:
                yield each
            todo += fields(each)[::-1]


def _fields(kind: type) -> Callable[[Any], tuple[object, ...]] | None:
    if kind is tuple:
        return tuple
    if not kind.__module__.startswith(_HERE):
        return None
    names: tuple[str, ...] = kind.__match_args__  # type: ignore[attr-defined]  # all are records
    get = attrgetter(*names) if names else None
    return get if len(names) > 1 else (lambda each: (get(each),)) if get else lambda each: ()
