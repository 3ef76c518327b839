"""Names that a spec gives: what may not be called so, and what is called so twice.

Receives the tree from :mod:`ebpfgen.source`, which need not have passed the schema, and the stem of the file's name. Returns
problems. The spelling of names is the schema's matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from .characters import quote
from .model import At
from .problems import Problem
from .source import Mapping, Node, Scalar, Sequence

C_WORDS = frozenset({
    "alignas", "alignof", "auto", "bool", "break", "case", "char", "const", "constexpr", "continue", "default", "do",
    "double", "else", "enum", "extern", "false", "float", "for", "goto", "if", "inline", "int", "long", "nullptr",
    "register", "restrict", "return", "short", "signed", "sizeof", "static", "static_assert", "struct", "switch",
    "thread_local", "true", "typedef", "typeof", "typeof_unqual", "union", "unsigned", "void", "volatile", "while",
    "asm", "offsetof",
})  # fmt: skip
C_TYPES = frozenset({
    "u8", "u16", "u32", "u64", "s8", "s16", "s32", "s64", "size_t", "ssize_t", "int8_t", "int16_t", "int32_t",
    "int64_t", "uint8_t", "uint16_t", "uint32_t", "uint64_t", "pid_t", "uid_t", "gid_t", "dev_t",
})  # fmt: skip
WORDS = frozenset({"and", "or", "not", "in", "true", "false", "none"})
BUILTINS = frozenset({
    "nsecs", "pid", "tid", "uid", "gid", "comm", "cpu", "cgroup", "ppid", "curtask", "elapsed", "started", "probe", "func",
    "wanted", "filtered", "args", "retval", *(f"arg{i}" for i in range(12)),
})  # fmt: skip
SPELLING = re.compile(r"[a-z][a-z0-9_]*")
OPTIONS = frozenset({"pid", "tid", "uid", "comm", "cgroup", "duration", "interval", "count", "sink", "quiet", "help", "version"})
COLUMNS = frozenset({"event", "metric", "truncated", "unreadable"})


def problems(root: Node, stem: str) -> Iterator[Problem]:
    """Everything wrong with the names under ``root``."""
    name = _entry(root, "name")
    if isinstance(name, Scalar) and SPELLING.fullmatch(name.text) and name.text != stem:
        yield name.at.problem(f"the name is {quote(name.text)} but the file's is {quote(stem)}; they must be equal")
    if isinstance(name, Scalar):
        yield from _refused(name.text, name.at)
    yield from _given_names(root)
    yield from _collisions(root)
    maps = dict(_named(_entry(root, "maps")))
    for body in _bodies(root):
        yield from _variables(body, maps)


def _given_names(root: Node) -> Iterator[Problem]:
    yield from _keys(_entry(root, "params"), OPTIONS, "is an option of ebpfrun itself")
    yield from _keys(_entry(root, "maps"), BUILTINS, "is a name of the language")
    for section in ("events", "metrics", "spans"):
        yield from _keys(_entry(root, section))
    for event in _values(_entry(root, "events")):
        yield from _keys(_entry(event, "fields"), COLUMNS, "is a key of ebpfrun's own in JSON rows")
    for owner, parts in (("maps", ("key", "value")), ("metrics", ("labels",))):
        for one in _values(_entry(root, owner)):
            for part in parts:
                yield from _keys(_entry(one, part))
    for probe in _values(_entry(root, "probes")):
        if isinstance(name := _entry(probe, "name"), Scalar):
            yield from _refused(name.text, name.at)


def _keys(node: Node | None, reserved: frozenset[str] = frozenset(), reason: str = "") -> Iterator[Problem]:
    if isinstance(node, Mapping):
        for name, at in node.keys.items():
            yield from _refused(name, at, reserved, reason)


def _refused(name: str, at: At, reserved: frozenset[str] = frozenset(), reason: str = "") -> Iterator[Problem]:
    if name in WORDS:
        yield at.problem(f"{quote(name)} is a word of the expression language and cannot be a name")
    elif name in reserved:
        yield at.problem(f"{quote(name)} {reason} and cannot be a name here")
    elif name in C_WORDS:
        yield at.problem(f"{quote(name)} is a keyword of C and cannot be a name")
    elif name in C_TYPES:
        yield at.problem(f"{quote(name)} is a type of C and cannot be a name")
    elif name.startswith("__"):
        yield at.problem(f"{quote(name)} begins with two underscores, which C keeps for itself")


def _collisions(root: Node) -> Iterator[Problem]:
    """Events, metrics and maps are targets of the same statements; probes and spans head the same statistics."""
    for sections in (("events", "metrics", "maps"), ("spans", "probes")):
        seen: dict[str, At] = {}
        for section in sections:
            for name, at in _named(_entry(root, section)):
                if name in seen:
                    yield _taken(name, at, seen[name])
                else:
                    seen[name] = at


def _taken(name: str, at: At, first: At) -> Problem:
    return at.problem(f"the name {quote(name)} is taken by {first.path} at {first.mark.line}:{first.mark.column}")


def _named(node: Node | None) -> Iterator[tuple[str, At]]:
    if isinstance(node, Mapping):
        yield from node.keys.items()
    for probe in node.items if isinstance(node, Sequence) else ():
        if isinstance(name := _entry(probe, "name"), Scalar):
            yield name.text, name.at


def _bodies(root: Node) -> Iterator[Node]:
    """Every probe and span."""
    yield from _values(_entry(root, "probes"))
    yield from _values(_entry(root, "spans"))


def _variables(node: Node, maps: dict[str, At]) -> Iterator[Problem]:
    """The names that any ``let`` or ``keep`` below ``node`` gives."""
    if isinstance(node, Mapping):
        for key in ("let", "keep"):
            names = node.entries.get(key)
            yield from _keys(names, BUILTINS, "is a name of the language")
            for name, at in names.keys.items() if isinstance(names, Mapping) else ():
                if name in maps:
                    yield _taken(name, at, maps[name])
        for key in ("on", "start", "end", "first", "do", "then", "else"):
            if (inner := node.entries.get(key)) is not None:
                yield from _variables(inner, maps)
    elif isinstance(node, Sequence):
        for item in node.items:
            yield from _variables(item, maps)


def _entry(node: Node | None, key: str) -> Node | None:
    return node.entries.get(key) if isinstance(node, Mapping) else None


def _values(node: Node | None) -> Iterator[Node]:
    if isinstance(node, Mapping):
        yield from node.entries.values()
    elif isinstance(node, Sequence):
        yield from node.items
