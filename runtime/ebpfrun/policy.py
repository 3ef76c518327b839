"""What the kernel refuses whatever the privileges of who asks: lockdown, and limits of memory on old kernels.

Receives what a call failed with, returns why in words, or None when it was not for such a reason. Asked only after a failure;
reads a few files, changes nothing.
"""

from __future__ import annotations

import errno
import re
import resource

from .errors import DriverError
from .refusal import lockdown as lockdown

_BTF = "/sys/kernel/btf/vmlinux"
_SINCE_MEMCG = b"BPF_FUNC_ktime_get_coarse_ns"  # came with Linux 5.11, as did the accounting by cgroups; libbpf looks for it too
_CAP_SYS_RESOURCE = 24

_NO_READS = "the kernel's lockdown (confidentiality) lets no program read the kernel's memory"
_NOR_USER = ", and libbpf then has no helper left for a process's"
WAY_OUT = "boot with lockdown=integrity, or without Secure Boot"


def locked_down(error: DriverError) -> str | None:
    """Lockdown for confidentiality hides the kernel's memory even from root. Reads of a process's memory are not forbidden
    (bpf_base_func_proto of Linux), but libbpf tries whether the kernel has the helpers for either kind by one that reads the
    kernel's, and where that is refused puts the old helper for both in their place (bpf_object__sanitize_prog)."""
    if lockdown() != "confidentiality":
        return None
    if "bpf_probe_read" in error.log:
        return f"{_NO_READS}{_NOR_USER if _reads_user(error.log) else ''}"
    if "probe" in error.log and error.errno in (errno.EPERM, errno.EACCES):
        return "the kernel's lockdown (confidentiality) lets no kprobe be attached"
    return None


def _reads_user(log: str) -> bool:
    """Whether the line of C that the verifier came to reads a process's memory."""
    before = re.split(r"cannot use helper|unknown func", log)[0]
    sources = [line for line in before.splitlines() if line.startswith(";")]
    return bool(sources) and ("bpf_probe_read_user" in sources[-1] or "BPF_CORE_READ_USER" in sources[-1])


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
