"""What all tests share: the workload programs, the skip of what needs root, a watch on file descriptors, the skips by reason."""

from __future__ import annotations

import gc
import os
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from workloads import Workload, Workloads


def pytest_configure() -> None:
    """What is started here is ended by these signals, even where this was started by nohup or in the background of a script."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rewrite-goldens", action="store_true", help="write what is expected anew, from what comes out")


@pytest.fixture
def rewrite_goldens(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--rewrite-goldens"))


@pytest.fixture(scope="session")
def workloads(tmp_path_factory: pytest.TempPathFactory) -> Workloads:
    """The programs' command lines, for tests that start them otherwise than by ``workload``."""
    built = os.environ.get("EBPFGEN_TEST_WORKLOADS")  # a folder that has them: guests of the kernel lab build nothing
    return Workloads(Path(built) if built else tmp_path_factory.mktemp("workloads"))


@pytest.fixture
def workload(workloads: Workloads, tmp_path: Path) -> Iterator[Callable[..., Workload]]:
    """``workload(name, *args)`` starts a program in ``tmp_path``; it waits for ``go()``. See :mod:`workloads`."""
    with ExitStack() as stack:

        def start(name: str, *args: object) -> Workload:
            return stack.enter_context(Workload(workloads.command(name, *args), tmp_path))

        yield start


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")


def open_descriptors() -> dict[str, str]:
    """This process's file descriptors: number → what it refers to."""
    found = {}
    for fd in Path("/proc/self/fd").iterdir():
        try:
            found[fd.name] = str(fd.readlink())
        except FileNotFoundError:  # the one that listed the folder
            continue
    return found


@pytest.fixture(autouse=True)
def no_leaked_descriptors() -> Iterator[None]:
    """A test must close what it opens: links, maps and rings are descriptors."""
    before = open_descriptors()
    yield
    leaked = open_descriptors().items() - before.items()
    if leaked:  # collecting costs more than a whole small test: only when there is something to find
        gc.collect()
        leaked = open_descriptors().items() - before.items()
    assert not leaked, f"left open: {dict(leaked)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says how many tests were skipped, for which reason."""
    reasons = Counter(skip_reason(report) for report in terminalreporter.stats.get("skipped", []))
    if reasons:
        terminalreporter.section(f"{reasons.total()} skipped, by reason")
        for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
            terminalreporter.line(f"{count:5}  {reason}")


def skip_reason(report: pytest.TestReport) -> str:
    _, _, reason = report.longrepr if isinstance(report.longrepr, tuple) else ("", 0, str(report.longrepr))
    return reason.removeprefix("Skipped: ")
