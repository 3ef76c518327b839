"""The ring as it is read: once round and on, mapped once, not chased."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun.tracer import Tracer
from workloads import Workload

from .conftest import Caller

pytestmark = [pytest.mark.root, pytest.mark.kernel]

MIB = 1 << 20


def test_records_across_the_end_of_the_ring_are_whole(artefact: Path, caller: Caller) -> None:
    """Records of 56 bytes in a ring of 4096: at almost every end lies one that goes on at the beginning."""
    rounds, each = 100, 70
    with Tracer(str(artefact), filters={"pid": caller.pid}, ring=4096) as tracer:
        times: list[int] = []
        for _ in range(rounds):
            caller.call(each)
            batch = tracer.take()
            assert batch is not None
            with batch:
                times += [row["time"] for row in batch.rows()]
                found = {(row["pid"], row["comm"], row["caller"]) for row in batch.rows()}
            assert found == {(caller.pid, Path(f"/proc/{caller.pid}/comm").read_text().strip(), caller.pid)}
    assert len(times) == rounds * each
    assert times == sorted(set(times))


def mapped() -> int:
    """Bytes of this process's address space that are maps of the kernel's."""
    ranges = re.findall(r"^(\w+)-(\w+) .*anon_inode:bpf[-_]map", Path("/proc/self/maps").read_text(), re.MULTILINE)
    return sum(int(end, 16) - int(begin, 16) for begin, end in ranges)


def test_a_ring_is_mapped_once(artefact: Path) -> None:
    """What is mapped of it counts as resident memory, whoever touches it."""
    before = mapped()
    with Tracer(str(artefact), ring=16 * MIB):
        grown = mapped() - before
    assert 16 * MIB < grown < 17 * MIB


def test_a_busy_program_is_not_chased(artefact: Path, workload: Callable[..., Workload]) -> None:
    """Each batch fills its memory, or ends a wait: a quarter of the ring, or the latency. To take the few records that came while
    the ones before them were taken would cost more for them than all else."""
    ring, latency = 4 * MIB, 0.05
    work = workload("getppids", 1_000_000)
    with Tracer(str(artefact), filters={"pid": work.pid}, ring=ring, latency=latency) as tracer:
        begun = time.monotonic()
        work.start()
        data = events = batches = 0
        while not work.done(0) or events:
            events = 0
            if (batch := tracer.take(latency)) is not None:
                with batch:
                    batches, data, events = batches + 1, data + len(batch.data), len(batch)
        waits = data / (ring / 4) + (time.monotonic() - begun) / latency
        page = tracer._pages.size
    assert data > 10 * MIB
    assert batches <= data / (page - 56) + waits + 2
