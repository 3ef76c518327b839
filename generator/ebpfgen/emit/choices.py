"""Choices between fields, for the manifest: the program itself takes the first that the kernel has, the runtime says which.

Receives the checked spec and the kernel's types; returns plain data. An option is told from the others as in lowering.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ebpfgen import btf, ir, model
from ebpfgen.lower.trees import telling

KINDS = {
    btf.Int: "int", btf.Float: "float", btf.Ptr: "ptr", btf.Struct: "struct", btf.Enum: "enum", btf.FuncProto: "proto",
    btf.Fwd: "fwd",
}  # fmt: skip


def choices(checked: ir.CheckedSpec, types: btf.Btf) -> list[dict[str, Any]]:
    found: dict[model.At, tuple[ir.FieldChoice, list[int]]] = {}
    for i, program in enumerate(checked.programs):
        for node in ir.walk((program.body, program.task)):
            if isinstance(node, ir.FieldChoice) and node.written:
                programs = found.setdefault(node.written.at, (node, []))[1]
                programs += [i] if i not in programs else []
    return [_choice(node, programs, types) for node, programs in found.values()]


def _choice(choice: ir.FieldChoice, programs: list[int], types: btf.Btf) -> dict[str, Any]:
    assert choice.written
    needs = [*map(list, map(_named, telling(choice))), []]
    options = [
        {"text": option.text, "needs": [[s.name, m.name, _kind(m, types)] for s, m in each]}
        for option, each in zip(choice.written.options, needs, strict=True)
    ]
    there = (all(m.type_id for _, m in each) for each in needs)
    return {
        "line": choice.written.at.mark.line,
        "options": options,
        "built": next(i for i, is_there in enumerate(there) if is_there),
        "programs": programs,
    }


def _named(fields: tuple[tuple[btf.Struct, btf.Member], ...]) -> Iterator[tuple[btf.Struct, btf.Member]]:
    """Without parts of the struct before them in the path, which are there with it."""
    return (field for field in dict.fromkeys(fields) if field[0].name)


def _kind(member: btf.Member, types: btf.Btf) -> str:
    """"" where the member is another kernel's."""
    arrays, found = "", types.resolve(member.type_id)
    while isinstance(found, btf.Array):
        arrays, found = f"{arrays}[]", types.resolve(found.element)
    return arrays + KINDS[type(found)] if member.type_id else ""
