"""Memory that batches leave behind in the C library; apart from test_loops, which runs under sanitizers with their own malloc."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_what_is_given_back_is_not_ours_any_more(built: Path) -> None:
    """Small pieces that were freed below one that is in use: the C library keeps them, until it is asked. Alone in a process."""
    code = f"""if True:
        from pathlib import Path
        from ebpfrun.door import Driver, DriverLoops
        def pages():
            return int(Path("/proc/self/statm").read_text().split()[1])
        loops = DriverLoops(Driver({str(built / "getppid.so")!r}, {str(built / "getppid_cffi.py")!r}), {{}})
        pieces = [bytes(4000) for _ in range(20_000)]
        last = pieces.pop()
        pieces.clear()
        before = pages()
        loops.tidy()
        print(before - pages())
    """
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert int(said) > 10_000
