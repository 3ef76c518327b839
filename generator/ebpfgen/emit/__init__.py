"""Emission: a checked spec in, the texts of its artefact out (C, header, records for the binding, manifest data).

Everything that a template needs is named, sorted and finished here; templates only place it. Pure: the same input gives the
same bytes, with no time and no path in them.
"""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path
from typing import Any, NoReturn

from ebpfgen import ir
from ebpfgen.btf import Btf
from ebpfgen.cache import cache_folder
from ebpfgen.lower.collected import LONG_TEXT
from ebpfgen.lower.statements import Lowerer
from ebpfgen.pieces import digest
from ebpfgen.problems import Mark
from ebpfgen.proof import Described
from ebpfgen.records import record

from .manifest import described, manifest_data
from .places import places_of
from .program import program_data
from .signatures import signatures_of
from .structs import all_structs, cdef_of, config_layout, struct_of

_OPTIONS: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True, "autoescape": False}


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

    def __init__(self, templates: Path) -> None:
        self.folder = templates

    @functools.cached_property
    def environment(self) -> Any:
        import jinja2

        class Kept(jinja2.FileSystemBytecodeCache):
            """Templates as the code that Jinja made of them; what is no such code, or of another text, is made again."""

            def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
                try:
                    super().load_bytecode(bucket)
                except Exception:  # altered: pickles fail in any way they like
                    bucket.reset()

            def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
                with contextlib.suppress(OSError):
                    super().dump_bytecode(bucket)

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folder),
            bytecode_cache=Kept(str(cache_folder()), f"template-{digest(repr(_OPTIONS), jinja2.__version__)[:8]}-%s.code"),
            undefined=jinja2.StrictUndefined,
            **_OPTIONS,
        )
        environment.globals["fail"] = _fail
        return environment

    def render(self, template: str, data: dict[str, Any]) -> str:
        text: str = self.environment.get_template(template).render(data)
        return text

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
        if LONG_TEXT in lowerer.scratch:
            structs.append(struct_of(lowerer.scratch[LONG_TEXT], "Text whose length is asked."))
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


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)


__all__ = ["Emitted", "Emitter"]
