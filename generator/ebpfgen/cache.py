"""The folder for what only saves time: an index of the kernel's types, compiled C of the host, the grammar's tables, templates as
code, versions of tools. Whatever is in it may be rubbish; it is made again then."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tempfile import TemporaryDirectory


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/ebpfgen`` or ``~/.cache/ebpfgen``; a folder of this process alone where that can't be written."""
    for base in (os.environ.get("XDG_CACHE_HOME"), os.path.expanduser("~/.cache")):
        if base and os.path.isabs(base):
            folder = Path(base, "ebpfgen")
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError:
                continue
            if os.access(folder, os.W_OK):
                return folder
    return _own_folder()


_OWN: list[TemporaryDirectory[str]] = []


def _own_folder() -> Path:
    if not _OWN:
        from tempfile import TemporaryDirectory

        _OWN.append(TemporaryDirectory(prefix="ebpfgen-"))
    return Path(_OWN[0].name)
