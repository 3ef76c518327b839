"""What one event costs, from the kernel to where it ends up: CPU, losses, memory, and what it does to the traced program.

The workload is a program that calls getppid as fast as it can on one CPU while the tracer runs on the others; a record has eight
fields in 64 bytes. CPU is user and system time of the tracer's process since it was attached, less that of a run in which nothing
happened, so that neither starting nor ending counts; what starting takes is told beside it. Each peer is measured in the same
way. bpftrace prints the same fields to a file, in the same round.

The traced program's slowdown has two tools written by hand beside it: one as libbpf's examples are, which wakes its user half
whenever that has caught up, and one that never wakes it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import kernel_view
from measure import EBPFGEN, EBPFRUN, ENVIRONMENT, HERE, Row, ended, hand_made, median
from workloads import Workload, Workloads

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}  # as Debian calls them
BY_HAND, UNWOKEN = "by hand", "by hand, never woken"
PEERS = (BY_HAND, UNWOKEN, "bpftrace", "BCC")
IDLE_SECONDS = 10.0
PACE = "-DPACE_MS=10"  # the second one by hand looks so often: a ring that fills in 50 ms has room
RING_MB = 16  # its pages count as resident from the start; libbpf maps them twice, and they count twice
LONGEST = 600.0  # seconds; a limit for what hangs, not a measure
PRINTF_BT = (
    "tracepoint:syscalls:sys_enter_getppid /pid == PID/ {"
    ' printf("%llu %d %d %d %d %s %llu %llu\\n", nsecs, pid, tid, uid, args->__syscall_nr, comm, cgroup, curtask); }'
)
QUEUE = ",queue=1GiB"  # at full speed events come faster than any sink but columns takes them: what waits, waits in memory
CALM = 200_000  # events a second, for memory: with the usual queue
BARS = {  # µs of CPU per event, and as a part of bpftrace's
    "columns": "≤ 0.08 µs, ≤ 1/40",
    "jsonl": "≤ 0.4 µs, ≤ 1/10",
    "csv": "",
    "parquet": "≤ 0.25 µs",
    "sqlite": "≤ 1.5 µs",
    "duckdb": "≤ 0.4 µs",
}
RSS_BARS = {"columns": "≤ 45 MB", "jsonl": "≤ 30 MB", "csv": "≤ 30 MB", "sqlite": "≤ 30 MB", "table": "≤ 30 MB"}
ENDINGS = {"sqlite": "db", "duckdb": "duckdb"}


@dataclass(frozen=True, slots=True)
class Run:
    """One tracer's run: seconds of CPU of its process until it was attached and since, peak MB, ns of CPU of the generator per
    call, events by their fate."""

    start: float
    cpu: float
    rss: float
    ns_per_call: float
    produced: int
    delivered: int


Start = Callable[[int], list[str]]
"""The tracer's command, given the pid to trace."""


def pinned(cpus: set[int]) -> Callable[[], None]:
    return lambda: os.sched_setaffinity(0, cpus)


def cpus() -> tuple[set[int], set[int]]:
    """Where the generator runs, and where the tracer: the others, if there are any."""
    first, *rest = sorted(os.sched_getaffinity(0))
    return {first}, set(rest) or {first}


def generator(workloads: Workloads, folder: Path, *args: int) -> Workload:
    work = Workload(workloads.command("getppids", *args), folder)
    os.sched_setaffinity(work.pid, cpus()[0])
    return work


def wait_until_attached(process: subprocess.Popen[str]) -> str:
    """What it said until then. bpftrace does not say it: there the kernel does, whose program runs by a call of our own."""
    assert process.stderr and isinstance(process.args, list)
    said = ""
    if process.args[0] != "bpftrace":
        while "attached" not in said:
            line = process.stderr.readline()
            if not line:
                raise SystemExit(f"{' '.join(process.args)}: {said}")
            said += line
        return said
    with kernel_view.statistics():
        deadline = time.monotonic() + 30
        while not kernel_view.runs_of(process.pid):
            os.getppid()
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit("bpftrace attached nothing")
    return said


