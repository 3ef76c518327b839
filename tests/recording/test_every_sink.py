"""One run into every sink there is, recorded; then the recording into every sink: the same files, byte for byte."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from codegen.running import Lab
from ebpfgen.pipeline import Setting
from ebpfrun.sinks.registry import NAMES

from .test_recorder import CALLS, SPEC, ebpfrun

pytestmark = [pytest.mark.root, pytest.mark.kernel]
SINKS = {
    "table": "table:{}/out.table",
    "text": "text:{}/out.text",
    "jsonl": "jsonl:{}/out.jsonl",
    "csv": "csv:{}/csv/",
    "parquet": "parquet:{}/parquet/",
    "arrow": "arrow:{}/arrow/,flush=1h",  # else what lies behind each other in one piece depends on when it came
    "sqlite": "sqlite:{}/out.db",
    "duckdb": "duckdb:{}/out.duckdb",
    "jsonl of gzip": "jsonl:{}/packed.jsonl,compress=gzip",
    "text that rotates, of zstd": "text:{}/turns.text,compress=zstd,rotate=20kB",
}


@pytest.fixture(scope="module")
def both(setting: Setting, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what came out live, and again."""
    folder = tmp_path_factory.mktemp("both")
    lab = Lab(tmp_path_factory.mktemp("built"), setting)
    work = f"{sys.executable} -S -c '{CALLS}'"
    options = ("--interval", "10ms", "--record", "run.rec", "--ring", "16MiB")
    live = ebpfrun(folder, str(lab.build(SPEC)), "-c", work, *options, *sinks(folder, "live"))
    assert live.returncode == 0, live.stderr
    again = ebpfrun(folder, "--replay", "run.rec", *sinks(folder, "again"))
    assert again.returncode == 0, again.stderr
    assert "dropped" not in live.stderr, "each sink had all, or there is nothing to compare"
    return folder


def sinks(folder: Path, name: str) -> list[str]:
    (folder / name).mkdir()
    return [word for sink in SINKS.values() for word in ("--sink", sink.format(name) + ",queue=64MiB")]


def files(folder: Path) -> dict[str, Path]:
    """By name, but for the time that names of files that rotate hold."""
    return {re.sub(r"\d{8}T\d{6}Z", "TIME", str(p.relative_to(folder))): p for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_list_is_complete() -> None:
    assert set(NAMES) <= SINKS.keys()


def test_the_same_bytes(both: Path) -> None:
    live, again = files(both / "live"), files(both / "again")
    assert live.keys() == again.keys()
    assert len(live) > len(SINKS)
    for name, path in live.items():
        if not name.endswith("duckdb"):
            assert path.read_bytes() == again[name].read_bytes() != b"", name


def test_the_same_rows_where_the_library_writes_no_file_twice_alike(both: Path) -> None:
    live, again = (rows(both / name / "out.duckdb") for name in ("live", "again"))
    assert live == again
    assert {name for name, rows in live.items() if rows} >= {"call", "odd", "calls.metric", "sizes.metric"}


def rows(file: Path) -> dict[str, list[Any]]:
    duckdb = pytest.importorskip("duckdb")
    with contextlib.closing(duckdb.connect(str(file), read_only=True)) as db:
        tables = [name for (name,) in db.execute("select table_name from duckdb_tables() order by 1").fetchall()]
        return {name: db.execute(f'select * from "{name}"').fetchall() for name in tables}


def test_the_account_is_told_at_the_end(both: Path) -> None:
    """Of the replay's own sinks; the kernel's counts are the recorded ones."""
    done = ebpfrun(both, "--replay", "run.rec", "--sink", "jsonl:told.jsonl,losses=yes", "--sink", "csv:told/,losses=yes")
    assert done.returncode == 0, done.stderr
    (told,) = [line["losses"] for line in map(json.loads, (both / "told.jsonl").read_text().splitlines()) if "losses" in line]
    found = re.search(r"call: (\d+) produced", done.stderr)
    assert found
    assert told["events"]["call"]["produced"] == int(found[1])
    assert [sink["sink"] for sink in told["events"]["call"]["sinks"]] == ["jsonl:told.jsonl", "csv:told/"]
    assert f"produced,call,,{found[1]}" in (both / "told" / "run.losses.csv").read_text()
