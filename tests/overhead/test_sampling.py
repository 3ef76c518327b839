"""Sampling: what one event stands for is written in it, and the account holds to the last event."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import shutil
import sqlite3
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from codegen.running import Lab, prctl
from ebpfrun import manifest
from ebpfrun.account import Counts, read_counters
from ebpfrun.decode import clock_offset
from ebpfrun.errors import ArtefactError, MachineError
from ebpfrun.metrics import Metrics, Sample
from ebpfrun.output import Output
from ebpfrun.tracer import HEAVIEST, Tracer, load_driver

pytestmark = [pytest.mark.root, pytest.mark.kernel]

BPFTOOL = os.environ["PATH"] + ":/usr/sbin"
EVENTS = """
events:
  call: {fields: {n: u64, name: string(16)}}
  late: {fields: {n: u64}}
metrics:
  calls: {kind: counter, help: x, labels: {odd: bool}}
  sums: {kind: counter, help: x}
  sizes: {kind: histogram, help: x}
  last: {kind: gauge, help: x}
maps:
  seen: {type: hash, max_entries: 10000, key: u64, value: u64}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    let: {n: args.arg2}
    do:
      - {set: "seen[n]", to: 1}
      - {emit: call, with: {name: '"x"'}}
      - {count: calls, by: {odd: (n & 1) == 1}}
      - {sum: sums, of: n}
      - {observe: sizes, of: n}
      - {set: last, to: (i64)n}
      - {if: n >= 500, emit: late}
"""
METRICS_ONLY = """
metrics:
  calls: {kind: counter, help: x}
spans:
  s:
    start: tracepoint:syscalls:sys_enter_prctl
    end: tracepoint:syscalls:sys_exit_prctl
    keep: {option: args.option}
    where: option == 0x7f00
    count: calls
"""
CALLS = 1000


class Sampled:
    """What a run left: rows (field → value), metrics, counters, entries of the map."""

    def __init__(self, artefact: Path, weights: list[int], calls: int = CALLS) -> None:
        known = manifest.weighted(manifest.read(str(artefact)))
        self.rows: list[dict[str, object]] = []
        with Tracer(known, filters={"pid": os.getpid()}, sampling=True) as tracer:
            assert tracer.samples
            for i, weight in enumerate(weights):
                tracer.sample(weight)
                for n in range(i * calls, (i + 1) * calls):
                    prctl(n)
            tracer.detach()
            while known.events and (batch := tracer.take()):
                with batch:
                    self.rows += batch.rows()
                    for name in batch.events:
                        assert batch.columns(name)["weight"].tolist() == [r["weight"] for r in batch.rows(name)]
            self.counts: Counts = read_counters(known, tracer)
            readings = Metrics(known, 0).totals(tracer)
            self.metrics: dict[str, list[Sample]] = {r.metric.name: r.samples for r in readings}
            self.kept = sum(len(tracer.dump(m.name)) for m in known.maps)


def test_the_account_holds_and_each_event_says_what_it_stands_for(lab: Lab) -> None:
    run = Sampled(lab.build(EVENTS), [8])
    for event, calls in (("call", CALLS), ("late", CALLS - 500)):
        delivered = [row for row in run.rows if row["event"] == event]
        assert {row["weight"] for row in delivered} == {8}
        assert run.counts["produced", event] == calls, "of all calls, whatever is sampled"
        assert run.counts["sampled", event] == calls - len(delivered)
        assert 0 < len(delivered) < calls / 2, "odds of 1 in 10^60 and more against a failure"
    assert run.kept == CALLS, "state is never sampled"
    (last,) = run.metrics["last"]
    assert last.value == CALLS - 1, "nor is a gauge"


def test_metrics_count_by_weight(lab: Lab) -> None:
    """One decision for a whole run of the probe: the metrics must be what the events that came with them say."""
    run = Sampled(lab.build(EVENTS), [1, 4, 32])
    calls = [row for row in run.rows if row["event"] == "call"]
    assert {row["weight"] for row in calls} == {1, 4, 32}
    by_parity: Counter[bool] = Counter()
    for row in calls:
        n, weight = row["n"], row["weight"]
        assert isinstance(n, int) and isinstance(weight, int)
        by_parity[n % 2 == 1] += weight
    total = sum(int(str(row["n"])) * int(str(row["weight"])) for row in calls)
    assert {sample.labels[0]: sample.value for sample in run.metrics["calls"]} == by_parity
    (sums,), (sizes,) = run.metrics["sums"], run.metrics["sizes"]
    assert sums.value == sizes.value == total
    assert sizes.observations == sum(sizes.slots) == by_parity.total()


def test_spans_that_only_count(lab: Lab) -> None:
    run = Sampled(lab.build(METRICS_ONLY), [1, HEAVIEST], 500)
    (calls,) = run.metrics["calls"]
    assert calls.value % HEAVIEST == 500
    assert run.counts.get(("unpaired", "s"), 0) == 0, "starts are kept, whatever is sampled"


def test_every_event_counts_once_without_sampling(lab: Lab) -> None:
    run = Sampled(lab.build(EVENTS), [1])
    assert [row["n"] for row in run.rows if row["event"] == "call"] == list(range(CALLS))
    assert run.counts["sampled", "call"] == 0


@pytest.mark.parametrize("weight", [0, 3, HEAVIEST * 2])
def test_weights_are_powers_of_two(lab: Lab, weight: int) -> None:
    known = manifest.read(str(lab.build(METRICS_ONLY)))
    with Tracer(known, sampling=True) as tracer, pytest.raises(ValueError, match="power of two"):
        tracer.sample(weight)


def test_a_field_of_that_name_stands_in_the_way(lab: Lab) -> None:
    known = manifest.read(
        str(
            lab.build(
                EVENTS.replace("late: {fields: {n: u64}}", "late: {fields: {weight: u64}}").replace(
                    "emit: late}", "emit: late, with: {weight: 1}}"
                )
            )
        )
    )
    with pytest.raises(ArtefactError, match="event late has a field 'weight', a name that sampling needs"):
        manifest.weighted(known)


def test_the_kernel_times_programs_only_while_it_is_asked_to(lab: Lab) -> None:
    setting = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = setting.read_text()
    with Tracer(manifest.read(str(lab.build(METRICS_ONLY)))) as tracer:
        tracer.measure()
        for _ in range(10):
            prctl(1)
        runs = {program.name: runs for program, runs, ns, _ in tracer.stats() if ns}
        assert all(count >= 10 for count in runs.values()) and len(runs) == 2
        assert setting.read_text() == before


@pytest.mark.parametrize("sink", ["jsonl", "csv", "text", "table", "parquet", "sqlite", "duckdb", "arrow"])
def test_every_sink_has_the_weight(lab: Lab, sink: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same figure in all: what the weights of the events sum up to."""
    artefact = lab.build(EVENTS.replace("late: {fields: {n: u64}}", "late: {fields: {n: u64, comm: comm}}"))
    known = manifest.weighted(manifest.read(str(artefact)))
    driver = load_driver(known)
    records = driver.records(known, clock_offset())
    target = tmp_path / "all.out" if sink in ("jsonl", "text", "table") else tmp_path / "{}.out"
    try:
        output = Output(records, [f"{sink}:{target if sink not in ('sqlite', 'duckdb') else tmp_path / 'all.db'}"], quiet=True)
    except MachineError as error:
        pytest.skip(str(error))
    with Tracer(known, filters={"pid": os.getpid()}, driver=driver, records=records, sampling=True) as tracer:
        tracer.sample(16)
        for n in range(CALLS):
            prctl(n)
        tracer.detach()
        while batch := tracer.take():
            output.batch(batch)
        output.finish(tracer)
        (call, _) = output.account(tracer).events
    assert call.produced == CALLS == call.sampled + call.sinks[0].delivered
    assert _sum_of_weights(sink, tmp_path) == 16 * call.sinks[0].delivered


