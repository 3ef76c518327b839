"""Batches from Python programs: for, async for, and the example notebook."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ebpfrun import tracer as tracing
from ebpfrun.decode import clock_offset
from ebpfrun.errors import ClosedError
from ebpfrun.tracer import Tracer
from robustness.commands import wait_until

from .conftest import ROOT, one
from .test_tracer import Child

pytestmark = [pytest.mark.root, pytest.mark.kernel]

Make = Callable[..., Path]
EBPFGEN = str(Path(sys.executable).with_name("ebpfgen"))
EXECUTE = """
import nbclient, nbformat, sys
notebook = nbformat.read("net.ipynb", as_version=4)
nbclient.NotebookClient(notebook, timeout=120).execute()
print(notebook.cells[-1].outputs[0]["text"], end="")
"""


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


@pytest.fixture
def tracer(artefact: Make, child: Child) -> Iterator[Tracer]:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}, ring=1 << 20) as tracer:
        yield tracer


def test_for_gives_every_event_until_it_is_stopped(tracer: Tracer, child: Child) -> None:
    batches = tracer.batches()

    def work() -> None:
        child.call(5000)
        batches.stop()

    working = threading.Thread(target=work)
    working.start()
    numbers: list[int] = []
    for batch in batches:
        numbers += batch.columns("call")["number"].tolist()
    working.join()
    assert numbers == list(range(7, 5007))
    (calls,) = tracer.account().events
    assert (calls.produced, calls.sinks[0].delivered, calls.on_the_way(calls.sinks[0])) == (5000, 5000, 0)
    assert not tracer.observing


def test_a_batch_is_over_when_the_next_is_asked_for(tracer: Tracer, child: Child) -> None:
    batches = tracer.batches()
    child.call(1)
    first = next(batches)
    kept = first.copy()
    child.call(1)
    second = next(batches)
    with pytest.raises(ClosedError):
        first.rows().__next__()
    assert [row["number"] for row in (*kept.rows(), *second.rows())] == [7, 8]


def test_it_ends_by_itself(tracer: Tracer, child: Child) -> None:
    child.call(3)
    assert sum(len(batch) for batch in tracer.batches(duration=0.001)) == 3


def test_it_ends_when_it_is_said_to(tracer: Tracer, child: Child) -> None:
    found = 0

    def enough() -> bool:
        return found >= 10

    child.call(4)
    for batch in tracer.batches(until=enough):
        found += len(batch)
        child.call(4)
    assert found >= 10


def test_async_for_lets_others_go_on(tracer: Tracer, child: Child) -> None:
    async def main() -> tuple[int, bool]:
        batches = tracer.batches()

        async def work() -> None:
            for _ in range(10):
                await asyncio.to_thread(child.call, 10)
            batches.stop()

        working = asyncio.create_task(work())
        found = 0
        async for batch in batches:
            found += len(batch)
        return found, working.done()

    assert asyncio.run(main()) == (100, True)


def test_a_cancelled_wait_loses_nothing(tracer: Tracer, child: Child) -> None:
    async def main() -> int:
        batches = tracer.batches()
        for _ in range(3):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(batches), 0.001)
        child.call(5)
        found = 0
        while found < 5:  # in one batch, or in more where the machine is busy
            found += len(await anext(batches))
        return found

    assert asyncio.run(main()) == 5


def test_what_a_cancelled_wait_would_have_got_is_for_the_next_who_asks(tracer: Tracer, child: Child) -> None:
    """Be it by ``for``, when asyncio is over; which then goes on to its end."""
    batches = tracer.batches()

    async def main() -> None:
        for before in range(3):
            waiting = asyncio.ensure_future(anext(batches))
            await asyncio.sleep(0)  # it has asked
            if before:
                child.call(1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting

    asyncio.run(main())
    child.call(5)
    batches.stop()
    assert sum(len(batch) for batch in batches) == 7
    assert not tracer.observing


def test_a_cancelled_loop_leaves_nobody_waiting(tracer: Tracer, child: Child) -> None:
    """Else asyncio would wait for its thread at the end, for ever: here the tracer is open until then."""

    async def main() -> None:
        async def read() -> None:
            async for _ in tracer.batches():
                begun.set()

        begun = asyncio.Event()
        reading = asyncio.create_task(read())
        child.call(1)
        await begun.wait()
        await asyncio.sleep(0)  # it asks for the next one
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading

    asyncio.run(main())
    assert tracer.observing


@pytest.mark.parametrize("order", [None, 0.001])
def test_closed_by_another_thread_than_waits(artefact: Make, order: float | None) -> None:
    tracer = Tracer(str(artefact(one("on_getppid"))), filters={"pid": 1}, order=order)
    tracer.open()
    told: list[Exception] = []

    def wait() -> None:
        try:
            while True:
                tracer.take(None)
        except ClosedError as e:
            told.append(e)

    waiting = threading.Thread(target=wait)
    waiting.start()
    asleep = Path(f"/proc/self/task/{waiting.native_id}/wchan")
    wait_until(lambda: "poll" in asleep.read_text(), "the thread waits for records")
    tracer.close()
    waiting.join(60)
    assert len(told) == 1


class SlowDump:
    """A driver's library in which a dump lasts until ``go_on``; ``done`` tells in which order."""

    def __init__(self, lib: Any) -> None:
        self.lib = lib
        self.inside, self.go_on = threading.Event(), threading.Event()
        self.done: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.lib, name)

    def er_map_dump(self, *args: Any) -> Any:
        self.inside.set()
        assert self.go_on.wait(60)
        self.done.append("dump")
        return self.lib.er_map_dump(*args)

    def er_close(self, *args: Any) -> Any:
        self.done.append("close")
        return self.lib.er_close(*args)


