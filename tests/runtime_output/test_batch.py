"""Batches: columns, rows, and memory that is borrowed."""

from __future__ import annotations

import struct

import numpy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfrun.batch import Batch
from ebpfrun.decode import Decoder
from ebpfrun.errors import ArtefactError, ClosedError, UsageError
from ebpfrun.manifest import Event, Slot
from ebpfrun.records import Records
from properties import examples

from .conftest import OPEN, exec_record, manifest, open_record, put

OFFSET = 10**18


def batch(*records: bytes) -> Batch:
    return Records(manifest(), OFFSET).batch(b"".join(records))


def shortened(path: bytes) -> bytes:
    """An event whose last field is a text, no longer than the text."""
    return put(struct.pack("=HHIQ", 0, 1, 0, 7) + path + b"\0")


LAST = manifest([Event(0, "seen", "", 80, (Slot("n", "u64", 8, 8), Slot("path", "string(64)", 16, 64, 0)), least=17)])
ARGV = manifest([Event(0, "run", "", 88, (Slot("n", "u64", 8, 8), Slot("argv", "argv(68)", 16, 72, 0)), least=20)])


def test_slices() -> None:
    records = Records(manifest(), OFFSET)
    data = open_record(pid=1) + exec_record() + b"".join(open_record(pid=i) for i in range(2, 6))
    batch = records.batch(data)
    parts = list(batch.slices(2))
    assert [part.counts for part in parts] == [{0: 1, 1: 1}, {0: 2}, {0: 2}]
    assert b"".join(bytes(part.data) for part in parts) == data
    assert list(records.batch(b"").slices(2)) == []


def test_what_is_in_it() -> None:
    both = batch(open_record(), exec_record(), open_record())
    assert (len(both), both.counts, both.events) == (3, {0: 2, 1: 1}, ("open", "exec"))
    assert bytes(both.data) == open_record() + exec_record() + open_record()
    assert [len(run) for run in both.runs] == [1, 1, 1]
    nothing = batch()
    assert (len(nothing), nothing.counts, nothing.events, list(nothing.rows())) == (0, {}, (), [])


def test_rows_have_names_for_numbers() -> None:
    both = batch(open_record(time=5, result=-2, marks=1), exec_record())
    assert list(both.rows()) == [
        {"event": "open", "time": OFFSET + 5, "pid": 12, "comm": "cat", "path": "/etc/hosts", "flags": "O_RDONLY|O_CLOEXEC",
         "result": "ENOENT", "latency": 1234567, "size": 4096, "truncated": ["path"]},
        {"event": "exec", "argv": ["ls", "-l"], "from": "127.0.0.1"},
    ]  # fmt: skip
    assert [row["event"] for row in both.rows("exec")] == ["exec"]
    with pytest.raises(UsageError, match="no event 'opne'; its events: open, exec"):
        list(both.rows("opne"))


def test_columns_look_into_the_batch() -> None:
    memory = bytearray(open_record(pid=1) + open_record(pid=2))
    columns = Records(manifest(), OFFSET).batch(memory).columns("open")
    assert list(columns) == [slot.name for slot in OPEN.fields]
    pids = columns["pid"]
    assert pids.tolist() == [1, 2]
    struct.pack_into("=I", memory, 8 + 16, 77)
    assert pids[0] == 77
    assert not pids.flags.owndata


def test_columns_of_mixed_events_are_gathered() -> None:
    both = batch(open_record(pid=1, latency=5), exec_record(), open_record(pid=2, latency=7), exec_record(b"a\0"))
    opens, execs = both.columns("open"), both.columns("exec")
    assert opens["pid"].tolist() == [1, 2]
    assert opens["latency"].sum() == numpy.timedelta64(12, "ns")
    assert execs["from"].shape == (2, 16)
    assert [bytes(row[:4]) for row in execs["argv"]] == [struct.pack("=I", n) for n in (6, 2)]


def test_columns_have_types() -> None:
    columns = batch(open_record(time=1, comm=b"cat\0junk", path=b"/etc", flags=9, result=-2)).columns("open")
    assert columns["time"].tolist() == [OFFSET + 1]
    assert columns["time"].dtype == "datetime64[ns]"
    assert (columns["comm"].tolist(), columns["path"].tolist()) == ([b"cat"], [b"/etc"])
    assert (columns["flags"].dtype, columns["result"].tolist()) == (numpy.uint64, [-2])
    with pytest.raises(KeyError):
        columns["nothing"]


