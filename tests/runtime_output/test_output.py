"""Batches to sinks, failures, and the account."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfrun.errors import UsageError
from ebpfrun.output import Output
from ebpfrun.records import Records
from ebpfrun.sinks import Batch, SinkError
from ebpfrun.sinks.memory import Memory
from properties import examples

from .conftest import LATENCY, OPENS, Maps, exec_record, latency_entry, manifest, open_record, opens_entry


def output(sinks: list[Any], **more: Any) -> tuple[Output, io.StringIO, io.StringIO]:
    out, err = io.StringIO(), io.StringIO()
    metrics = more.pop("metrics", ())
    return Output(Records(manifest(metrics=metrics), 10**18), sinks, stdout=out, stderr=err, **more), out, err


def send(into: Output, *records: bytes) -> None:
    """Hands on a batch, and waits until every sink has it or lost it."""
    into.batch(Records(manifest(), 10**18).batch(b"".join(records)))
    into.wait()


def test_events_arrive_decoded_and_the_account_balances() -> None:
    into, out, err = output(["jsonl"])
    send(into, open_record(pid=1), open_record(pid=2, path=b"x", marks=1))
    send(into, exec_record())
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["open", "open", "exec"]
    into.finish(Maps().count(produced_open=5, ring_full_open=3, produced_exec=1, truncated_openpath=1))
    lines = err.getvalue().splitlines()
    assert lines[0].startswith("demo: ran for ")
    assert lines[1:] == [
        "  open: 5 produced = 2 delivered + 3 lost in the full ring buffer",
        "  exec: 1 produced = 1 delivered",
        "    (a larger ring (--ring, or `ring` in the spec), a narrower filter or a faster sink would keep them)",
        "  open.path: 1 cut, because longer than the field",
    ]


def test_every_other_loss_has_its_words() -> None:
    into, _, err = output(["jsonl"])
    into.finish(Maps().count(map_full_latency=3, absent_conns=4, unpaired_open=5, faulted_openpath=6))
    assert err.getvalue().splitlines()[1:] == [
        "  open: 0 produced = 0 delivered",
        "  exec: 0 produced = 0 delivered",
        "  latency: 3 not stored, because there was no room (max_entries)",
        "  conns: 4 look-ups of entries that were not there",
        "  open: 5 ends without a start (begun before the tracer, or filtered)",
        "  open.path: 6 unreadable (not in memory, or a bad pointer)",
    ]


def test_hits_that_the_kernel_missed_are_told() -> None:
    class Missing(Maps):
        def other_counts(self) -> dict[tuple[str, str], int]:
            return {("missed", "kretprobe:vfs_read"): 3, ("missed", "kprobe:vfs_read"): 0, ("late", "open"): 2}

    into, _, err = output(["jsonl"])
    into.finish(Missing().count())
    assert err.getvalue().splitlines()[3:] == [
        "  kretprobe:vfs_read: 3 hits missed, because the kernel could not run the program there",
        "  open: 2 came later than --order waits, and are out of order",
    ]


@pytest.mark.parametrize(
    ("produced", "words"), [(4, "2 of them are unaccounted for"), (1, "1 more than were produced")], ids=["too few", "too many"]
)
def test_an_account_that_does_not_balance_says_so(produced: int, words: str) -> None:
    into, _, err = output(["jsonl"])
    send(into, open_record(), open_record())
    into.finish(Maps().count(produced_open=produced))
    assert f"THE ACCOUNT OF open DOES NOT BALANCE: {words}." in err.getvalue()


def over(into: Output) -> bool:
    return into.done


def descriptors() -> set[str]:
    return {fd.name for fd in Path("/proc/self/fd").iterdir()}


class Fails:
    """Takes so many batches, then fails."""

    def __init__(self, after: int) -> None:
        self.left = after
        self.closed = 0

    def write(self, _batch: Batch) -> None:
        self.left -= 1
        if self.left < 0:
            raise SinkError("fails", "here", OSError(9, "Input file descriptor is bad"))

    def flush(self) -> None:
        pass

    def close(self) -> None:
        self.closed += 1


SMALL = st.integers(0, 7)


@examples()
@given(st.lists(st.integers(0, 4), max_size=6), SMALL, SMALL, st.integers(0, 3), st.none() | st.integers(0, 15))
def test_the_account_balances_whatever_fails(
    batches: list[int], first: int, second: int, ring_full: int, count: int | None
) -> None:
    into, _, err = output([Fails(first), Fails(second)], count=count)
    for records in batches:
        send(into, *[open_record()] * records)
    tracer = Maps().count(produced_open=sum(batches) + ring_full, ring_full_open=ring_full)
    with suppress(SinkError):
        into.finish(tracer)
    assert "DOES NOT BALANCE" not in err.getvalue()
    opens = into.account(tracer).events[0]
    assert opens.produced == sum(batches) + ring_full
    assert [opens.on_the_way(sink) for sink in opens.sinks] == [0, 0]
    assert all(sink.delivered <= (sum(batches) if count is None else min(count, sum(batches))) for sink in opens.sinks)


def test_a_failing_sink_is_closed_and_the_others_go_on() -> None:
    fails, memory = Fails(1), Memory()
    into, _, err = output([fails, memory])
    for _ in range(3):
        send(into, open_record())
    assert (fails.closed, len(memory.events), into.done) == (1, 3, False)
    assert err.getvalue() == "ebpfrun: sink fails: here: Input file descriptor is bad; the other sinks go on\n"
    with pytest.raises(SinkError, match="descriptor is bad"):
        into.finish(Maps().count(produced_open=3))
    assert err.getvalue().splitlines()[2:5] == [
        "  open: 3 produced",
        "    fails: 1 delivered + 2 not taken by the sink",
        "    memory: 3 delivered",
    ]
    assert (memory.closed, fails.closed) == (True, 1)


def test_each_failure_is_told_once() -> None:
    into, _, err = output([Fails(0), Fails(1), Memory()])
    for _ in range(3):
        send(into, open_record())
    assert err.getvalue().count("the other sinks go on") == 1  # both are called the same
    into.close()


def test_a_recording_without_its_end_has_no_account() -> None:
    into, out, err = output(["jsonl:-,losses=yes"])
    send(into, open_record(), open_record())
    into.finish_replay(None)
    assert len(out.getvalue().splitlines()) == 2
    assert err.getvalue().splitlines()[1:] == ["  open: 2 replayed", "  exec: 0 replayed"]


def test_without_a_sink_left_it_is_done() -> None:
    into, _, err = output(["jsonl:/dev/full,retry=0"])
    assert not over(into)
    send(into, open_record())
    assert over(into)
    assert err.getvalue() == ""
    with pytest.raises(SinkError, match="sink jsonl: /dev/full: No space left on device"):
        into.finish(Maps().count(produced_open=1))


def test_a_reader_that_left_ends_the_run_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    err = io.StringIO()
    with os.fdopen(writing, "w") as stdout:
        into = Output(Records(manifest(), 10**18), ["jsonl"], quiet=True, stdout=stdout, stderr=err)
        send(into, open_record())
        assert over(into)
        into.finish(Maps().count(produced_open=1))
    assert err.getvalue() == ""


def test_count_is_exact() -> None:
    into, out, err = output(["jsonl"], count=3)
    send(into, open_record(), open_record())
    assert not over(into)
    send(into, exec_record(), open_record(), exec_record())
    assert over(into)
    assert len(out.getvalue().splitlines()) == 3
    into.finish(Maps().count(produced_open=3, produced_exec=2))
    assert "open: 3 produced = 2 delivered + 1 beyond --count" in err.getvalue()
    assert "exec: 2 produced = 1 delivered + 1 beyond --count" in err.getvalue()


def test_readings_that_a_sink_did_not_take_are_told() -> None:
    into, _, err = output([Fails(0)], metrics=[OPENS], interval=1.0)
    tracer = Maps(opens=[opens_entry(1, b"a", 3)]).count()
    into.tick(tracer)
    with suppress(SinkError):
        into.finish(tracer)
    assert "  fails: 2 readings of metrics not written" in err.getvalue().splitlines()


def test_metrics_per_interval_and_at_the_end() -> None:
    into, out, _ = output(["jsonl"], metrics=[OPENS, LATENCY], interval=1.0, quiet=True)
    tracer = Maps(opens=[opens_entry(1, b"a", 3)], latency=[latency_entry(0, (5, {2: 1}))])
    into.tick(tracer)
    into.wait()
    tracer.maps["opens"] = [opens_entry(1, b"a", 5)]
    into.tick(tracer)
    into.finish(tracer.count())
    rows = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(row["metric"], row.get("value", row.get("count")), row["seconds"] is None) for row in rows] == [
        ("opens", 3, False), ("latency", 1, False), ("opens", 2, False), ("opens", 5, True), ("latency", 1, True),
    ]  # fmt: skip


def test_time_counts_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    into, out, err = output(["jsonl"], metrics=[OPENS], interval=1.0)
    now[0] += 7
    into.begin()
    tracer = Maps(opens=[opens_entry(1, b"a", 3)]).count()
    now[0] += 1.5
    into.tick(tracer)
    now[0] += 0.5
    into.finish(tracer)
    assert json.loads(out.getvalue().splitlines()[0])["seconds"] == 1.5
    assert err.getvalue().startswith("demo: ran for 2.00 s\n")


def test_quiet_says_nothing_and_text_is_the_default_without_a_terminal() -> None:
    into, out, err = output([], quiet=True)
    send(into, exec_record())
    into.finish(Maps().count())
    assert (out.getvalue(), err.getvalue()) == ('exec argv="ls -l" from=127.0.0.1\n', "")


def test_two_sinks_for_one_target_are_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    before = descriptors()
    with pytest.raises(UsageError, match="2 sinks would write to the standard output"):
        output(["jsonl", "text:-"])
    with pytest.raises(UsageError, match=r"2 sinks would write to .*/a; give each its own target"):
        output([f"jsonl:{tmp_path}/a", f"text:{tmp_path}/../{tmp_path.name}/a"])
    assert not (tmp_path / "a").exists()
    with pytest.raises(SinkError, match="No such file"):
        output([f"jsonl:{tmp_path}/a", f"jsonl:{tmp_path}/b/c"])
    assert descriptors() == before


def test_two_sinks_get_the_same(tmp_path: Path) -> None:
    memory = Memory()
    into, out, _ = output(["text", f"jsonl:{tmp_path}/x.jsonl", memory])
    send(into, open_record(), exec_record())
    assert len(out.getvalue().splitlines()) == len((tmp_path / "x.jsonl").read_text().splitlines()) == len(memory.events) == 2
    into.close()
