"""Batches as Arrow: types survive, and values are those that the decoder gives."""

from __future__ import annotations

import datetime
import struct
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

from ebpfrun import arrow, door
from ebpfrun.decode import TRUNCATED, UNREADABLE, marked, word
from ebpfrun.errors import MachineError, UsageError
from ebpfrun.manifest import Event, Slot
from ebpfrun.metrics import Metrics
from ebpfrun.names import Names
from ebpfrun.records import Records
from ebpfrun.render import plain
from properties import examples

from .conftest import LATENCY, OPENS, TABLES, Library, Maps, latency_entry, manifest, open_record, opens_entry
from .test_lines import NAMES, OFFSET, batches, lay_out

STORED = frozenset(("timestamp", "duration", "result", "hex", "argv", "string", "bool"))
"""Types whose Arrow values are the decoder's, without a name."""


def wanted(type: str, value: Any) -> Any:
    if word(type) == "duration" and value >= 2**63:  # 292 years: Arrow's have a sign
        return value - 2**64
    if word(type) in STORED:
        return value
    name = plain(type, NAMES)
    if word(type) == "comm":
        return value
    return value if name is None else str(name(value))


def values(array: Any) -> list[Any]:
    """Times as numbers of ns."""
    if pa.types.is_timestamp(array.type) or pa.types.is_duration(array.type):
        return [v.value for v in array]
    return list(array.to_pylist())


@pytest.mark.parametrize("fast", [True, False])
@examples(200)
@given(made=batches())
def test_values(fast: bool, driver: Library, made: tuple[list[Event], bytes]) -> None:
    events, data = made
    loops = door.DriverLoops(driver, {}) if fast else None
    batch = Records(manifest(events), OFFSET, NAMES).batch(data)
    quick = Records(manifest(events), OFFSET, NAMES, loops)
    batch._records = quick
    for event in events:
        found = arrow.record_batch(batch, event)
        found.validate(full=True)
        runs = [run for run in batch.runs if run.event is event]
        for i, slot in enumerate(event.fields):
            assert values(found.column(slot.name)) == [wanted(slot.type, v) for run in runs for v in run.columns[i]]
        if arrow.can_be_marked(event):
            marks = [m for run in runs for m in run.marks]
            for name, which in (("truncated", TRUNCATED), ("unreadable", UNREADABLE)):
                assert found.column(name).to_pylist() == [marked(event, m, which) or None for m in marks]


def test_types() -> None:
    types = {
        "timestamp": pa.timestamp("ns", "UTC"), "duration": pa.duration("ns"), "pid": pa.uint32(), "port": pa.uint16(),
        "u8": pa.uint8(), "i64": pa.int64(), "bytes": pa.uint64(), "hex": pa.uint64(), "result": pa.int64(), "bool": pa.bool_(),
        "string(16)": pa.string(), "argv(24)": pa.list_(pa.string()),
        **dict.fromkeys(("errno", "signal", "syscall", "enum:color", "flags:open", "protocol", "ip", "mac", "dev_t", "comm", "cgroup"),
                        pa.dictionary(pa.int32(), pa.string())),
    }  # fmt: skip
    schema = arrow.schema(lay_out(list(types), True))
    assert schema.types == [*types.values(), pa.list_(pa.string()), pa.list_(pa.string())]
    assert [f.metadata[b"ebpf.type"].decode() for f in list(schema)[: len(types)]] == list(types)
    assert [f.nullable for f in schema] == [*[False] * len(types), True, True], "to write nulls costs, even where there are none"


def test_a_column_that_is_ours() -> None:
    event = Event(0, "e", "", 24, (Slot("truncated", "string(16)", 8, 16, 0),))
    with pytest.raises(UsageError, match="a column of its own"):
        arrow.schema(event)


def test_times_are_times() -> None:
    batch = Records(manifest(), 10**18).batch(open_record(time=1500, latency=2500))
    (row,) = batch.to_pandas("open").to_dict("records")
    assert (row["time"].isoformat(), row["latency"].value) == ("2001-09-09T01:46:40.000001500+00:00", 2500)
    assert datetime.timedelta(microseconds=2) < row["latency"]
    table = batch.to_arrow("open")
    frame = batch.to_polars("open")
    batch.release()
    assert table.column("comm").to_pylist() == frame["comm"].to_list() == ["cat"]
    assert str(frame.schema["time"]) == "Datetime(time_unit='ns', time_zone='UTC')"
    assert str(frame.schema["latency"]) == "Duration(time_unit='ns')"


def metrics() -> Mapping[str, Any]:
    maps = Maps(latency=[latency_entry(0, (7, {0: 1, 2: 1}), (0, {63: 2}))], opens=[opens_entry(7, b"cat", 1, 2)])
    readings = Metrics(manifest(metrics=[LATENCY, OPENS]), 0).totals(maps)
    return {r.metric.name: arrow.metric_batch(r, Names(TABLES)) for r in readings}


def test_metrics() -> None:
    found = metrics()
    (latency,) = found["latency"].drop_columns(["time"]).to_pylist()
    buckets = [{"low": 0.0, "high": 2.0, "n": 1}, {"low": 4.0, "high": 8.0, "n": 1}, {"low": 2.0**63, "high": 2.0**64, "n": 2}]
    assert latency == {"seconds": None, "syscall": "read", "count": 4, "sum": 7, "buckets": buckets}
    assert found["opens"].drop_columns(["time"]).to_pylist() == [{"seconds": None, "pid": 7, "comm": "cat", "value": 3}]


@pytest.mark.parametrize("sink", ["parquet", "arrow", "duckdb"])
def test_pandas_is_not_imported(sink: str, tmp_path: Path) -> None:
    code = (
        "import sys; from ebpfrun.metrics import Reading, Sample; from ebpfrun.sinks import open_sink;"
        "from ebpfrun.sinks.conformance import batch, context, names, numbers;"
        f"sink = open_sink({f'{sink}:{tmp_path}/' + ('x' if sink == 'duckdb' else '')!r}, context());"
        "reading = Reading(context().manifest.metrics[0], 0, 1.0, [Sample((), 5)]);"
        "sink.write(batch(names('a', 'b', marks=1), numbers(1), readings=[reading])); sink.close(); print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")


def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MachineError, match=r"pip install 'ebpfgen\[parquet\]'"):
        arrow.library()


def test_little_is_asked_of_python_for_what_repeats(driver: Library) -> None:
    """A name is made once for all rows that have it."""
    event = lay_out(["syscall"], False)
    data = b"".join(struct.pack("=IIIIq", 16, 0, event.id, 0, i % 3) for i in range(3000))
    records = Records(manifest([event]), 0, NAMES)
    records.loops = door.DriverLoops(driver, {})
    column = arrow.record_batch(_batch(records, data, event, 3000), event).column("f0")
    assert column.dictionary.to_pylist() == ["read", "write", "2"]
    assert column.indices.to_pylist() == [0, 1, 2] * 1000


def _batch(records: Records, data: bytes, event: Event, count: int) -> Any:
    from ebpfrun.batch import Batch, Loan

    return Batch(records, Loan(memoryview(data)), len(data), {event.id: count})
