"""The kernel lab: runs the project's tests on stock kernels, each in a guest of its own, one after another.

* ``python -m kernels``: all kernels, all tests that kernels.toml lists
* ``python -m kernels --kernel 5.10 -- -k fexit``: some of them; what follows ``--`` goes to pytest
* ``python -m kernels --kernel 5.10 --shell``: a shell inside
"""

from __future__ import annotations

import argparse
import fcntl
import os
import shlex
import shutil
import sys
import time
from pathlib import Path
from typing import TextIO

from . import guest, prebuild, report
from .image import image
from .packages import Kernel, Lab, LabError, cache_folder, files, read_lab

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
exec {python} -m pytest -p kernels.reporting -p no:cacheprovider -m kernel {arguments} >/run/lab/pytest.txt 2>&1
"""
SHELL = """\
echo "lab: $(uname -r); repeat a test with: {python} -m pytest -p no:cacheprovider -m kernel {arguments}"
exec setsid -c bash -i
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m kernels", description="Runs tests on stock kernels in QEMU guests.")
    parser.add_argument("--kernel", action="append", default=[], metavar="NAME", help="only this one (may be given again)")
    parser.add_argument("--shell", action="store_true", help="a shell in the guest (of one kernel) instead of the tests")
    parser.add_argument("--time-limit", type=float, metavar="SECONDS", help="for each guest, instead of kernels.toml's")
    parser.add_argument("arguments", nargs="*", metavar="PYTEST_ARGUMENT", help="for pytest")
    options = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"  # depmod and modprobe; an ordinary user's may lack them
    try:
        return _run(options)
    except LabError as error:
        print(f"kernels: {error}", file=sys.stderr)
        return 3


def _run(options: argparse.Namespace) -> int:
    lab = read_lab()
    names = [name for given in options.kernel for name in given.split()]
    chosen = lab.choose(names)
    if options.shell and len(chosen) != 1:
        raise LabError("a shell needs one kernel to be named: --kernel " + chosen[0].name)
    arguments = shlex.join([*_tests(lab, options.arguments), *options.arguments])
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:  # two guests at once would fill a small machine and change what is measured
        _take(lock)
        artefacts = prebuild.artefacts(cache / "artefacts")
        workloads = prebuild.workload_programs(cache / "workloads")
        if options.shell:
            command = _command(SHELL, chosen[0], artefacts, workloads, arguments)
            return _guest(lab, chosen[0], cache, command, None).status or 0
        limit = options.time_limit or lab.time_limit
        commands = [_command(TESTS, kernel, artefacts, workloads, arguments) for kernel in chosen]
        columns = [_column(lab, kernel, cache, command, limit) for kernel, command in zip(chosen, commands, strict=True)]
    print("\n".join([*report.table(columns), *report.remarks(columns)]))
    return 0 if report.well(columns) else 1


def _take(lock: TextIO) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("kernels: waiting for another run of the lab to end", flush=True)
        fcntl.flock(lock, fcntl.LOCK_EX)


def _tests(lab: Lab, given: list[str]) -> list[str]:
    """kernels.toml's, unless some are named."""
    return [] if any(argument.startswith("tests/") for argument in given) else list(lab.tests)


def _command(template: str, kernel: Kernel, artefacts: Path, workloads: Path, arguments: str) -> str:
    # Not sys.executable: Python's own notion of where .venv is must survive.
    return (ENVIRONMENT + template).format(
        root=shlex.quote(str(prebuild.ROOT)),
        python=shlex.quote(sys.executable),
        pythonpath=shlex.quote(prebuild.PYTHONPATH),
        kernel=kernel.name,
        artefacts=shlex.quote(str(artefacts)),
        workloads=shlex.quote(str(workloads)),
        arguments=arguments,
    )


def _column(lab: Lab, kernel: Kernel, cache: Path, command: str, limit: float) -> report.Column:
    start = time.monotonic()
    ended = _guest(lab, kernel, cache, command, limit)
    results = _results(cache, kernel)
    column = report.column(lab, kernel.name, time.monotonic() - start, ended, results / "report.jsonl")
    words = [outcome.word for outcome in column.outcomes.values()]
    counts = ", ".join(f"{words.count(word)} {word}" for word in ("ok", "skip", "known", "FAIL", "HUNG") if word in words)
    print(f"kernels: {kernel.name}: {column.trouble or counts}, {column.seconds:.0f} s; {results} has its words", flush=True)
    return column


def _guest(lab: Lab, kernel: Kernel, cache: Path, command: str, limit: float | None) -> guest.Ended:
    found = files(lab, kernel, cache)
    results = _results(cache, kernel)
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    return guest.run(image(found), found, command, results, limit)


def _results(cache: Path, kernel: Kernel) -> Path:
    return cache / "results" / kernel.name


if __name__ == "__main__":
    sys.exit(main())
