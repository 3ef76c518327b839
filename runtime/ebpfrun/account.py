"""The account: for every event type and every sink, produced = delivered + losses.

Receives the kernel's counters and what each sink's :class:`~ebpfrun.delivery.Fate` says; gives figures by name. Never prints
(:mod:`ebpfrun.summary` does). While a run goes on, what the kernel has produced and nobody has drained yet, and what waits in
queues, is not yet anywhere: then ``on_the_way`` is not 0. At the end it must be.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from .delivery import Fate
from .lean import Any, NamedTuple
from .manifest import Manifest
from .metrics import Dump

COUNTERS_MAP = "counters"

Counts = dict[tuple[str, str], int]
"""(kind, of) as in the manifest's counters → the count."""


class End(NamedTuple):
    """What a run leaves that no sink was given; ``beyond``: by event."""

    seconds: float
    counts: Counts
    beyond: dict[str, int]


class SinkAccount(NamedTuple):
    """One sink's share of one event's account."""

    sink: str
    delivered: int
    dropped: int
    failed: int
    given_up: int


class EventAccount(NamedTuple):
    """``ring_full``: lost in the kernel; ``sampled``: passed over there, by a budget; ``beyond``: more
    than were asked for."""

    event: str
    produced: int
    ring_full: int
    sampled: int
    beyond: int
    sinks: tuple[SinkAccount, ...]

    def on_the_way(self, sink: SinkAccount) -> int:
        """Neither delivered nor lost, as far as this sink is concerned."""
        return self.produced - self.ring_full - self.sampled - self.beyond - sum(sink[1:])


class Account(NamedTuple):
    """``others`` are the kernel's counters that are not of events: (kind, of) → count."""

    events: tuple[EventAccount, ...]
    others: Counts

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "events": {
                e.event: {
                    "produced": e.produced, "ring_full": e.ring_full, "sampled": e.sampled, "beyond": e.beyond,
                    "sinks": [{**s._asdict(), "on_the_way": e.on_the_way(s)} for s in e.sinks],
                }
                for e in self.events
            },
            "others": [{"kind": kind, "of": of, "count": n} for (kind, of), n in self.others.items()],
        }  # fmt: skip


def take(manifest: Manifest, counts: Counts, beyond: Counter[int], fates: Sequence[tuple[str, Fate]]) -> Account:
    """The account now. ``counts``: the kernel's counters; ``fates``: label and fate of each sink; ``beyond``: by event id."""
    counts = dict(counts)
    events = tuple(
        EventAccount(
            event.name,
            counts.pop(("produced", event.name), 0),
            counts.pop(("ring_full", event.name), 0),
            counts.pop(("sampled", event.name), 0),
            beyond[event.id],
            tuple(SinkAccount(label, *(way[event.id] for way in fate)) for label, fate in fates),
        )
        for event in manifest.events
    )
    return Account(events, counts)


def read_counters(manifest: Manifest, tracer: Dump) -> Counts:
    """The kernel's counters, summed over CPUs, and what the tracer itself counts."""
    count_others: Callable[[], Counts] | None = getattr(tracer, "other_counts", None)
    others = count_others() if count_others else {}
    return _counters(manifest, tracer) | {what: n for what, n in others.items() if n}


def _counters(manifest: Manifest, tracer: Dump) -> Counts:
    if not manifest.counters:
        return {}
    slots: Mapping[int, int] = {
        int.from_bytes(key, sys.byteorder): sum(int.from_bytes(value, sys.byteorder) for value in values)
        for key, values in tracer.dump(COUNTERS_MAP)
    }
    return {(counter.kind, counter.of): slots.get(counter.slot, 0) for counter in manifest.counters}
