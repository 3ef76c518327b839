"""The benchmark: what ebpfgen costs beside its peers, measured in one run, printed as ratios.

Usage: python bench/run.py [SECTION]... [--rounds N] [--calls N] [--soak SECONDS] [--rate N]
Sections: start build memory kernel events soak; default: all but soak, which takes a quarter of an hour.

Needs root, bpftrace, clang, bpftool and libbpf-dev; BCC is measured where it can run (python3-bpfcc, linux-headers-amd64). Every
figure is a median of paired runs, A B A B …, on the machine as it is; ratios are computed pair by pair.
It judges nothing but marks the bar that each figure should meet.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parent))

import events
import kernel
import soak
import start
from measure import PAIRS, Row

Section = Callable[[Path, argparse.Namespace], Iterator[Row]]
SECTIONS: dict[str, Section] = {
    "start": lambda folder, _: start.start(folder),
    "build": lambda folder, _: start.build(folder),
    "memory": lambda folder, _: start.memory(folder),
    "kernel": lambda folder, _: kernel.kernel(folder),
    "events": lambda folder, args: events.events(folder, args.rounds, args.calls),
    "soak": lambda folder, args: soak.soak(folder, args.soak, args.rate),
}
USUAL = [name for name in SECTIONS if name != "soak"]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], metavar="SECTION", help=" ".join(SECTIONS))
    parser.add_argument("--rounds", type=int, default=3, help="of section events (default 3)")
    parser.add_argument("--calls", type=int, default=3_000_000, help="in each run of section events (default 3000000)")
    parser.add_argument("--soak", type=int, default=900, metavar="SECONDS", help="length of section soak (default 900)")
    parser.add_argument("--rate", type=int, default=200_000, help="events a second in section soak (default 200000)")
    return parser.parse_args()


def main() -> int:
    args = _arguments()
    if os.geteuid():
        raise SystemExit("the benchmark loads BPF programs: run it as root")
    if not shutil.which("bpftrace"):
        raise SystemExit("bpftrace is not installed; on Debian: apt install bpftrace")
    print(
        f"Linux {os.uname().release}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}; medians of {PAIRS} pairs or fewer\n"
    )
    print(f"{'what':<52} {'ebpfgen':>12} {'peer':>20} {'ratio':>7}   bar")
    for name in args.sections or USUAL:
        with tempfile.TemporaryDirectory(prefix="ebpfgen-bench-") as folder:
            for row in SECTIONS[name](Path(folder), args):
                print(f"{row.what:<52} {row.ours:>12} {row.peer:>20} {row.ratio:>7}   {row.bar}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
