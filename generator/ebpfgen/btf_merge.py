"""The types of kernel modules put behind those of the kernel itself: one BTF blob, with one space of type ids.

Receives the kernel's BTF and that of each module, as /sys/kernel/btf has them: a module's is *split*, its ids and names go on
where the kernel's end (Documentation/bpf/btf.rst of Linux). Returns a blob that reads like any other, and where each module
begins in it. Types stay deduplicated as the kernel has them: a module has only what the kernel lacks.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from .btf_index import (
    ARRAY,
    CONST,
    DATASEC,
    DECL_TAG,
    EACH,
    FIXED,
    FUNC,
    FUNC_PROTO,
    HEADER,
    MAGIC,
    PTR,
    RESTRICT,
    STRUCT,
    TYPE_TAG,
    TYPEDEF,
    UNION,
    VAR,
    VOLATILE,
    BtfError,
    Sections,
    walk,
)

_THIRD_IS_TYPE = frozenset({PTR, TYPEDEF, VOLATILE, CONST, RESTRICT, FUNC, FUNC_PROTO, VAR, DECL_TAG, TYPE_TAG})
_MEMBER_NAME = frozenset(kind for kind in EACH if kind != DATASEC)
"""Kinds whose members begin with a name; DATASEC's begin with a type."""
_MEMBER_TYPE = {STRUCT: 1, UNION: 1, FUNC_PROTO: 1, DATASEC: 0}

Begins = tuple[tuple[str, int], ...]
"""Modules, each with the id of its first type."""


def merge(base: bytes, modules: Iterable[tuple[str, bytes]]) -> tuple[bytes, Begins]:
    """Raises BtfError when a blob is no BTF, or a module's does not fit the kernel's."""
    kernel = Sections.of(base)
    base_types, base_names = len(walk(kernel)), kernel.names_end - kernel.names
    words, names = [kernel.words.tobytes()], [bytes(kernel.data[kernel.names : kernel.names_end])]
    begins: list[tuple[str, int]] = []
    types_end, names_end = base_types, base_names
    for name, blob in modules:
        try:
            split = Sections.of(blob, base_names)
            moved, count = _moved(split, base_types, types_end - base_types, base_names, names_end - base_names)
        except BtfError as error:
            raise BtfError(f"{error} (in module {name})") from None
        begins.append((name, types_end))
        words.append(moved.tobytes())
        names.append(bytes(split.data[split.names : split.names_end]))
        types_end += count
        names_end += split.names_end - split.names
    types, strings = b"".join(words), b"".join(names)
    head = HEADER.pack(MAGIC, 1, 0, HEADER.size, 0, len(types), len(types), len(strings))
    return head + types + strings, tuple(begins)


def _moved(split: Sections, base_types: int, types: int, base_names: int, names: int) -> tuple[array[int], int]:
    """A module's types with every id of its own ``types`` higher, every name of its own ``names`` further; and how many."""
    offsets = walk(split)
    words = array("I", split.words.tobytes())
    last_type, last_name = base_types + len(offsets) - 1, base_names + split.names_end - split.names

    def move_type(at: int) -> None:
        if words[at] >= base_types:
            if words[at] >= last_type:
                raise BtfError(f"BTF: there is no type {words[at]} (the last is {last_type - 1})")
            words[at] += types

    def move_name(at: int) -> None:
        if words[at] >= base_names:
            if words[at] >= last_name:
                raise BtfError(f"BTF: a name lies {words[at]} bytes into {last_name} bytes of names")
            words[at] += names

    for at in offsets[1:]:
        info = words[at + 1]
        kind, count = info >> 24 & 31, info & 0xFFFF
        move_name(at)
        if kind in _THIRD_IS_TYPE:
            move_type(at + 2)
        elif kind == ARRAY:
            move_type(at + 3)
            move_type(at + 4)
        step = EACH.get(kind, 0)
        for member in range(at + FIXED[kind], at + FIXED[kind] + step * count, step or 1):
            if kind in _MEMBER_NAME:
                move_name(member)
            if kind in _MEMBER_TYPE:
                move_type(member + _MEMBER_TYPE[kind])
    return words, len(offsets) - 1
