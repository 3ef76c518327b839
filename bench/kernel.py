"""Kernel-side cost of the generated opensnoop beside the same tool written by hand."""

from __future__ import annotations

import functools
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import kernel_view
from measure import EBPFGEN, EBPFRUN, ROOT, Row, hand_made, paired, pairs

OPENS = 200_000


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
        hand = [str(hand_made(folder, "opensnoop", flags))]
        own = [*generated, *options]
        ours, theirs, ratio = pairs(functools.partial(kernel_ns, own, folder), functools.partial(kernel_ns, hand, folder), 5)
        yield paired(f"kernel time per open, {how}", ours, theirs, ratio, "ns", "by hand", "≤ 1.05")
