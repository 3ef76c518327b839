"""Emission: a checked spec in, the texts of its artefact out (C, header, records for the binding, manifest data).

Everything that a template needs is named, sorted and finished here; templates only place it. Pure: the same input gives the
same bytes, with no time and no path in them.
"""

from __future__ import annotations

from typing import Any

from ebpfgen import ir
from ebpfgen.btf import Btf
from ebpfgen.lower.collected import LONG_TEXT, scratch_name
from ebpfgen.lower.statements import Lowerer
from ebpfgen.problems import Mark
from ebpfgen.proof import Described
from ebpfgen.records import record
from ebpfgen.rendering import Renderer

from .manifest import described, manifest_data
from .places import places_of
from .program import program_data
from .signatures import signatures_of
from .structs import all_structs, cdef_of, config_layout, struct_of


@record()
class Emitted:
    """The texts of an artefact, the records for its binding, and its manifest without what only building adds. ``places``:
    number of a line of ``bpf_c``, from 1 → where in the spec it comes from; ``limits``: what it may cost; ``described``: structs
    of the program with what the manifest says of them; ``nodes``: as in model.Spec; ``signatures``: what programs are called
    with, by number."""

    name: str
    bpf_c: str
    header: str
    cdef: str
    manifest: dict[str, Any]
    places: dict[int, Mark]
    limits: ir.Limits
    described: list[Described]
    nodes: str
    signatures: list[ir.Signature]


class Emitter:
    """Renders checked specs with the templates of one folder."""

    def __init__(self, templates: Renderer) -> None:
        self.folder, self.render = templates.folder, templates.render

    def emit(self, checked: ir.CheckedSpec, types: Btf) -> Emitted:
        lowerer = Lowerer(checked, types)
        bodies = [lowerer.program(p) for p in checked.programs]
        for p in checked.programs:
            if p.context.startswith("struct ") and p.context != "struct pt_regs" and not p.record and not p.signature:
                lowerer.types.forwards.add(p.context)  # a program may look at nothing of its context
        filters = bool(lowerer.helpers & {"wanted", "wanted_task"}) or any(
            "config.filter_on" in line for b in bodies for line in b
        )
        config = config_layout(checked, filters, "sample" in lowerer.helpers)
        structs = all_structs(checked, config)
        if long_text := lowerer.scratch.get(scratch_name(LONG_TEXT)):
            structs.append(struct_of(long_text, "Text whose length is asked."))
        header_data = {"name": checked.spec.name, "file": checked.file, "structs": structs}
        name = checked.spec.name
        data = program_data(checked, lowerer, bodies, config)
        bpf_c = self.render("spec.bpf.c.j2", data)
        manifest = manifest_data(checked, lowerer, config, filters)
        return Emitted(
            name,
            bpf_c,
            self.render("records.h.j2", header_data),
            cdef_of(structs),
            manifest,
            places_of(bpf_c, [*data["shared"], *data["programs"]]),
            checked.limits,
            described(checked, config, manifest),
            checked.spec.nodes,
            signatures_of(checked),
        )


__all__ = ["Emitted", "Emitter"]
