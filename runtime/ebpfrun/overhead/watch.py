"""Looks at a run's cost at its times: shows it (``--stats``), and holds it to its budget (``--budget``).

Receives the tracer, the output and where to say things; sets the tracer's weight. What it raises at :meth:`Watch.end` ends the
run with its words, after the account.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from ebpfrun.account import Account
from ebpfrun.errors import DriverError, MachineError
from ebpfrun.output import Output
from ebpfrun.tracer import Tracer

from . import shown
from .budget import Budget, OverBudget, of
from .usage import Meter

LOOK = 1.0  # seconds between two looks for the budget


class Watch:
    """``budget``: per cent of a core, None for none; ``stats``: seconds between two tables, None for none."""

    def __init__(
        self, tracer: Tracer, output: Output, budget: float | None, stats: float | None, say: Callable[[str], None]
    ) -> None:
        try:
            tracer.measure()
        except DriverError as error:
            raise MachineError(
                f"the kernel does not time programs here (it can since Linux 5.8, for CAP_SYS_ADMIN): {error}"
            ) from None
        self._tracer, self._output, self._say = tracer, output, say
        self._budget = Budget(budget, tracer.samples) if budget is not None else None
        self._for_budget, self._for_stats = Meter(tracer), Meter(tracer)
        self._stats = stats
        self._before: Account | None = None
        self._over: OverBudget | None = None
        now = time.monotonic()
        self._look_at = now + LOOK if self._budget else float("inf")
        self._show_at = now + stats if stats else float("inf")

    @property
    def due(self) -> float:
        """The monotonic time of the next look."""
        return min(self._look_at, self._show_at)

    @property
    def over(self) -> bool:
        """The budget can't be held: the run must end."""
        return self._over is not None

    def look(self, now: float) -> None:
        """Does what is due."""
        if now >= self._look_at:
            self._look_at = now + LOOK
            self._hold()
        if now >= self._show_at:
            self._show_at = now + (self._stats or 0)
            account = self._output.account(self._tracer)
            self._show(shown.table(self._name, self._for_stats.lap(), account, self._before, whole=False))
            self._before = account

    def _hold(self) -> None:
        assert self._budget
        usage, before = self._for_budget.lap(), self._budget.weight
        try:
            weight = self._budget.next_weight(usage)
        except OverBudget as error:
            self._over = error
            return
        if weight != before:
            self._tracer.sample(weight)
            which = f"one event in {weight} is taken" if weight > 1 else "every event is taken"
            self._say(f"{self._name}: {of(usage, self._budget.most)}: {which} from now on")

    def finish(self) -> None:
        """After the last event: the whole run's table, and what sampling means for its figures."""
        if self._stats:
            self._show(shown.table(self._name, self._for_stats.total(), self._output.account(self._tracer), None, whole=True))
        if self._budget and self._budget.heaviest > 1:
            metrics = " Counters and histograms count by weight: they are estimates." if self._tracer.manifest.metrics else ""
            self._say(
                f"{self._name}: sampled: an event's weight, 1 to {self._budget.heaviest}, says for how many it stands.{metrics}"
            )

    def insist(self) -> None:
        """Raises what made the run end, if the budget did."""
        if self._over is not None:
            raise OverBudget(f"{self._name}: {self._over}")

    @property
    def _name(self) -> str:
        return self._tracer.manifest.name

    def _show(self, lines: list[str]) -> None:
        self._say("\n".join(lines))
