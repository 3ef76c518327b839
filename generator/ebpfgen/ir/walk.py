"""Walks over typed programs. Receives any node, or tuples of nodes; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator


def walk(node: object) -> Iterator[object]:
    """``node`` and every node of this package below it."""
    if isinstance(node, tuple):
        for item in node:
            yield from walk(item)
    elif type(node).__module__.startswith(f"{__package__}."):
        yield node
        for name in node.__match_args__:  # type: ignore[attr-defined]  # all are records
            yield from walk(getattr(node, name))
