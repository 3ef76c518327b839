"""Time from the command to an attached tracer, a build that has nothing to do, peak memory; beside bpftrace."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import kernel_view
from measure import EBPFGEN, EBPFRUN, ENVIRONMENT, PAIRS, ROOT, Row, ended, median, paired, pairs

# The four calls of specs/opensnoop.yaml with its fields; net's has a small part of specs/net.yaml only.
OPENSNOOP_BT = r"""
tracepoint:syscalls:sys_enter_openat, tracepoint:syscalls:sys_enter_open {
  @t[tid] = nsecs; @p[tid] = args->filename; @f[tid] = args->flags;
}
tracepoint:syscalls:sys_enter_openat2 {
  @t[tid] = nsecs; @p[tid] = args->filename; @f[tid] = ((struct open_how *)args->how)->flags;
}
tracepoint:syscalls:sys_enter_creat {
  @t[tid] = nsecs; @p[tid] = args->pathname; @f[tid] = 577;
}
tracepoint:syscalls:sys_exit_openat, tracepoint:syscalls:sys_exit_open,
tracepoint:syscalls:sys_exit_openat2, tracepoint:syscalls:sys_exit_creat /@t[tid]/ {
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


@contextlib.contextmanager
def opener(pause: float = 0.001) -> Iterator[None]:
    """A process that opens a file again and again, so that an attached program runs at once; without a pause it would take a core
    from what is measured."""
    opens = "os.close(os.open('/etc/hostname', os.O_RDONLY))\n socket.socket().close()"
    code = f"import os, socket, time\nwhile True:\n {opens}\n time.sleep({pause})"
    process = subprocess.Popen([sys.executable, "-c", code])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def connector() -> Iterator[None]:
    """A process that connects over loopback every millisecond."""
    code = (
        "import socket, time\ns = socket.create_server(('127.0.0.1', 0), backlog=100)\n"
        "while True:\n c = socket.create_connection(s.getsockname()); a, _ = s.accept(); c.close(); a.close()\n"
        " time.sleep(0.001)"
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
    cases = [
        ("opensnoop", OPENSNOOP_BT, 2, opener, "retval < 0", "retval < -{}"),
        ("net", TCPLIFE_BT, 1, connector, "== IPPROTO_TCP and", "== IPPROTO_TCP and args.sport != {} and"),
    ]
    edits = itertools.count(1)
    with kernel_view.statistics():
        for name, script, programs, load, old, new in cases:
            spec = folder / "specs" / f"{name}.yaml"
            spec.parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / "specs" / f"{name}.yaml", spec)

            def warm(name: str = name, programs: int = programs) -> float:
                return until_first_run([EBPFRUN, f"specs/{name}.yaml", "--sink", "jsonl:/dev/null"], programs, folder)

            def commented(spec: Path = spec, warm: Callable[[], float] = warm) -> float:
                with spec.open("a") as file:
                    file.write(f"# edited {next(edits)}\n")
                return warm()

            def changed(
                spec: Path = spec, warm: Callable[[], float] = warm, name: str = name, old: str = old, new: str = new
            ) -> float:
                text = (ROOT / "specs" / f"{name}.yaml").read_text()
                assert old in text
                spec.write_text(text.replace(old, new.format(next(edits)), 1))
                return warm()

            def peer(script: str = script, programs: int = programs) -> float:
                return until_first_run(["bpftrace", "-e", script], programs, folder)

            with load():
                changed()
                ours, theirs, ratio = pairs(warm, peer)
                yield paired(f"warm start to attached, {name}", ours, theirs, ratio, "s", "bpftrace", "≤ 0.333")
                for what, cold in (("a comment", commented), ("a condition", changed)):
                    ours, theirs, ratio = pairs(cold, peer, 5)
                    yield paired(f"cold ({what} edited) to attached, {name}", ours, theirs, ratio, "s", "bpftrace", "≤ 1")


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
    _, mb = ended(process)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return mb


def memory(folder: Path) -> Iterator[Row]:
    """Peak resident memory while a busy tracer runs."""
    subprocess.run([EBPFGEN, "build", str(ROOT / "specs"), "--out", str(folder / "build"), "--quiet"], check=True)
    with opener(pause=0):
        for sink in ("table:-", "jsonl:/dev/null"):
            for name in ("opensnoop", "net"):
                mb = peak_rss([EBPFRUN, f"build/{name}", "--sink", sink, "--duration", "3"], folder)
                yield Row(f"peak RSS, {name}, {sink.split(':')[0]} sink", f"{mb:.1f} MB", "", "", "≤ 30 MB")
        mb = peak_rss(["timeout", "--preserve-status", "-s", "INT", "3", "bpftrace", "-e", OPENSNOOP_BT], folder)
        yield Row("peak RSS, bpftrace, for comparison", "", f"{mb:.1f} MB", "", "")
