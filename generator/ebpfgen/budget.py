"""What an artefact costs: instructions, stack, memory of maps; and whether that is within the limits that its spec sets.

Receives a compiled object, returns plain data for the manifest, then problems at the lines of the limits. Memory is computed as
the kernel accounts for it (map_mem_usage of Linux 6.4 and later): what one CPU more costs is kept apart, so that the figures hold
for every machine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from . import btf, elf, ir
from .linked import FRAME, Linked
from .problems import Problem
from .records import record, values
from .wording import counted

MAP_TYPES = {1: "hash", 2: "array", 5: "percpu_hash", 6: "percpu_array", 7: "stack_trace", 9: "lru_hash", 10: "lru_percpu_hash",
             27: "ringbuf", 29: "task_storage"}  # fmt: skip
"""enum bpf_map_type of include/uapi/linux/bpf.h."""
PAGE = 4096
_POINTER = 8
_ELEMENT, _BUCKET = 48, 16  # struct htab_elem without key and value, struct bucket
_HASH, _ARRAY, _RING = 896, 312, 304  # struct bpf_htab, bpf_array, bpf_ringbuf_map of Linux 6.18
_POSSIBLE = Path("/sys/devices/system/cpu/possible")


@record()
class Memory:
    """A map: ``bytes``, and ``per_cpu`` more for each CPU that the machine can have. ``entries`` of a ring are bytes."""

    name: str
    type: str
    entries: int
    bytes: int
    per_cpu: int

    def on(self, cpus: int) -> int:
        return self.bytes + cpus * self.per_cpu


def maps_of(data: bytes) -> list[Memory]:
    """The maps of a compiled object, those of its constants included, in the order of their names."""
    object = elf.Object(data)
    types = object.section(".BTF")
    assert types is not None, "compiled with -g"
    known = btf.Btf(types.data)
    place = next((i for i, s in enumerate(object.sections) if s.name == ".maps"), -1)
    names = sorted(s.name for s in object.symbols() if s.section == place and s.name)
    found = [_map(known, name) for name in names]
    sections = [s for s in object.sections if s.name.startswith((".rodata", ".data", ".bss")) and s.data]
    return found + [Memory(s.name, "array", 1, _of_values(s), 0) for s in sections]


def _of_values(section: elf.Section) -> int:
    """libbpf makes a map of each section of values, in whole pages where it maps them into memory: not those of literals."""
    literals = ".str" in section.name
    return _ARRAY + _up(len(section.data), 8) if literals else PAGE + _up(len(section.data), PAGE)


def _map(known: btf.Btf, name: str) -> Memory:
    variable = known.find_variable(name)
    struct = known.resolve(variable or 0)
    assert isinstance(struct, btf.Struct), name
    told = {m.name: known.resolve(m.type_id) for m in known.members(struct)}

    def number(key: str) -> int:
        """__uint(key, N) is int (*key)[N]."""
        pointer = told.get(key)
        array = known.resolve(pointer.target) if isinstance(pointer, btf.Ptr) else None
        return array.length if isinstance(array, btf.Array) else 0

    def size(key: str) -> int:
        pointer = told.get(key)
        return _size(known, pointer.target) if isinstance(pointer, btf.Ptr) else number(f"{key}_size")

    kind = MAP_TYPES.get(number("type"), str(number("type")))
    return memory(name, kind, number("max_entries"), size("key"), size("value"))


def _size(known: btf.Btf, type_id: int) -> int:
    kind = known.resolve(type_id)
    if isinstance(kind, btf.Array):
        return kind.length * _size(known, kind.element)
    return kind.size if isinstance(kind, (btf.Int, btf.Struct, btf.Enum)) else _POINTER


def memory(name: str, kind: str, entries: int, key: int, value: int) -> Memory:
    """As the kernel accounts for a map that is full, or made with all of its entries, as most are."""
    value = _up(value, 8)
    if kind == "ringbuf":
        pages = entries // PAGE
        return Memory(name, kind, entries, _RING + 3 * PAGE + entries + (3 + 2 * pages) * _POINTER, 0)
    if kind in ("array", "percpu_array"):
        own = entries * (value if kind == "array" else _POINTER)
        return Memory(name, kind, entries, _ARRAY + own, entries * value if kind == "percpu_array" else 0)
    per_cpu = kind in ("percpu_hash", "lru_percpu_hash")
    element = _ELEMENT + _up(key, 8) + (_POINTER if per_cpu else value)
    buckets = 1 << (max(entries, 1) - 1).bit_length()
    extra = element + _POINTER if kind == "hash" else 0  # one entry more for each CPU
    return Memory(name, kind, entries, _HASH + _BUCKET * buckets + element * entries, entries * value if per_cpu else extra)


def _up(size: int, to: int) -> int:
    return -(-size // to) * to


def possible_cpus() -> int:
    """CPUs that this machine can have: so many values has each entry of a per-CPU map."""
    return int(_POSSIBLE.read_text().strip().rpartition("-")[2].rpartition(",")[2]) + 1


def cpus_of(limits: ir.Limits) -> int:
    return limits.cpus.value if limits.cpus else possible_cpus()


def as_data(programs: Mapping[str, Linked], maps: list[Memory], limits: ir.Limits) -> dict[str, Any]:
    """For the manifest."""
    return {
        "cpus": limits.cpus.value if limits.cpus else None,
        "programs": {name: {"instructions": p.instructions, "stack": p.stack} for name, p in programs.items()},
        "maps": [values(m) for m in maps],
    }


def over(limits: ir.Limits, programs: Mapping[str, Linked], maps: list[Memory]) -> Iterator[Problem]:
    """Where the artefact is over a limit of its spec."""
    for name, program in programs.items():
        if limits.instructions and program.instructions > limits.instructions.value:
            told = f"program {name} has {program.instructions} instructions; the limit is {limits.instructions.value}"
            yield limits.instructions.at.problem(told)
        if limits.stack and program.stack > limits.stack.value:
            told = f"program {name} needs {program.stack} bytes of stack ({_chain(program)}); the limit is {limits.stack.value}"
            yield limits.stack.at.problem(told)
    cpus = cpus_of(limits)
    ring = sum(m.entries for m in maps if m.type == "ringbuf")
    data = sorted((m for m in maps if m.type != "ringbuf"), key=lambda m: -m.on(cpus))
    if limits.maps and (total := sum(m.on(cpus) for m in data)) > limits.maps.value:
        most = ", ".join(f"{m.name} {size_text(m.on(cpus))}" for m in data[:3])
        told = f"the maps take {size_text(total)} with {counted(cpus, 'CPU')} ({most})"
        yield limits.maps.at.problem(f"{told}; the limit is {size_text(limits.maps.value)}")
    if limits.ring and ring > limits.ring.value:
        yield limits.ring.at.problem(f"the ring has {size_text(ring)}; the limit is {size_text(limits.ring.value)}")


def _chain(program: Linked) -> str:
    parts = " + ".join(f"{name} {depth}" for name, depth in program.chain)
    return f"{parts}, each rounded up to {FRAME}"


def size_text(size: int) -> str:
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} B"
