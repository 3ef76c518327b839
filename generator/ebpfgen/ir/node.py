"""What all nodes of typed programs have: the place in the spec that they come from."""

from __future__ import annotations

from typing import TypeVar

from ebpfgen.problems import Mark
from ebpfgen.records import field, record, replace


@record()
class Node:
    """``at`` is None for what no single place of the spec asks for. Nodes that differ in it only are the same."""

    at: Mark | None = field(default=None, compare=False, kw_only=True)


AnyNode = TypeVar("AnyNode", bound=Node)


def located(node: AnyNode, at: Mark) -> AnyNode:
    """The node, with a place if it has none yet."""
    return node if node.at is not None else replace(node, at=at)
