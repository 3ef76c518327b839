"""The cheapest consumer in Python: `columns.py ARTEFACT PID` sums one column of every batch, as a numpy view over the records.

Ends with SIGINT, and says the account as ebpfrun does. A part of the benchmark, which starts it.
"""

from __future__ import annotations

import sys

from ebpfrun.decode import clock_offset
from ebpfrun.manifest import read
from ebpfrun.stop import Stop
from ebpfrun.summary import read_counters
from ebpfrun.tracer import Tracer, load_driver

EVENT = "call"


def main(artefact: str, pid: int) -> None:
    stop = Stop()
    stop.install()
    manifest = read(artefact)
    driver = load_driver(manifest)
    records = driver.records(manifest, clock_offset())
    total = delivered = 0
    with Tracer(manifest, filters={"pid": pid}, driver=driver) as tracer:
        print(f"{manifest.name}: attached 1 program", file=sys.stderr, flush=True)
        ending = False
        while (length := tracer.drain(0 if ending else 50)) or not ending:
            with records.batch(memoryview(tracer.buffer)[:length]) as batch:
                total += int(batch.columns(EVENT)["task"].sum())
                delivered += len(batch)
            if stop.asked and not ending:
                tracer.detach()
                ending = True
        produced = read_counters(manifest, tracer)[("produced", EVENT)]
    print(f"{EVENT}: {produced} produced, {delivered} delivered ({total})", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
