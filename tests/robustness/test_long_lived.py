"""A program that opens tracers again and again, with sinks: nothing of them stays in the process or in the kernel."""

from __future__ import annotations

import gc
import os
import re
import threading
from pathlib import Path
from typing import NamedTuple

import pytest

from ebpfrun.output import Output
from ebpfrun.sinks.memory import Memory
from ebpfrun.tracer import Tracer

from .commands import our_programs

pytestmark = [pytest.mark.root, pytest.mark.kernel]
WARM_UP, TIMES, CALLS = 30, 60, 5
A_TRACER = 40  # KiB; one that stays has its program, its types, what was read of its manifest


class Held(NamedTuple):
    descriptors: int
    threads: int
    programs: int
    mappings: int
    objects: int


def held() -> Held:
    gc.collect()
    kernel = [line for line in Path("/proc/self/maps").read_text().splitlines() if "bpf" in line]
    return Held(len(os.listdir("/proc/self/fd")), threading.active_count(), len(our_programs()), len(kernel), len(gc.get_objects()))  # noqa: PTH208


def resident() -> int:
    found = re.search(r"^VmRSS:\s*(\d+)", Path("/proc/self/status").read_text(), re.MULTILINE)
    assert found
    return int(found[1])


def once(artefact: Path, folder: Path) -> None:
    memory = Memory()
    with Tracer(str(artefact), filters={"pid": os.getpid()}, ring=1 << 16) as tracer:
        output = Output(tracer.records, [memory, f"jsonl:{folder}/rows"], quiet=True)
        for _ in range(CALLS):
            os.getppid()
        tracer.detach()
        while batch := tracer.take():
            output.batch(batch)
        output.finish(tracer)
    assert len(memory.events) == CALLS


@pytest.mark.slow
def test_tracers_opened_again_and_again(call: Path, tmp_path: Path) -> None:
    for _ in range(WARM_UP):
        once(call, tmp_path)
    before, memory = held(), resident()
    for _ in range(TIMES):
        once(call, tmp_path)
    after = held()
    assert after[:-1] == before[:-1]
    assert after.objects - before.objects < TIMES, "less than one object of Python's for each"
    assert resident() - memory < TIMES * A_TRACER
