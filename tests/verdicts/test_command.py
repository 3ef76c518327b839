"""The whole way: `ebpfrun SPEC` with a program that the kernel refuses."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .cases import CASES, COLUMN, LINE, SPEC, Case

pytestmark = pytest.mark.root


def test_the_spec_is_called_as_whoever_runs_it_calls_it(refused: Callable[[Case], Path], tmp_path: Path) -> None:
    case = next(c for c in CASES if c.name == "null_entry")
    (tmp_path / "mine").mkdir()
    shutil.copy(SPEC, tmp_path / "mine")
    shutil.copytree(refused(case), tmp_path / "build" / "refused")  # up to date, as far as can be told
    command = [sys.executable, "-m", "ebpfrun.cli", "mine/refused.yaml", "--verifier-log", "log"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 3
    first, *_, last = done.stderr.splitlines()
    assert first == (
        f"ebpfrun: mine/refused.yaml:{LINE}:{COLUMN}: probe called: the kernel refuses this program: it uses an entry of a map, "
        "or a record, without having seen that there is one"
    )
    assert last == "all of the kernel's words: in log"
    assert "R0 invalid mem access 'map_value_or_null'" in (tmp_path / "log").read_text()
    named = subprocess.run([*command[:3], "refused"], cwd=tmp_path, capture_output=True, text=True)
    assert named.stderr.startswith(f"ebpfrun: refused.yaml:{LINE}:{COLUMN}: ")
