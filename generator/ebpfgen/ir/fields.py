"""What a program reads of a tracepoint's record at places that are not settled by names alone.

Records that types describe are followed by CO-RE. Two kinds are not: records without types, read where the format file of the
kernel built for has them, and those of system calls, which all share two structs although some distributions' kernels lay the
records out otherwise than the structs.
"""

from __future__ import annotations

from ebpfgen.kernel import Tracepoint, TracepointField
from ebpfgen.problems import Mark
from ebpfgen.records import record

from .whole import Program, named_inputs

RESULT = "ret"
STRUCTS = {"sys_enter_": ("trace_event_raw_sys_enter", "args"), "sys_exit_": ("trace_event_raw_sys_exit", "ret")}
"""By how tracepoints of system calls begin: the struct that stands for their records, and its member that specs read."""


@record()
class Field:
    """``at``: the offset where it is read, if that is settled; else it is ``behind`` bytes into ``member`` of ``struct``."""

    name: str
    mark: Mark
    size: int
    at: int | None
    struct: str = ""
    member: str = ""
    behind: int = 0


def read_of_record(program: Program) -> list[Field]:
    """Each field once, where the spec names it first."""
    if program.format is None:
        return []
    struct, member = shared_struct(program.format)
    places = {f.name: f for f in program.format.fields}
    first = next((f.offset for f in arguments(program.format)), 0)
    found = [(places[name], mark) for name, mark in named_inputs(program, RESULT).items() if name in places]
    if program.record is not None:
        return [Field(place.name, mark, place.size, place.offset) for place, mark in found]
    return [Field(place.name, mark, place.size, None, struct, member, place.offset - first) for place, mark in found]


def shared_struct(format: Tracepoint) -> tuple[str, str]:
    """Of a system call's tracepoint."""
    names = (pair for begin, pair in STRUCTS.items() if format.category == "syscalls" and format.name.startswith(begin))
    return next(names, ("", ""))


def arguments(format: Tracepoint) -> tuple[TracepointField, ...]:
    """The fields of a system call's record that the struct's member stands for."""
    return tuple(f for f in format.fields if f.name not in ("__syscall_nr", "nr"))
