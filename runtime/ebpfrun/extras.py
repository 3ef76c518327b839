"""Libraries that not everybody needs: imported by who needs them, and missed with the way to get them."""

from __future__ import annotations

import os

from .errors import MachineError
from .lean import Any


def need(module: str, extra: str, what: str) -> Any:
    """The module; ``extra`` is its name in our pyproject.toml, ``what`` is what it is for."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start a thread per CPU for what nobody asks of it here
    try:
        found = __import__(module)
    except ImportError as error:
        raise MachineError(f"{what} need {module}, which is not installed ({error}): pip install 'ebpfgen[{extra}]'") from None
    for part in module.split(".")[1:]:
        found = getattr(found, part)
    return found
