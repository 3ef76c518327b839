"""What a run cost since the last look: run time of its programs by the kernel's own clock, CPU time of this process.

Receives a tracer whose programs are measured; returns :class:`Usage`. Never prints, decides nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ebpfrun.lean import NamedTuple, Protocol
from ebpfrun.manifest import Program


class Measured(Protocol):
    """What of a tracer is needed here."""

    def stats(self) -> list[tuple[Program, int, int, int]]:
        """(program, runs, ns, missed) of what is loaded."""


class ProgramUsage(NamedTuple):
    """In the time between; ``missed``: how often the kernel could not run it."""

    program: Program
    runs: int
    ns: int
    missed: int


class Usage(NamedTuple):
    """``seconds`` passed; ``own``: seconds of CPU of this process, all threads."""

    seconds: float
    own: float
    programs: tuple[ProgramUsage, ...]

    @property
    def kernel(self) -> float:
        """Seconds that the programs ran, on all CPUs together."""
        return sum(p.ns for p in self.programs) / 1e9

    @property
    def share(self) -> float:
        """Of one core, in per cent: more than 100 where several CPUs were kept busy."""
        return 100 * (self.kernel + self.own) / self.seconds if self.seconds > 0 else 0.0


class Meter:
    """Gives what was used since the last time it was asked, and since it was made."""

    def __init__(
        self,
        tracer: Measured,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._tracer, self._clock, self._cpu = tracer, clock, cpu
        self._start = self._last = self._now()

    def lap(self) -> Usage:
        now = self._now()
        usage = _between(self._last, now)
        self._last = now
        return usage

    def total(self) -> Usage:
        return _between(self._start, self._now())

    def _now(self) -> Usage:
        programs = tuple(ProgramUsage(*one) for one in self._tracer.stats())
        return Usage(self._clock(), self._cpu(), programs)


def _between(before: Usage, now: Usage) -> Usage:
    return Usage(now.seconds - before.seconds, now.own - before.own, _differences(before.programs, now.programs))


def _differences(before: Sequence[ProgramUsage], now: Sequence[ProgramUsage]) -> tuple[ProgramUsage, ...]:
    return tuple(
        ProgramUsage(n.program, n.runs - b.runs, n.ns - b.ns, n.missed - b.missed) for b, n in zip(before, now, strict=True)
    )
