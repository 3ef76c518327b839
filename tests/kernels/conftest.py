"""The lab's own specs, observed inside the test's process: fast enough for a guest, where each start of a program costs seconds.

    seen = observe("fexit", lambda: prctl(1, 2, 3, 4))
    assert seen.events("seen") == [...]

On a machine that can't attach what a spec needs, its tests are skipped with the reason; in the lab that is a failure, unless
kernels.toml allows it for kernels of that age (EBPFGEN_LAB names the kernel there).
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import pytest

from ebpfrun import account, manifest, metrics
from ebpfrun.batch import Batch
from ebpfrun.errors import AttachError
from ebpfrun.tracer import Tracer

from . import prebuild

SPECS = Path(__file__).with_name("specs")
LAB = os.environ.get("EBPFGEN_LAB", "")
"""The series of the guest's kernel; empty on a machine that is no guest of the lab."""

LIBC = ctypes.CDLL(None, use_errno=True)
UNKNOWN_OPTION = 0x7F00
"""An option that prctl does not have: the call takes five numbers, does nothing and fails."""

TABLE = pytest.StashKey[list[str]]()
"""What the lab found, for the end of the run."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The whole lab belongs to the whole of the tests, as their end, or to whoever names its file. In a guest, what can't be
    undone comes last."""
    whole = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.keyword and not config.option.markexpr
    named = any("test_guests" in argument for argument in config.invocation_params.args)
    guests = [item for item in items if item.get_closest_marker("lab")]
    others = [item for item in items if not item.get_closest_marker("lab")]
    if guests and (LAB or not (whole or named)):
        config.hook.pytest_deselected(items=guests)
        guests = []
    others.sort(key=lambda item: item.get_closest_marker("forever") is not None)
    items[:] = [*others, *guests]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if table := terminalreporter.config.stash.get(TABLE, None):
        terminalreporter.section("test × kernel")
        terminalreporter.write("\n".join([*table, ""]))


def prctl(*numbers: int) -> None:
    """prctl(UNKNOWN_OPTION, four numbers)."""
    a, b, c, d = numbers
    LIBC.prctl(ctypes.c_int(UNKNOWN_OPTION), *map(ctypes.c_ulong, (a, b, c, d)))


class Observed:
    """A tracer at work, or what came of it once it has been detached. ``said``: what ``--verbose`` shows of attaching."""

    def __init__(self, tracer: Tracer, said: list[str]) -> None:
        self._tracer = tracer
        self.said = said
        self.bytes = 0  # of the ring, that the events had which were asked for
        self._rows: dict[str, list[dict[str, Any]]] = {}

    def events(self, name: str) -> list[dict[str, Any]]:
        """The rows of one event so far, in the order of their arrival."""
        while batch := self._tracer.take():
            self._take(batch)
        return self._rows.get(name, [])

    def visit(self) -> None:
        """Has the iterators visit all objects."""
        for batch in self._tracer.iterate():
            self._take(batch)

    def _take(self, batch: Batch) -> None:
        self.bytes += len(batch.data)
        for run in batch.runs:
            names = [slot.name for slot in run.event.fields]
            self._rows.setdefault(run.event.name, []).extend(dict(zip(names, row, strict=True)) for row in run.rows())

    def counts(self) -> dict[tuple[str, str], int]:
        """The kernel's counters that are not 0: what was produced, and what was lost."""
        return {what: n for what, n in account.read_counters(self._tracer.manifest, self._tracer).items() if n}

    def metric(self, name: str) -> dict[tuple[Any, ...], metrics.Sample]:
        """One metric so far: labels → sample."""
        readings = metrics.Metrics(self._tracer.manifest, 0).totals(self._tracer)
        (found,) = (reading for reading in readings if reading.metric.name == name)
        return {sample.labels: sample for sample in found.samples}

    def attached(self) -> list[str]:
        """The attach points that were taken, as the spec writes them."""
        return [program.text for program in self._tracer.attached]


class Observe(Protocol):
    def __call__(self, spec: str, work: Callable[[Observed], object], binary: Path | None = None, pid: int = 0) -> Observed: ...


@pytest.fixture(scope="session")
def lab_artefacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the artefacts of all specs, the lab's own among them; in a guest, built before on the host."""
    if built := os.environ.get("EBPFGEN_TEST_ARTEFACTS"):
        return Path(built)
    return prebuild.artefacts(tmp_path_factory.mktemp("artefacts"))


def _in_binary(binary: Path, program: manifest.Program) -> manifest.Program:
    return program._replace(target=program.target | {"binary": str(binary)}) if "binary" in program.target else program


@pytest.fixture
def observe(lab_artefacts: Path, request: pytest.FixtureRequest) -> Observe:
    """``observe(spec, work)`` attaches to this process (or to ``pid``), calls ``work`` with what is being observed, and
    detaches. What was observed can be asked for until the test ends. ``binary`` takes the place of that in the spec."""

    def run(spec: str, work: Callable[[Observed], object], binary: Path | None = None, pid: int = 0) -> Observed:
        known = manifest.read(str(lab_artefacts / spec))
        if binary:
            known = known._replace(programs=tuple(map(partial(_in_binary, binary), known.programs)))
        said: list[str] = []
        filters = {"pid": pid or os.getpid()} if known.filters else {}
        tracer = Tracer(known, filters=filters, notice=lambda text, _: said.append(text))
        request.addfinalizer(tracer.close)
        try:
            tracer.open()
        except AttachError as error:  # what this kernel lacks; in the lab a failure, where kernels.toml does not allow it
            pytest.skip(str(error).partition(" (hint")[0].rpartition(": ")[2])
        observed = Observed(tracer, said)
        work(observed)
        chosen = tracer.attached
        tracer.detach()
        tracer.attached = chosen
        return observed

    return run
