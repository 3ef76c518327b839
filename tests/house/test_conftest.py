"""What the shared conftest promises of every run, tried on tests made for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from house.markdown import ROOT

TESTS = """
import os, pytest

def test_leaks():
    os.open("/dev/null", os.O_RDONLY)

def test_closes():
    os.close(os.open("/dev/null", os.O_RDONLY))

@pytest.mark.parametrize("n", range(3))
def test_lacks(n):
    pytest.skip("kprobe: this kernel has none")

@pytest.mark.skip(reason="another reason")
def test_skipped(): ...
"""


def test_leaks_fail_and_skips_are_counted_by_reason(tmp_path: Path) -> None:
    (tmp_path / "test_made.py").write_text(TESTS)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "conftest",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert any("left open: {'" in line and "/dev/null" in line for line in lines)
    assert "3 kprobe: this kernel has none" in lines
    assert "1 another reason" in lines
    assert "4 skipped" in lines[-1]
    assert "2 passed" in lines[-1]
    assert "1 error" in lines[-1]
