"""The benchmark: what ebpfgen costs beside its peers, measured in one run, printed as ratios.

Usage: python bench/run.py [SECTION]...   (sections: start build memory kernel; default: all)

Needs root, bpftrace, clang, bpftool and libbpf-dev. Every figure is a median of paired runs, A B A B …, on the machine as it is;
ratios are computed pair by pair. It judges nothing but marks the bar that each figure should meet.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import kernel_view

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
BIN = Path(sys.executable).parent
EBPFRUN, EBPFGEN = str(BIN / "ebpfrun"), str(BIN / "ebpfgen")
PAIRS = 7
OPENS = 200_000

OPENSNOOP_BT = r"""
tracepoint:syscalls:sys_enter_openat, tracepoint:syscalls:sys_enter_open {
  @t[tid] = nsecs; @p[tid] = args->filename; @f[tid] = args->flags;
}
tracepoint:syscalls:sys_exit_openat, tracepoint:syscalls:sys_exit_open /@t[tid]/ {
  printf("%llu %d %d %s %s %x %d %llu\n", nsecs, pid, tid, comm, str(@p[tid]), @f[tid], args->ret, nsecs - @t[tid]);
  delete(@t[tid]); delete(@p[tid]); delete(@f[tid]);
}"""
TCPLIFE_BT = r"""
tracepoint:sock:inet_sock_set_state /args->protocol == 6 && args->newstate < 4/ {
  @born[args->skaddr] = nsecs; @pid[args->skaddr] = pid; @comm[args->skaddr] = comm;
}
tracepoint:sock:inet_sock_set_state /args->protocol == 6 && args->newstate == 7 && @born[args->skaddr]/ {
  $tcp = (struct tcp_sock *)args->skaddr;
  printf("%d %s %s %d %s %d %llu %llu %llu\n", @pid[args->skaddr], @comm[args->skaddr], ntop(args->saddr_v6), args->sport,
    ntop(args->daddr_v6), args->dport, $tcp->bytes_sent, $tcp->bytes_received, nsecs - @born[args->skaddr]);
  delete(@born[args->skaddr]); delete(@pid[args->skaddr]); delete(@comm[args->skaddr]);
}"""
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


@contextlib.contextmanager
def opener() -> Iterator[None]:
    """A process that opens a file all the time, so that an attached program runs at once."""
    code = "import os, socket\nwhile True:\n os.close(os.open('/etc/hostname', os.O_RDONLY))\n socket.socket().close()"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def connector() -> Iterator[None]:
    """A process that connects over loopback all the time."""
    code = (
        "import socket\ns = socket.create_server(('127.0.0.1', 0), backlog=100)\n"
        "while True:\n c = socket.create_connection(s.getsockname()); a, _ = s.accept(); c.close(); a.close()"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def until_first_run(command: list[str], programs: int, folder: Path) -> float:
    """Seconds from the start of ``command`` until the kernel has run ``programs`` of its programs: attached beyond doubt."""
    after = max(kernel_view.program_ids(), default=0)
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    try:
        end = kernel_view.wait_until_run(after, programs, begin + 30)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
    if end is None:
        raise SystemExit(f"{command[0]} attached nothing within 30 s")
    return end - begin


def start(folder: Path) -> Iterator[Row]:
    """Command to attached, warm and cold, beside bpftrace with an equivalent program."""
    cases = [("opensnoop", OPENSNOOP_BT, 2, opener), ("net", TCPLIFE_BT, 1, connector)]
    with kernel_view.statistics():
        for name, script, programs, load in cases:
            spec = folder / "specs" / f"{name}.yaml"
            spec.parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / "specs" / f"{name}.yaml", spec)

            def warm(name: str = name, programs: int = programs) -> float:
                return until_first_run([EBPFRUN, f"specs/{name}.yaml", "--sink", "jsonl:/dev/null"], programs, folder)

            def cold(spec: Path = spec, warm: Callable[[], float] = warm) -> float:
                with spec.open("a") as file:
                    file.write(f"# edited {time.time_ns()}\n")
                return warm()

            def peer(script: str = script, programs: int = programs) -> float:
                return until_first_run(["bpftrace", "-e", script], programs, folder)

            with load():
                cold()
                ours, theirs, ratio = pairs(warm, peer)
                yield paired(f"warm start to attached, {name}", ours, theirs, ratio, "s", "bpftrace", "≤ 0.333")
                ours, theirs, ratio = pairs(cold, peer, 5)
                yield paired(f"cold (spec edited) to attached, {name}", ours, theirs, ratio, "s", "bpftrace", "≤ 1")


def build(folder: Path) -> Iterator[Row]:
    """A build that has nothing to do."""
    command = [EBPFGEN, "build", str(ROOT / "specs"), "--out", str(folder / "build"), "--quiet"]
    subprocess.run(command, check=True)

    def once() -> float:
        begin = time.monotonic()
        subprocess.run(command, check=True)
        return time.monotonic() - begin

    once()
    yield Row("no-op ebpfgen build specs/", f"{median([once() for _ in range(PAIRS)]):.3f} s", "", "", "< 0.3 s")


def peak_rss(command: list[str], folder: Path) -> float:
    """Peak resident MB of a command that ends by itself."""
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_maxrss / 1024


def memory(folder: Path) -> Iterator[Row]:
    """Peak resident memory while a busy tracer runs."""
    subprocess.run([EBPFGEN, "build", str(ROOT / "specs"), "--out", str(folder / "build"), "--quiet"], check=True)
    with opener():
        for sink in ("table:-", "jsonl:/dev/null"):
            for name in ("opensnoop", "net"):
                mb = peak_rss([EBPFRUN, f"build/{name}", "--sink", sink, "--duration", "3"], folder)
                yield Row(f"peak RSS, {name}, {sink.split(':')[0]} sink", f"{mb:.1f} MB", "", "", "≤ 30 MB")
        mb = peak_rss(["timeout", "--preserve-status", "-s", "INT", "3", "bpftrace", "-e", OPENSNOOP_BT], folder)
        yield Row("peak RSS, bpftrace, for comparison", "", f"{mb:.1f} MB", "", "")


def hand_made(folder: Path, name: str, flags: list[str]) -> Path:
    """Compiles the hand-written opensnoop."""
    work = folder / name
    shutil.copytree(HERE / "handwritten", work)
    clang = next(c for c in ("clang-19", "clang") if shutil.which(c))
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    to_bpf = [clang, "-target", "bpf", "-O2", "-g", "-mcpu=v3", include, *flags]
    subprocess.run([*to_bpf, "-c", "opensnoop.bpf.c", "-o", "opensnoop.bpf.o"], cwd=work, check=True)
    bpftool = shutil.which("bpftool", path=os.environ["PATH"] + ":/usr/sbin") or "bpftool"
    with (work / "opensnoop.skel.h").open("wb") as skeleton:
        subprocess.run(
            [bpftool, "gen", "skeleton", "opensnoop.bpf.o", "name", "opensnoop_bpf"], stdout=skeleton, cwd=work, check=True
        )
    subprocess.run([clang, "-O2", "opensnoop.c", "-o", "opensnoop", "-lbpf"], cwd=work, check=True)
    return work / "opensnoop"


def kernel_ns(command: list[str], folder: Path) -> float:
    """Nanoseconds of kernel time per open that a tracer costs: run time of its programs by the kernel's own statistics."""
    after = max(kernel_view.program_ids(), default=0)
    tracer = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr
    for line in tracer.stderr:
        if "attached" in line:
            break
    opens = f"import os\nfor i in range({OPENS}): os.close(os.open('/etc/hostname', os.O_RDONLY))"
    try:
        with kernel_view.statistics():
            subprocess.run(["taskset", "-c", "0", "/usr/bin/python3", "-S", "-c", opens], check=True)
            loaded = [kernel_view.program(i) for i in kernel_view.program_ids(after)]
        seen = [p for p in loaded if p and int(p["run_cnt"]) > OPENS // 2]
        return sum(int(p["run_time_ns"]) / int(p["run_cnt"]) for p in seen)
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()


def kernel(folder: Path) -> Iterator[Row]:
    """Kernel-side cost of the generated opensnoop beside the same tool written by hand."""
    spec = str(ROOT / "specs" / "opensnoop.yaml")
    subprocess.run([EBPFGEN, "build", spec, "--out", str(folder / "build"), "--quiet"], check=True)
    generated = [EBPFRUN, "build/opensnoop", "--sink", "csv:/dev/null"]
    # A ring that holds every record: nobody is woken, nothing is lost, what is left is the programs. Then each with its defaults.
    rings: tuple[tuple[str, list[str], list[str]], ...] = (
        ("ring holds all, no wake-ups", ["-DRING=(1 << 27)", "-DWAKE_UP=BPF_RB_NO_WAKEUP"], ["--ring", "128MiB"]),
        ("ring 1 MB, own wake-ups", [], ["--ring", "1MiB"]),
    )
    for how, flags, options in rings:
        hand = [str(hand_made(folder, "ring" + options[-1], flags))]
        own = [*generated, *options]
        ours, theirs, ratio = pairs(functools.partial(kernel_ns, own, folder), functools.partial(kernel_ns, hand, folder), 5)
        yield paired(f"kernel time per open, {how}", ours, theirs, ratio, "ns", "by hand", "≤ 1.05")


SECTIONS = {"start": start, "build": build, "memory": memory, "kernel": kernel}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION", help=" ".join(SECTIONS))
    args = parser.parse_args()
    if os.geteuid():
        raise SystemExit("the benchmark loads BPF programs: run it as root")
    if not shutil.which("bpftrace"):
        raise SystemExit("bpftrace is not installed; on Debian: apt install bpftrace")
    print(
        f"Linux {os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}; medians of {PAIRS} pairs or fewer\n"
    )
    print(f"{'what':<52} {'ebpfgen':>12} {'peer':>20} {'ratio':>7}   bar")
    for name in args.sections or SECTIONS:
        with tempfile.TemporaryDirectory(prefix="ebpfgen-bench-") as folder:
            for row in SECTIONS[name](Path(folder)):
                print(f"{row.what:<52} {row.ours:>12} {row.peer:>20} {row.ratio:>7}   {row.bar}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
