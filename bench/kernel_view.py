"""What the kernel says of loaded BPF programs: ids, names, runs and their time. For benchmarks: bpf(2) by ctypes, no libbpf."""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import re
import struct
import time
from collections.abc import Iterator
from pathlib import Path

_BPF = {"x86_64": 321, "aarch64": 280}[platform.machine()]
_GET_NEXT_ID, _GET_FD_BY_ID, _INFO_BY_FD = 11, 13, 15
_libc = ctypes.CDLL(None, use_errno=True)


def _bpf(command: int, attr: ctypes.Array[ctypes.c_char]) -> int:
    return int(_libc.syscall(_BPF, command, attr, len(attr)))


def program_ids(after: int = 0) -> Iterator[int]:
    """Ids of loaded programs above ``after``, rising."""
    while True:
        attr = ctypes.create_string_buffer(struct.pack("II", after, 0) + bytes(8))
        if _bpf(_GET_NEXT_ID, attr) < 0:
            return
        after = struct.unpack_from("I", attr, 4)[0]
        yield after


def program(ident: int) -> dict[str, int | str] | None:
    """Name, run_time_ns and run_cnt of a program; None when it is gone."""
    attr = ctypes.create_string_buffer(struct.pack("I", ident) + bytes(12))
    fd = _bpf(_GET_FD_BY_ID, attr)
    if fd < 0:
        return None
    try:
        info = ctypes.create_string_buffer(256)
        attr = ctypes.create_string_buffer(struct.pack("IIQ", fd, len(info), ctypes.addressof(info)))
        if _bpf(_INFO_BY_FD, attr) < 0:
            return None
        # struct bpf_prog_info: name at 64, run_time_ns at 192, run_cnt at 200 (include/uapi/linux/bpf.h)
        name = info.raw[64:80].split(b"\0")[0].decode()
        run_time, run_count = struct.unpack_from("QQ", info, 192)
        return {"name": name, "run_time_ns": run_time, "run_cnt": run_count}
    finally:
        os.close(fd)


@contextlib.contextmanager
def statistics() -> Iterator[None]:
    """kernel.bpf_stats_enabled while inside."""
    path = Path("/proc/sys/kernel/bpf_stats_enabled")
    before = path.read_text()
    path.write_text("1")
    try:
        yield
    finally:
        path.write_text(before)


def runs_of(pid: int) -> int:
    """Runs, since statistics are kept, of the programs that a process holds."""
    runs = 0
    for info in Path(f"/proc/{pid}/fdinfo").iterdir():
        with contextlib.suppress(OSError):  # closed meanwhile
            found = re.search(r"^prog_id:\s*(\d+)", info.read_text(), re.MULTILINE)
            if found and (held := program(int(found[1]))):
                runs += int(held["run_cnt"])
    return runs


def wait_until_run(after: int, programs: int, deadline: float) -> float | None:
    """The monotonic time at which ``programs`` programs younger than id ``after`` have run; None past the deadline. Looks every
    half millisecond: looking all the time would take a core from what is measured."""
    while (now := time.monotonic()) < deadline:
        run = sum(1 for i in program_ids(after) if (p := program(i)) and int(p["run_cnt"]) > 0)
        if run >= programs:
            return now
        time.sleep(0.0005)
    return None
