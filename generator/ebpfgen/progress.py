"""Progress of many builds: one line on a terminal, rewritten as steps begin; nothing anywhere else."""

from __future__ import annotations

import contextlib
import os
import threading
from types import TracebackType
from typing import TextIO


class Progress:
    """Shows ``done/total`` and what is being built. ``step`` and ``done`` may be called from any thread."""

    def __init__(self, stream: TextIO, total: int, shown: bool) -> None:
        self.stream, self.total, self.shown = stream, total, shown
        self.finished = 0
        self.current: dict[str, str] = {}
        self.lock = threading.Lock()

    def step(self, name: str, step: str) -> None:
        with self.lock:
            self.current[name] = step
            self._draw()

    def done(self, name: str) -> None:
        with self.lock:
            self.current.pop(name, None)
            self.finished += 1
            self._draw()

    def _draw(self) -> None:
        if self.shown:
            running = "  ".join(f"{name}: {step}" for name, step in self.current.items())
            self._write(f"{self.finished}/{self.total}  {running}")

    def _write(self, text: str, end: str = "") -> None:
        with contextlib.suppress(OSError):  # a terminal that went away stops no build
            width = (os.get_terminal_size(self.stream.fileno()).columns or 80) - 1
            self.stream.write(f"\r{text[:width]:<{width}}{end}")
            self.stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.shown:
            self._write("", end="\r")
