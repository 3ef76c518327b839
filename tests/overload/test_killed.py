"""kill -9 in the middle of writing: whatever is there under its own name is whole, and databases open with whole rows."""

from __future__ import annotations

import contextlib
import csv
import gzip
import json
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from workloads import Workload

from .conftest import Run

pytestmark = [pytest.mark.root, pytest.mark.kernel]

ENDLESS = 1 << 60
A_SECOND = 50_000
FIELDS = {"time", "pid", "comm", "caller"}
Start = Callable[..., AbstractContextManager[Run]]
Read = Callable[[Path], list[int]]


@pytest.fixture
def busy(workload: Callable[..., Workload]) -> Workload:
    """Calls getppid until the test ends."""
    work = workload("getppids", ENDLESS, A_SECOND)
    work.start()
    return work


def gzip_rows(path: Path) -> list[int]:
    return [json.loads(line)["caller"] for line in gzip.decompress(path.read_bytes()).splitlines()]


def zstd_rows(path: Path) -> list[int]:
    zstandard = pytest.importorskip("zstandard")
    with zstandard.ZstdDecompressor().stream_reader(path.read_bytes(), read_across_frames=True) as reader:
        return [int(row["caller"]) for row in csv.DictReader(reader.read().decode().splitlines())]


def parquet_rows(path: Path) -> list[int]:
    found: list[int] = pytest.importorskip("pyarrow.parquet").read_table(path).column("caller").to_pylist()
    return found


WHOLE: dict[str, tuple[str, Read]] = {
    "gz": ("jsonl:{}/out.jsonl,compress=gzip,rotate=50kB", gzip_rows),
    "zst": ("csv:{}/out.csv,compress=zstd,rotate=50kB", zstd_rows),
    "parquet": ("parquet:{}/out.parquet,rotate=50kB", parquet_rows),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_files_that_are_there_are_whole(kind: str, start: Start, busy: Workload, tmp_path: Path) -> None:
    """Each is read as soon as it can be seen, while the next is being written, and then once more after the end."""
    words, read = WHOLE[kind]
    (tmp_path / "o").mkdir()
    with start("--sink", words.format("o"), pid=busy.pid) as run:
        rows: dict[Path, list[int]] = {}

        def seen() -> int:
            rows.update({path: read(path) for path in visible(tmp_path / "o") if path not in rows})
            return len(rows)

        run.wait_until(lambda: seen() >= 3)
        killed(run)
    assert {path: read(path) for path in rows} == rows
    for path in visible(tmp_path / "o"):
        assert set(read(path)) == {busy.pid}, path


def visible(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))


def killed(run: Run) -> None:
    run.process.send_signal(signal.SIGKILL)
    assert run.process.wait() == -signal.SIGKILL


def test_lines_that_are_there_are_whole(start: Start, busy: Workload, tmp_path: Path) -> None:
    """Of a live file: only its very last one may be half of one."""
    with start("--sink", "jsonl:rows", pid=busy.pid) as run:
        run.wait_until(lambda: (tmp_path / "rows").stat().st_size > 100_000)
        killed(run)
    *lines, last = (tmp_path / "rows").read_bytes().split(b"\n")
    assert len(lines) > 500
    for line in lines:
        row = json.loads(line)
        assert row.keys() >= FIELDS and row["caller"] == busy.pid
    assert not last or lines[-1][:20] == last[:20] or lines[-1].startswith(last)


def test_an_sqlite_file_has_whole_rows(start: Start, busy: Workload, tmp_path: Path) -> None:
    with start("--sink", "sqlite:rows.db", pid=busy.pid) as run:
        run.wait_until(lambda: sqlite_rows(tmp_path / "rows.db") > 1000)
        killed(run)
    with contextlib.closing(sqlite3.connect(tmp_path / "rows.db")) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert db.execute("select distinct caller from call").fetchall() == [(busy.pid,)]
    assert sqlite_rows(tmp_path / "rows.db") > 1000


def sqlite_rows(file: Path) -> int:
    """As another process sees them, meanwhile."""
    try:
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as db:
            return int(db.execute("select count(*) from call").fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0


def test_a_duckdb_file_opens_and_goes_on(start: Start, busy: Workload, tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    with start("--sink", "duckdb:rows.duckdb,flush=10ms", pid=busy.pid) as run:
        run.wait_until(lambda: sum(path.stat().st_size for path in tmp_path.glob("rows.duckdb*")) > 500_000)
        killed(run)
    with start("--sink", "duckdb:rows.duckdb", "--sink", "jsonl:again", pid=busy.pid) as run:
        run.wait_until(lambda: (tmp_path / "again").exists() and (tmp_path / "again").stat().st_size > 1000)
        run.end()
    assert run.status == 0, run.said
    with contextlib.closing(duckdb.connect(str(tmp_path / "rows.duckdb"), read_only=True)) as db:
        callers, count = db.execute("select list(distinct caller), count(*) from call").fetchone()
    assert callers == [busy.pid]
    assert count > 10


def test_an_arrow_stream_can_be_read_up_to_its_end(start: Start, busy: Workload, tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    with start("--sink", "arrow:rows.arrow,flush=10ms", pid=busy.pid) as run:
        run.wait_until(lambda: (tmp_path / "rows.arrow").stat().st_size > 200_000)
        killed(run)
    rows: list[int] = []
    with pyarrow.ipc.open_stream(str(tmp_path / "rows.arrow")) as stream, contextlib.suppress(pyarrow.ArrowInvalid, OSError):
        for batch in stream:
            rows += batch.column("caller").to_pylist()
    assert len(rows) > 1000 and set(rows) == {busy.pid}
