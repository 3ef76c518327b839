"""Iterating over a tracer's batches, by ``for`` and by ``async for``.

Receives a tracer; gives its batches, each borrowed until the next one is asked for. When the time is up it detaches,
gives what is left and ends. Never releases what the caller copied.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from .batch import Batch
from .lean import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .tracer import Tracer

_PAUSED = object()
"""In place of a batch: whoever asked for one was cancelled."""


class Batches:
    """One iterator for both. An exception in the loop, or leaving it, leaves the tracer as it is."""

    def __init__(self, tracer: Tracer, duration: float | None, until: Callable[[], bool]) -> None:
        self._tracer = tracer
        self._until = until
        self._end = None if duration is None else time.monotonic() + duration
        self._stopped = False
        self._visits = tracer.iterate()  # of the kernel's objects, where the spec has iterators
        self._lent: Batch | None = None
        self._waiting: Any = None  # a future of asyncio whose batch nobody took yet
        self._paused = False  # nobody waits for that any more

    def stop(self) -> None:
        """Ends the loop, once what was observed until now has been given; from any thread."""
        self._stopped = True
        self._tracer.wake()

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        self._release()
        batch = self._next()
        if not isinstance(batch, Batch):
            raise StopIteration
        self._lent = batch
        return batch

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> Batch:
        import asyncio

        self._release()
        batch: Batch | object | None = _PAUSED
        while batch is _PAUSED:
            if self._waiting is None:
                self._paused = False
                self._waiting = asyncio.get_running_loop().run_in_executor(None, self._next)
            try:
                batch = await asyncio.shield(self._waiting)
            except asyncio.CancelledError:  # the thread must not wait on, and what it finds is for the next who asks
                self._paused = True
                self._tracer.wake()
                raise
            self._waiting = None
        if not isinstance(batch, Batch):
            raise StopAsyncIteration
        self._lent = batch
        return batch

    def _release(self) -> None:
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.release()

    def _next(self) -> Batch | object | None:
        tracer = self._tracer
        if tracer.observing and (visited := next(self._visits, None)) is not None:
            return visited
        while tracer.observing and not self._stopped and not self._until():
            left = None if self._end is None else self._end - time.monotonic()
            if left is not None and left <= 0:
                break
            batch = tracer.take(left)
            if batch is not None:
                return batch
            if self._paused:
                return _PAUSED
        if tracer.observing:
            tracer.detach()
        return tracer.take()
