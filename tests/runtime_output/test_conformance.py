"""Every sink of ours against the public suite."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from ebpfrun.sinks import Sink, open_sink
from ebpfrun.sinks.conformance import SinkConformance, context
from ebpfrun.sinks.memory import Memory


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

    def stored(self, folder: Path) -> int:
        with (folder / "out").open(newline="") as file:
            return len(list(csv.DictReader(file)))

    def broken(self, folder: Path) -> Sink | None:
        return None  # its header fails already when it is opened: test_sinks


class TestCsvFolder(TestCsv):
    several = True

    def open(self, folder: Path) -> Sink:
        return open_sink(f"csv:{folder}/", context())

    def stored(self, folder: Path) -> int:
        files = [folder / "name.csv", folder / "number.csv"]
        return sum(len(list(csv.DictReader(file.read_text().splitlines(keepends=True)))) for file in files)


class TestMemory(SinkConformance):
    def open(self, folder: Path) -> Sink:
        self.sink = Memory(context())
        return self.sink

    def stored(self, folder: Path) -> int:
        return len(self.sink.events)
