"""What is built on this machine, once, for all guests: artefacts of all specs, what they should do there, the workload programs.

The guests only run them: that a program built for one kernel runs on others is what the lab is to show.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workloads import HERE as WORKLOADS
from workloads import LIBRARIES, Workloads

from .packages import LabError

ROOT = Path(__file__).parents[2]
SPECS = (ROOT / "specs", Path(__file__).with_name("specs"))
MODULE_SPECS = Path(__file__).with_name("module_specs")
PYTHONPATH = os.pathsep.join(str(ROOT / part) for part in ("generator", "runtime", "tests"))


DESCRIPTIONS = ROOT / "tests/kernel_description/kernels"
DESCRIPTION = DESCRIPTIONS / "6.12.kdesc"
"""Of a kernel with the modules that MODULE_SPECS are about."""
PREDICTED = "predicted.json"


def artefacts(folder: Path) -> Path:
    """Builds into ``folder``, what changed only; all of it where another version of the generator has left what this one does not
    know. There, too, what they are predicted to do on the lab's kernels (PREDICTED)."""
    for last in (False, True):
        words = _build(folder, *SPECS) or _build(folder, MODULE_SPECS, "--kernel", str(DESCRIPTION))
        if not words:
            break
        if last:
            raise LabError(f"the specs do not build:\n{words}")
        shutil.rmtree(folder, ignore_errors=True)
    refused(folder / "refused")
    (folder / PREDICTED).write_text(predicted(sorted(DESCRIPTIONS.glob("*.kdesc"))))
    return folder


def _build(folder: Path, *words: Path | str) -> str:
    """What the generator says of its failure."""
    done = _ebpfgen("build", *map(str, words), "--out", str(folder))
    return done.stderr if done.returncode else ""


def refused(folder: Path) -> None:
    """The programs that every kernel refuses, see :mod:`verdicts`."""
    done = _python("verdicts.making", str(folder))
    if done.returncode:
        raise LabError(f"the programs with mistakes do not build:\n{done.stderr}")


def predicted(kernels: Sequence[Path] = ()) -> str:
    """The portability table, as JSON, of what is built here for this kernel, on this kernel and those of the files."""
    named = [word for kernel in ("running", *kernels) for word in ("--kernel", str(kernel))]
    done = _ebpfgen("check", *map(str, SPECS), *named, "--format", "json")
    if done.stderr:
        raise LabError(f"the specs can't be checked against the lab's kernels:\n{done.stderr}")
    return done.stdout


def _ebpfgen(*words: str) -> subprocess.CompletedProcess[str]:
    return _python("ebpfgen.cli", *words)


def _python(*words: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": PYTHONPATH}
    return subprocess.run([sys.executable, "-m", *words], env=environment, capture_output=True, text=True)


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
