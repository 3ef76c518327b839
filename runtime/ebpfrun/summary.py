"""The account at the end of a run, as lines: what was produced, what became of it, what else was lost.

Receives an :class:`~ebpfrun.account.Account`. For every event and every sink ``produced = delivered + losses`` must hold, and
where it does not, a line says so. Counts of 0 are not mentioned, but for the account of events itself.
"""

from __future__ import annotations

from collections.abc import Iterator

from .account import Account, EventAccount, SinkAccount
from .render import duration


def summary(name: str, seconds: float, account: Account, replayed: bool = False) -> list[str]:
    """The whole account as lines. ``replayed``: what is missing was not in the recording."""
    lines = [f"{name}: ran for {duration(round(seconds * 1e9))}"]
    for event in account.events:
        lines += [f"  {line}" for line in _event(event, replayed)]
    if any(event.ring_full for event in account.events):
        lines.append("    (a larger ring (--ring, or `ring` in the spec), a narrower filter or a faster sink would keep them)")
    return lines + [f"  {line}" for line in _others(account)]


def _event(event: EventAccount, replayed: bool) -> Iterator[str]:
    """One line where all sinks fared alike, else one for each."""
    if len({sink[1:] for sink in event.sinks}) == 1:
        yield from _balance(event, event.sinks[0], f"{event.event}: ", "", replayed)
    else:
        yield f"{event.event}: {event.produced} produced"
        for sink in event.sinks:
            yield from _balance(event, sink, "  ", f"{sink.sink}: ", replayed)


def _balance(event: EventAccount, sink: SinkAccount, lead: str, label: str, replayed: bool) -> Iterator[str]:
    parts = [
        (sink.delivered, "delivered"),
        (event.ring_full, "lost in the full ring buffer"),
        (event.sampled, "sampled out"),
        (sink.dropped, "dropped from the sink's full queue"),
        (sink.failed, "not taken by the sink"),
        (sink.given_up, "given up at the end"),
        (event.beyond, "beyond --count"),
    ]
    missing = event.on_the_way(sink)
    if replayed:
        parts, missing = [*parts, (missing, "not replayed")], 0
    shown = label + " + ".join(f"{count} {what}" for i, (count, what) in enumerate(parts) if count or i == 0)
    if not missing:
        yield lead + (shown if label else f"{event.produced} produced = {shown}")
        return
    yield lead + (shown if label else f"{event.produced} produced, {shown}")
    wrong = f"{missing} of them are unaccounted for" if missing > 0 else f"{-missing} more than were produced"
    yield f"THE ACCOUNT OF {event.event} DOES NOT BALANCE: {wrong}. This is a bug of ebpfrun; please report it."


_WORDS = {
    "map_full": "{of}: {n} not stored, because there was no room (max_entries)",
    "nested": "{of}: {n} not stored, because too many programs had interrupted one another there",
    "missed": "{of}: {n} hits missed, because the kernel could not run the program there",
    "readings_lost": "{of}: {n} readings of metrics not written",
    "late": "{of}: {n} came later than --order waits, and are out of order",
    "absent": "{of}: {n} look-ups of entries that were not there",
    "unpaired": "{of}: {n} ends without a start (begun before the tracer, or filtered)",
    "truncated": "{of}: {n} cut, because longer than the field",
    "faulted": "{of}: {n} unreadable (not in memory, or a bad pointer)",
}


def _others(account: Account) -> Iterator[str]:
    for kind, words in _WORDS.items():
        for (counted, of), n in account.others.items():
            if counted == kind and n:
                yield words.format(of=of, n=n)