def test_closed_while_another_thread_reads_a_map(artefact: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it reads is there until it has."""
    tracer = Tracer(str(artefact(one("on_getppid"))), filters={"pid": 1})
    tracer.open()
    driver = tracer._driver
    assert driver
    slow = SlowDump(driver.lib)
    monkeypatch.setattr(driver, "lib", slow)
    with ThreadPoolExecutor() as executor:
        reading = executor.submit(tracer.dump, "calls")
        assert slow.inside.wait(60)
        closing = threading.Thread(target=tracer.close)
        closing.start()
        asleep = Path(f"/proc/self/task/{closing.native_id}/wchan")
        wait_until(lambda: not closing.is_alive() or "futex" in asleep.read_text(), "the other thread closes it, or waits")
        slow.go_on.set()
        closing.join(60)
        reading.result(60)
    assert slow.done == ["dump", "close"]
    with pytest.raises(ClosedError):
        tracer.missed()


def test_a_record_that_comes_with_a_wake_is_not_waited_for(tracer: Tracer, child: Child) -> None:
    child.call(5)
    tracer.wake()
    assert tracer.take(None) is None
    with ThreadPoolExecutor() as executor:
        taking = executor.submit(tracer.take, None)
        try:
            batch = taking.result(timeout=30)
        finally:
            tracer.wake()
        assert batch is not None and len(batch) == 5
        batch.release()


def test_times_follow_the_clock_when_it_is_set(artefact: Make, child: Child, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a machine slept: its clock has gone on, the kernel's has not."""
    hour, said = 3600 * 10**9, []
    monkeypatch.setattr(tracing, "_CLOCK_LOOK", 0.0)

    def noted(text: str, always: bool) -> None:
        if always:
            said.append(text)

    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}, notice=noted) as tracer:
        times = []
        for ahead in (0, hour, hour):
            monkeypatch.setattr(tracing, "clock_offset", lambda ahead=ahead: clock_offset() + ahead)
            child.call(1)
            batch = tracer.take()
            assert batch is not None
            with batch:
                times += [row["time"] for row in batch.rows()]
    assert hour <= times[1] - times[0] < hour + 600 * 10**9
    assert times[1] < times[2] < times[1] + 600 * 10**9
    assert len(said) == 1
    assert said[0].startswith("the clock was set by +3600.0")


@pytest.mark.slow
def test_the_example_notebook(tmp_path: Path) -> None:
    shutil.copy(ROOT / "examples" / "net.ipynb", tmp_path)
    done = subprocess.run([EBPFGEN, "build", ROOT / "specs" / "net.yaml", "--out", tmp_path / "build"], capture_output=True)
    assert done.returncode == 0, done.stderr
    executed = subprocess.run([sys.executable, "-c", EXECUTE], cwd=tmp_path, capture_output=True, text=True)
    assert executed.stdout == "20 connections sent 200000 bytes\n", executed.stderr


def test_the_example_notebook_is_kept_without_outputs() -> None:
    cells = json.loads((ROOT / "examples" / "net.ipynb").read_text())["cells"]
    assert not any(cell.get("outputs") for cell in cells)
