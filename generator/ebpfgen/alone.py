"""One build in a process of its own, for somebody who waits for it: what needs not wait goes on beside it."""

from __future__ import annotations

from pathlib import Path

from . import data, rendering


def build(spec: Path, out: Path) -> None:
    """As pipeline.build_one, for the running kernel. Raises SpecError, MachineError."""
    with rendering.beside(rendering.Templates(data.templates())) as renderer:
        from .pipeline import Setting, build_one

        build_one(spec, out, Setting.of(renderer=renderer))