def _sum_of_weights(sink: str, folder: Path) -> int:
    """Of the events ``call``."""
    if sink == "jsonl":
        objects = [json.loads(line) for line in (folder / "all.out").read_text().splitlines()]
        return sum(row["weight"] for row in objects if row.get("event") == "call")
    if sink == "csv":
        rows = csv.DictReader((folder / "call.out").read_text().splitlines())
        return sum(int(row["weight"]) for row in rows)
    if sink in ("text", "table"):
        lines = (folder / "all.out").read_text().splitlines()
        found = [line.split() for line in lines if re.search(r"(^|\s)call\s", line)]
        return sum(int(words[-1].removeprefix("weight=")) for words in found)
    if sink == "sqlite":
        with contextlib.closing(sqlite3.connect(folder / "all.db")) as database:
            return int(database.execute("select sum(weight) from call").fetchone()[0])
    if sink == "duckdb":
        duckdb = pytest.importorskip("duckdb")
        with contextlib.closing(duckdb.connect(str(folder / "all.db"))) as database:
            return int(database.execute("select sum(weight) from call").fetchone()[0])
    pyarrow = pytest.importorskip("pyarrow")
    if sink == "parquet":
        table = pytest.importorskip("pyarrow.parquet").read_table(folder / "call.out")
    else:
        with pyarrow.ipc.open_stream(str(folder / "call.out")) as stream:
            table = stream.read_all()
    return int(sum(table.column("weight").to_pylist()))


@pytest.mark.skipif(not shutil.which("bpftool", path=BPFTOOL), reason="bpftool is not installed")
def test_nothing_of_it_is_in_the_kernel_without_a_budget(lab: Lab) -> None:
    """The verifier removes what the switch leaves out."""
    own = f"s{os.getpid()}"
    spec = EVENTS.replace("  - on: tracepoint:syscalls", f"  - name: {own}\n    on: tracepoint:syscalls")
    known = manifest.read(str(lab.build(spec)))
    (program,) = known.programs
    calls = {}
    for sampling in (False, True):
        with Tracer(known, sampling=sampling):
            command = ["bpftool", "prog", "dump", "xlated", "name", program.name]
            text = subprocess.run(command, env={"PATH": BPFTOOL}, capture_output=True, text=True, check=True).stdout
            instructions = [line for line in text.splitlines() if not line.startswith(";")]
            calls[sampling] = [line for line in instructions if "rnd_u32" in line or "prandom" in line]
    assert calls[False] == []
    assert len(calls[True]) == 1
