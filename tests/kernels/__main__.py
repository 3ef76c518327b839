"""The kernel lab's command: runs the project's tests on stock kernels, each in a guest of its own.

* ``python -m kernels``: all kernels, all tests that kernels.toml lists
* ``python -m kernels --kernel 5.10 -- -k fexit``: some of them; what follows ``--`` goes to pytest
* ``python -m kernels --kernel 5.10 --shell``: a shell inside
* ``python -m kernels --capture DIR``: the kernels' descriptions, as DIR/5.10.kdesc …
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from . import lab, report
from .packages import LabError, read_lab


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m kernels", description="Runs tests on stock kernels in QEMU guests.")
    parser.add_argument("--kernel", action="append", default=[], metavar="NAME", help="only this one (may be given again)")
    parser.add_argument("--shell", action="store_true", help="a shell in the guest (of one kernel) instead of the tests")
    parser.add_argument("--capture", type=Path, metavar="DIR", help="write the kernels' descriptions there; no tests")
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
    data = read_lab()
    chosen = data.choose([name for given in options.kernel for name in given.split()])
    if options.shell:
        if len(chosen) != 1:
            raise LabError("a shell needs one kernel to be named: --kernel " + chosen[0].name)
        return lab.shell(data, chosen[0], options.arguments)
    if options.capture:
        lab.capture(data, chosen, options.capture, options.time_limit or data.time_limit, _say)
        return 0
    start = time.monotonic()
    columns = lab.run(data, chosen, options.arguments, options.time_limit or data.time_limit, _say)
    print("\n".join([*report.table(columns), *report.remarks(columns)]))
    print(f"kernels: {'all is well' if report.well(columns) else 'FAILED'}, {time.monotonic() - start:.0f} s")
    return 0 if report.well(columns) else 1


def _say(line: str) -> None:
    print(f"kernels: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
