"""What is built on this machine, once, for all guests: artefacts of all specs and the workload programs.

The guests only run them: that a program built for one kernel runs on others is what the lab is to show.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from workloads import HERE as WORKLOADS
from workloads import LIBRARIES, Workloads

from .packages import LabError

ROOT = Path(__file__).parents[2]
SPECS = (ROOT / "specs", Path(__file__).with_name("specs"))
PYTHONPATH = os.pathsep.join(str(ROOT / part) for part in ("generator", "runtime", "tests"))


def artefacts(folder: Path) -> Path:
    """Builds into ``folder``, what changed only."""
    command = [sys.executable, "-m", "ebpfgen.cli", "build", *map(str, SPECS), "--out", str(folder)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": PYTHONPATH}, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"the specs do not build:\n{done.stderr}")
    refused(folder / "refused")
    return folder


def refused(folder: Path) -> None:
    """The programs that every kernel refuses, see :mod:`verdicts`."""
    command = [sys.executable, "-m", "verdicts.making", str(folder)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": PYTHONPATH}, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"the programs with mistakes do not build:\n{done.stderr}")


def workload_programs(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    programs = Workloads(folder)
    for source in sorted(WORKLOADS.glob("*.c*")):
        if source.stem in LIBRARIES:
            programs.library(source.stem)
        else:
            programs.command(source.stem)
    return folder
