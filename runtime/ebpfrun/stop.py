"""Signals that ask for an orderly end: SIGINT, SIGTERM, SIGHUP. A second SIGINT ends the process at once.

The kernel detaches what a process leaves, so even the hasty end leaves nothing attached.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable


class Stop:
    """``asked`` becomes true with the first signal. ``last_act`` is done before a hasty end."""

    def __init__(self) -> None:
        self.asked = False
        self.last_act: Callable[[], None] | None = None

    def install(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup leaves it
                signal.signal(number, self._ask)

    def __call__(self) -> bool:
        return self.asked

    def _ask(self, number: int, _frame: object) -> None:
        if self.asked and number == signal.SIGINT:
            if self.last_act is not None:
                self.last_act()
            os._exit(128 + number)
        self.asked = True
