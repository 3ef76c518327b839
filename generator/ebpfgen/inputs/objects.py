"""Attach points that visit the kernel's objects: iter.

Receives the name of an iterator and a kernel description; returns what it shows of each object, or why not.
"""

from __future__ import annotations

import re

from ebpfgen import btf, ir, model
from ebpfgen.cdecl import KERNEL
from ebpfgen.problems import near_misses
from ebpfgen.typer import Typer

from .attachment import KINDS, Absent, Attachment, Found

RECORD = "bpf_iter__"
OF_ONE = ("bpf_map_elem", "bpf_sk_storage_map", "cgroup", "sockmap")
"""Iterators over what is in one map or below one cgroup, which would have to be named."""


def objects(text: model.Text, kind: str, rest: str, typer: Typer, params: dict[str, ir.ParamInfo]) -> Found:
    """The program runs once for each object. Its record's pointers are NULL when all objects were visited."""
    if not re.fullmatch(r"\w+", rest, re.ASCII):
        return text.at.problem(f"'{text.text}' is no attach point, expected {KINDS[kind]}")
    if "__" in rest:  # such types are the verifier's own
        return Absent(f"this kernel has no iterator over {rest}")
    if rest in OF_ONE:
        return text.at.problem(f"iter:{rest} visits what is in one map or cgroup, which a spec can't name")
    found = typer.btf.find(f"{RECORD}{rest}", btf.Struct)
    struct = typer.btf.resolve(found) if found else None
    if not isinstance(struct, btf.Struct):
        known = [
            name.removeprefix(RECORD)
            for name in typer.btf.struct_names()
            if name.startswith(RECORD) and "__" not in name.removeprefix(RECORD)
        ]
        near = near_misses(rest, [name for name in known if name not in OF_ONE])
        return Absent(f"this kernel has no iterator over {rest}", near)
    args: dict[str, ir.Expr] = {
        m.name: _given(struct, m, typer) for m in typer.btf.flat_members(struct) if m.name not in ("meta", "")
    }
    task = args.get("task", "none")
    section, context = f"iter/{rest}", f"struct {struct.name}{KERNEL}"
    return Attachment(kind, {"of": rest}, section, context, rest, args, "this iterator shows nothing", struct=struct, task=task)


def _given(struct: btf.Struct, member: btf.Member, typer: Typer) -> ir.Input:
    kind = typer.type_of(member.type_id, "kernel", True)
    return ir.Input(kind, f"ctx->{member.name}", f"args.{member.name}", ((struct, member),))
