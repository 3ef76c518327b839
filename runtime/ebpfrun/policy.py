"""What the kernel refuses whatever the privileges of who asks: lockdown, and limits of memory on old kernels.

Receives what a call failed with, returns why in words, or None when it was not for such a reason. Asked only after a failure;
reads a few files, changes nothing.
"""

from __future__ import annotations

import errno
import resource

from .errors import DriverError
from .refusal import lockdown as lockdown

_BTF = "/sys/kernel/btf/vmlinux"
_SINCE_MEMCG = b"BPF_FUNC_ktime_get_coarse_ns"  # came with Linux 5.11, as did the accounting by cgroups; libbpf looks for it too
_CAP_SYS_RESOURCE = 24

WAY_OUT = "boot with lockdown=integrity, or without Secure Boot"


def locked_down(error: DriverError) -> str | None:
    """Lockdown for confidentiality hides the kernel's memory even from root."""
    if lockdown() != "confidentiality":
        return None
    if "bpf_probe_read" in error.log:
        return "the kernel's lockdown (confidentiality) lets no program read the kernel's memory"
    if "probe" in error.log and error.errno in (errno.EPERM, errno.EACCES):
        return "the kernel's lockdown (confidentiality) lets no kprobe be attached"
    return None


def memory_limited(error: DriverError) -> str | None:
    """Before Linux 5.11 maps and programs count against the limit of locked memory, which libbpf raises if it may."""
    limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
    if error.errno != errno.EPERM or limit == resource.RLIM_INFINITY or _may_raise_limits() or _counts_by_cgroup():
        return None
    return (
        f"this kernel counts maps and programs as locked memory, of which this process may have {limit >> 10} KiB "
        "and, without CAP_SYS_RESOURCE, no more (try: ulimit -l unlimited; for a service: LimitMEMLOCK=infinity)"
    )


def _may_raise_limits() -> bool:
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    return bool(effective >> _CAP_SYS_RESOURCE & 1)


def _counts_by_cgroup() -> bool:
    try:
        with open(_BTF, "rb") as file:
            return _SINCE_MEMCG in file.read()
    except OSError:
        return True  # or so it seems: nothing is said then
