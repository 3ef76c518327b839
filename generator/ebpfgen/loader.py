"""A spec file becomes a :class:`ebpfgen.model.Spec`.

Receives bytes and the name of their file. Returns the spec as written: expressions, types and attach points stay text with
their place. Raises SpecError with every problem of YAML, of the schema or of names; never looks at a kernel.
"""

from __future__ import annotations

import os
from pathlib import Path

from . import names, schema, source
from .model import (
    All,
    At,
    Attach,
    AttachPoint,
    Choice,
    Event,
    Expr,
    Fields,
    First,
    Linear,
    Map,
    Metric,
    Param,
    Probe,
    Span,
    Spec,
    Statement,
    Text,
)
from .problems import SpecError
from .source import Mapping, Node, Scalar, Sequence

VERBS = ("emit", "count", "sum", "observe", "set", "add", "min", "max", "delete")


def load_path(path: str | os.PathLike[str]) -> Spec:
    """The spec in the file ``path``; MachineError when the machine refuses to read it."""
    return load(source.read(path), os.fspath(path))


def load(data: bytes, file: str) -> Spec:
    """The spec in ``data``. ``file`` is how problems call it; its stem is the name that the spec must have."""
    root = source.parse(data, file)
    if problems := [*schema.problems(root), *names.problems(root, Path(file).stem)]:
        raise SpecError(problems)
    return _spec(_mapping(root), file)


# --- what the schema has promised -------------------------------------------------------------------------------------------


def _mapping(node: Node) -> Mapping:
    assert isinstance(node, Mapping), f"{node.at.path}: the schema let something else than a mapping pass"
    return node


def _items(node: Node) -> tuple[Node, ...]:
    assert isinstance(node, Sequence), f"{node.at.path}: the schema let something else than a list pass"
    return node.items


def _scalar(node: Node) -> Scalar:
    assert isinstance(node, Scalar), f"{node.at.path}: the schema let something else than a scalar pass"
    return node


def _int(node: Node) -> int:
    value = _scalar(node).value
    assert isinstance(value, int), f"{node.at.path}: the schema let something else than a whole number pass"
    return value


def _text(node: Node) -> Text:
    scalar = _scalar(node)
    return Text(scalar.text, scalar.at, scalar.columns_exact)


def _line(node: Mapping, key: str) -> str:
    return _scalar(node.entries[key]).text.strip() if key in node.entries else ""


def _optional(node: Mapping, key: str) -> Text | None:
    return _text(node.entries[key]) if key in node.entries else None


# --- declarations -----------------------------------------------------------------------------------------------------------


def _spec(root: Mapping, file: str) -> Spec:
    return Spec(
        file=file,
        at=root.at,
        name=_line(root, "name"),
        summary=_line(root, "summary"),
        nodes=source.digest(root),
        description=_line(root, "description"),
        params={name: _param(name, at, node) for name, at, node in _section(root, "params")},
        maps={name: _map(name, at, node) for name, at, node in _section(root, "maps")},
        events={name: _event(name, at, node) for name, at, node in _section(root, "events")},
        metrics={name: _metric(name, at, node) for name, at, node in _section(root, "metrics")},
        probes=tuple(_probe(_mapping(node)) for node in _items(root.entries["probes"])) if "probes" in root.entries else (),
        spans={name: _span(name, at, node) for name, at, node in _section(root, "spans")},
        ring=_optional(root, "ring"),
        rings=_optional(root, "rings"),
        latency=_optional(root, "latency"),
        limits={k: _text(v) for k, v in _mapping(root.entries["limits"]).entries.items()} if "limits" in root.entries else {},
        budget=_optional(root, "budget"),
    )


def _section(root: Mapping, key: str) -> list[tuple[str, At, Mapping]]:
    if key not in root.entries:
        return []
    section = _mapping(root.entries[key])
    return [(name, section.keys[name], _mapping(node)) for name, node in section.entries.items()]


def _param(name: str, at: At, node: Mapping) -> Param:
    return Param(
        name,
        at,
        type=_text(node.entries["type"]),
        help=_line(node, "help"),
        default=_optional(node, "default"),
        min=_optional(node, "min"),
        max=_optional(node, "max"),
    )


def _fields(node: Node) -> Fields:
    if isinstance(node, Scalar):
        return Fields(node.at, scalar=_text(node))
    return Fields(node.at, {name: _text(kind) for name, kind in _mapping(node).entries.items()})


def _map(name: str, at: At, node: Mapping) -> Map:
    implied = Fields(at, scalar=Text("u32", at, columns_exact=False))  # the key of an array
    return Map(
        name,
        at,
        type=_scalar(node.entries["type"]).text,
        max_entries=_text(node.entries["max_entries"]),
        key=_fields(node.entries["key"]) if "key" in node.entries else implied,
        value=_fields(node.entries["value"]),
    )


def _event(name: str, at: At, node: Mapping) -> Event:
    return Event(name, at, _fields(node.entries["fields"]), _line(node, "summary"))


def _metric(name: str, at: At, node: Mapping) -> Metric:
    return Metric(
        name,
        at,
        kind=_scalar(node.entries["kind"]).text,
        help=_line(node, "help"),
        unit=_line(node, "unit"),
        buckets=_linear(node.entries.get("buckets")),
        labels=_fields(node.entries["labels"]) if "labels" in node.entries else None,
        max_entries=_optional(node, "max_entries"),
        top=_int(node.entries["top"]) if "top" in node.entries else None,
    )


