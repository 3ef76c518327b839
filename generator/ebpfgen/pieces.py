"""The files of an artefact under way: each made, or taken from the last build where it would be made of the same.

Receives what a file is made of, as bytes or text; returns whether it has been taken. A file that is not as it was built is made
anew. Compiles nothing and knows no file's meaning.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import freshness


def digest(*parts: bytes | str) -> str:
    """Over all parts, and where each begins."""
    sum_ = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        sum_.update(len(data).to_bytes(8, "little") + data)
    return sum_.hexdigest()


class Pieces:
    """The files in ``folder``. ``last``: the folder of the last build, if it may be used; ``tools`` names what makes files of
    others, which takes a while. ``made_of`` has a digest for each file that was asked for: the next build's ``last``."""

    def __init__(self, folder: Path, last: Path | None, tools: Callable[[], str]) -> None:
        self.folder, self._last, self._tools = folder, last, functools.cache(tools)
        self._manifest: dict[str, Any] = (freshness.manifest_of(last) if last else None) or {}
        self.made_of: dict[str, str] = {}

    def write(self, name: str, text: str) -> bool:
        """Whether the last build had another."""
        (self.folder / name).write_bytes(data := text.encode())
        try:
            return self._last is None or (self._last / name).read_bytes() != data
        except OSError:
            return True

    def digest(self, *of: bytes | str) -> str:
        """Names what the tools make of these."""
        return digest(self._tools(), *of)

    def take(self, name: str, *of: bytes | str, anew: bool = False) -> bool:
        """Whether the last build's ``name`` was made of the same, and is in the folder now; never with ``anew``."""
        self.made_of[name] = made_of = self.digest(*of)
        if anew or self._last is None or self._manifest.get("made_of", {}).get(name) != made_of:
            return False
        try:
            data = (self._last / name).read_bytes()
        except OSError:
            return False
        if hashlib.sha256(data).hexdigest() != self._manifest["files"].get(name):
            return False
        (self.folder / name).write_bytes(data)
        return True

    def tidy(self) -> None:
        """Removes what was needed in between only: files with a dot before their names."""
        for file in self.folder.glob(".*"):
            file.unlink()

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()
