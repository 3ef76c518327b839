"""Signals that ask for an orderly end: SIGINT, SIGTERM, SIGHUP. A second SIGINT ends the process at once.

The kernel detaches what a process leaves, so even the hasty end leaves nothing attached.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable


class Bell:
    """What ends a wait for records: a pipe that is written to. Rung in any thread, by the handler of a signal too."""

    def __init__(self) -> None:
        self._reads = self.writes = -1

    def open(self) -> None:
        if self._reads < 0:
            self._reads, self.writes = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def fileno(self) -> int:
        """The end that becomes readable; who waits reads it."""
        return self._reads

    def ring(self) -> None:
        if self.writes >= 0:
            with contextlib.suppress(OSError):  # rung often enough; or closed just now, by the thread that it would have told
                os.write(self.writes, b"!")

    def close(self) -> None:
        reads, writes, self._reads, self.writes = self._reads, self.writes, -1, -1
        if reads >= 0:
            os.close(reads)
            os.close(writes)


class Stop:
    """``asked`` becomes true with the first signal, which rings ``bell``. ``last_act`` is done before a hasty end."""

    def __init__(self) -> None:
        self.asked = False
        self.last_act: Callable[[], None] | None = None
        self.bell = Bell()

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
                signal.signal(number, self._ask)

        self.bell.open()
        signal.set_wakeup_fd(self.bell.writes, warn_on_full_buffer=False)

    def close(self) -> None:
        """Signals ring nothing any more."""
        signal.set_wakeup_fd(-1)
        self.bell.close()

    def __call__(self) -> bool:
        return self.asked

    def _ask(self, number: int, _frame: object) -> None:
        if self.asked and number == signal.SIGINT:
            if self.last_act is not None:
                self.last_act()
            os._exit(128 + number)
        self.asked = True
