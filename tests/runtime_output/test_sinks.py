"""Exactly what each sink writes, and how it fails."""

from __future__ import annotations

import csv
import errno
import io
import json
import os
import pty
from pathlib import Path

import pytest

from ebpfrun.errors import UsageError
from ebpfrun.manifest import Event, Manifest, Slot
from ebpfrun.metrics import Metrics
from ebpfrun.names import Names
from ebpfrun.records import Records
from ebpfrun.sinks import Context, SinkError, open_sink
from ebpfrun.sinks.memory import Memory
from ebpfrun.sinks.registry import _SINKS, NAMES
from ebpfrun.sinks.words import Words, parse

from .conftest import EXEC, LATENCY, OPEN, OPENS, Maps, exec_record, latency_entry, manifest, open_record, opens_entry

RECORDS = (
    open_record(time=1500, path=b"/etc/hosts")
    + open_record(
        time=2_000_000_001, pid=123, comm=b"a b", path=b"0123456789abcde", flags=0o101, result=-2, latency=9, size=0, marks=1
    )
    + open_record(comm=b"x\x1b[2J", path=b"", flags=0, result=-13, marks=2)
    + exec_record(b"ls\0-l\0two words\0")
)
BOTH = manifest(metrics=[LATENCY, OPENS])


def written(words: str, records: bytes, of: Manifest, stdout: io.StringIO | None = None) -> str:
    out = stdout or io.StringIO()
    sink = open_sink(words, Context(of, Names(of.tables), out))
    sink.write(Records(of, 10**18).batch(records))
    sink.close()
    return out.getvalue()


def test_jsonl() -> None:
    lines = written("jsonl", RECORDS, BOTH).splitlines()
    assert lines[0] == (
        '{"event": "open", "time": "2001-09-09T01:46:40.000001500Z", "pid": 12, "comm": "cat", "path": "/etc/hosts", '
        '"flags": "O_RDONLY|O_CLOEXEC", "result": 3, "latency": 1234567, "size": 4096}'
    )
    assert json.loads(lines[1]) == {
        "event": "open", "time": "2001-09-09T01:46:42.000000001Z", "pid": 123, "comm": "a b", "path": "0123456789abcde",
        "flags": "O_WRONLY|O_CREAT", "result": "ENOENT", "latency": 9, "size": 0, "truncated": ["path"],
    }  # fmt: skip
    third = json.loads(lines[2])
    assert (third["comm"], third["unreadable"], "truncated" in third) == ("x\x1b[2J", ["path"], False)
    assert lines[3] == '{"event": "exec", "argv": ["ls", "-l", "two words"], "from": "127.0.0.1"}'
    assert len(lines) == 4


def test_jsonl_quotes_names_of_events_and_fields() -> None:
    strange = Event(0, "100%", "", 16, (Slot('a"%s', "u64", 8, 8),))
    assert json.loads(written("jsonl", b"\x10" + bytes(23), manifest([strange]))) == {"event": "100%", 'a"%s': 0}
    with pytest.raises(UsageError, match="'truncated'"):
        written("jsonl", b"", manifest([Event(0, "e", "", 16, (Slot("truncated", "u64", 8, 8),))]))


def test_an_event_without_fields() -> None:
    empty = manifest([Event(0, "tick", "", 8, ())])
    record = b"\x08" + bytes(15)
    assert written("jsonl", record * 2, empty) == '{"event": "tick"}\n' * 2
    assert written("text", record, empty) == "tick\n"


def test_text() -> None:
    assert written("text", RECORDS, BOTH).splitlines() == [
        "01:46:40.000001 open pid=12 comm=cat path=/etc/hosts flags=O_RDONLY|O_CLOEXEC result=3 latency=1.23ms size=4.0KiB",
        '01:46:42.000000 open pid=123 comm="a b" path=0123456789abcde… flags=O_WRONLY|O_CREAT result=ENOENT latency=9ns size=0B',
        '01:46:40.000000 open pid=12 comm="x\\x1b[2J" path=<unreadable> flags=O_RDONLY result=EACCES latency=1.23ms size=4.0KiB',
        'exec argv="ls -l \\"two words\\"" from=127.0.0.1',
    ]


def test_table_of_one_event() -> None:
    assert written("table", RECORDS[: 3 * len(open_record())], manifest([OPEN])).splitlines() == [
        "TIME               PID COMM         PATH             FLAGS              RESULT LATENCY     SIZE",
        "01:46:40.000001     12 cat          /etc/hosts       O_RDONLY|O_CLOEXEC      3 1.23 ms  4.0 KiB",
        "01:46:42.000000    123 a b          0123456789abcde… O_WRONLY|O_CREAT   ENOENT    9 ns      0 B",
        "01:46:40.000000     12 x\\x1b[2J     <unreadable>     O_RDONLY           EACCES 1.23 ms  4.0 KiB",
    ]


def test_table_of_several_events_has_a_header_for_each() -> None:
    lines = written("table", exec_record() + open_record() + exec_record(), BOTH).splitlines()
    assert [line.split()[:2] for line in lines] == [
        ["EVENT", "ARGV"],
        ["exec", "ls"],
        ["EVENT", "TIME"],
        ["open", "01:46:40.000000"],
        ["exec", "ls"],
    ]


