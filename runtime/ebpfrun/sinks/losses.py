"""The account as a table of its own, for sinks of tables: with the option ``losses=yes``.

One row for each figure of each account (:class:`ebpfrun.account.Account`): ``kind`` (``produced``, ``delivered`` …), ``of`` (an
event, a map, a field), ``sink`` (null for what the kernel counted), ``count``; ``time`` is when it was written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ebpfrun.account import Account

from .words import Words

TABLE = "run.losses"
COLUMNS = ("time", "kind", "of", "sink", "count")
OPTION = "losses"

Row = tuple[int, str, str, str | None, int]


def wanted(words: Words) -> bool:
    return words.value(OPTION, _yes_or_no, False)


def _yes_or_no(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("expected yes or no")
    return text == "yes"


def rows(account: Account) -> Iterator[Row]:
    now = time.time_ns()
    for event in account.events:
        for kind in ("produced", "ring_full", "sampled", "beyond"):
            yield now, kind, event.event, None, getattr(event, kind)
        for sink in event.sinks:
            for kind, count in {**sink._asdict(), "on_the_way": event.on_the_way(sink)}.items():
                if kind != "sink":
                    yield now, kind, event.event, sink.sink, count
    for (kind, of), count in account.others.items():
        yield now, kind, of, None, count
