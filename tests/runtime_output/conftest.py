"""A manifest made by hand, records encoded by hand from it, and a tracer that is only its maps."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ebpfgen.emit.binding import binding
from ebpfrun import door
from ebpfrun.manifest import Buckets, Counter, Event, Manifest, Metric, Slot, Struct

TEMPLATES = Path(__file__).parents[2] / "templates"
OPEN = Event(
    id=0,
    name="open",
    summary="one open",
    size=88,
    fields=(
        Slot("time", "timestamp", 8, 8),
        Slot("pid", "pid", 16, 4),
        Slot("comm", "comm", 20, 16),
        Slot("path", "string(16)", 36, 16, mark=0),
        Slot("flags", "flags:open", 56, 8),
        Slot("result", "result", 64, 8),
        Slot("latency", "duration", 72, 8),
        Slot("size", "bytes", 80, 8),
    ),
)
EXEC = Event(
    id=1,
    name="exec",
    summary="one exec",
    size=56,
    fields=(Slot("argv", "argv(24)", 8, 28, mark=0), Slot("from", "ip", 36, 16)),
)
EVENTS = (OPEN, EXEC)
_FIELDS = (Slot("count", "u64", 0, 8), Slot("sum", "u64", 8, 8), Slot("slots", "u64", 16, 512))
LATENCY = Metric(
    name="latency",
    kind="histogram",
    verb="observe",
    help="time in the call",
    unit="us",
    top=None,
    map="latency",
    map_type="percpu_hash",
    max_entries=64,
    buckets=Buckets("log2", 64),
    key=Struct(8, (Slot("syscall", "syscall", 0, 8),)),
    value=Struct(528, _FIELDS),
)
OPENS = Metric(
    name="opens",
    kind="counter",
    verb="count",
    help="files opened",
    unit="",
    top=2,
    map="opens",
    map_type="percpu_hash",
    max_entries=64,
    buckets=None,
    key=Struct(20, (Slot("pid", "pid", 0, 4), Slot("comm", "comm", 4, 16))),
    value=Struct(8, (Slot("value", "u64", 0, 8),)),
)
COUNTERS = tuple(
    Counter(i, kind, of)
    for i, (kind, of) in enumerate(
        [
            ("produced", "open"),
            ("ring_full", "open"),
            ("produced", "exec"),
            ("ring_full", "exec"),
            ("map_full", "latency"),
            ("absent", "conns"),
            ("unpaired", "open"),
            ("truncated", "open.path"),
            ("faulted", "open.path"),
        ]
    )
)
TABLES = {
    "syscall": {0: "read", 1: "write"},
    "flags:open": {1: "O_WRONLY", 2: "O_RDWR", 0o100: "O_CREAT", 0o2000000: "O_CLOEXEC"},
}


def manifest(
    events: Sequence[Event] = EVENTS, metrics: Sequence[Metric] = (), tables: dict[str, dict[int, str]] | None = None
) -> Manifest:
    return Manifest(
        folder="nowhere",
        name="demo",
        summary="a demonstration",
        description="",
        spec_file="demo.yaml",
        spec_sha256="",
        code="",
        built={},
        files={},
        ring=4096,
        config=None,
        filters=(),
        params=(),
        events=tuple(events),
        metrics=tuple(metrics),
        maps=(),
        programs=(),
        attach=(),
        counters=COUNTERS,
        tables=TABLES if tables is None else tables,
    )


def put(record: bytes) -> bytes:
    """A record as the driver drains it."""
    return struct.pack("=II", len(record), 0) + record + bytes(-len(record) % 8)


def open_record(
    time: int = 0,
    pid: int = 12,
    comm: bytes = b"cat",
    path: bytes = b"/etc/hosts",
    flags: int = 0o2000000,
    result: int = 3,
    latency: int = 1234567,
    size: int = 4096,
    marks: int = 0,
) -> bytes:
    """Written out here, offset by offset, so that nothing of the decoder is used to test it."""
    record = bytearray(88)
    struct.pack_into("=II", record, 0, 0, marks)
    struct.pack_into("=Q", record, 8, time)
    struct.pack_into("=I", record, 16, pid)
    record[20 : 20 + len(comm)] = comm
    record[36 : 36 + len(path)] = path
    struct.pack_into("=QqQQ", record, 56, flags, result, latency, size)
    assert len(record) == 88
    return put(bytes(record))


def exec_record(argv: bytes = b"ls\0-l\0", address: bytes = bytes(10) + b"\xff\xff\x7f\0\0\x01", marks: int = 0) -> bytes:
    record = bytearray(56)
    struct.pack_into("=III", record, 0, 1, marks, len(argv))
    record[12 : 12 + len(argv)] = argv
    record[36:52] = address
    assert len(record) == 56
    return put(bytes(record))


def opens_entry(pid: int, comm: bytes, *per_cpu: int) -> tuple[bytes, list[bytes]]:
    return struct.pack("=I16s", pid, comm), [struct.pack("=Q", n) for n in per_cpu]


def latency_entry(syscall: int, *per_cpu: tuple[int, dict[int, int]]) -> tuple[bytes, list[bytes]]:
    """On each CPU: the sum, and how many values in which slot."""
    values = []
    for total, slots in per_cpu:
        counts = [slots.get(i, 0) for i in range(64)]
        values.append(struct.pack("=QQ64Q", sum(counts), total, *counts))
    return struct.pack("=q", syscall), values


class Maps:
    """A tracer that is only its maps."""

    def __init__(self, **maps: Any) -> None:
        self.maps = maps

    def dump(self, map: str) -> list[tuple[bytes, list[bytes]]]:
        return list(self.maps[map])

    def count(self, **counters: int) -> Maps:
        """Sets counters: ``produced_open=3`` …, spread over two CPUs."""
        wanted = dict.fromkeys(range(len(COUNTERS)), 0)
        for name, n in counters.items():
            kind, _, of = name.rpartition("_")
            wanted[next(c.slot for c in COUNTERS if c.kind == kind and c.of.replace(".", "") == of)] = n
        self.maps["counters"] = [
            (struct.pack("=I", slot), [struct.pack("=Q", n // 2), struct.pack("=Q", n - n // 2)]) for slot, n in wanted.items()
        ]
        return self


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local time is UTC."""
    import time

    from ebpfrun import render

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    render._LOCAL.clear()


class Library(door.Driver):
    """What of the driver works on records that are there: all but driver.c and types.c, without libbpf and a program."""

    def __init__(self, folder: Path) -> None:
        self.ffi = door._binding(str(folder / "records_cffi.py"))
        self.lib = door._library(self.ffi, str(folder / "records.so"))

    def log(self) -> str:
        return ""


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Library:
    folder = tmp_path_factory.mktemp("records")
    clang = shutil.which("clang-19") or "clang"
    sources = [str(path) for path in TEMPLATES.glob("*.c") if path.name not in ("driver.c", "types.c")]
    command = [clang, "-O2", "-g", "-fPIC", "-shared", "-Wall", "-Wextra", "-Werror", *sources, "-o"]
    subprocess.run([*command, str(folder / "records.so")], check=True)
    header = (TEMPLATES / "driver.h").read_text()
    (folder / "records_cffi.py").write_text(binding(header, "", "records_cffi"))
    return Library(folder)
