"""Where the templates and the shipped specs are.

Receives nothing and reads nothing but the names of two folders; never looks at the current directory. In a wheel they stand
beside the package (``_data``), in a checkout at its top.
"""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_SHIPPED = _PACKAGE / "_data"


def root() -> Path:
    """The folder that holds ``templates`` and ``specs``."""
    return _SHIPPED if _SHIPPED.is_dir() else _PACKAGE.parent.parent


def templates() -> Path:
    """The folder of Jinja2 templates and of ``driver.h``."""
    return root() / "templates"


def specs() -> Path:
    """The folder of shipped specs."""
    return root() / "specs"