def _linear(node: Node | None) -> Linear | None:
    if not isinstance(node, Mapping):
        return None
    return Linear(_int(node.entries["min"]), _int(node.entries["max"]), _int(node.entries["step"]), node.at)


# --- attach points ------------------------------------------------------------------------------------------------------------


def _attach(node: Node) -> Attach:
    if isinstance(node, Scalar):
        return _attach_point(node)
    if isinstance(node, Sequence):
        return All(tuple(member for item in node.items for member in _members(_attach(item))), node.at)
    if "first" in node.entries:
        return First(tuple(_not_first(_attach(item)) for item in _items(node.entries["first"])), node.at)
    return _attach_on(node)


def _attach_on(node: Mapping) -> AttachPoint | All:
    """``{on, let, where}``: what it says goes for each of its attach points."""
    let, where, on = _exprs(node, "let"), _optional_expr(node, "where"), node.entries["on"]
    if isinstance(on, Scalar):
        return _attach_point(on, let, where)
    return All(tuple(_attach_point(item, let, where) for item in _items(on)), node.at)


def _attach_point(node: Node, let: dict[str, Expr] | None = None, where: Expr | None = None) -> AttachPoint:
    text = _text(node)
    optional = text.text.startswith("?")
    if optional:
        text = Text(text.text[1:], text.sub(1), text.columns_exact)
    return AttachPoint(text, node.at, optional, let or {}, where)


def _members(attach: Attach) -> list[AttachPoint | First]:
    """The members that ``attach`` adds to a list: those of a list within are members of the outer one."""
    return [member for one in attach.of for member in _members(one)] if isinstance(attach, All) else [attach]


def _not_first(attach: Attach) -> AttachPoint | All:
    assert not isinstance(attach, First), "the schema let an alternative within alternatives pass"
    return attach


# --- expressions and statements -------------------------------------------------------------------------------------------------


def _expr(node: Node) -> Expr:
    if isinstance(node, Sequence):
        return Choice(tuple(_text(item) for item in node.items), node.at)
    return _text(node)


def _exprs(node: Mapping, key: str) -> dict[str, Expr]:
    return {name: _expr(value) for name, value in _mapping(node.entries[key]).entries.items()} if key in node.entries else {}


def _optional_expr(node: Mapping, key: str) -> Expr | None:
    return _expr(node.entries[key]) if key in node.entries else None


def _statements(node: Mapping, key: str) -> tuple[Statement, ...]:
    return tuple(_statement(_mapping(item)) for item in _items(node.entries[key])) if key in node.entries else ()


def _body(node: Mapping) -> tuple[Statement, ...]:
    """The statements of a probe or span: under ``do``, or the one whose keys stand directly in it."""
    return _statements(node, "do") or (_direct_statement(node),)


def _direct_statement(node: Mapping) -> Statement:
    """Without ``let``, which is the probe's own."""
    keys = {key: at for key, at in node.keys.items() if key != "let"}
    verb = _verb(keys)
    return _statement(Mapping({key: node.entries[key] for key in keys}, keys, keys["then" if verb == "if" else verb]))


def _verb(keys: dict[str, At]) -> str:
    for verb in (*VERBS, "stop", "let"):
        if verb in keys:
            return verb
    return "if"


def _statement(node: Mapping) -> Statement:
    verb = _verb(node.keys)
    to = node.entries.get("to")
    fields_key = "let" if verb == "let" else next((key for key in ("with", "by") if key in node.entries), None)
    fields = _exprs(node, fields_key) if fields_key else None
    value = _optional_expr(node, "of")
    if isinstance(to, Mapping):
        fields = _exprs(node, "to")
    elif to is not None:
        value = _expr(to)
    return Statement(
        verb,
        node.at,
        target=_text(node.entries[verb]) if verb in VERBS else None,
        condition=_optional_expr(node, "if"),
        value=value,
        fields=fields,
        then=_statements(node, "then"),
        otherwise=_statements(node, "else"),
    )


# --- probes and spans -----------------------------------------------------------------------------------------------------------


def _probe(node: Mapping) -> Probe:
    return Probe(
        node.at,
        on=_attach(node.entries["on"]),
        do=_body(node),
        name=_line(node, "name") or None,
        task=_optional(node, "task"),
        where=_optional_expr(node, "where"),
        let=_exprs(node, "let"),
    )


def _span(name: str, at: At, node: Mapping) -> Span:
    return Span(
        name,
        at,
        start=_attach(node.entries["start"]),
        end=_attach(node.entries["end"]),
        do=_body(node),
        key=_key(node.entries["key"]) if "key" in node.entries else (),
        keep=_exprs(node, "keep"),
        task=_optional(node, "task"),
        where=_optional_expr(node, "where"),
        let=_exprs(node, "let"),
        max_entries=_optional(node, "max_entries"),
    )


def _key(node: Node) -> tuple[Expr, ...]:
    return tuple(_expr(item) for item in node.items) if isinstance(node, Sequence) else (_expr(node),)
