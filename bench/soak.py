"""A long run at a steady rate into rotating files: does memory grow, is anything lost?

A program calls getppid at the rate; its tracer writes Parquet and JSON lines at once. Finished files are read back, counted and
removed, so that the disk does not fill: what they hold must be what the tracer says it delivered.
"""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from events import cpus, generator, pinned, wait_until_attached
from measure import EBPFGEN, EBPFRUN, ENVIRONMENT, HERE, Row, ended, median
from workloads import Workload, Workloads

QUEUE = "queue=64MiB"  # four seconds, for a moment without a CPU
ROTATE = {"jsonl": "256MiB", "parquet": "64MiB"}
LOOK = 0.5  # seconds between looks at memory and files
WARM_UP = 2  # finished files of each sink: memory is compared from then on


@dataclass(slots=True)
class Soak:
    """What a run was found to be. ``waited``: seconds in which the thread that drains wanted a CPU and had none: longer than the
    ring lasts at a time, and it overflows, whatever the tracer does; ``rss``: MB at each look, the first ``warm_up`` of them
    while it had not yet been once through all that it does; ``files``: events in finished files, by sink."""

    calls: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    said: str = ""
    waited: float = 0.0
    rss: list[float] = field(default_factory=list)
    warm_up: int = 0
    files: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ROTATE, 0))
    finished: Counter[str] = field(default_factory=Counter)

    @property
    def number(self) -> int:
        return self.finished.total()

    @property
    def steady(self) -> list[float]:
        """``rss`` behind the warm-up: nothing where the run was too short for it."""
        return self.rss[self.warm_up :]

    @property
    def growth(self) -> float:
        """MB between the first quarter of the run behind the warm-up and the last one."""
        steady = self.steady
        part = max(1, len(steady) // 4)
        return median(steady[-part:]) - median(steady[:part])

    @property
    def lost(self) -> int:
        """Of the calls, in the sink that lost most."""
        return self.calls - min(self.files.values())


def lines_in(path: Path) -> int:
    with path.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(1 << 20), b""))


def rows_in(path: Path) -> int:
    from pyarrow import parquet

    return int(parquet.read_metadata(path).num_rows)


COUNTERS: dict[str, Callable[[Path], int]] = {"jsonl": lines_in, "parquet": rows_in}


def run(folder: Path, works: Workloads, calls: int, rate: int) -> Soak:
    """``folder`` has the artefact in ``build/getppid``."""
    out = folder / "out"
    out.mkdir()
    found = Soak(calls)
    sinks = [word for sink, size in ROTATE.items() for word in ("--sink", f"{sink}:{out}/calls.{sink},rotate={size},{QUEUE}")]
    with generator(works, folder, calls, rate) as work:
        command = [EBPFRUN, "build/getppid", "--pid", str(work.pid), *sinks]
        process = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, preexec_fn=pinned(cpus()[1])
        )
        try:
            found.said = wait_until_attached(process)
            begin = time.monotonic()
            work.start()
            _look_until_done(work, process.pid, out, found)
            found.seconds = time.monotonic() - begin
            process.send_signal(signal.SIGINT)
            assert process.stderr
            found.cpu, _ = ended(process)
            found.said += process.stderr.read()
            process.stderr.close()
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
    _count_finished(out, found)
    return found


def _look_until_done(work: Workload, pid: int, out: Path, found: Soak) -> None:
    while not work.done(LOOK):
        status = Path(f"/proc/{pid}/status").read_text()
        resident = re.search(r"^VmRSS:\s*(\d+)", status, re.MULTILINE)
        if resident is None:
            raise SystemExit("the tracer has ended")
        found.rss.append(int(resident[1]) / 1024)
        found.waited = int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9
        _count_finished(out, found)
        if min(found.finished[sink] for sink in ROTATE) < WARM_UP:
            found.warm_up = len(found.rss)


def _count_finished(out: Path, found: Soak) -> None:
    for sink, count in COUNTERS.items():
        for path in out.glob(f"calls-*.{sink}"):  # an unfinished one has another name
            found.files[sink] += count(path)
            found.finished[sink] += 1
            path.unlink()


def soak(folder: Path, seconds: int, rate: int) -> Iterator[Row]:
    spec = str(HERE / "specs" / "getppid.yaml")
    subprocess.run([EBPFGEN, "build", spec, "--out", str(folder / "build"), "--quiet"], check=True)
    found = run(folder, Workloads(folder), seconds * rate, rate)
    what = f"soak: {found.calls} events at {found.calls / found.seconds:.0f}/s"
    yield Row(f"{what}, lost", str(found.lost), "", "", "0")
    if found.lost:
        yield from (Row(f"  {line.strip()}", "", "", "", "") for line in found.said.splitlines() if line.startswith("  "))
    growth = f"{found.growth:+.1f} MB" if found.steady else "too short"
    yield Row("soak: RSS after the warm-up, growth until the end", growth, "", "", "flat")
    fifths = [found.rss[i * len(found.rss) // 5 : (i + 1) * len(found.rss) // 5] for i in range(5)]
    yield Row("  by fifths of the run, medians: " + " ".join(f"{median(part):.0f}" for part in fifths if part), "", "", "", "")
    yield Row("soak: RSS, largest", f"{max(found.rss):.1f} MB", "", "", "")
    yield Row("soak: CPU of the tracer, of one core", f"{100 * found.cpu / found.seconds:.1f} %", "", "", "")
    yield Row("soak: its drain waited for a CPU, of the time", f"{100 * found.waited / found.seconds:.1f} %", "", "", "")
    yield Row("soak: finished files, each whole", str(found.number), "", "", "")