def until_end(follower: int, leader: int) -> bytes:
    """What was written to a terminal so far: the kernel hands it over when it likes, in pieces."""
    end = b"\x1e"
    os.write(follower, end)
    got = b""
    while not got.endswith(end):
        got += os.read(leader, 1 << 16)
    return got.removesuffix(end)


def on_terminal(columns: int, lines: int, batches: list[bytes], of: Manifest) -> list[str]:
    """What a terminal of that size is sent."""
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    with os.fdopen(follower, "w", encoding="utf-8") as terminal:
        sink = open_sink("table", Context(of, Names(of.tables), terminal))
        sent = b""
        for records in batches:
            sink.write(Records(of, 10**18).batch(records))
            sent += until_end(follower, leader)
        sink.close()
    os.close(leader)
    return sent.decode().split("\r\n")[:-1]


def test_table_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    lines = on_terminal(80, 24, [open_record(comm=b"a-long-command", path=b"/etc/some/where")], manifest([OPEN]))
    assert lines == [
        "TIME               PID COMM       PATH       FLAGS       RESULT LATENCY     SIZE",
        "01:46:40.000000     12 a-long-co… /etc/some… O_RDONLY|O…      3 1.23 ms  4.0 KiB",
    ]


def test_a_terminal_that_knows_its_width_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert max(map(len, on_terminal(85, 0, [open_record(path=b"/etc/some/where")], manifest([OPEN])))) == 85


def test_table_repeats_its_header_when_it_has_scrolled_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    lines = on_terminal(100, 7, [open_record() * 3] * 4, manifest([OPEN]))
    assert [line.startswith("TIME") for line in lines] == [True, *[False] * 6] * 2


def test_table_colours_errors_on_terminals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    header, good, bad = on_terminal(120, 24, [open_record(result=3) + open_record(result=-2)], manifest([OPEN]))
    assert header.startswith("\x1b[1mTIME")
    assert "\x1b[" not in good
    assert "\x1b[31mENOENT\x1b[0m" in bad
    assert "\x1b[" not in written("table", open_record(result=-2), manifest([OPEN]))


def test_csv_of_one_event() -> None:
    rows = list(csv.DictReader(io.StringIO(written("csv", RECORDS[: 3 * len(open_record())], manifest([OPEN])), newline="")))
    assert rows[0] == {
        "time": "2001-09-09T01:46:40.000001500Z", "pid": "12", "comm": "cat", "path": "/etc/hosts", "flags": "O_RDONLY|O_CLOEXEC",
        "result": "3", "latency": "1234567", "size": "4096", "truncated": "", "unreadable": "",
    }  # fmt: skip
    marks = [(row["result"], row["truncated"], row["unreadable"]) for row in rows[1:]]
    assert marks == [("ENOENT", "path", ""), ("EACCES", "", "path")]


def test_csv_has_a_header_before_any_event() -> None:
    assert written("csv", b"", manifest([EXEC])) == "argv,from,truncated,unreadable\r\n"


def test_csv_of_several_tables_needs_a_place_for_each(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"4 tables \(open, exec, latency.metric, opens.metric\).*--sink csv:demo/"):
        written("csv", b"", BOTH)
    written(f"csv:{tmp_path}/new/", RECORDS, BOTH)
    files = sorted(p.name for p in (tmp_path / "new").iterdir())
    assert files == ["exec.csv", "latency.metric.csv", "open.csv", "opens.metric.csv"]
    written(f"csv:{tmp_path}/x-{{}}.csv", RECORDS, BOTH)
    assert (tmp_path / "x-exec.csv").read_text() == "argv,from,truncated,unreadable\nls -l 'two words',127.0.0.1,,\n"


def test_metrics_in_jsonl_csv_and_memory(tmp_path: Path) -> None:
    tracer = Maps(latency=[latency_entry(1, (30, {3: 2}), (100, {6: 1}))], opens=[opens_entry(7, b"cat", 2, 3)])
    readings = Metrics(BOTH, 0).totals(tracer)
    out, memory = io.StringIO(), Memory(Context(BOTH, Names(BOTH.tables), None))
    names = Names(BOTH.tables)
    context = Context(BOTH, names, out)
    for sink in (open_sink("jsonl", context), memory, open_sink(f"csv:{tmp_path}/", context)):
        sink.write(Records(BOTH, 0).batch(b"", readings))
        sink.close()
    latency, opens = map(json.loads, out.getvalue().splitlines())
    time = latency.pop("time")
    assert latency == {
        "metric": "latency", "kind": "histogram", "unit": "us", "seconds": None, "labels": {"syscall": "write"}, "count": 3,
        "sum": 130, "buckets": [[8, 16, 2], [64, 128, 1]],
    }  # fmt: skip
    assert (opens["labels"], opens["value"]) == ({"pid": 7, "comm": "cat"}, 5)
    assert memory.metrics == [{**latency, "time": time}, opens]
    assert (tmp_path / "latency.metric.csv").read_text() == (
        f"time,seconds,syscall,count,sum,low,high,n\n{time},,write,3,130,8,16,2\n{time},,write,3,130,64,128,1\n"
    )
    assert (tmp_path / "opens.metric.csv").read_text() == f"time,seconds,pid,comm,value\n{opens['time']},,7,cat,5\n"


