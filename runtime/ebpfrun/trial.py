"""``ebpfrun SPEC --check``: whether this kernel takes the programs. Loads what a run would load, attaches nothing.

Receives a manifest and options, prints a table of what the kernel made of each program; what it refuses is the same error that a
run would end with.
"""

from __future__ import annotations

from collections.abc import Callable

from . import report
from .config import Value
from .manifest import Manifest
from .tracer import Tracer

_HEAD = ("PROGRAM", "ATTACH POINT", "VERIFIED", "KEPT", "MACHINE CODE")


Values = dict[str, Value]
Notice = Callable[[str, bool], None]


def trial(m: Manifest, params: Values, filters: Values, notice: Notice, log: str | None) -> int:
    """Returns the exit status. ``log`` as for :class:`~ebpfrun.tracer.Tracer`."""
    tracer = Tracer(m, params, filters, notice=notice, verifier_log=log)
    try:
        tracer.load()
        rows = [(p.name, p.text, *_figures(*sizes)) for p, *sizes in tracer.sizes()]
    finally:
        tracer.close()
    widths = [max(map(len, column)) for column in zip(_HEAD, *rows, strict=True)]
    for row in (_HEAD, *rows):
        left, right = row[:2], row[2:]
        words = [*map(str.ljust, left, widths), *map(str.rjust, right, widths[2:])]
        report.put("  ".join(words).rstrip())
    notice(f"{m.name}: this kernel takes {len(rows)} program{'s' if len(rows) != 1 else ''}; nothing is attached", True)
    return 0


def _figures(verified: int, kept: int, machine: int) -> tuple[str, str, str]:
    """Kernels before 5.16 do not tell how many instructions they followed."""
    return str(verified or ""), str(kept), f"{machine} B" if machine else "not compiled"
