"""Whether this process may load and attach kernel programs. Reads /proc/self/status, changes nothing."""

from __future__ import annotations

from .errors import MachineError

_NUMBERS = {"CAP_SYS_ADMIN": 21, "CAP_PERFMON": 38, "CAP_BPF": 39}  # include/uapi/linux/capability.h
NEEDED = ("CAP_BPF", "CAP_PERFMON")


def missing() -> list[str]:
    """The capabilities of ``NEEDED`` that this process lacks; CAP_SYS_ADMIN stands for both."""
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    if effective >> _NUMBERS["CAP_SYS_ADMIN"] & 1:
        return []
    return [name for name in NEEDED if not effective >> _NUMBERS[name] & 1]


def insist() -> None:
    """Raises MachineError unless nothing is missing."""
    lacks = missing()
    if lacks:
        raise MachineError(
            f"loading kernel programs needs {' and '.join(lacks)}, which this process lacks; run it as root (sudo)"
        )
