"""Files appear whole or not at all. Receives a path and bytes, returns nothing; never leaves a part of a file behind."""

from __future__ import annotations

import os
from pathlib import Path


def write_beside(path: Path, data: bytes) -> None:
    """Writes ``data`` beside ``path``, then renames. Raises OSError, with nothing changed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
