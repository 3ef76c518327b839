"""Why the kernel took a program not, for a person: in words, at the line of the spec, with the few lines of the log that matter.

Receives the program and libbpf's words; returns a :class:`Refusal`. Reads the artefact's table of places, and of the machine what
may be the cause; changes nothing.
"""

from __future__ import annotations

import errno
import os

from . import meanings, privileges, verdict
from .errors import DriverError
from .lean import NamedTuple
from .manifest import Manifest, Program
from .places import Places

REFUSES = "the kernel refuses this program"
_LOCKDOWN = "/sys/kernel/security/lockdown"


class Refusal(NamedTuple):
    """``why`` is one line. ``place``: FILE:LINE:COLUMN of what it is about, "" for the attach point as a whole; ``more``: lines
    to show below it."""

    why: str
    place: str = ""
    more: tuple[str, ...] = ()


def of_verifier(m: Manifest, program: Program, log: str) -> Refusal:
    """``log`` has the verifier's words."""
    said = verdict.parse(log)
    places = Places(m)
    report = said.report
    path = said.path if said.instruction is None or said.instruction in said.path else (*said.path, said.instruction)
    own = said.instruction is not None
    # The report is of where it went wrong; words that name an instruction say where the cause is.
    told = report.line if report and said.instruction == (said.path[-1] if said.path else None) else 0
    place = places.of(program, path, told) if own else None
    meant = meanings.meaning(said.said, report)
    source = (places.source(place.c_line) if place else "") or said.source
    shown = [f"{m.name}.bpf.c:{place.c_line}: {source}" if place else source if own else ""]
    shown += [said.code if own else "", *said.said, report.reason if report else ""]
    more = [*(f"  {line}" for line in shown if line), f"to change: {meant.change}" if meant.change else ""]
    at = f"{program.file}:{place.line}:{place.column}" if place else f"{program.file}:{program.line}"
    return Refusal(f"{REFUSES}: {meant.what}", at, tuple(line for line in more if line))


def lockdown() -> str:
    """ "none", "integrity" or "confidentiality"; "" where the kernel has no lockdown, or does not tell."""
    try:
        with open(_LOCKDOWN) as file:
            return file.read().partition("[")[2].partition("]")[0]
    except OSError:
        return ""


def of_load(error: DriverError) -> Refusal:
    """For errors of which the verifier said nothing."""
    if error.errno == errno.EPERM:
        return Refusal(not_permitted())
    if error.errno == errno.E2BIG:
        return Refusal(f"{REFUSES}: it has more instructions than the kernel takes")
    if error.errno == errno.ENOMEM:
        return Refusal("the kernel has no memory for this program")
    lines = [line.strip() for line in error.log.splitlines() if line.strip()]
    first = f" ({lines[0].removeprefix('libbpf: ')})" if lines else ""
    return Refusal(os.strerror(error.errno) + first)


def not_permitted() -> str:
    """Why an operation is not permitted, as far as it can be told."""
    if lacks := privileges.missing():
        return f"not permitted: this process lacks {' and '.join(lacks)}"
    locked = lockdown()
    if locked not in ("", "none"):
        return f"not permitted: this kernel is locked down ({_LOCKDOWN}: {locked})"
    return "not permitted, although no capability is lacking: another policy of this machine forbids it"
