"""Walks over typed programs. Receives any node, or tuples of nodes; changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator


def walk(node: object) -> Iterator[object]:
    """``node`` and every node of this package below it."""
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif dataclasses.is_dataclass(node) and type(node).__module__.startswith(f"{__package__}."):
        yield node
        for f in dataclasses.fields(node):
            yield from walk(getattr(node, f.name))
