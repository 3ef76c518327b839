"""The cheapest consumer in Python: `columns.py ARTEFACT PID` sums one column of every batch, as a numpy view over the records.

Ends with SIGINT, and says the account as ebpfrun does. A part of the benchmark, which starts it.
"""

from __future__ import annotations

import signal
import sys

import numpy  # noqa: F401 - now: columns would import it at the first batch, and a ring at full speed is full before that is done

from ebpfrun.tracer import Tracer

EVENT = "call"


def main(artefact: str, pid: int) -> None:
    total = delivered = 0
    with Tracer(artefact, filters={"pid": pid}) as tracer:
        batches = tracer.batches()
        signal.signal(signal.SIGINT, lambda *_: batches.stop())
        print(f"{tracer.manifest.name}: attached 1 program", file=sys.stderr, flush=True)
        for batch in batches:
            total += int(batch.columns(EVENT)["task"].sum())
            delivered += len(batch)
        (account,) = tracer.account().events
    print(f"{EVENT}: {account.produced} produced, {delivered} delivered ({total})", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