def test_memory_holds_typed_rows() -> None:
    memory = Memory(Context(BOTH, Names(BOTH.tables), None))
    memory.write(Records(BOTH, 10**18).batch(RECORDS))
    assert memory.events[1] == {
        "event": "open", "time": 10**18 + 2_000_000_001, "pid": 123, "comm": "a b", "path": "0123456789abcde",
        "flags": "O_WRONLY|O_CREAT", "result": "ENOENT", "latency": 9, "size": 0, "truncated": ["path"],
    }  # fmt: skip
    assert memory.events[3] == {"event": "exec", "argv": ["ls", "-l", "two words"], "from": "127.0.0.1"}


@pytest.mark.parametrize("name", ["table", "text", "jsonl", "csv"])
def test_targets_that_cannot_be_opened(name: str, tmp_path: Path) -> None:
    with pytest.raises(SinkError, match=f"sink {name}: {tmp_path}/none/x: No such file or directory"):
        written(f"{name}:{tmp_path}/none/x", b"", manifest([OPEN]))
    with pytest.raises(SinkError, match="standard output: it is closed"):
        open_sink(name, Context(manifest([OPEN]), Names({}), None))


def test_csv_into_a_full_disk_leaves_nothing_open() -> None:
    before = {fd.name for fd in Path("/proc/self/fd").iterdir()}
    with pytest.raises(SinkError, match="No space left"):
        written("csv:/dev/full", b"", manifest([OPEN]))
    assert {fd.name for fd in Path("/proc/self/fd").iterdir()} == before


def test_a_closed_pipe_is_known_as_such() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stdout:
        sink = open_sink("jsonl", Context(BOTH, Names({}), stdout))
        with pytest.raises(SinkError) as caught:
            sink.write(Records(BOTH, 0).batch(RECORDS))
        assert caught.value.reader_gone


def test_a_file_keeps_whole_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "out"
    sink = open_sink(f"jsonl:{target}", Context(BOTH, Names(BOTH.tables), None))
    batch = Records(BOTH, 0).batch(RECORDS)
    sink.write(batch)
    whole = target.read_bytes()
    write = os.write

    def fills_up(fd: int, data: memoryview) -> int:
        if len(data) > 10:
            return write(fd, data[:-10])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", fills_up)
    with pytest.raises(SinkError, match="No space left on device"):
        sink.write(batch)
    monkeypatch.undo()
    sink.close()
    assert target.read_bytes() == whole


def test_a_non_blocking_standard_output_gets_everything() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    big = open_record() * 5000
    received = bytearray()

    def drain() -> None:
        while data := os.read(reading, 1 << 16):
            received.extend(data)

    import threading

    reader = threading.Thread(target=drain)
    with os.fdopen(writing, "w") as stdout:
        sink = open_sink("jsonl", Context(BOTH, Names(BOTH.tables), stdout))
        reader.start()
        sink.write(Records(BOTH, 0).batch(big))
    reader.join()
    os.close(reading)
    assert received.count(b"\n") == 5000


def test_words() -> None:
    assert parse("jsonl") == Words("jsonl", "-", {})
    assert parse("csv:a,b/x=1,,queue=1MiB,flush=2s") == Words("csv", "a,b/x=1,", {"queue": "1MiB", "flush": "2s"})
    assert parse("jsonl,flush=1s") == Words("jsonl", "-", {"flush": "1s"})
    assert (parse("jsonl:x,flush=1").label, parse("jsonl,flush=1").label) == ("jsonl:x", "jsonl")
    assert parse("a:b,n=7").value("n", int, 0) == 7
    assert parse("a:b").value("n", int, 5) == 5
    with pytest.raises(UsageError, match="--sink a:b: n=x: invalid literal"):
        parse("a:b,n=x").value("n", int, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("jsnl", "did you mean jsonl"),
        ("xml", "sinks are table, text, jsonl, csv"),
        ("", "there is no sink ''"),
        ("memory", "for a Python program"),
        ("jsonl:out,flsh=1s", "did you mean flush"),
        ("jsonl:out,a=1", "options are .*flush"),
        ("jsonl:out,flush=1s,flush=2s", "twice"),
    ],
)
def test_words_that_name_no_sink(words: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_sink(words, Context(BOTH, Names({}), None))


def test_each_sink_and_option_is_documented() -> None:
    lines = (Path(__file__).parents[2] / "docs/sinks.md").read_text(encoding="utf-8").splitlines()
    for name in NAMES:
        rows = [line for line in lines if line.startswith("| `") and f"`{name}`" in line.split("|")[1]]
        assert rows, name
        for option in getattr(_SINKS[name](), "OPTIONS", ()):
            assert f"`{option}`" in rows[0], (name, option)
            assert any(line.startswith(f"| `{option}=") for line in lines), option
