"""Every sink of ours against the public suite."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import sqlite3
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from ebpfrun.sinks import Sink, open_sink
from ebpfrun.sinks.conformance import SinkConformance, context
from ebpfrun.sinks.memory import Memory

Rows = list[tuple[int, str, int]]


def ns_of(text: str) -> int:
    """Of an ISO time with nine digits behind the second."""
    second, _, rest = text.partition(".")
    return int(datetime.fromisoformat(second + "+00:00").timestamp()) * 10**9 + int(rest.removesuffix("Z"))


class FileSink(SinkConformance):
    name = ""

    def open(self, folder: Path) -> Sink:
        return open_sink(f"{self.name}:{folder / 'out'}", context(self.several))

    def broken(self, folder: Path) -> Sink | None:
        return open_sink(f"{self.name}:/dev/full", context(self.several))

    def lines(self, folder: Path) -> list[str]:
        return (folder / "out").read_text().splitlines()


class TestJsonl(FileSink):
    name = "jsonl"

    def stored(self, folder: Path) -> int:
        return sum("event" in json.loads(line) for line in self.lines(folder))

    def rows(self, folder: Path) -> Rows:
        return [(ns_of(row["time"]), row["name"], row["n"]) for row in map(json.loads, self.lines(folder))]


class TestText(FileSink):
    name = "text"

    def stored(self, folder: Path) -> int:
        return sum(" name " in f" {line}" or line.startswith("number ") for line in self.lines(folder))


class TestTable(FileSink):
    name = "table"

    def stored(self, folder: Path) -> int:
        return sum(line.split()[0] in ("name", "number") for line in self.lines(folder) if line)


class TestCsv(FileSink):
    name = "csv"
    several = False

    def table(self, folder: Path) -> list[dict[str, str]]:
        with (folder / "out").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    def stored(self, folder: Path) -> int:
        return len(self.table(folder))

    def rows(self, folder: Path) -> Rows:
        return [(ns_of(row["time"]), row["name"], int(row["n"])) for row in self.table(folder)]

    def broken(self, folder: Path) -> Sink | None:
        return None  # its header fails already when it is opened: test_sinks


class TestCsvFolder(TestCsv):
    several = True

    def open(self, folder: Path) -> Sink:
        return open_sink(f"csv:{folder}/", context())

    def stored(self, folder: Path) -> int:
        files = [folder / "name.csv", folder / "number.csv"]
        return sum(len(list(csv.DictReader(file.read_text().splitlines(keepends=True)))) for file in files)

    def rows(self, folder: Path) -> Rows:
        (folder / "name.csv").rename(folder / "out")
        return super().rows(folder)


class WholeFile(SinkConformance):
    """A folder that is gone when the file is complete is what breaks it."""

    whole = True
    words = ""

    def open(self, folder: Path) -> Sink:
        return open_sink(self.words.format(folder), context(self.several))

    def broken(self, folder: Path) -> Sink | None:
        (folder / "gone").mkdir()
        sink = self.open(folder / "gone")
        shutil.rmtree(folder / "gone")
        return sink


class TestGzip(WholeFile):
    words = "jsonl:{}/out,compress=gzip"

    def read(self, folder: Path) -> list[dict[str, Any]]:
        file = folder / "out.gz"
        return [json.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()] if file.exists() else []

    def stored(self, folder: Path) -> int:
        return sum("event" in row for row in self.read(folder))

    def rows(self, folder: Path) -> Rows:
        return [(ns_of(row["time"]), row["name"], row["n"]) for row in self.read(folder)]


class TestParquet(WholeFile):
    words = "parquet:{}/"

    def stored(self, folder: Path) -> int:
        return sum(pq.read_table(file).num_rows for file in folder.glob("*.parquet") if "metric" not in file.name)

    def rows(self, folder: Path) -> Rows:
        table = pq.read_table(folder / "name.parquet")
        assert table.schema.field("time").type == pa.timestamp("ns", "UTC")
        return [(row["time"].value, row["name"], row["n"]) for row in table.to_pylist()]


class TestParquetFile(TestParquet):
    several = False
    words = "parquet:{}/name.parquet"


class TestArrow(SinkConformance):
    def open(self, folder: Path) -> Sink:
        return open_sink(f"arrow:{folder}/", context())

    def read(self, file: Path) -> Any:
        with pa.ipc.open_stream(file.read_bytes()) as stream:
            return pa.Table.from_batches(list(stream), stream.schema)

    def stored(self, folder: Path) -> int:
        return sum(self.read(folder / file).num_rows for file in ("name.arrow", "number.arrow"))

    def rows(self, folder: Path) -> Rows:
        table = self.read(folder / "name.arrow")
        assert table.schema.field("time").type == pa.timestamp("ns", "UTC")
        return [(row["time"].value, row["name"], row["n"]) for row in table.to_pylist()]

    def broken(self, folder: Path) -> Sink | None:
        return None  # its schema fails already when it is opened


class TestSqlite(SinkConformance):
    def open(self, folder: Path) -> Sink:
        return open_sink(f"sqlite:{folder}/out.db", context())

    def query(self, folder: Path, query: str) -> list[Any]:
        db = sqlite3.connect(f"file:{folder}/out.db?mode=ro", uri=True)
        try:
            return db.execute(query).fetchall()
        finally:
            db.close()

    def stored(self, folder: Path) -> int:
        return sum(self.query(folder, f"select count(*) from {table}")[0][0] for table in ("name", "number"))

    def rows(self, folder: Path) -> Rows:
        readable = self.query(folder, "select time, name, n from name_readable")
        assert {time for time, _, _ in readable} == {"2001-09-09T01:46:40.000000000Z"}
        return self.query(folder, "select time, name, n from name")


class TestDuckDb(SinkConformance):
    whole = True

    def open(self, folder: Path) -> Sink:
        self.file = folder / "out.duckdb"
        self.sink = open_sink(f"duckdb:{self.file}", context())
        return self.sink

    def query(self, query: str) -> list[Any]:
        with duckdb.connect(str(self.file), read_only=True) as db:
            return db.execute(query).fetchall()

    def stored(self, folder: Path) -> int:
        if self.sink._db is not None:  # type: ignore[attr-defined]
            return 0  # DuckDB lets nobody else in
        return sum(self.query(f"select count(*) from {table}")[0][0] for table in ("name", "number"))

    def rows(self, folder: Path) -> Rows:
        assert self.query("select distinct typeof(time) from name") == [("TIMESTAMPTZ_NS",)]
        return self.query("select epoch_ns(time), name, n from name")


class TestMemory(SinkConformance):
    def open(self, folder: Path) -> Sink:
        self.sink = Memory(context())
        return self.sink

    def stored(self, folder: Path) -> int:
        return len(self.sink.events)

    def rows(self, folder: Path) -> Rows:
        return [(row["time"], row["name"], row["n"]) for row in self.sink.events]
