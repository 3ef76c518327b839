"""What the programs of one spec share: names, declarations, counters, helpers and scratch memory, collected as they are needed.

Receives the checked spec and the kernel's types; the emitter reads what was collected when all programs are lowered.
"""

from __future__ import annotations

from ebpfgen import btf, cnames, ir
from ebpfgen.cdecl import TypeDeclarations
from ebpfgen.ir.signature import PREFIX
from ebpfgen.layout import StructLayout

LONG_TEXT = "long_text"
ARGUMENTS = f"struct {PREFIX}"
"""How the C types of contexts begin that are a tracepoint's or function's arguments."""


class Counters:
    """Indices of the counters map, given out as they are needed: (kind, of) → index."""

    def __init__(self) -> None:
        self.slots: dict[tuple[str, str], int] = {}
        self._names: dict[tuple[str, str], str] = {}

    def name(self, kind: str, of: str) -> str:
        """The C name of a counter; creates it at first use."""
        slot = (kind, of)
        if slot not in self.slots:
            self.slots[slot] = len(self.slots)
            self._names[slot] = cnames.free(f"{kind}_{of.replace('.', '_')}".upper(), self._names.values())
        return self._names[slot]


def is_plain(layout: StructLayout) -> bool:
    """A key or value that is one number: it needs no struct."""
    return len(layout.slots) == 1 and layout.fields[0].type is not None and layout.fields[0].type.shape in ("int", "bool")


def c_of(layout: StructLayout) -> str:
    first = layout.fields[0].type
    return first.c_type if is_plain(layout) and first else f"struct {layout.name}"


def scratch_name(record: str) -> str:
    """Of the map with a record for each CPU."""
    return f"{record}_scratch"


def taken_name(record: str) -> str:
    """The same for programs that can interrupt one another, and of the struct that such a map holds."""
    return f"{record}_taken"


def record_names(checked: ir.CheckedSpec) -> set[str]:
    """The names of all structs that the spec's records may have."""
    layouts = [e.layout for e in checked.events.values()]
    layouts += [part for m in checked.maps.values() for part in (m.key, m.value)]
    layouts += [part for s in checked.spans.values() for part in (s.key, s.value)]
    names = {layout.name for layout in layouts} | {f"{checked.spec.name}_config", LONG_TEXT}
    names |= {taken_name(layout.name) for layout in layouts}
    return names | {f"{m}_{part}" for m in checked.metrics for part in ("key", "value")}


class Collected:
    """Of the whole file. ``types``, ``counters`` and all that is a set or a dictionary here grow while programs are lowered."""

    def __init__(self, checked: ir.CheckedSpec, types: btf.Btf) -> None:
        self.checked = checked
        self.names = checked.names
        self.btf = types
        self.types = TypeDeclarations(types, record_names(checked))
        self.counters = Counters()
        self.helpers: set[str] = set()
        self.scratch: dict[str, StructLayout] = {}  # by the map's name
        self.taken: dict[str, StructLayout] = {}  # the same, of memory that a program takes for itself
        self.cut: set[str] = set()  # events of which some records are only as long as the text that they end with
