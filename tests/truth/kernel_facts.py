"""What the kernel itself says of a process: the second opinion that tracers are held to."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

LONGEST = 60.0  # seconds to wait for what does not come; a limit, not a measure
BTF = Path("/sys/kernel/btf/vmlinux")
HAS_COOKIES = BTF.exists() and b"\0BPF_FUNC_get_attach_cookie\0" in BTF.read_bytes()
"""Whether programs can tell where they are attached: since Linux 5.15."""
CLOSED_ALREADY = ("06", "0A")  # TIME_WAIT and LISTEN of include/net/tcp_states.h


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + LONGEST
    while not condition():
        assert time.monotonic() < end, "waited for a condition in vain"
        time.sleep(0.002)


def wait_until_asleep(pid: int) -> None:
    """Until the process waits in a system call, off its CPU: a workload with its work behind it waits in a read.

    /proc/PID/stat says S while it is still on its way there; this file is not read before it has left (wait_task_inactive).
    """
    wait_until(lambda: not Path(f"/proc/{pid}/syscall").read_text().startswith("running"))


def network_namespace(pid: int) -> int:
    return Path(f"/proc/{pid}/ns/net").stat().st_ino


def _sockets(pid: int) -> list[tuple[int, int, str]]:
    """Port at this end, port at the other and state of each TCP socket in the process's network namespace."""
    lines = [line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]]
    return [(int(here.rpartition(":")[2], 16), int(there.rpartition(":")[2], 16), state) for _, here, there, state, *_ in lines]


def wait_until_closed(pid: int, port: int | None = None) -> None:
    """Until no TCP connection (of that port at one of its ends) in the process's network namespace is open any more."""
    wait_until(lambda: all(state in CLOSED_ALREADY or port not in (None, here, there) for here, there, state in _sockets(pid)))


def listening_port(pid: int) -> int:
    """The one port at which the process's network namespace listens."""
    (port,) = {here for here, _, state in _sockets(pid) if state == "0A"}
    return port


TRACING = Path("/sys/kernel/tracing")
WAKEUP = re.compile(r" sched_wakeup(?:_new)?: comm=.* pid=\d+ prio=")
SWITCH = re.compile(r" sched_switch: .* prev_pid=(\d+) prev_prio=-?\d+ prev_state=(\S+) ==> .* next_pid=\d+ ")


def switches(pid: int) -> int:
    """How often the process has left a CPU, by the scheduler's own count. Between two moments at which it is asleep, it was put on
    a CPU as often."""
    return sum(map(int, re.findall(r"ctxt_switches:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())))


class Waits(NamedTuple):
    """What the kernel's tracepoints told of one process, which slept before and after."""

    ended: int  # it was put on a CPU after it had been woken, or put aside while it could run
    hidden: int  # it left a CPU on which nobody had seen it put
    left: int  # it left a CPU


class Schedule:
    """The kernel's own record of what it did with a process, from ftrace."""

    def __init__(self, instance: Path, pid: int) -> None:
        self._instance = instance
        self._pid = pid

    def waits(self) -> Waits:
        """There are virtual machines' kernels that pass the tracepoints by where they leave some tasks of their own (a CPU's idle
        one, say) for the process: nobody can see it put on the CPU then, but that it leaves it is seen always."""
        lost = [stats.read_text() for stats in self._instance.glob("per_cpu/cpu*/stats")]
        assert all("overrun: 0\n" in stats for stats in lost), lost
        ready = running = False
        ended = hidden = left = 0
        for line in (self._instance / "trace").read_text().splitlines():
            if WAKEUP.search(line):
                ready = True
            elif switched := SWITCH.search(line):
                if int(switched[1]) == self._pid:
                    hidden += not running
                    left += 1
                    ready, running = switched[2] in ("R", "R+"), False
                else:
                    ended += ready
                    ready, running = False, True
        return Waits(ended, hidden, left)


@contextmanager
def schedule(pid: int) -> Iterator[Schedule]:
    """Records what becomes of a process, asleep now."""
    if not (TRACING / "events").is_dir():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", str(TRACING)], check=True)
    instance = TRACING / "instances" / f"ebpfgen-test-{os.getpid()}"
    instance.mkdir()
    try:
        (instance / "trace_clock").write_text("mono")
        (instance / "buffer_size_kb").write_text("4096")
        for event, which in (
            ("sched_wakeup", f"pid == {pid}"),
            ("sched_wakeup_new", f"pid == {pid}"),
            ("sched_switch", f"prev_pid == {pid} || next_pid == {pid}"),
        ):
            (instance / "events" / "sched" / event / "filter").write_text(which)
            (instance / "events" / "sched" / event / "enable").write_text("1")
        yield Schedule(instance, pid)
    finally:
        instance.rmdir()
