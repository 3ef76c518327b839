"""The driver's loops over records, compiled so that each touch of memory is watched: the properties of test_loops and test_order."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import ROOT

HERE = Path(__file__).parent


def runtime_library() -> str | None:
    """gcc's; that of clang is a package of its own."""
    gcc = shutil.which("gcc")
    found = subprocess.run([gcc, "-print-file-name=libasan.so"], capture_output=True, text=True).stdout.strip() if gcc else ""
    return str(Path(found).resolve()) if os.path.isabs(found) else None  # noqa: PTH117


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.slow
def test_nothing_outside_of_the_records_is_touched() -> None:
    library = runtime_library()
    if library is None:
        pytest.skip("gcc's address sanitizer is not installed")
    environment = {
        "EBPFGEN_SANITIZED": "1",
        "LD_PRELOAD": library,
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own, at its end
        "PYTHONMALLOC": "malloc",  # or what is beside a buffer of Python's is other memory of Python's
    }
    files = [str(HERE / name) for name in ("test_loops.py", "test_order.py")]
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *files]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "passed" in done.stdout and "skipped" not in done.stdout