def measure(start: Start, works: Workloads, folder: Path, calls: int, rate: int = 0) -> Run:
    """Starts the tracer, lets the generator go (at full speed, or at a rate), ends the tracer."""
    with generator(works, folder, calls, rate) as work:
        process = subprocess.Popen(
            start(work.pid), cwd=folder, stdout=(folder / "out").open("wb"), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT,
            preexec_fn=pinned(cpus()[1]),
        )  # fmt: skip
        assert process.stderr
        said = wait_until_attached(process)
        begin = cpu_ns(process.pid) / 1e9
        truth: dict[str, int] = {"cpu_ns": 0}
        if calls:
            work.start()
            if not work.done(LONGEST):
                raise SystemExit(f"{' '.join(start(0))}: the traced program needs more than {LONGEST:.0f} s")
            truth = work.result()
        process.send_signal(signal.SIGINT)
        cpu, rss = ended(process)
        said += process.stderr.read()
        process.stderr.close()
    if process.returncode and (calls or process.returncode != -signal.SIGINT):  # bpftrace handles it only a little later
        raise SystemExit(f"{' '.join(start(0))} ended with {process.returncode}: {said}")
    produced, delivered = _account(said, folder / "out", calls)
    return Run(begin, cpu - begin, rss, truth["cpu_ns"] / max(calls, 1), produced, delivered)


def _account(said: str, out: Path, calls: int) -> tuple[int, int]:
    """(produced, delivered): as ours and the hand-written tool say; of bpftrace the lines that it wrote."""
    found = re.search(r"call: (\d+) produced(?: =|,) (\d+) delivered", said)
    if found:
        return int(found[1]), int(found[2])
    if "call:" in said:
        raise SystemExit(f"no account in: {said}")
    with out.open("rb") as file:
        return calls, sum(line[:1].isdigit() for line in file)


def sinks() -> list[str]:
    from ebpfrun.sinks import NAMES

    return [name for name in ("table", *BARS) if name in NAMES]


def _ebpfrun(sink: str, folder: Path, options: str = QUEUE) -> Start:
    target = folder / f"out.{ENDINGS.get(sink, sink)}"

    def start(pid: int) -> list[str]:
        target.unlink(missing_ok=True)
        return [EBPFRUN, "build/getppid", "--pid", str(pid), "--sink", f"{sink}:{target}{options}"]

    return start


def tracers(folder: Path) -> dict[str, Start]:
    """Ours, by sink, and the peers."""
    hand, unwoken = str(hand_made(folder, "getppid")), str(hand_made(folder, "getppid", [PACE]))
    by_bcc = bcc(folder)
    columns = [sys.executable, str(HERE / "columns.py"), "build/getppid"]
    return {
        "columns": lambda pid: [*columns, str(pid)],
        **{sink: _ebpfrun(sink, folder) for sink in sinks()},
        BY_HAND: lambda pid: [hand, str(pid)],
        UNWOKEN: lambda pid: [unwoken, str(pid)],
        "bpftrace": lambda pid: ["bpftrace", "-e", PRINTF_BT.replace("PID", str(pid))],
        **({"BCC": by_bcc} if by_bcc else {}),
    }


def bcc(folder: Path) -> Start | None:
    """BCC's command. None where it is not installed, or no kernel headers are: of any version, since this program needs only what
    has long been there. Debian splits them into two packages, which become one tree of links."""
    kinds = [f"linux-headers-*-{ARCHITECTURES.get(os.uname().machine)}", "linux-headers-*-common"]
    found = [sorted(Path("/usr/src").glob(kind)) for kind in kinds]
    if not all(found) or subprocess.run(["/usr/bin/python3", "-c", "import bcc"], capture_output=True).returncode:
        return None
    headers = folder / "headers"
    for versions in found:
        subprocess.run(["cp", "-rsf", f"{versions[-1]}/.", str(headers)], check=True)
    command = ["env", f"BCC_KERNEL_SOURCE={headers}", "/usr/bin/python3", str(HERE / "bcc_getppid.py")]
    return lambda pid: [*command, str(pid)]


def events(folder: Path, rounds: int, calls: int) -> Iterator[Row]:
    """Every tracer once idle and once busy in each round."""
    spec = str(HERE / "specs" / "getppid.yaml")
    subprocess.run([EBPFGEN, "build", spec, "--out", str(folder / "build"), "--quiet"], check=True)
    works = Workloads(folder)
    all_ = tracers(folder)
    idle = {name: measure(start, works, folder, 0) for name, start in all_.items()}
    runs: dict[str, list[Run]] = {name: [] for name in all_}
    for _ in range(rounds):
        for name, start in all_.items():
            runs[name].append(measure(start, works, folder, calls))
    yield from _cpu_rows(runs, idle)
    yield from _other_rows(runs)
    calm = {name: _ebpfrun(name, folder, "") if name in sinks() else start for name, start in all_.items()}
    for name, start in calm.items():
        yield _rss_row(name, measure(start, works, folder, 3 * CALM, CALM))
    yield _idle_row(folder, works)


