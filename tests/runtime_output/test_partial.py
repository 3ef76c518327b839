"""Files on their way: what they must not touch, what a killed run left, other runs beside, a disk that is full at the last byte."""

from __future__ import annotations

import fcntl
import gzip
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ebpfrun.delivery import Delivery, Settings
from ebpfrun.sinks import Sink, SinkError, open_sink, partial
from ebpfrun.sinks.conformance import batch, context, names

WHOLE = ("jsonl:{}.jsonl,compress=gzip", "csv:{}.csv,compress=gzip", "parquet:{}.parquet")
"""Sinks whose files are put in place; ``{}`` is a path."""
ENDS = {"jsonl": ".jsonl.gz", "csv": ".csv.gz", "parquet": ".parquet"}


def opened(words: str, say: Callable[[str], None] = print) -> Sink:
    return open_sink(words, context(several=False)._replace(say=say))


def put(sink: Sink, *texts: str) -> None:
    sink.write(batch(names(*texts), several=False))
    sink.flush()


def target(words: str, folder: Path) -> Path:
    return folder / f"out{ENDS[words.partition(':')[0]]}"


def rows(path: Path) -> int:
    """Of a whole file."""
    if path.suffix == ".parquet":
        return int(pq.read_table(path).num_rows)
    lines = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return lines.count(b"\n") - (".csv" in path.name)


@pytest.mark.parametrize("words", WHOLE)
@pytest.mark.parametrize("kind", ["a device", "a pipe", "a folder"])
def test_what_is_no_file_is_not_replaced(words: str, kind: str, tmp_path: Path) -> None:
    """As root, ``--sink parquet:/dev/null`` would leave the machine without that device."""
    path = target(words, tmp_path)
    if kind == "a device":
        if os.geteuid() != 0:
            pytest.skip("needs root")
        os.mknod(path, 0o20600, os.makedev(1, 3))
    elif kind == "a pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
        if words.startswith("parquet"):
            return  # in which it puts its table
    before = path.lstat()
    with pytest.raises(SinkError, match=r"expected a file|Is a directory"):
        opened(words.format(tmp_path / "out"))
    assert path.lstat() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("words", WHOLE)
def test_a_link_stays_and_what_it_names_is_replaced(words: str, tmp_path: Path) -> None:
    path = target(words, tmp_path)
    (tmp_path / "elsewhere").mkdir()
    real = tmp_path / "elsewhere" / path.name
    real.write_bytes(b"before")
    path.symlink_to(real)
    sink = opened(words.format(tmp_path / "out"))
    put(sink, "a")
    sink.close()
    assert path.is_symlink()
    assert rows(real) == 1
    assert list((tmp_path / "elsewhere").iterdir()) == [real]


@pytest.mark.parametrize("words", WHOLE)
def test_a_link_in_its_way_is_not_followed(words: str, tmp_path: Path) -> None:
    """In a folder where others may make files, one could make us write anywhere."""
    path = target(words, tmp_path)
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / f".{path.name}.partial").symlink_to(tmp_path / "victim")
    with pytest.raises(SinkError, match="is a link, which is not followed"):
        opened(words.format(tmp_path / "out"))
    assert (tmp_path / "victim").read_bytes() == b"precious"


@pytest.mark.parametrize("words", WHOLE)
def test_what_a_killed_run_left_is_told_when_it_is_written_over(words: str, tmp_path: Path) -> None:
    path, said = target(words, tmp_path), list[str]()
    left = tmp_path / f".{path.name}.partial"
    left.write_bytes(bytes(3000))
    sink = opened(words.format(tmp_path / "out"), said.append)
    put(sink, "a")
    sink.close()
    assert said == [f"sink {words.partition(':')[0]}: {left}: 2.9 KiB that a run left there which was killed are written over"]
    assert (rows(path), list(tmp_path.iterdir())) == (1, [path])


@pytest.mark.parametrize("words", WHOLE)
def test_what_killed_runs_left_stays_with_rotation_and_is_told(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = list[str]()
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2026, 1, 1, 0, 0, 2, 0, 0, 0)))  # as the youngest
    suffix = ENDS[words.partition(":")[0]]
    old = [tmp_path / f".out-20260101T00000{i}Z-0001{suffix}.partial" for i in range(3)]
    for file in old:
        file.write_bytes(b"begun")
    (tmp_path / f".other-20260101T000000Z-0001{suffix}.partial").touch()
    with old[1].open() as written:
        fcntl.flock(written, fcntl.LOCK_EX)  # by a run that goes on
        sink = opened(words.format(tmp_path / "out") + ",rotate=1GiB", said.append)
    put(sink, "a")
    sink.close()
    assert said == [f"sink {words.partition(':')[0]}: {old[2]}: left unfinished by a run that was killed, and 1 more of them"]
    assert [file.read_bytes() for file in old] == [b"begun"] * 3