def test_no_events_make_empty_columns() -> None:
    columns = batch(exec_record()).columns("open")
    assert {name: len(column) for name, column in columns.items()} == dict.fromkeys(columns, 0)
    assert columns["time"].dtype == "datetime64[ns]"


def test_marks_are_a_column() -> None:
    assert batch(open_record(marks=1), open_record()).marks("open").tolist() == [1, 0]


def test_records_are_only_as_long_as_their_last_text() -> None:
    texts = [b"", b"a", b"abcdefg", b"abcdefgh", b"x" * 63]
    data = b"".join(map(shortened, texts))
    short = Records(LAST, 0).batch(data)
    assert [row["path"].encode() for row in short.rows()] == texts
    assert short.columns("seen")["path"].tolist() == texts
    assert short.columns("seen")["n"].tolist() == [7] * len(texts)
    assert len(short.first(2).data) == len(shortened(b"")) + len(shortened(b"a"))
    assert bytes(Records(LAST, 0).make([("seen", {"n": 7, "path": text.decode()}) for text in texts]).data) == data


def test_records_are_only_as_long_as_their_last_words() -> None:
    words = [["x" * i] * (i % 4) for i in range(12)]
    short = Records(ARGV, 0).make([("run", {"n": i, "argv": argv}) for i, argv in enumerate(words)])
    sizes = [20 + len(argv) * (i + 1) for i, argv in enumerate(words)]
    assert len(short.data) == sum(8 + size + -size % 8 for size in sizes)
    assert list(short.rows()) == [{"event": "run", "n": i, "argv": argv} for i, argv in enumerate(words)]
    assert short.columns("run")["n"].tolist() == list(range(12))
    column = short.columns("run")["argv"]
    assert [bytes(row[4 : 4 + row[0]]) for row in column] == [b"".join(w.encode() + b"\0" for w in argv) for argv in words]
    assert not any(row[4 + row[0] :].any() for row in column)


def test_only_what_is_told_is_cut() -> None:
    whole = manifest([LAST.events[0]._replace(least=0)])
    with pytest.raises(ArtefactError, match="a record of 17 bytes for event 0, expected 80"):
        Records(whole, 0).batch(shortened(b""))
    with pytest.raises(ArtefactError, match="a record of 17 bytes for event 0, expected 80"):
        Decoder(whole, 0).decode(shortened(b""), len(shortened(b"")))


@pytest.mark.parametrize("record", [put(struct.pack("=IIQ", 0, 0, 7)), put(bytes(88)), shortened(b"abc")[:-8], b"\x10\0\0\0"])
def test_what_no_such_event_sends_is_refused(record: bytes) -> None:
    with pytest.raises(ArtefactError, match="object and manifest do not belong together"):
        Records(LAST, 0).batch(record)


@examples()
@given(st.lists(st.sampled_from([open_record(pid=3), exec_record(b"x\0")]), max_size=8), st.integers(0, 9))
def test_the_first_ones(records: list[bytes], count: int) -> None:
    first = batch(*records).first(count)
    assert bytes(first.data) == b"".join(records[:count])
    assert len(first) == min(count, len(records))


def test_borrowed_memory_has_a_scope() -> None:
    with batch(open_record(), exec_record()) as lent:
        kept, part = lent.copy(), lent.first(1)
        columns = lent.columns("open")
    for use in (
        lambda: lent.data, lambda: lent.runs, lambda: list(lent.rows()), lambda: columns["pid"], lambda: lent.first(1), lent.copy,
        lambda: part.data, lambda: lent.marks("open"),
    ):  # fmt: skip
        with pytest.raises(ClosedError, match=r"copy\(\) keeps it"):
            use()
    assert [row["event"] for row in kept.rows()] == ["open", "exec"]


def test_events_can_be_written_here() -> None:
    records = Records(manifest(), OFFSET)
    made = records.make([("open", {"time": OFFSET + 5, "comm": "é", "path": "x" * 99, "result": -1, "marks": 1}),
                         ("exec", {"argv": ["ls", ""], "from": bytes(16)})])  # fmt: skip
    assert [tuple(run.rows()) for run in made.runs] == [
        ((OFFSET + 5, 0, "é", "x" * 15, 0, -1, 0, 0),), ((["ls", ""], bytes(16)),),
    ]  # fmt: skip
    for name, fields in (("nothing", {}), ("open", {"pud": 1})):
        with pytest.raises(UsageError, match="has no"):
            records.make([(name, fields)])
