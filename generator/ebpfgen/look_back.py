"""What the compiled object tells: how its records lie, where its instructions come from, and what it costs.

Receives the texts and the object made of them; leaves ``name.places.json`` and what the manifest has of it.
"""

from __future__ import annotations

from . import budget, elf, linked
from .argument_reads import reads
from .argument_reads import set_apart as set_apart
from .asked import asked as asked
from .btf import Btf
from .emit import Emitted
from .emit.places import places_text
from .emit.signatures import signatures
from .pieces import Pieces
from .problems import SpecError
from .proof import prove


def look_back(emitted: Emitted, pieces: Pieces) -> None:
    """Raises SpecError where it costs more than the spec allows."""
    name = emitted.name
    compiled = pieces.read(f"{name}.bpf.o")
    types = elf.Object(compiled).section(".BTF")
    prove(emitted.described, Btf(types.data if types else b""))
    programs, maps = linked.read(compiled, f"{name}.bpf.c"), budget.maps_of(compiled)
    emitted.manifest["signatures"] = signatures(emitted.signatures, reads(compiled))
    pieces.write(f"{name}.places.json", places_text(emitted.places, programs))
    if problems := list(budget.over(emitted.limits, programs, maps)):
        raise SpecError(problems)
    emitted.manifest["budget"] = budget.as_data(programs, maps, emitted.limits)
