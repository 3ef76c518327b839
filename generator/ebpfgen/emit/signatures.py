"""What programs are called with, for the manifest: on a kernel that calls them otherwise the runtime finds their arguments again.

Receives the checked spec and where the compiled object reads its arguments; returns plain data. Compares nothing: the runtime
does, and :mod:`ebpfgen.portability.called` by the same rule.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ebpfgen import ir
from ebpfgen.argument_reads import Read


def signatures_of(checked: ir.CheckedSpec) -> list[ir.Signature]:
    """Of all programs that name arguments, each once."""
    return list(dict.fromkeys(p.signature for p in checked.programs if p.signature and ir.named_arguments(p)))


def asked_by_name(program: ir.Program, signatures: Sequence[ir.Signature]) -> dict[str, Any]:
    """For a program's entry: which arguments it names, and where in the spec first."""
    names = ir.named_arguments(program)
    if not names or program.signature is None:
        return {}
    places = [{"name": name, "line": mark.line, "column": mark.column} for name, mark in names.items()]
    return {"signature": signatures.index(program.signature), "arguments": places}


def read_of_record(program: ir.Program) -> dict[str, Any]:
    """For a program's entry: what it reads of a record at places that names alone do not settle."""
    found = [
        {"name": f.name, "line": f.mark.line, "column": f.mark.column, "size": f.size}
        | ({"at": f.at} if f.at is not None else {"into": [f.struct, f.member, f.behind]})
        for f in ir.read_of_record(program)
    ]
    return {"record": found} if found else {}


def signatures(of: Iterable[ir.Signature], reads: Sequence[Read]) -> list[dict[str, Any]]:
    return [
        {
            "kind": s.kind,
            "name": s.name,
            "takes": [[p.name, p.type, p.size] for p in s.takes],
            "reads": {
                p.name: at for p in s.takes if (at := [[r.at, r.place] for r in reads if (r.struct, r.member) == _member(s, p)])
            },
        }
        for s in of
    ]


def _member(signature: ir.Signature, parameter: ir.Parameter) -> tuple[str, str]:
    return signature.struct, signature.member(parameter.name)
