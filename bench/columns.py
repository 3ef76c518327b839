"""The cheapest consumer in Python: `columns.py ARTEFACT PID` sums one column of every batch, as a numpy view over the records.

Ends with SIGINT, and says the account as ebpfrun does. A part of the benchmark, which starts it.
"""

from __future__ import annotations

import sys

from ebpfrun.stop import Stop
from ebpfrun.tracer import Tracer

EVENT = "call"


def main(artefact: str, pid: int) -> None:
    stop = Stop()
    stop.install()
    total = 0
    with Tracer(artefact, filters={"pid": pid}, bell=stop.bell) as tracer:
        print(f"{tracer.manifest.name}: attached 1 program", file=sys.stderr, flush=True)
        for batch in tracer.batches(until=stop):
            total += int(batch.columns(EVENT)["task"].sum())
        (calls,) = tracer.account().events
    print(f"{EVENT}: {calls.produced} produced, {calls.sinks[0].delivered} delivered ({total})", file=sys.stderr)
    stop.close()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
