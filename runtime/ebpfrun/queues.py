"""What waits for a sink: a bounded queue of batches between the thread that drains and the sink's own.

Receives batches from one side and gives them to the other, in order. Bounded in bytes; what finds no room is refused or pushes
out what waits longest, by policy, and is returned to whoever counts it. Never counts, never writes, never makes the draining
side wait: with the policy ``block`` that side looks whether there is room before it drains.
"""

from __future__ import annotations

import threading
from collections import deque

from .batch import Batch

DROP_NEWEST = "drop-newest"
DROP_OLDEST = "drop-oldest"
BLOCK = "block"
POLICIES = (DROP_NEWEST, DROP_OLDEST, BLOCK)

_OVERHEAD = 1024  # bytes of a batch itself
_SAMPLE = 256  # bytes of a metric's label set, about


def size_of(batch: Batch) -> int:
    """Bytes that a waiting batch takes, about."""
    return len(batch.data) + _OVERHEAD + _SAMPLE * sum(len(reading.samples) for reading in batch.readings)


class Queue:
    """Takes a batch while less than ``limit`` bytes wait, however large it is."""

    def __init__(self, limit: int, policy: str) -> None:
        self._limit = limit
        self._policy = policy
        self._waiting: deque[tuple[Batch, int]] = deque()
        self._bytes = 0
        self._closed = False
        self._unfinished = 0
        self._changed = threading.Condition(threading.Lock())

    def put(self, batch: Batch) -> list[Batch]:
        """Returns what is lost by it: this batch, or older ones."""
        size = size_of(batch)
        lost = []
        with self._changed:
            while self._policy == DROP_OLDEST and self._waiting and not self._has_room():
                lost.append(self._pop())
                self._unfinished -= 1
            if self._closed or not (self._has_room() or self._policy == BLOCK):
                return [*lost, batch]
            self._waiting.append((batch, size))
            self._bytes += size
            self._unfinished += 1
            self._changed.notify_all()
        return lost

    def wait_for_room(self, timeout: float) -> bool:
        """Whether there is room, whatever the policy, at most ``timeout`` seconds from now."""
        with self._changed:
            return self._changed.wait_for(lambda: self._closed or self._has_room(), timeout)

    def _has_room(self) -> bool:
        return self._bytes < self._limit

    def _pop(self) -> Batch:
        batch, size = self._waiting.popleft()
        self._bytes -= size
        return batch

    def get(self, timeout: float | None = None) -> Batch | None:
        """The next batch; None when there was none until the time-out, or there will be none any more (``ended``)."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting, timeout)
            if not self._waiting:
                return None
            batch = self._pop()
            self._changed.notify_all()
            return batch

    @property
    def idle(self) -> bool:
        """Whether all that was taken is done with."""
        with self._changed:
            return not self._unfinished

    def finished(self) -> None:
        """What was got last is done with."""
        with self._changed:
            self._unfinished -= 1
            self._changed.notify_all()

    def wait_until_finished(self) -> None:
        """All that was taken until now is done with."""
        with self._changed:
            self._changed.wait_for(lambda: not self._unfinished)

    @property
    def ended(self) -> bool:
        """Closed, and empty."""
        with self._changed:
            return self._closed and not self._waiting

    def close(self) -> None:
        """Nothing more is taken; what waits can still be got."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def clear(self) -> list[Batch]:
        """Closes it; returns what waited."""
        with self._changed:
            self._closed = True
            left = [batch for batch, _ in self._waiting]
            self._waiting.clear()
            self._bytes = 0
            self._unfinished -= len(left)
            self._changed.notify_all()
            return left
