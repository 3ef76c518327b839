"""What every section of the benchmark uses: rows, pairs and their medians, where things are, the hand-written tools.

Never prints and judges nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BIN = Path(sys.executable).parent
EBPFRUN, EBPFGEN = str(BIN / "ebpfrun"), str(BIN / "ebpfgen")
PAIRS = 7
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    ours: str
    peer: str
    ratio: str
    bar: str


def paired(what: str, ours: float, theirs: float, ratio: float, unit: str, peer: str, bar: str) -> Row:
    digits = 3 if unit == "s" else 0
    return Row(what, f"{ours:.{digits}f} {unit}", f"{peer} {theirs:.{digits}f} {unit}", f"{ratio:.3f}", bar)


def median(values: list[float]) -> float:
    return statistics.median(values)


def pairs(a: Callable[[], float], b: Callable[[], float], n: int = PAIRS) -> tuple[float, float, float]:
    """Medians of a, of b and of a/b pair by pair, after one of each that is not counted."""
    a(), b()
    measured = [(a(), b()) for _ in range(n)]
    return median([x for x, _ in measured]), median([y for _, y in measured]), median([x / y for x, y in measured])


def ended(process: subprocess.Popen[Any]) -> tuple[float, float]:
    """Waits for the end of a process: its seconds of CPU, and its peak resident MB. Not by rusage: that has the memory of the
    process that started it, too."""
    peak = 0
    while True:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"^VmHWM:\s*(\d+)", status, re.MULTILINE)
        peak = max(peak, int(found[1]) if found else 0)
        pid, code, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(code)
            return usage.ru_utime + usage.ru_stime, peak / 1024
        time.sleep(0.005)


def hand_made(folder: Path, name: str, flags: list[str] = []) -> Path:  # noqa: B006 - never changed
    """Compiles both halves of the hand-written tool ``name`` in a folder of its own; the program's path."""
    work = Path(tempfile.mkdtemp(prefix=name, dir=folder)) / "handwritten"
    shutil.copytree(HERE / "handwritten", work)
    clang = next(c for c in ("clang-19", "clang") if shutil.which(c))
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    to_bpf = [clang, "-target", "bpf", "-O2", "-g", "-mcpu=v3", include, *flags]
    subprocess.run([*to_bpf, "-c", f"{name}.bpf.c", "-o", f"{name}.bpf.o"], cwd=work, check=True)
    bpftool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin") or "bpftool"
    with (work / f"{name}.skel.h").open("wb") as skeleton:
        command = [bpftool, "gen", "skeleton", f"{name}.bpf.o", "name", f"{name}_bpf"]
        subprocess.run(command, stdout=skeleton, cwd=work, check=True)
    subprocess.run([clang, "-O2", *flags, f"{name}.c", "-o", name, "-lbpf"], cwd=work, check=True)
    return work / name