@pytest.mark.parametrize("words", WHOLE)
def test_another_run_completes_its_file_just_then(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between our opening of its unfinished file and our lock: what is in place by then is not emptied."""
    first = opened(words.format(tmp_path / "out"))
    put(first, "a", "b")
    real = fcntl.flock

    def flock(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", real)
        first.close()
        real(fd, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    second = opened(words.format(tmp_path / "out"))
    assert rows(target(words, tmp_path)) == 2
    put(second, "c")
    assert rows(target(words, tmp_path)) == 2
    second.close()
    assert rows(target(words, tmp_path)) == 1


@pytest.mark.parametrize("words", WHOLE)
def test_runs_that_rotate_beside_one_another_take_other_names(words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "gmtime", lambda: time.struct_time((2026, 1, 1, 0, 0, 0, 0, 0, 0)))
    sinks = [opened(words.format(tmp_path / "out") + ",rotate=1GiB") for _ in range(3)]
    for sink in sinks:
        put(sink, "a")
    for sink in sinks:
        sink.close()
    suffix = ENDS[words.partition(":")[0]]
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"out-20260101T000000Z-000{i}{suffix}" for i in (1, 2, 3)]
    assert [rows(p) for p in tmp_path.iterdir()] == [1] * 3


@pytest.mark.parametrize("words", ["jsonl:{}.jsonl", "csv:{}.csv", "arrow:{}.arrow"])
def test_a_live_file_is_not_emptied_while_another_writes_it(words: str, tmp_path: Path) -> None:
    sink = opened(words.format(tmp_path / "out"))
    put(sink, "a")
    (path,) = tmp_path.iterdir()
    before = path.read_bytes()
    with pytest.raises(SinkError, match="another run or another sink is writing it"):
        opened(words.format(tmp_path / "out"))
    assert path.read_bytes() == before
    sink.close()
    opened(words.format(tmp_path / "out")).close()


def delivered(sink: Sink, **served: Any) -> Delivery:
    return Delivery(sink, "it", Settings(**served), print, lambda: None)


@pytest.mark.parametrize("words", ["jsonl:{}.jsonl", *WHOLE])
def test_a_file_is_complete_by_its_age_though_nothing_more_comes(words: str, tmp_path: Path) -> None:
    """No event and no end is needed for it."""
    delivery = delivered(opened(words.format(tmp_path / "out") + ",rotate=1ms"))
    with batch(names("a", "b"), several=False) as one:
        delivery.put(one)
    end = time.monotonic() + 30
    while not (found := list(tmp_path.glob("out*"))):
        assert time.monotonic() < end
        os.sched_yield()
    assert [rows(path) for path in found] == [2]
    delivery.end()
    delivery.join()
    assert list(tmp_path.iterdir()) == found
    assert (delivery.fate.taken[0], delivery.failed) == (2, None)


class Full:
    """``os.pwrite`` on a disk that has no room while ``full`` is set."""

    def __init__(self) -> None:
        self.full = threading.Event()
        self.refused = threading.Event()

    def __call__(self, fd: int, data: memoryview, offset: int) -> int:
        if self.full.is_set():
            self.refused.set()
            raise OSError(28, os.strerror(28))
        return os.pwritev(fd, [data], offset)


def test_a_file_whose_end_finds_no_room_is_completed_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that gzip ends with: nothing is written twice, nothing is lost."""
    disk = Full()
    monkeypatch.setattr("ebpfrun.sinks.files.os.pwrite", disk)
    sink = opened(f"jsonl:{tmp_path}/out.jsonl,compress=gzip,rotate=1h,1B")
    sink.write(batch(names("a", "b"), several=False))
    disk.full.set()
    for _ in range(2):
        with pytest.raises(SinkError, match="No space left") as told:
            sink.flush()
        assert told.value.lost == {}
    with pytest.raises(SinkError, match="No space left"):
        sink.write(batch(names("c"), several=False))
    disk.full.clear()
    sink.write(batch(names("c"), several=False))
    sink.close()
    found = [json.loads(line)["name"] for path in sorted(tmp_path.iterdir()) for line in gzip.decompress(path.read_bytes()).splitlines()]
    assert found == ["a", "b", "c"]


def test_a_file_that_is_never_completed_is_lost_and_stays_under_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Full()
    monkeypatch.setattr("ebpfrun.sinks.files.os.pwrite", disk)
    delivery = delivered(opened(f"csv:{tmp_path}/out.csv,compress=gzip"))
    with batch(names("a", "b"), several=False) as one:
        delivery.put(one)
        delivery.wait()
    disk.full.set()
    delivery.end()
    delivery.join()
    assert (delivery.fate.taken[0], delivery.fate.failed[0]) == (0, 2)
    assert [p.name for p in tmp_path.iterdir()] == [".out.csv.gz.partial"]


@pytest.mark.parametrize("words", WHOLE)
def test_a_file_that_was_removed_while_it_was_written_is_lost(words: str, tmp_path: Path) -> None:
    delivery = delivered(opened(words.format(tmp_path / "out")))
    with batch(names("a", "b"), several=False) as one:
        delivery.put(one)
        delivery.wait()
    (file,) = tmp_path.iterdir()
    file.unlink()
    delivery.end()
    delivery.join()
    assert (delivery.fate.taken[0], delivery.fate.failed[0]) == (0, 2)
    assert "it was removed while it was written" in str(delivery.failed)
    assert list(tmp_path.iterdir()) == []


def test_parquet_counts_what_waited_for_a_file_that_cannot_be_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that came with earlier batches are lost with the row group that they stand in."""
    monkeypatch.setattr("ebpfrun.sinks.gather.ROWS", 4)
    sink = opened(f"parquet:{tmp_path}/out.parquet,rotate=1B")
    put(sink, "a", "b", "c", "d")  # a whole file
    delivery = delivered(sink, retry=0)

    def fails(_: partial.Namer) -> partial.Partial:
        raise SinkError("parquet", "out", OSError(30, "Read-only file system"))

    monkeypatch.setattr(partial.Namer, "begin", fails)
    for texts in (("e", "f", "g"), ("h", "i", "j")):
        with batch(names(*texts), several=False) as one:
            delivery.put(one)
            delivery.wait()
    delivery.end()
    delivery.join()
    assert (delivery.fate.taken[0], delivery.fate.failed[0]) == (0, 6)
