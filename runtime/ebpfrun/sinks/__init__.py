"""Where events and metrics go.

:func:`open_sink` makes a sink from what stands behind ``--sink``. A sink is any object with the three methods of
:class:`ebpfrun.sinks.base.Sink`; :mod:`ebpfrun.sinks.conformance` tests one.
"""

from __future__ import annotations

from ebpfrun.batch import Batch

from .base import Context, Sink, SinkError
from .registry import NAMES, open_sink

__all__ = ["NAMES", "Batch", "Context", "Sink", "SinkError", "open_sink"]
