"""`ebpfrun SPEC --check`: the kernel's own figures, and nothing attached."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfgen import cli
from ebpfrun.tracer import Tracer

from .cases import CASES, SPEC, Case

pytestmark = pytest.mark.root


@pytest.fixture
def artefact(tmp_path: Path) -> Path:
    assert cli.main(["build", str(SPEC), "--out", str(tmp_path), "--quiet"]) == 0
    return tmp_path / "refused"


def check(artefact: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "ebpfrun.cli", str(artefact), "--check"], capture_output=True, text=True)


def test_programs_that_the_kernel_takes(artefact: Path) -> None:
    done = check(artefact)
    assert (done.returncode, done.stderr) == (0, "ebpfrun: refused: this kernel takes 1 program; nothing is attached\n")
    head, row = done.stdout.splitlines()
    assert head.split() == ["PROGRAM", "ATTACH", "POINT", "VERIFIED", "KEPT", "MACHINE", "CODE"]
    assert re.fullmatch(r"called_enter_getppid +tracepoint:syscalls:sys_enter_getppid +\d* +\d+ +\d+ B", row)


def test_nothing_is_attached(artefact: Path) -> None:
    tracer = Tracer(str(artefact))
    try:
        tracer.load()
        assert tracer.attached == ()
        [(program, verified, kept, machine)] = tracer.sizes()
        assert program.name == "called_enter_getppid"
        assert verified >= kept > 20
        assert machine > kept
        assert tracer.take(0) is None
    finally:
        tracer.close()


def test_programs_that_it_refuses(refused: Callable[[Case], Path]) -> None:
    case = next(c for c in CASES if c.name == "helper")
    done = check(refused(case))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"the kernel refuses this program: {case.what}" in done.stderr
