"""The whole lab, as part of the whole of the tests: a test for each kernel, which passes if all is well in its guest.

Runs where no test is named on the command line (or this file is), and QEMU is there or can be installed. Elsewhere it is skipped with
the reason; with EBPFGEN_NEEDS_LAB set, as CI does, that is a failure.
"""

from __future__ import annotations

import os
import subprocess
import time

import pytest

from . import lab, report
from .conftest import TABLE
from .packages import LabError, read_lab
from .prebuild import ROOT

pytestmark = [pytest.mark.lab, pytest.mark.slow]
DATA = read_lab()


@pytest.fixture(scope="session")
def guests(request: pytest.FixtureRequest) -> dict[str, report.Column]:
    """What became of each kernel's tests. Nothing of the lab is in a guest of the lab."""
    reporter, capture = map(request.config.pluginmanager.getplugin, ("terminalreporter", "capturemanager"))

    def say(line: str) -> None:  # at once: it takes minutes
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(f"kernels: {line}")

    os.environ["PATH"] += ":/usr/sbin:/sbin"  # an ordinary user's may lack depmod's place
    needs_the_lab(say)
    start = time.monotonic()
    columns = lab.run(DATA, DATA.kernels, (), DATA.time_limit, say)
    request.config.stash[TABLE] = [*report.table(columns), *report.remarks(columns)]
    say(f"{time.monotonic() - start:.0f} s in all")
    return {column.kernel: column for column in columns}


def needs_the_lab(say: lab.Say) -> None:
    """QEMU and the kernels, or the end of the test."""
    unavailable = pytest.fail if os.environ.get("EBPFGEN_NEEDS_LAB") else pytest.skip
    done = subprocess.run([ROOT / "tools/setup_kernel_lab"], capture_output=True, text=True)
    if done.returncode:
        unavailable(f"no kernel lab here: {(done.stderr.strip() or 'no words').splitlines()[-1]}")
    try:
        lab.fetch(DATA, DATA.kernels, say)
    except LabError as error:
        unavailable(f"no kernel lab here: {error}")


@pytest.mark.parametrize("kernel", [kernel.name for kernel in DATA.kernels])
def test_all_is_well_on(kernel: str, guests: dict[str, report.Column]) -> None:
    column = guests[kernel]
    if not report.well([column]):
        pytest.fail("\n".join(report.remarks([column])), pytrace=False)
