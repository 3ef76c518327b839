"""Whether tracepoints' records lie here as programs read them, where names alone do not settle that.

Receives programs of the manifest; reads the kernel's format files. Some kernels' records begin with more than others', and types
do not tell of it everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from .manifest import Field, Program
from .refusal import Refusal
from .wildcards import TRACING

Into = Callable[[str, str], int]
_FIELD = re.compile(r"\tfield:[^;]*?(\w+)(?:\[[^;\]]*\])?;\s*offset:(\d+);\s*size:(\d+);")


def why_not(program: Program, into: Into | None) -> Refusal | None:
    """Why the program would read something else than it names, at the place in the spec that names it. ``into`` gives the offset
    of a member in a struct of this kernel, below 0 where it has none such; None on the kernel built for."""
    if not program.record or into is None:
        return None
    places = read(str(program.target["category"]), str(program.target["name"]))
    for field in program.record if places else ():
        if why := _wrong(field, places, into):
            spelled = "retval" if field.name == "ret" else f"args.{field.name}"
            return Refusal(f"{spelled} of {program.text} {why}", f"{program.file}:{field.line}:{field.column}")
    return None


def _wrong(field: Field, places: dict[str, tuple[int, int]], into: Into) -> str:
    if field.name not in places:
        return "is not there"
    at = field.at
    if field.into is not None:
        struct, member, behind = field.into
        begin = into(struct, member)
        at = begin + behind if begin >= 0 else None  # without the member the kernel refuses the program
    if at is None or places[field.name] == (at, field.size):
        return ""
    offset, size = places[field.name]
    return f"has {size} bytes at {offset} in the record, the program reads {field.size} at {at}: build it for this kernel"


def read(category: str, name: str) -> dict[str, tuple[int, int]]:
    """Field → (offset, size) of this kernel's record; empty where it does not tell."""
    try:
        with open(f"{TRACING}/events/{category}/{name}/format", encoding="utf-8") as file:
            return {found[1]: (int(found[2]), int(found[3])) for found in _FIELD.finditer(file.read())}
    except OSError:
        return {}
