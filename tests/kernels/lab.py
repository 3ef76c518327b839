"""A run of the lab: fetches the kernels, builds what guests need, runs the tests in them, several guests at once.

Receives the kernels and pytest's arguments; returns a column of the table for each kernel. One run at a time on a machine. A kernel
that can't be fetched or booted is a column that failed; what keeps all of them from running is a LabError.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Lock

from . import guest, prebuild, report
from .image import image
from .packages import Kernel, Lab, LabError, cache_folder, files

ENVIRONMENT = """\
cd {root}
export PYTHONPATH={pythonpath} PYTHONDONTWRITEBYTECODE=1 EBPFGEN_LAB={kernel}
export EBPFGEN_TEST_ARTEFACTS={artefacts} EBPFGEN_TEST_WORKLOADS={workloads}
export TMPDIR=/run/tmp  # not on the layered file system, where one call becomes two
mkdir /run/tmp
modprobe loop
"""
TESTS = """\
export LAB_REPORT=/run/lab/report.jsonl
exec {python} -m pytest -p kernels.reporting -p no:cacheprovider -p no:hypothesispytest -m kernel {arguments} >/run/lab/pytest.txt 2>&1
"""
CAPTURE = """\
cp {kernel_root}/boot/config-* /boot/ 2>/dev/null  # where the kernel's packages have it there
for module in {modules}; do modprobe $module; done
exec {python} -m ebpfgen.cli kernel capture /run/lab/captured
"""
CAPTURED_MODULES = ("loop", "xfs")  # a small one, and one with much of everything
SHELL = """\
echo "lab: $(uname -r); repeat a test with: {python} -m pytest -p no:cacheprovider -p no:hypothesispytest -m kernel {arguments}"
exec setsid -c bash -i
"""


Say = Callable[[str], None]


def run(lab: Lab, kernels: Sequence[Kernel], arguments: Sequence[str], limit: float, say: Say) -> list[report.Column]:
    """The tests that ``arguments`` name for pytest, else kernels.toml's, on each kernel. ``limit``: seconds for each guest.
    ``say`` gets a line whenever something is under way or done."""
    words = shlex.join([*_tests(lab, arguments), *arguments])
    turn = Lock()

    def say_whole(line: str) -> None:
        with turn:
            say(line)

    with _prepared(say) as (cache, artefacts, workloads):

        def column(kernel: Kernel) -> report.Column:
            return _column(lab, kernel, cache, _command(TESTS, kernel, artefacts, workloads, words), limit, say_whole)

        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as guests:  # each has one processor
            try:
                return list(guests.map(column, kernels))
            except BaseException:
                guests.shutdown(cancel_futures=True)  # those not begun
                raise


def shell(lab: Lab, kernel: Kernel, arguments: Sequence[str]) -> int:
    """A shell in a guest, on this terminal. Returns its status."""
    words = shlex.join([*_tests(lab, arguments), *arguments])
    with _prepared(print) as (cache, artefacts, workloads):
        command = _command(SHELL, kernel, artefacts, workloads, words)
        return _guest(lab, kernel, cache, command, None, print).status or 0


def capture(lab: Lab, kernels: Sequence[Kernel], folder: Path, limit: float, say: Say) -> None:
    """Writes the kernels' descriptions, as ``ebpfgen kernel capture`` makes them there: ``folder``/5.10.kdesc …"""
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(say) as cache:
        for kernel in kernels:
            root, modules = files(lab, kernel, cache, say).root, " ".join(CAPTURED_MODULES)
            command = _command(CAPTURE, kernel, cache, cache, "", modules=modules, kernel_root=shlex.quote(str(root)))
            ended, results = _guest(lab, kernel, cache, command, limit, say), results_folder(cache, kernel)
            if ended.status != 0:
                raise LabError(f"{kernel.name}: not captured: {ended.why or f'status {ended.status}'}; {results} has its words")
            file = folder / f"{kernel.name}.kdesc"
            shutil.copyfile(results / "captured", file)
            say(f"{file}: {file.stat().st_size / 1e6:.2f} MB")


def fetch(lab: Lab, kernels: Sequence[Kernel], say: Say) -> None:
    """Raises LabError when one of the kernels can't be had."""
    with _locked(say) as cache:
        for kernel in kernels:
            files(lab, kernel, cache, say)


@contextmanager
def _prepared(say: Say) -> Iterator[tuple[Path, Path, Path]]:
    """The folders of the cache, the artefacts and the workload programs."""
    with _locked(say) as cache:
        yield cache, prebuild.artefacts(cache / "artefacts"), prebuild.workload_programs(cache / "workloads")


@contextmanager
def _locked(say: Say) -> Iterator[Path]:
    """The cache, while no other run of the lab can change it."""
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another run of the lab to end")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield cache


def _tests(lab: Lab, given: Sequence[str]) -> list[str]:
    """kernels.toml's, unless some are named."""
    return [] if any(argument.startswith("tests/") for argument in given) else list(lab.tests)


def _command(template: str, kernel: Kernel, artefacts: Path, workloads: Path, arguments: str, **more: str) -> str:
    # Not sys.executable: Python's own notion of where .venv is must survive.
    return (ENVIRONMENT + template).format(
        root=shlex.quote(str(prebuild.ROOT)),
        python=shlex.quote(sys.executable),
        pythonpath=shlex.quote(prebuild.PYTHONPATH),
        kernel=kernel.name,
        artefacts=shlex.quote(str(artefacts)),
        workloads=shlex.quote(str(workloads)),
        arguments=arguments,
        **more,
    )


def _column(lab: Lab, kernel: Kernel, cache: Path, command: str, limit: float, say: Say) -> report.Column:
    start = time.monotonic()
    try:
        ended = _guest(lab, kernel, cache, command, limit, say)
    except LabError as error:
        ended = guest.Ended(None, str(error))
    results = results_folder(cache, kernel)
    column = report.column(lab, kernel.name, time.monotonic() - start, ended, results / "report.jsonl")
    words = [outcome.word for outcome in column.outcomes.values()]
    counts = ", ".join(f"{words.count(word)} {word}" for word in report.WORDS if word in words)
    say(f"{kernel.name}: {column.trouble or counts}, {column.seconds:.0f} s; {results} has its words")
    return column


def _guest(lab: Lab, kernel: Kernel, cache: Path, command: str, limit: float | None, say: Say) -> guest.Ended:
    results = results_folder(cache, kernel)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    found = files(lab, kernel, cache, say)
    say(f"{kernel.name}: {found.release} starts")
    return guest.run(image(found), found, command, results, limit)


def results_folder(cache: Path, kernel: Kernel) -> Path:
    return cache / "results" / kernel.name
