"""What the kernel itself says of a process: the second opinion that tracers are held to."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

LONGEST = 60.0  # seconds to wait for what does not come; a limit, not a measure
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


def switches(pid: int) -> int:
    """How often the process, which sleeps now and has one thread, was taken off a CPU."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)


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
