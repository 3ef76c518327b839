"""Events in the order of their times, whatever CPU or ring they come from: ``--order WINDOW``.

Receives records as they are drained; gives them sorted by their event's first ``timestamp``, each once it is as old as the
window. What comes after a later one has been given is given all the same, and counted as late. An event without a timestamp
keeps its place behind the record before it.
"""

from __future__ import annotations

import time

from .decode import word
from .door import Driver, Order
from .lean import Any
from .manifest import Manifest

_ALL = (1 << 64) - 1


class InOrder:
    """``window``: seconds that an event may come later than younger ones."""

    def __init__(self, driver: Driver, manifest: Manifest, window: float) -> None:
        times = {event.id: _time(event.fields) for event in manifest.events}
        self._order = Order(driver, [times.get(id, 0) for id in range(max(times, default=-1) + 1)])
        self._window = round(window * 1e9)
        self._events = manifest.events

    def put(self, data: Any) -> None:
        """Records as drained."""
        self._order.put(data)

    def take(self, buffer: Any, all: bool) -> int:
        """Bytes of the records that are old enough, or of ``all`` that wait, as many as ``buffer`` has room for."""
        return self._order.take(_ALL if all else time.monotonic_ns() - self._window, buffer)

    def due(self) -> float | None:
        """Seconds until the first that waits is old enough; None when none waits."""
        first = self._order.first
        return None if first == _ALL else max(0, first + self._window - time.monotonic_ns()) / 1e9

    def late(self) -> dict[str, int]:
        """Late ones, by event."""
        return {event.name: self._order.late(event.id) for event in self._events}


def _time(fields: Any) -> int:
    return next((slot.offset for slot in fields if word(slot.type) == "timestamp"), 0)
