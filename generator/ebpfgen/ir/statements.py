"""Statements of a program, in the order in which they happen."""

from __future__ import annotations

from ebpfgen.records import record

from .expressions import Expr
from .node import Node


@record()
class Let(Node):
    name: str
    value: Expr


@record()
class Emit(Node):
    event: str
    values: tuple[tuple[str, Expr], ...]


@record()
class Measure(Node):
    """A metric's verb; ``value`` already in the metric's unit, None for count."""

    metric: str
    verb: str
    keys: tuple[Expr, ...]
    value: Expr | None


@record()
class MapSet(Node):
    """Stores an entry (``field`` None; ``values`` by field, absent ones 0) or one field of an entry that is there."""

    map: str
    keys: tuple[Expr, ...]
    field: str | None
    values: tuple[tuple[str, Expr], ...]


@record()
class MapAdd(Node):
    map: str
    keys: tuple[Expr, ...]
    field: str | None
    value: Expr


@record()
class MapDelete(Node):
    map: str
    keys: tuple[Expr, ...]


@record()
class If(Node):
    condition: Expr
    then: tuple[Statement, ...]
    otherwise: tuple[Statement, ...] = ()


@record()
class Stop(Node):
    pass


@record()
class Filter(Node):
    """The common filters: ends the program for a task that is not wanted. ``task``: whose, None for the current one."""

    task: Expr | None


@record()
class Where(Node):
    """Ends the program where the condition is false."""

    condition: Expr


@record()
class SpanStart(Node):
    """Stores the start: ``kept`` values under ``keys``."""

    span: str
    keys: tuple[Expr, ...]
    kept: tuple[tuple[str, Expr], ...]


@record()
class SpanEnd(Node):
    """Finds the start and removes it, whatever ``body`` does. An end without a start is counted as ``unpaired``, unless
    (``count_unpaired``) starts were left out on purpose."""

    span: str
    keys: tuple[Expr, ...]
    body: tuple[Statement, ...]
    count_unpaired: bool


Statement = Let | Emit | Measure | MapSet | MapAdd | MapDelete | If | Stop | Filter | Where | SpanStart | SpanEnd
