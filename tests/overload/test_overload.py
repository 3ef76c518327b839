"""The account adds up to the last event, whatever is too small, too slow, full, stopped or ended in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from ebpfrun import delivery
from ebpfrun.batch import Batch
from ebpfrun.output import Output
from ebpfrun.queues import DROP_NEWEST, DROP_OLDEST
from ebpfrun.tracer import Tracer

from .conftest import Caller, Run

pytestmark = [pytest.mark.root, pytest.mark.kernel]

MANY = 100_000
Start = Callable[..., AbstractContextManager[Run]]


def rows(file: Path) -> int:
    return file.read_bytes().count(b"\n")


def test_a_ring_of_one_page(start: Start, caller: Caller, tmp_path: Path) -> None:
    with start("--ring", "4KiB", "--sink", "jsonl:rows") as run:
        caller.call(MANY)
        run.end()
    account = run.account()
    assert (run.status, account["produced"], account["delivered"]) == (0, MANY, rows(tmp_path / "rows"))


def test_the_tracer_is_stopped(start: Start, caller: Caller, tmp_path: Path) -> None:
    """As by kill -STOP: the ring fills, and when the tracer goes on it says how much did not fit."""
    with start("--sink", "jsonl:rows") as run:
        caller.call(10)
        run.stop()
        caller.call(MANY)
        run.process.send_signal(signal.SIGCONT)
        run.end()
    account = run.account()
    assert (account["produced"], account["delivered"]) == (MANY + 10, rows(tmp_path / "rows"))
    assert account["full"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda n: n.name)
def test_the_end_comes_in_the_middle(start: Start, caller: Caller, tmp_path: Path, number: signal.Signals) -> None:
    with start("--sink", "jsonl:rows", "--sink", "csv:rows.csv") as run:
        caller.begin(10 * MANY)
        run.wait_until(lambda: (tmp_path / "rows").stat().st_size > 0)
        run.end(number)
    caller.wait()
    for sink, file, head in (("jsonl:rows", "rows", 0), ("csv:rows.csv", "rows.csv", 1)):
        account = run.account(sink if "  jsonl:rows: " in run.said else "")
        assert account["delivered"] == rows(tmp_path / file) - head
        assert 0 < account["produced"] <= 10 * MANY
    assert run.status == 0


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_the_disk_is_full(start: Start, caller: Caller, small: Path, tmp_path: Path) -> None:
    """One sink fails, with whole rows in its file; the other does not notice."""
    with start("--sink", f"jsonl:{small}/rows,retry=0", "--sink", "jsonl:rows") as run:
        caller.call(MANY // 10)
        run.wait_for("No space left on device; the other sinks go on")
        run.end()
    failed, other = run.account(f"jsonl:{small}/rows"), run.account("  jsonl:rows")
    assert run.status == 3
    assert (failed["produced"], failed["delivered"]) == (MANY // 10, rows(small / "rows"))
    assert failed["taken"] > 0
    assert other["delivered"] == rows(tmp_path / "rows") == MANY // 10 - other["full"]


def test_the_disk_has_room_again(start: Start, caller: Caller, small: Path) -> None:
    filler = small / "filler"
    with start("--sink", f"jsonl:{small}/rows,retry=1m") as run:
        filler.write_bytes(bytes(60 << 10))
        caller.call(200)  # about 20 KiB
        run.wait_for("No space left on device; trying again")
        filler.unlink()
        run.wait_for("works again")
        caller.call(10)
        run.end()
    assert run.status == 0
    written = (small / "rows").read_text().splitlines()
    assert [json.loads(line)["event"] for line in written] == ["call"] * run.account()["delivered"] == ["call"] * 210


class Gate:
    """A sink that takes nothing until it is opened."""

    def __init__(self, opened: bool = False) -> None:
        self.opened = threading.Event()
        self.taken = 0
        if opened:
            self.opened.set()

    def write(self, batch: Batch) -> None:
        self.opened.wait()
        self.taken += len(batch)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_losses_are_a_stream_too(start: Start, caller: Caller, tmp_path: Path) -> None:
    with start("--ring", "4KiB", "--interval", "50ms", "--sink", "jsonl:rows,losses=yes") as run:
        caller.call(MANY)
        run.wait_until(lambda: b'"losses"' in (tmp_path / "rows").read_bytes())
        run.end()
    lines = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]
    account = run.account()
    assert account["delivered"] == sum("event" in line for line in lines)
    seen = [line["losses"]["events"]["call"] for line in lines if "losses" in line]
    assert [e["produced"] for e in seen] == sorted(e["produced"] for e in seen)
    assert (seen[-1]["produced"], seen[-1]["ring_full"]) == (MANY, account["full"])
    assert all(e["produced"] >= e["ring_full"] + sum(s["delivered"] for s in e["sinks"]) for e in seen)


@pytest.mark.parametrize("policy", [DROP_NEWEST, DROP_OLDEST])
def test_a_sink_that_sleeps(artefact: Path, caller: Caller, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    """Neither the ring nor the other sink waits for it, and at the end it is given up."""
    monkeypatch.setattr(delivery, "_PATIENCE", 1.0)
    stuck, other = Gate(), Gate(opened=True)
    with Tracer(str(artefact), filters={"pid": caller.pid}, ring=16 << 20) as tracer:  # keeps all
        output = Output(tracer.records, [stuck, other], quiet=True, policy=policy)
        _observe(tracer, output, caller)
        output._deliveries[1].wait()  # with so little patience it would be given up, too, on a busy machine
        output.finish(tracer)
        (calls,) = output.account(tracer).events
    stuck.opened.set()
    slept, awake = calls.sinks
    assert calls.produced == MANY
    assert [calls.on_the_way(sink) for sink in calls.sinks] == [0, 0]
    assert (awake.delivered, awake.dropped) == (other.taken, 0)
    assert (slept.delivered, slept.given_up > 0, slept.dropped > 0) == (0, True, True)


def _observe(tracer: Tracer, output: Output, caller: Caller) -> None:
    """Until the caller has made its calls."""
    done = threading.Event()

    def call() -> None:
        try:
            caller.call(MANY)
        finally:
            done.set()
            tracer.wake()

    calling = threading.Thread(target=call)
    calling.start()
    while not done.is_set():
        if output.ready(lambda: tracer.in_a_hurry) and (batch := tracer.take(None)):
            output.batch(batch)
    calling.join()
    tracer.detach()
    while batch := tracer.take():
        output.settle()
        output.batch(batch)
