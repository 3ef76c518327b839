"""Sinks of tables: what is particular to each, and disks that fill."""

from __future__ import annotations

import csv
import json
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given

from ebpfrun import door
from ebpfrun.account import Account, EventAccount, SinkAccount
from ebpfrun.decode import word
from ebpfrun.delivery import Delivery, Settings
from ebpfrun.errors import MachineError, UsageError
from ebpfrun.manifest import Event, Manifest
from ebpfrun.metrics import Metrics
from ebpfrun.names import Names
from ebpfrun.records import Records
from ebpfrun.render import plain
from ebpfrun.sinks import Context, Sink, SinkError, gather, open_sink
from ebpfrun.sinks.conformance import batch, context, names
from ebpfrun.sinks.sqlite import _Rows
from ebpfrun.sinks.words import parse
from properties import examples

from .conftest import LATENCY, OPEN, OPENS, Library, Maps, exec_record, latency_entry, manifest, open_record, opens_entry
from .test_lines import NAMES, batches, lay_out

SINKS = ("parquet:{}/", "arrow:{}/", "sqlite:{}/out.db", "duckdb:{}/out.duckdb")
BOTH = manifest(metrics=[LATENCY, OPENS])
OFFSET = 10**18


def opened(words: str, of: Manifest = BOTH) -> Sink:
    return open_sink(words, Context(of, Names(of.tables), None))


def fill(sink: Sink, of: Manifest = BOTH) -> None:
    """Two events of either type, and a reading of each metric."""
    records = Records(of, OFFSET)
    data = open_record(time=1500, latency=2500, result=-2, marks=1) + exec_record() + open_record(flags=0o101) + exec_record(b"ls\0a b\0")
    maps = Maps(latency=[latency_entry(0, (7, {0: 1, 2: 1}), (0, {63: 2}))], opens=[opens_entry(7, b"cat", 1, 2)])
    sink.write(records.batch(data, Metrics(of, 0).totals(maps)))
    sink.close()


def sqlite_rows(file: Path, query: str) -> list[Any]:
    db = sqlite3.connect(file)
    try:
        return db.execute(query).fetchall()
    finally:
        db.close()


def duckdb_rows(file: Path, query: str) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as db:
        return db.execute(query).fetchall()


def test_parquet(tmp_path: Path) -> None:
    fill(opened(f"parquet:{tmp_path}/out/"))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["exec.parquet", "latency.metric.parquet", "open.parquet", "opens.metric.parquet"]
    table = pq.read_table(tmp_path / "out/open.parquet")
    assert table.schema.field("latency").type == pa.duration("ns")
    assert table.schema.field("flags").type == pa.dictionary(pa.int32(), pa.string())
    assert table.column("flags").to_pylist() == ["O_RDONLY|O_CLOEXEC", "O_WRONLY|O_CREAT"]
    assert table.column("truncated").to_pylist() == [["path"], None]
    assert [v.value for v in table.column("latency")] == [2500, 1234567]
    (row,) = pq.read_table(tmp_path / "out/opens.metric.parquet").to_pylist()
    assert (row["pid"], row["comm"], row["value"], row["seconds"]) == (7, "cat", 3, None)
    assert pq.read_table(tmp_path / "out/exec.parquet").column("argv").to_pylist() == [["ls", "-l"], ["ls", "a b"]]


def test_parquet_rotates(tmp_path: Path) -> None:
    one = manifest([OPEN])
    sink = opened(f"parquet:{tmp_path}/out.parquet,rotate=4kB,compress=none", one)
    records = Records(one, OFFSET)
    for i in range(3):
        sink.write(records.batch(b"".join(open_record(time=i, path=b"%d" % j) for j in range(130_000))))
        sink.flush()
    sink.close()
    files = sorted(tmp_path.glob("*.parquet"))
    assert len(files) == 4
    assert not list(tmp_path.glob(".*"))
    assert sum(pq.read_table(file).num_rows for file in files) == 390_000


