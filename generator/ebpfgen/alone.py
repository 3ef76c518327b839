"""One spec brought up to date in a process of its own, for somebody who waits for it: what needs not wait goes on beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from . import data, rendering, renewal


def make_current(spec: Path, out: Path, building: Callable[[], None]) -> None:
    """``out/<name>`` becomes what a build for the running kernel makes; ``building`` is called before a true build. Raises
    SpecError, MachineError."""
    if renewal.renew_here(spec, out):
        return
    building()
    with rendering.beside(rendering.Templates(data.templates())) as renderer:
        from .pipeline import Setting, build_one

        build_one(spec, out, Setting.of(renderer=renderer))
