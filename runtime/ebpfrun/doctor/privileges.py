"""Which privileges this process has, which lack, and how to grant them. Reads /proc, changes nothing."""

from __future__ import annotations

import os
import sys

from ebpfrun.lean import NamedTuple

from .check import RUN, Check

GROUP = "Privileges"
# include/uapi/linux/capability.h
_NUMBERS = {"CAP_DAC_READ_SEARCH": 2, "CAP_SYS_ADMIN": 21, "CAP_SYS_RESOURCE": 24, "CAP_PERFMON": 38, "CAP_BPF": 39}
_WHAT = {
    "CAP_BPF": "loads programs, makes maps",
    "CAP_PERFMON": "lets programs read kernel memory and attach to probes",
    "CAP_DAC_READ_SEARCH": "reads tracefs, which belongs to root",
}


class Rights(NamedTuple):
    """What this process may do."""

    user: int
    held: frozenset[str]

    def has(self, name: str) -> bool:
        """CAP_SYS_ADMIN stands for the two that were split off from it."""
        return name in self.held or (name in ("CAP_BPF", "CAP_PERFMON") and "CAP_SYS_ADMIN" in self.held)

    @property
    def lacking(self) -> list[str]:
        """What tracing needs and this process has not."""
        return [name for name in _WHAT if not self.has(name) and (name != "CAP_DAC_READ_SEARCH" or self.user != 0)]


def held() -> Rights:
    """The effective capabilities."""
    with open("/proc/self/status", encoding="ascii", errors="replace") as status:
        bits = next(int(line.split()[1], 16) for line in status if line.startswith("CapEff:"))
    return Rights(os.geteuid(), frozenset(name for name, number in _NUMBERS.items() if bits >> number & 1))


def checks(rights: Rights) -> list[Check]:
    found = [Check(GROUP, "user", "info", f"uid {rights.user}{' (root)' if rights.user == 0 else ''}")]
    for name, what in _WHAT.items():
        lacks = name in rights.lacking
        needed = RUN if name != "CAP_DAC_READ_SEARCH" else ""
        found.append(Check(GROUP, name, "no" if lacks else "ok", what, needed=needed))
    found.append(_memory_lock(rights))
    if rights.lacking:
        found.append(Check(GROUP, "how to grant", "info", f"missing: {', '.join(rights.lacking)}", _grant(rights.lacking)))
    return found


def _memory_lock(rights: Rights) -> Check:
    has = "CAP_SYS_RESOURCE" in rights.held
    return Check(
        GROUP,
        "CAP_SYS_RESOURCE",
        "info",
        f"{'there' if has else 'not there'}; only kernels before 5.11 need it, to go beyond `ulimit -l`",
    )


def _grant(names: list[str]) -> str:
    python = os.path.realpath(sys.executable)
    return (
        "for once: sudo ebpfrun …\n"
        f"for a service: AmbientCapabilities={' '.join(names)} in the systemd unit\n"
        f"for everything that this Python runs (think twice): sudo setcap {','.join(names).lower()}+ep {python}"
    )
