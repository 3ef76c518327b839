"""Iterating over a tracer's batches, by ``for`` and by ``async for``.

Receives a tracer; gives its batches, each borrowed until the next one is asked for. When the time is up it detaches,
gives what is left and ends. Never releases what the caller copied.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from .batch import Batch
from .lean import TYPE_CHECKING

if TYPE_CHECKING:
    from .tracer import Tracer


class _Asked:
    """One wish for a batch; ``over`` once whoever had it was cancelled."""

    over = False


class Batches:
    """One iterator for both. An exception in the loop, or leaving it, leaves the tracer as it is."""

    def __init__(self, tracer: Tracer, duration: float | None, until: Callable[[], bool]) -> None:
        self._tracer = tracer
        self._until = until
        self._end = None if duration is None else time.monotonic() + duration
        self._stopped = False
        self._visits = tracer.iterate()  # of the kernel's objects, where the spec has iterators
        self._lent: Batch | None = None
        self._turn = Lock()  # one thread looks at a time
        self._found: list[Batch | None] = []  # what came and nobody took yet; None at the end

    def stop(self) -> None:
        """Ends the loop, once what was observed until now has been given; from any thread."""
        self._stopped = True
        self._tracer.wake()

    def __iter__(self) -> Batches:
        return self

    def __next__(self) -> Batch:
        self._release()
        self._find(_Asked())
        if (batch := self._found.pop()) is None:
            raise StopIteration
        self._lent = batch
        return batch

    def __aiter__(self) -> Batches:
        return self

    async def __anext__(self) -> Batch:
        import asyncio

        self._release()
        asked = _Asked()
        try:
            await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._find, asked))
        except asyncio.CancelledError:  # the thread must not wait on, and what it finds is for the next who asks
            asked.over = True
            self._tracer.wake()
            raise
        if (batch := self._found.pop()) is None:
            raise StopAsyncIteration
        self._lent = batch
        return batch

    def _find(self, asked: _Asked) -> None:
        with self._turn:
            if not self._found:
                self._next(asked)

    def _release(self) -> None:
        lent, self._lent = self._lent, None
        if lent is not None:
            lent.release()

    def _next(self, asked: _Asked) -> None:
        """Finds a batch, or the end, or nothing once it was asked for in vain."""
        tracer = self._tracer
        if tracer.observing and (visited := next(self._visits, None)) is not None:
            self._found.append(visited)
            return
        while tracer.observing and not self._stopped and not self._until():
            left = None if self._end is None else self._end - time.monotonic()
            if left is not None and left <= 0:
                break
            if asked.over:
                return
            batch = tracer.take(left)
            if batch is not None:
                self._found.append(batch)
                return
        if asked.over:
            return
        if tracer.observing:
            tracer.detach()
        self._found.append(tracer.take())
