"""Holding to a budget: how many events one stands for, by what was used.

Receives :class:`~ebpfrun.overhead.usage.Usage` again and again; returns the next weight, or says that the run must end. Pure: no
clock, no kernel.
"""

from __future__ import annotations

from ebpfrun.errors import MachineError
from ebpfrun.tracer import HEAVIEST

from .usage import Usage

_CALM = 4  # events come back, twice as many, where the budget would hold four times what is used
_LAST_LOOKS = 3  # over the budget, with nothing left to be sampled, before the run ends


class OverBudget(MachineError):
    """The run costs more than it may, and sampling does not help."""


class Budget:
    """``most``: per cent of one core. ``samples``: whether the tracer has anything that can be sampled."""

    def __init__(self, most: float, samples: bool) -> None:
        self.most = most
        self.weight = 1
        self.heaviest = 1
        self._samples = samples
        self._over = 0

    def next_weight(self, usage: Usage) -> int:
        """The weight from now on; OverBudget where there is none that would do."""
        if usage.share <= self.most:
            self._over = 0
            if self.weight > 1 and usage.share * _CALM <= self.most:
                self.weight //= 2
        elif self._samples and self.weight < HEAVIEST:
            while self.weight < HEAVIEST and usage.share > self.most:
                self.weight *= 2
                usage = usage._replace(own=usage.own / 2, programs=tuple(p._replace(ns=p.ns // 2) for p in usage.programs))
        else:
            self._over += 1
            if self._over >= _LAST_LOOKS:
                raise OverBudget(self._refusal(usage))
        self.heaviest = max(self.heaviest, self.weight)
        return self.weight

    def _refusal(self, usage: Usage) -> str:
        why = f"one event in {HEAVIEST} is as few as it gets" if self._samples else "it has nothing that can be sampled"
        return f"ended, because it does not keep to its budget: {of(usage, self.most)}, and {why}"


def of(usage: Usage, most: float) -> str:
    """In words, with its parts."""
    kernel, own = (100 * part / usage.seconds for part in (usage.kernel, usage.own))
    return f"{usage.share:.2g} % of a core ({kernel:.2g} % in the kernel, {own:.2g} % ebpfrun), of {most:g} % that it may use"
