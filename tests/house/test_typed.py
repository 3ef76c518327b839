"""The interface for Python programs has types that a program's own checker sees."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

USE = """\
import asyncio
from ebpfrun.output import Output
from ebpfrun.tracer import Tracer

with Tracer("build/net", filters={"pid": 42}, ring=1 << 20) as tracer:
    output = Output(tracer.records, ["jsonl:rows"])
    for batch in tracer.batches(duration=10):
        reveal_type(batch)
        reveal_type(batch.columns("session")["sent"])
        reveal_type(batch.rows("session"))
        reveal_type(batch.to_polars("session"))
        output.batch(batch)
    output.finish(tracer)
    reveal_type(tracer.account().events[0].produced)


async def main() -> None:
    with Tracer("build/net") as tracer:
        async for batch in tracer.batches():
            reveal_type(batch)


asyncio.run(main())
"""
BATCH = "ebpfrun.batch.Batch"
TYPES = [BATCH, "numpy.ndarray[Any, Any]", "Iterator[dict[str, Any]]", "DataFrame", "int", BATCH]


@pytest.mark.slow
def test_a_program_is_checked_against_them(tmp_path: Path) -> None:
    """By mypy strict, away from the checkout: the packages say that they are typed (py.typed)."""
    (tmp_path / "use.py").write_text(USE)
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "use.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    found = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert [want for want, seen in zip(TYPES, found, strict=True) if want not in seen] == [], found
