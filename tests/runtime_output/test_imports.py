"""A heavy library is imported by the sink that needs it, and by no other: in a process of its own, from a recording."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

RECORDING = Path(__file__).parents[1] / "recording" / "fixtures" / "opensnoop.rec"
HEAVY = {"numpy", "pyarrow", "duckdb", "pandas", "polars", "zstandard", "sqlite3"}
NEEDS: dict[str, set[str]] = {
    "table": set(),
    "text": set(),
    "jsonl": set(),
    "csv": set(),
    "jsonl:out.gz,compress=gzip": set(),
    "jsonl:out.zst,compress=zstd": {"zstandard"} if sys.version_info < (3, 14) else set(),
    "sqlite": {"sqlite3"},
    "arrow": {"numpy", "pyarrow"},
    "parquet": {"numpy", "pyarrow"},
    "duckdb": {"numpy", "pyarrow", "duckdb"},
}


@pytest.mark.parametrize("sink", NEEDS)
def test_no_sink_imports_what_another_needs(sink: str, tmp_path: Path) -> None:
    words = sink if ":" in sink else f"{sink}:out"
    command = [sys.executable, "-X", "importtime", "-m", "ebpfrun.cli", "--replay", str(RECORDING), "--sink", words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    imported = set(re.findall(r"^import time:[^|]*\|[^|]*\| +([A-Za-z_0-9]+)", done.stderr, re.MULTILINE))
    assert imported & HEAVY == NEEDS[sink]
