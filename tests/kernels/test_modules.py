"""Kernel modules: their functions, tracepoints and types are found like the kernel's own, in those kernels that have types of modules.

The spec was built for the description of one kernel of the lab; the others take it as it is.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from .conftest import LAB, Observe, Observed

pytestmark = [pytest.mark.root, pytest.mark.kernel, pytest.mark.skipif(not LAB, reason="its kernel has these modules loaded")]
TYPED = LAB != "5.10"
SET_STATUS64 = 0x4C04  # include/uapi/linux/loop.h; struct loop_info64: five u64, four u32, 160 bytes of names, two u64
CREATE, WRITE = 14, 118  # P9_TLCREATE, P9_TWRITE of include/net/9p/9p.h
SEEN = [(8192, 65536, 0), (4096, 0, 99), (0, 1 << 20, 0)]
"""Offset, size, and an encryption, of which there is none left: the call fails."""


@pytest.fixture
def device(tmp_path: Path) -> Iterator[tuple[int, int]]:
    """A loop device: descriptor, and number."""
    file = tmp_path / "disk"
    file.write_bytes(bytes(1 << 21))
    name = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True, check=True).stdout.strip()
    opened = os.open(name, os.O_RDWR)
    yield opened, int(name.removeprefix("/dev/loop"))
    os.close(opened)
    subprocess.run(["losetup", "--detach", name], check=True)


def test_functions_and_types(observe: Observe, device: tuple[int, int]) -> None:
    opened, number = device

    def work(_: Observed) -> None:
        for offset, size, encryption in SEEN:
            status = struct.pack("=5Q4I160s2Q", 0, 0, 0, offset, size, 0, encryption, 0, 0, b"", 0, 0)
            with contextlib.suppress(OSError):
                fcntl.ioctl(opened, SET_STATUS64, status)

    seen = observe("module", work)
    assert seen.events("untyped") == [{"offset": offset} for offset, *_ in SEEN]
    typed = SEEN if TYPED else []
    assert seen.events("status") == [{"number": number, "offset": offset, "size": size} for offset, size, _ in typed]
    assert seen.events("cast") == [{"number": number, "offset": offset} for offset, *_ in typed]
    results = [(row["number"], row["result"]) for row in seen.events("done")]
    assert results == [(number, -errno.EINVAL if encryption else 0) for *_, encryption in typed]
    if not TYPED:
        passed = [line for line in seen.said if line.startswith("passed over fentry:loop_set_status (module.yaml:")]
        assert len(passed) == 1, seen.said


def test_tracepoints(observe: Observe) -> None:
    """The folder for results is the host's, by 9p: what is written there becomes requests."""
    file = Path("/run/lab/written")

    def work(_: Observed) -> None:
        file.write_bytes(b"x")

    seen = observe("module", work)
    sent, called = (Counter(row["type"] for row in seen.events(name)) for name in ("sent", "called"))
    assert sent == called
    assert (sent[CREATE], sent[WRITE]) == ((1, 1) if TYPED else (0, 0))
