"""Files that are whole when they are there: rotation, compression, completion at once, failure."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from ebpfrun.errors import UsageError
from ebpfrun.sinks import Sink, SinkError, open_sink
from ebpfrun.sinks.conformance import batch, context, names
from ebpfrun.sinks.files import Files, Rotation, rotation

READERS: dict[str, Callable[[bytes], bytes]] = {
    ".jsonl": bytes,
    ".gz": gzip.decompress,
    ".zst": lambda data: zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True).read(),
}


def opened(words: str) -> Sink:
    return open_sink(words, context())


def read(path: Path) -> list[str]:
    """The names in a file, which must be whole."""
    data = READERS[path.suffix](path.read_bytes())
    assert not data or data.endswith(b"\n")
    return [json.loads(line)["name"] for line in data.splitlines()]


def put(sink: Sink, *texts: str) -> None:
    sink.write(batch(names(*texts)))
    sink.flush()


def visible(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("64MiB", Rotation(64 << 20)), ("10m", Rotation(None, 600.0)), ("1kB,500ms", Rotation(1000, 0.5)), ("2h,1GiB", Rotation(1 << 30, 7200.0))],
)
def test_rotation_by_size_and_time(text: str, wanted: Rotation) -> None:
    assert rotation(text) == wanted


@pytest.mark.parametrize("words", ["rotate=64", "rotate=never", "rotate=0s", "compress=xz", "compress="])
def test_options_that_cannot_be(words: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=f"--sink jsonl:{tmp_path}/out: {words}: expected"):
        opened(f"jsonl:{tmp_path}/out,{words}")
    assert visible(tmp_path) == []


def test_the_standard_output_is_no_file_to_rotate() -> None:
    with pytest.raises(SinkError, match="need a file"):
        opened("jsonl,rotate=1MiB")


def test_a_file_is_there_when_it_is_complete(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.gz").write_bytes(b"what was there before")
    sink = opened(f"jsonl:{tmp_path}/out.jsonl,compress=gzip")
    put(sink, "a", "b")
    assert (tmp_path / "out.jsonl.gz").read_bytes() == b"what was there before"
    sink.close()
    assert [p.name for p in tmp_path.iterdir()] == ["out.jsonl.gz"]
    assert read(tmp_path / "out.jsonl.gz") == ["a", "b"]


@pytest.mark.parametrize(("compress", "suffix"), [("gzip", ".gz"), ("zstd", ".zst")])
def test_compression(compress: str, suffix: str, tmp_path: Path) -> None:
    sink = opened(f"jsonl:{tmp_path}/out.jsonl,compress={compress}")
    many = [f"name {i}" for i in range(3000)]
    for i in range(0, 3000, 500):
        put(sink, *many[i : i + 500])
    sink.close()
    (path,) = tmp_path.iterdir()
    assert path.name == f"out.jsonl{suffix}"
    assert read(path) == many
    assert path.stat().st_size < 40_000


@pytest.mark.parametrize("compress", ["gzip", "zstd"])
def test_what_is_written_at_once_is_packed_at_once(compress: str, tmp_path: Path) -> None:
    """In however many pieces it comes: a replay without the artefact's C gives line by line."""
    lines = [b'{"name": "%d"}\n' % i for i in range(2000)]
    wholes = []
    for number, pieces in enumerate([lines, [b"".join(lines)]]):
        files = Files("jsonl", str(tmp_path / f"{number}.jsonl"), Rotation(), compress, b"", print)
        files.write(pieces, {})
        files.close()
        (path,) = tmp_path.glob(f"{number}.*")
        wholes.append(path.read_bytes())
    assert wholes[0] == wholes[1]
    assert len(wholes[0]) < 10_000


def test_zstd_names_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "zstandard", None)
    if sys.version_info < (3, 14):
        from ebpfrun.errors import MachineError

        with pytest.raises(MachineError, match=r"pip install 'ebpfgen\[zstd\]'"):
            opened(f"jsonl:{tmp_path}/out,compress=zstd")


def test_rotation_by_size(tmp_path: Path) -> None:
    sink = opened(f"jsonl:{tmp_path}/out.jsonl,rotate=1kB")
    for i in range(40):
        put(sink, f"{i}")
    assert len(list(tmp_path.glob(".*.partial"))) == 1
    sink.close()
    found = sorted(tmp_path.iterdir())
    assert [re.sub(r"\d{8}T\d{6}Z", "TIME", p.name) for p in found] == [f"out-TIME-{i:04d}.jsonl" for i in range(1, len(found) + 1)]
    assert len(found) > 2
    assert [int(name) for path in found for name in read(path)] == list(range(40))
    assert all(1000 <= path.stat().st_size < 1100 for path in found[:-1])


def test_rotation_by_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("ebpfrun.sinks.files.time.monotonic", lambda: now)
    sink = opened(f"csv:{tmp_path}/{{}}.csv,rotate=10m,compress=gzip")
    now += 601
    sink.flush()
    assert visible(tmp_path) == []  # nothing but a header
    put(sink, "a")
    now += 1
    put(sink, "b")
    now += 600
    sink.flush()
    put(sink, "c")
    sink.close()
    (one, two) = visible(tmp_path)
    assert [gzip.decompress((tmp_path / p).read_bytes()).count(b"\r\n") for p in (one, two)] == [3, 2]
    assert one.startswith("name-") and one.endswith("-0001.csv.gz")


def test_names_that_are_taken_are_passed_over(tmp_path: Path) -> None:
    for _ in range(3):
        sink = opened(f"jsonl:{tmp_path}/out.jsonl,rotate=1MiB")
        put(sink, "a")
        sink.close()
    assert [read(path) for path in tmp_path.iterdir()] == [["a"]] * 3


def test_two_runs_do_not_write_the_same_file(tmp_path: Path) -> None:
    sink = opened(f"jsonl:{tmp_path}/out,compress=gzip")
    with pytest.raises(SinkError, match="another run or another sink is writing it"):
        opened(f"jsonl:{tmp_path}/out,compress=gzip")
    sink.close()
    opened(f"jsonl:{tmp_path}/out,compress=gzip").close()


def test_a_file_ends_with_its_last_whole_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fills in the middle of a batch."""
    for compress, suffix in (("gzip", ".gz"), ("zstd", ".zst")):
        sink = opened(f"jsonl:{tmp_path}/out.jsonl,compress={compress}")
        put(sink, "a", "b")
        with monkeypatch.context() as patch:
            patch.setattr("ebpfrun.sinks.files.os.pwrite", full(os.pwrite))
            with pytest.raises(SinkError, match="No space left"):
                put(sink, *(os.urandom(100).hex() for _ in range(3000)))
        put(sink, "c")
        sink.close()
        assert read(tmp_path / f"out.jsonl{suffix}") == ["a", "b", "c"]


def full(write: Callable[[int, memoryview, int], int]) -> Callable[[int, memoryview, int], int]:
    """A disk with room for half of a write."""
    room = [0]

    def pwrite(fd: int, data: memoryview, offset: int) -> int:
        if not room:
            raise OSError(28, os.strerror(28))
        return write(fd, data, offset) if room.pop(0) else write(fd, data[: len(data) // 2], offset)

    return pwrite
