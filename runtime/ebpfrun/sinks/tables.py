"""Tables of a tracer, and which file each goes to: for sinks that keep one table per event type and per metric.

The one rule: a tracer with a single table can go to one file. With more, the target names a folder (one that is there, or a path
that ends in ``/``), or holds ``{}`` where the table's name goes. A table has the name of its event, or of its metric with
``.metric`` behind; losses, where they are asked for, go to ``run.losses``.
"""

from __future__ import annotations

import os

from ebpfrun.errors import UsageError
from ebpfrun.manifest import Manifest, Metric

from . import losses
from .base import STDOUT, SinkError
from .words import Words

PLACE = "{}"


def names(manifest: Manifest, with_losses: bool = False) -> list[str]:
    own = [losses.TABLE] if with_losses else []
    return [*(event.name for event in manifest.events), *map(metric_table, manifest.metrics), *own]


def metric_table(metric: Metric) -> str:
    return f"{metric.name}.metric"


def file_of(words: Words, table: str, manifest: Manifest) -> str:
    """Where the table goes; a folder that the target names is made."""
    target = words.target
    if PLACE in target:
        return target.replace(PLACE, table)
    if target != STDOUT and (target.endswith("/") or os.path.isdir(target)):
        try:
            os.makedirs(target, exist_ok=True)
        except OSError as error:
            raise SinkError(words.name, target, error) from None
        return os.path.join(target, f"{table}.{words.name}")
    tables = names(manifest, losses.wanted(words))
    if len(tables) > 1:
        sink, name = words.name, manifest.name
        raise UsageError(
            f"--sink {sink}: {name} has {len(tables)} tables ({', '.join(tables)}), which do not fit into one file; "
            f"name a folder (--sink {sink}:{name}/) or put {PLACE} into the name (--sink {sink}:{name}-{PLACE}.{sink})"
        )
    return target
