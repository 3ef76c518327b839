"""Progress of many builds: one line on a terminal, rewritten as steps begin; nothing anywhere else."""

from __future__ import annotations

import shutil
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
        if not self.shown:
            return
        width = shutil.get_terminal_size().columns - 1
        text = f"{self.finished}/{self.total}  " + "  ".join(f"{name}: {step}" for name, step in self.current.items())
        self.stream.write(f"\r{text[:width]:<{width}}")
        self.stream.flush()

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.shown:
            self.stream.write("\r" + " " * (shutil.get_terminal_size().columns - 1) + "\r")
            self.stream.flush()