def test_arrow_to_the_standard_output() -> None:
    code = (
        "import sys; from ebpfrun.sinks import open_sink; from ebpfrun.sinks.conformance import *;"
        "sink = open_sink('arrow', context(False)._replace(stdout=sys.stdout)); sink.write(batch(names('a', 'b'), several=False)); sink.close()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    with pa.ipc.open_stream(done.stdout) as stream:
        assert stream.read_all().column("name").to_pylist() == ["a", "b"]


def test_sqlite(tmp_path: Path) -> None:
    file = tmp_path / "out.db"
    fill(opened(f"sqlite:{file}"))
    rows = sqlite_rows(file, "select time, comm, flags, result, latency, truncated, unreadable from open")
    assert rows == [
        (OFFSET + 1500, "cat", "O_RDONLY|O_CLOEXEC", "ENOENT", 2500, "path", None),
        (OFFSET, "cat", "O_WRONLY|O_CREAT", 3, 1234567, None, None),
    ]
    assert sqlite_rows(file, "select argv, \"from\" from exec") == [('["ls", "-l"]', "127.0.0.1"), ('["ls", "a b"]', "127.0.0.1")]
    assert sqlite_rows(file, "select time from open_readable") == [("2001-09-09T01:46:40.000001500Z",), ("2001-09-09T01:46:40.000000000Z",)]
    metric = sqlite_rows(file, 'select syscall, count, sum, low, high, n from "latency.metric"')
    assert metric == [("read", 4, 7, 0, 2, 1), ("read", 4, 7, 4, 8, 1), ("read", 4, 7, 2**63 - 1, 2**63 - 1, 2)]


@pytest.mark.parametrize("words", ["csv:{}/", *SINKS])
def test_losses_are_a_table(words: str, tmp_path: Path) -> None:
    sink = opened(f"{words.format(tmp_path)},losses=yes")
    event = EventAccount("open", 10, 1, 0, 0, (SinkAccount("x", 5, 2, 0, 0),))
    counted = Records(BOTH, OFFSET).batch(b"")
    counted.account = Account((event,), {("map_full", "conns"): 3})
    sink.write(counted)
    sink.close()
    wanted = [
        *(("produced", None, 10), ("ring_full", None, 1), ("sampled", None, 0), ("beyond", None, 0)),
        *(("delivered", "x", 5), ("dropped", "x", 2), ("failed", "x", 0), ("given_up", "x", 0), ("on_the_way", "x", 2)),
    ]
    assert losses_in(tmp_path) == [*((kind, "open", sink, n) for kind, sink, n in wanted), ("map_full", "conns", None, 3)]


def test_csv_takes_a_batch_once_though_one_file_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = opened(f"csv:{tmp_path}/")
    both = Records(BOTH, OFFSET).batch(open_record() + exec_record() + open_record())
    second = sink._events[1]  # type: ignore[attr-defined]
    with monkeypatch.context() as patch:
        patch.setattr(second._out, "write", _full)
        with pytest.raises(SinkError):
            sink.write(both)
    sink.write(both)
    sink.close()
    assert [len((tmp_path / f"{name}.csv").read_text().splitlines()) for name in ("open", "exec")] == [3, 2]


@pytest.mark.parametrize("sink", ["csv", "parquet", "arrow", "duckdb"])
def test_what_one_of_several_files_has_is_not_lost(sink: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second event's table fails for good, the first has its part: what is counted is what can be read."""
    monkeypatch.setattr(gather, "ROWS", 2)
    target = f"duckdb:{tmp_path}/out.duckdb" if sink == "duckdb" else f"{sink}:{tmp_path}/"
    broken = opened(target)
    _break_exec(broken, monkeypatch)
    delivery = Delivery(broken, sink, Settings(retry=0), lambda _: None, lambda: None)
    with Records(BOTH, OFFSET).batch(2 * open_record() + 3 * exec_record()) as both:
        delivery.put(both)
    delivery.end()
    delivery.join()
    events = {event.name: event.id for event in BOTH.events}
    assert {name: delivery.fate.taken[id] for name, id in events.items()} == {"open": 2, "exec": 0}
    assert {name: delivery.fate.failed[id] for name, id in events.items()} == {"open": 0, "exec": 3}
    assert _opens_in(sink, tmp_path) == 2


def _break_exec(sink: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (exec_id,) = (event.id for event in BOTH.events if event.name == "exec")

    def full(table: Any, id: int = exec_id) -> None:
        raise SinkError("it", "there", OSError(28, "full"), {id: table.num_rows})

    def full_stream(table: Any) -> None:
        raise SinkError("it", "there", OSError(28, "full"))

    match type(sink).__name__:
        case "Csv":
            monkeypatch.setattr(sink._events[exec_id]._out, "write", _full)
        case "Parquet":
            monkeypatch.setattr(sink._files["exec"], "write", full)
        case "Arrow":
            monkeypatch.setattr(sink._streams["exec"], "write", full_stream)
        case "DuckDb":
            sink._db.execute('drop table "exec"')


def _opens_in(sink: str, folder: Path) -> int:
    match sink:
        case "csv":
            return len((folder / "open.csv").read_text().splitlines()) - 1
        case "parquet":
            return int(pq.read_metadata(folder / "open.parquet").num_rows)
        case "arrow":
            with pa.ipc.open_stream((folder / "open.arrow").read_bytes()) as reader:
                return int(reader.read_all().num_rows)
        case _:
            return len(duckdb_rows(folder / "out.duckdb", 'select 1 from "open"'))


def test_batches_that_were_put_together_are_not_counted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    records = Records(BOTH, OFFSET)
    batches = [records.batch(2 * open_record() + exec_record()) for _ in range(3)]
    monkeypatch.setattr(records.loops, "scan", None)
    together = gather.Gather(BOTH)
    for each in batches:
        assert not list(together.add(each))
    assert {event.name: table.num_rows for event, table in together.rest()} == {"open": 6, "exec": 3}


def test_memory_that_nobody_uses_is_given_back_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    times = []
    records = Records(BOTH, OFFSET)
    monkeypatch.setattr(records.loops, "tidy", lambda: times.append(1))
    each = records.batch(2 * open_record())
    monkeypatch.setattr(gather, "_TIDY", 3 * len(each.data))
    together = gather.Gather(BOTH)
    for _ in range(7):
        assert sum(table.num_rows for _, table in [*together.add(each), *together.rest()]) == 2
    assert len(times) == 2


def _full(pieces: Any, events: Any) -> None:
    raise SinkError("csv", "there", OSError(28, "full"))


def losses_in(folder: Path) -> list[tuple[Any, ...]]:
    query = 'select kind, "of", sink, count from "run.losses"'
    if (folder / "out.db").exists():
        return sqlite_rows(folder / "out.db", query)
    if (folder / "out.duckdb").exists():
        return duckdb_rows(folder / "out.duckdb", query)
    (path,) = folder.glob("run.losses.*")
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return [(r["kind"], r["of"], r["sink"] or None, int(r["count"])) for r in csv.DictReader(file)]
    if path.suffix == ".parquet":
        table = pq.read_table(path)
    else:
        with pa.ipc.open_stream(path.read_bytes()) as stream:
            table = stream.read_all()
    return [tuple(row[name] for name in ("kind", "of", "sink", "count")) for row in table.to_pylist()]


def test_sqlite_numbers_of_64_bits(tmp_path: Path) -> None:
    wide = manifest([lay_out(["u64", "i64", "bool"], False)])
    sink = opened(f"sqlite:{tmp_path}/out.db", wide)
    sink.write(Records(wide, 0).make([("event", {"f0": 2**64 - 1, "f1": -(2**63), "f2": True})]))
    sink.close()
    assert sqlite_rows(tmp_path / "out.db", "select * from event") == [(-1, -(2**63), 1)]
    assert sqlite_rows(tmp_path / "out.db", "select f0 from event_readable") == [(str(2**64 - 1),)]


def test_duckdb(tmp_path: Path) -> None:
    file = tmp_path / "out.duckdb"
    fill(opened(f"duckdb:{file}"))
    rows = duckdb_rows(file, "select epoch_ns(time), comm, flags, result, latency, truncated from open")
    assert rows == [(OFFSET + 1500, "cat", "O_RDONLY|O_CLOEXEC", -2, 2500, ["path"]), (OFFSET, "cat", "O_WRONLY|O_CREAT", 3, 1234567, None)]
    assert duckdb_rows(file, "select typeof(time), typeof(latency), typeof(path) from open limit 1") == [("TIMESTAMPTZ_NS", "BIGINT", "VARCHAR")]
    assert duckdb_rows(file, "select extract(microseconds from latency) from open_readable") == [(2,), (1234,)]
    assert duckdb_rows(file, "select argv from exec") == [(["ls", "-l"],), (["ls", "a b"],)]
    assert duckdb_rows(file, 'select syscall, sum, len(buckets) from "latency.metric"') == [("read", 7, 3)]


@pytest.mark.parametrize(("words", "rows"), [("sqlite:{}/out", sqlite_rows), ("duckdb:{}/out", duckdb_rows)])
def test_rows_are_added_to_what_is_there(words: str, rows: Any, tmp_path: Path) -> None:
    for _ in range(2):
        fill(opened(words.format(tmp_path)))
    assert rows(tmp_path / "out", "select count(*) from open") == [(4,)]
    other = manifest([lay_out(["u32", "comm"], False)._replace(name="open")])
    with pytest.raises(UsageError, match=r"its table open is of another spec: .*f0.*name another file"):
        opened(words.format(tmp_path), other)
    assert rows(tmp_path / "out", "select count(*) from open") == [(4,)]


@pytest.mark.parametrize("name", ["out", "out.jsonl", "out.csv"])  # DuckDB reads what the last two seem to be
@pytest.mark.parametrize("sink", ["sqlite", "duckdb"])
def test_a_file_that_is_no_database(sink: str, name: str, tmp_path: Path) -> None:
    data = b'{"something": "else"}\n' * 1000
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SinkError, match=f"{tmp_path}/{name}: "):
        opened(f"{sink}:{tmp_path}/{name}")
    assert (tmp_path / name).read_bytes() == data


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("sqlite", "name a file"), ("duckdb", "name a file"), ("parquet:x", "which do not fit into one file"),
        ("parquet:{}/,compress=xz", "expected one of zstd, snappy"), ("arrow:{}/,compress=gzip", "expected one of zstd, lz4"),
        ("sqlite:x,rotate=1m", "no option 'rotate'"),
    ],
)  # fmt: skip
def test_what_cannot_be(words: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        opened(words.format(tmp_path))


@pytest.mark.parametrize(("sink", "module", "extra"), [("parquet", "pyarrow", "parquet"), ("arrow", "pyarrow", "parquet"), ("duckdb", "duckdb", "duckdb")])
def test_a_library_that_is_missing(sink: str, module: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for loaded in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MachineError, match=rf"pip install 'ebpfgen\[{extra}\]'") as raised:
        opened(f"{sink}:{tmp_path}/")
    assert (raised.value.exit_status, "\n" in str(raised.value)) == (3, False)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
@pytest.mark.parametrize("words", [*SINKS, "jsonl:{}/out", "jsonl:{}/out.jsonl,compress=gzip"])
def test_a_disk_that_fills(words: str, small_disk: Path) -> None:
    """What is on the disk then is what was taken and not named as lost, to the last event."""
    import random

    random.seed(7)
    sink = open_sink(words.format(small_disk), context())
    taken: Counter[int] = Counter()
    failed = False
    for _ in range(12):
        full = batch(names(*(random.randbytes(100).hex() for _ in range(4000))))
        try:
            sink.write(full)
            taken.update(full.counts)
            sink.flush()
        except SinkError as error:
            failed = True
            taken.subtract(error.lost)
    try:
        sink.close()
    except SinkError as error:
        failed = True
        taken.subtract(error.lost)
    assert failed
    assert rows_on(small_disk) == taken[0]


def rows_on(folder: Path) -> int:
    """Events of type ``name`` in whatever file is there."""
    import gzip

    total = 0
    for path in folder.iterdir():
        match path.name:
            case "name.parquet":
                total += pq.read_table(path).num_rows
            case "name.arrow":
                with pa.ipc.open_stream(path.read_bytes()) as stream:
                    total += sum(each.num_rows for each in stream)
            case "out.db":
                total += sqlite_rows(path, "select count(*) from name")[0][0]
            case "out.duckdb":
                total += duckdb_rows(path, "select count(*) from name")[0][0]
            case "out":
                total += path.read_bytes().count(b"\n")
            case "out.jsonl.gz":
                total += gzip.decompress(path.read_bytes()).count(b"\n")
    return total




@pytest.mark.parametrize("fast", [True, False])
@examples()
@given(made=batches())
def test_rows_of_sqlite_are_those_of_the_decoder(fast: bool, driver: Library, made: tuple[list[Event], bytes]) -> None:
    events, data = made
    given_ = Records(manifest(events), OFFSET, NAMES).batch(data)
    if fast:
        given_._records = Records(manifest(events), OFFSET, NAMES, door.DriverLoops(driver, {}))
    for event in events:
        if given_.counts.get(event.id) and event.fields:
            runs = [run for run in given_.runs if run.event is event]
            columns = [[v for run in runs for v in run.columns[i]] for i in range(len(event.fields))]
            wanted = [[stored(slot.type, v) for v in column] for slot, column in zip(event.fields, columns, strict=True)]
            found = list(zip(*_Rows(event, NAMES).of(given_), strict=True))[: len(wanted)]
            assert list(map(list, found)) == wanted


def stored(type: str, value: Any) -> Any:
    """The offset of times is added by SQLite."""
    match word(type):
        case "timestamp":
            return value - OFFSET
        case "u64" | "bytes" | "duration":
            return value if value < 2**63 else value - 2**64
        case "argv":
            return json.dumps(value, ensure_ascii=False)
    name = plain(type, NAMES)
    return value if name is None else name(value)


@pytest.mark.parametrize("words", ["jsonl:{}.jsonl", "csv:{}.csv", "parquet:{}.parquet", "arrow:{}.arrow", "sqlite:{}.db", "duckdb:{}.duckdb"])
@pytest.mark.parametrize("name", [":memory:", "md:x", "a%d{}?b=c#d", "file:x?mode=ro", os.fsdecode(b"not\xffUTF-8")], ids=ascii)
def test_any_name_is_one_of_a_file(words: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of a database in memory, whose rows nobody would see, nor of code to be loaded from the network."""
    monkeypatch.chdir(tmp_path)
    kind, _, suffix = words.rpartition("{}")
    suffix = "" if suffix in (".db", ".duckdb") else suffix
    try:
        sink = open_sink(f"{kind}{name}{suffix}", context(several=False))
    except SinkError as error:
        assert kind == "duckdb:" and "\udcff" in name and "DuckDB takes names in UTF-8 only" in str(error)
        return
    sink.write(batch(names("a"), several=False))
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == [f"{name.replace('{}', 'name') if kind[0] in 'cpa' else name}{suffix}"]


def test_a_label_can_be_stored_whatever_the_target() -> None:
    assert parse(os.fsdecode(b"jsonl:a\xff\xc3\xa9")).label == "jsonl:a\\xffé"


def test_duckdb_loads_no_code_for_a_file_of_sqlite(tmp_path: Path) -> None:
    opened(f"sqlite:{tmp_path}/x").close()
    with pytest.raises(SinkError, match="a database of SQLite, not of DuckDB"):
        opened(f"duckdb:{tmp_path}/x")
