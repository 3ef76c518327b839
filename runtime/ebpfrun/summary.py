"""The account at the end of a run: what was produced, what became of it, what else was lost.

Receives the kernel's counters and the output's tally, returns lines of text. For every event ``produced = delivered + lost in
the ring + sampled out + lost in sinks + beyond --count`` must hold, and where it does not, a line says so. Counts of 0 are not
mentioned, but for the account of events itself.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from .manifest import Manifest
from .metrics import Dump
from .render import duration

COUNTERS_MAP = "counters"

Counts = dict[tuple[str, str], int]
"""(kind, of) as in the manifest's counters → the count."""


class Tally(NamedTuple):
    """What became of the events that reached us, by event name. ``sink_lost``: rows that at least one sink did not take;
    ``delivered``: rows that every sink took; ``beyond``: rows after the number that was asked for."""

    delivered: Counter[str]
    sink_lost: Counter[str]
    beyond: Counter[str]


def read_counters(manifest: Manifest, tracer: Dump) -> Counts:
    """The kernel's counters, summed over CPUs."""
    if not manifest.counters:
        return {}
    slots = {
        int.from_bytes(key, sys.byteorder): sum(int.from_bytes(value, sys.byteorder) for value in values)
        for key, values in tracer.dump(COUNTERS_MAP)
    }
    return {(counter.kind, counter.of): slots.get(counter.slot, 0) for counter in manifest.counters}


def summary(manifest: Manifest, seconds: float, counts: Counts, tally: Tally) -> list[str]:
    """The whole account as lines."""
    lines = [f"{manifest.name}: ran for {duration(round(seconds * 1e9))}"]
    for event in manifest.events:
        lines += [f"  {line}" for line in _event_account(event.name, counts, tally)]
    return lines + [f"  {line}" for line in _other_losses(counts)]


def _event_account(event: str, counts: Counts, tally: Tally) -> Iterator[str]:
    produced = counts.get(("produced", event), 0)
    parts = [
        (tally.delivered[event], "delivered"),
        (counts.get(("ring_full", event), 0), "lost in the full ring buffer"),
        (counts.get(("sampled", event), 0), "sampled out"),
        (tally.sink_lost[event], "lost in a failed sink"),
        (tally.beyond[event], "beyond --count"),
    ]
    shown = " + ".join(f"{count} {what}" for i, (count, what) in enumerate(parts) if count or i == 0)
    missing = produced - sum(count for count, _ in parts)
    if not missing:
        yield f"{event}: {produced} produced = {shown}"
        if parts[1][0]:
            yield "  (a larger `ring` in the spec, a narrower filter or a faster sink would keep them)"
        return
    yield f"{event}: {produced} produced, {shown}"
    wrong = f"{missing} of them are unaccounted for" if missing > 0 else f"{-missing} more than were produced"
    yield f"THE ACCOUNT OF {event} DOES NOT BALANCE: {wrong}. This is a bug of ebpfrun; please report it."


_WORDS = {
    "map_full": "{of}: {n} not stored, because there was no room (max_entries)",
    "absent": "{of}: {n} look-ups of entries that were not there",
    "unpaired": "{of}: {n} ends without a start (begun before the tracer, or filtered)",
    "truncated": "{of}: {n} cut, because longer than the field",
    "faulted": "{of}: {n} unreadable (not in memory, or a bad pointer)",
}


def _other_losses(counts: Counts) -> Iterator[str]:
    for kind, words in _WORDS.items():
        for (counted, of), n in counts.items():
            if counted == kind and n:
                yield words.format(of=of, n=n)