def _us(run: Run, idle: Run) -> float:
    return 1e6 * (run.cpu - idle.cpu) / max(run.delivered, 1)


def _cpu_rows(runs: dict[str, list[Run]], idle: dict[str, Run]) -> Iterator[Row]:
    theirs = [_us(run, idle["bpftrace"]) for run in runs["bpftrace"]]
    for name in [n for n in runs if n in BARS]:
        ours = [_us(run, idle[name]) for run in runs[name]]
        ratio = median([a / b for a, b in zip(ours, theirs, strict=True)])
        peer = f"bpftrace {median(theirs):.2f} µs"
        yield Row(f"CPU per event, {name}", f"{median(ours):.3f} µs", peer, f"1/{1 / ratio:.0f}", BARS[name])
    for name in (BY_HAND, UNWOKEN):
        hand = median([_us(run, idle[name]) for run in runs[name]])
        yield Row(f"CPU per event, counted by libbpf in C, {name}", "", f"{hand:.3f} µs", "", "")
    if "BCC" in runs:
        yield Row("CPU per event, BCC", "", f"{median([_us(run, idle['BCC']) for run in runs['BCC']]):.2f} µs", "", "")
    else:
        yield Row("BCC: not here (python3-bpfcc, linux-headers-amd64)", "", "", "", "")
    for name, found in runs.items():
        start = f"{1e3 * median([run.start for run in found]):.0f} ms"
        yield Row(f"CPU until attached, {name}", *(("", start) if name in PEERS else (start, "")), "", "")


def _other_rows(runs: dict[str, list[Run]]) -> Iterator[Row]:
    for name, found in runs.items():
        lost = max(run.produced - run.delivered for run in found)
        of = f"of {found[0].produced}"
        ours, peer = ("", f"{lost} {of}") if name in PEERS else (str(lost), of)
        yield Row(f"events lost, {name}", ours, peer, "", "0" if name in BARS else "")
    slow = median([run.ns_per_call for run in runs["bpftrace"]])
    for peer in (BY_HAND, UNWOKEN):
        hand = [run.ns_per_call for run in runs[peer]]
        for name in ("columns", "jsonl"):
            ours_ns = [run.ns_per_call for run in runs[name]]
            ratio = median([a / b for a, b in zip(ours_ns, hand, strict=True)])
            peer_ns = f"{peer} {median(hand):.0f} ns"
            yield Row(f"the traced program's call, {name}", f"{median(ours_ns):.0f} ns", peer_ns, f"{ratio:.3f}", "≤ 1.05")
        yield Row("the same, bpftrace", "", f"{slow:.0f} ns", f"{slow / median(hand):.1f}", "")


def _rss_row(name: str, run: Run) -> Row:
    ring = 2 * RING_MB if name in (BY_HAND, UNWOKEN) else 0 if name in PEERS else RING_MB
    rss = f"{run.rss - ring:.1f} MB"
    ours, peer = ("", rss) if name in PEERS else (rss, "")
    return Row(f"peak RSS without the ring, {CALM} events/s, {name}", ours, peer, "", RSS_BARS.get(name, ""))


def cpu_ns(pid: int) -> int:
    """Time on a CPU so far, of all threads."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        total += int((task / "schedstat").read_text().split()[0])
    return total


def _idle_row(folder: Path, works: Workloads) -> Row:
    """A tracer to which nothing happens."""
    with generator(works, folder, 0) as work:
        process = subprocess.Popen(
            _ebpfrun("jsonl", folder)(work.pid), cwd=folder, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
        )
        assert process.stderr
        next(line for line in process.stderr if "attached" in line)
        time.sleep(1)  # what is left of starting
        begin, cpu = time.monotonic(), cpu_ns(process.pid)
        time.sleep(IDLE_SECONDS)
        share = (cpu_ns(process.pid) - cpu) / 1e9 / (time.monotonic() - begin)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=LONGEST)
    return Row("idle tracer, of one core", f"{100 * share:.3f} %", "", "", "≤ 0.1 %")
