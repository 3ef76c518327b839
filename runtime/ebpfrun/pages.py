"""Memory that records are drained into, used again and again.

:class:`Pages` gives a page to be filled, and takes what was filled as a :class:`~ebpfrun.batch.Loan` for a batch. A page comes
back when its last borrower has ended, or later: as long as an array of numpy looks at it, it is set aside. Little that was
drained is moved into memory of its own size, so that waiting batches take about as much as they hold.
"""

from __future__ import annotations

import _thread
import contextlib

from .batch import Loan

_SPARE = 4  # pages kept for later; what is more goes back to the system
_LITTLE = 4  # less than this part of a page is moved


class Lease:
    """Counts the borrowers of one page, and gives it back after the last."""

    __slots__ = ("_holders", "_lock", "_page", "_pages", "_view")

    def __init__(self, pages: Pages, page: bytearray, view: memoryview) -> None:
        self._lock = _thread.allocate_lock()
        self._holders = 1
        self._pages = pages
        self._page = page
        self._view: memoryview | None = view

    def hold(self) -> None:
        with self._lock:
            self._holders += 1

    def drop(self) -> None:
        with self._lock:
            self._holders -= 1
            if self._holders or self._view is None:
                return
            view, self._view = self._view, None
        with contextlib.suppress(BufferError):  # an array looks at it, and holds it
            view.release()
        del view
        self._pages.give(self._page)


class Pages:
    """Of ``size`` bytes each. ``allocated`` counts those that were ever made."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.allocated = 0
        self._lock = _thread.allocate_lock()
        self._free: list[bytearray] = []
        self._looked_at: list[bytearray] = []

    def take(self) -> bytearray:
        """A page for one writer."""
        with self._lock:
            for page in [page for page in self._looked_at if not _is_looked_at(page)]:
                self._looked_at.remove(page)
                self._free.append(page)
            if self._free:
                return self._free.pop()
            self.allocated += 1
        return bytearray(self.size)

    def give(self, page: bytearray) -> None:
        with self._lock:
            if _is_looked_at(page):
                self._looked_at.append(page)
            elif len(self._free) < _SPARE:
                self._free.append(page)

    def lend(self, page: bytearray, length: int) -> Loan:
        """What was written into ``page``, which is not to be touched any more."""
        if length * _LITTLE < self.size:
            view = memoryview(bytes(memoryview(page)[:length]))
            self.give(page)
            return Loan(view)
        view = memoryview(page)[:length]
        return Loan(view, Lease(self, page, view))


def _is_looked_at(page: bytearray) -> bool:
    """Whether somebody else holds its memory: then it can't change its size."""
    try:
        page.append(page.pop())
    except BufferError:
        return True
    return False
