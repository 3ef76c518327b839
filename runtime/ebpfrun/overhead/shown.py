"""``--stats``: what a run costs and how its events fare, as a table.

Receives usage and accounts; returns lines. Rates and shares are of the time between two looks, or of the whole run.
"""

from __future__ import annotations

from collections.abc import Sequence

from ebpfrun.account import Account, EventAccount
from ebpfrun.render import duration

from .usage import Usage

Row = tuple[str, ...]


def table(name: str, usage: Usage, account: Account, before: Account | None, whole: bool) -> list[str]:
    """``before``: the account at the last look, None at the first and for the whole run."""
    seconds = max(usage.seconds, 1e-9)
    span = duration(round(usage.seconds * 1e9))
    head = f"{name}: {'all of ' if whole else 'the last '}{span}: {usage.share:.2f} % of a core"
    programs = [
        (
            f"{p.program.text} ({p.program.file}:{p.program.line})", str(p.runs), f"{p.runs / seconds:.0f}",
            f"{p.ns / p.runs:.0f}" if p.runs else "", _share(p.ns / 1e9, seconds), str(p.missed) if p.missed else "",
        )
        for p in usage.programs
    ]  # fmt: skip
    programs.append(("ebpfrun itself", "", "", "", _share(usage.own, seconds), ""))
    lines = [head, *_aligned([("PROGRAM", "RUNS", "RUNS/S", "NS/RUN", "CORE", "MISSED"), *programs])]
    earlier = {event.event: event for event in before.events} if before else {}
    events = [_event(event, earlier.get(event.event), seconds) for event in account.events]
    return lines + (_aligned([("EVENT", "PRODUCED", "PER S", "SAMPLED OUT", "LOST", "WAITING"), *events]) if events else [])


def _share(part: float, seconds: float) -> str:
    return f"{100 * part / seconds:.2f} %"


def _event(now: EventAccount, before: EventAccount | None, seconds: float) -> Row:
    produced = now.produced - (before.produced if before else 0)
    sampled = now.sampled - (before.sampled if before else 0)
    lost = _lost(now) - (_lost(before) if before else 0)
    waiting = max((now.on_the_way(sink) for sink in now.sinks), default=0)
    return now.event, str(produced), f"{produced / seconds:.0f}", str(sampled), str(lost), str(max(waiting, 0))


def _lost(event: EventAccount) -> int:
    """In the ring, and in the sink that lost most."""
    return event.ring_full + max((sink.dropped + sink.failed + sink.given_up for sink in event.sinks), default=0)


def _aligned(rows: Sequence[Row]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    first, *others = widths
    right = "".join(f"  {{:>{width}}}" for width in others)
    return [(f"  {row[0]:<{first}}" + right.format(*row[1:])).rstrip() for row in rows]
