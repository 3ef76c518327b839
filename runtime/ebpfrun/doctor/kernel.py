"""What the running kernel has, and which attach kinds it takes: each is tried with a program that does nothing, for a moment.

Receives the privileges held, so that a refusal gets its true reason; returns checks. Leaves nothing attached, mounted or open.
"""

from __future__ import annotations

import errno
import functools
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from ebpfrun import policy
from ebpfrun.names import error as error_name

from . import btf_ids, calls
from .check import BUILD, RUN, Check
from .privileges import Rights

KERNEL = "Kernel"
KINDS = "Attach kinds"
BTF = "/sys/kernel/btf/vmlinux"
TRACING = "/sys/kernel/tracing"
PERF_DEVICES = "/sys/bus/event_source/devices"
SECURITY = "/sys/kernel/security"
BPFFS = "/sys/fs/bpf"
_TRACEPOINT = "sched_process_exit"
# Rarely called, never inlined, and old; the first that the kernel has.
_FUNCTIONS = ("vfs_statfs", "vfs_fsync_range", "do_nanosleep", "kernel_clone")
_LIBRARY_FUNCTION = "getppid"
_HOOK, _ITERATOR = "bpf_lsm_sb_statfs", "bpf_iter_task"
_CYCLES = 0  # enum perf_hw_id
_CPU_CLOCK, _PAGE_FAULTS = 0, 2  # enum perf_sw_ids
_ALTERNATIVE = "tracepoint, raw_tracepoint and tp_btf do without; `first:` in a spec takes what a kernel has"
_NO_TRAMPOLINES = "the kernel does not let programs hook its functions by trampolines"


class Lacking(Exception):
    """The kernel has not what it takes; the text says what."""


def checks(rights: Rights) -> list[Check]:
    """The kernel itself, before attaching anything."""
    uname = os.uname()
    return [
        Check(KERNEL, "release", "info", f"{uname.release} {uname.machine}"),
        _btf(),
        _tried(KERNEL, "ring buffer", rights, _ring_buffer, RUN, remedy="a kernel of 5.8 or newer"),
        _tried(KERNEL, "tracefs", rights, _tracefs, BUILD, remedy=f"mount -t tracefs tracefs {TRACING}"),
        Check(KERNEL, "bpffs", "info", f"mounted at {BPFFS}" if os.path.ismount(BPFFS) else "not mounted, nor needed"),
        _lockdown(),
        _sysctl("bpf_jit_enable", "/proc/sys/net/core/bpf_jit_enable", {"0": "off: programs run slower", "1": "on"}),
        _sysctl("unprivileged_bpf_disabled", "/proc/sys/kernel/unprivileged_bpf_disabled", {}),
        _sysctl("perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid", {}),
        _sysctl("kptr_restrict", "/proc/sys/kernel/kptr_restrict", {"2": "kernel addresses are hidden from everyone"}),
    ]


def _btf() -> Check:
    try:
        data = _btf_bytes()
    except OSError as error:
        why = f"{BTF}: {error.strerror}"
        return Check(KERNEL, "BTF", "no", why, "a kernel with CONFIG_DEBUG_INFO_BTF; Debian's have it since 5.10", RUN)
    return Check(KERNEL, "BTF", "ok", f"{BTF}, {len(data) / 1e6:.1f} MB", needed=RUN)


@functools.cache
def _btf_bytes() -> bytes:
    with open(BTF, "rb") as file:
        return file.read()


def _lockdown() -> Check:
    try:
        with ExitStack() as opened:
            securityfs = _keep(opened, _mounted_or_detached(SECURITY, "securityfs"))
            mode = _read_at(securityfs, "lockdown").partition("[")[2].partition("]")[0]
    except FileNotFoundError:
        return Check(KERNEL, "lockdown", "ok", "this kernel knows none")
    except OSError as error:
        return Check(KERNEL, "lockdown", "unknown", f"{SECURITY}/lockdown: {error.strerror}")
    if mode == "confidentiality":
        why = "confidentiality: programs may not read kernel memory"
        return Check(KERNEL, "lockdown", "no", why, policy.WAY_OUT, RUN)
    return Check(KERNEL, "lockdown", "ok", mode)


def _sysctl(name: str, path: str, meanings: dict[str, str]) -> Check:
    try:
        with open(path, encoding="ascii") as file:
            value = file.read().strip()
    except OSError as error:
        return Check(KERNEL, name, "unknown", f"{path}: {error.strerror}")
    meaning = meanings.get(value)
    return Check(KERNEL, name, "info", f"{value} ({meaning})" if meaning else value)


# Attach kinds.


def attach_kinds(rights: Rights) -> list[Check]:
    """One check for each kind that a spec may name."""
    return [
        _tried(KINDS, kind, rights, attempt, RUN if kind == "tracepoint" else "", remedy=remedy)
        for kind, (attempt, remedy) in _KINDS.items()
    ]


def _tried(group: str, name: str, rights: Rights, attempt: Callable[[ExitStack], str], needed: str, remedy: str) -> Check:
    """Makes the attempt; what it opened is closed again. It returns a detail for the report."""
    if not calls.supported():
        return Check(group, name, "unknown", f"the numbers of system calls on {os.uname().machine} are not known", needed=needed)
    with ExitStack() as opened:
        try:
            return Check(group, name, "ok", attempt(opened), needed=needed)
        except (Lacking, ValueError) as why:
            return Check(group, name, "no", str(why), remedy, needed)
        except OSError as error:
            denied = error.errno in (errno.EPERM, errno.EACCES) and bool(rights.lacking)
            return Check(group, name, "no", _explain(name, error, rights), "" if denied else remedy, needed)


def _explain(name: str, error: OSError, rights: Rights) -> str:
    shown = error_name(error.errno or 0)
    if error.errno in (errno.EPERM, errno.EACCES):
        if rights.lacking:
            return f"{shown}: this process lacks {', '.join(rights.lacking)}"
        if name in ("fentry", "fexit", "lsm"):
            return f"{shown}, though no privilege is missing: {_NO_TRAMPOLINES}"
        policy = "the kernel's own policy (lockdown, a security module, a container's seccomp)"
        return f"{shown}, though no privilege is missing: {policy}"
    if name in ("fentry", "fexit", "lsm"):
        return f"{shown}: {_NO_TRAMPOLINES}"
    return f"{shown}: {os.strerror(error.errno or 0)}"


def _keep(opened: ExitStack, fd: int) -> int:
    opened.callback(os.close, fd)
    return fd


def _ring_buffer(opened: ExitStack) -> str:
    _keep(opened, calls.ring_buffer())
    return "made"


def _tracefs(opened: ExitStack) -> str:
    opened.enter_context(_events_folder())
    return f"mounted at {TRACING}" if os.path.ismount(TRACING) else "not mounted; ebpfrun mounts it when a spec needs it"


def _mounted_or_detached(place: str, filesystem: str) -> int:
    """The top of a file system: where it is mounted, or for ourselves alone."""
    return os.open(place, os.O_RDONLY | os.O_CLOEXEC) if os.path.ismount(place) else calls.detached(filesystem)


def _read_at(folder: int, path: str) -> str:
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC, dir_fd=folder), encoding="ascii") as file:
        return file.read()


@contextmanager
def _events_folder() -> Iterator[int]:
    """tracefs/events, whether it is mounted or not."""
    with ExitStack() as opened:
        root = _keep(opened, _mounted_or_detached(TRACING, "tracefs"))
        yield _keep(opened, os.open("events", os.O_RDONLY | os.O_CLOEXEC, dir_fd=root))


def _tracepoint(opened: ExitStack) -> str:
    with _events_folder() as events:
        number = int(_read_at(events, f"sched/{_TRACEPOINT}/id"))
    program = _keep(opened, calls.program(calls.TRACEPOINT))
    event = _keep(opened, calls.perf_event(calls.PERF_TRACEPOINT, number, pid=-1, cpu=0, period=1))
    calls.set_program(event, program)
    return "attached"


def _raw_tracepoint(opened: ExitStack) -> str:
    program = _keep(opened, calls.program(calls.RAW_TRACEPOINT))
    _keep(opened, calls.raw_tracepoint(_TRACEPOINT, program))
    return "attached"


def _tp_btf(opened: ExitStack) -> str:
    return _tracing(opened, calls.TRACE_RAW_TP, _btf_id(f"btf_trace_{_TRACEPOINT}")[1])


def _fentry(opened: ExitStack) -> str:
    return _tracing(opened, calls.TRACE_FENTRY, _btf_id(*_FUNCTIONS)[1])


def _fexit(opened: ExitStack) -> str:
    return _tracing(opened, calls.TRACE_FEXIT, _btf_id(*_FUNCTIONS)[1])


def _tracing(opened: ExitStack, attach: int, id: int, type: int = calls.TRACING) -> str:
    program = _keep(opened, calls.program(type, attach, id))
    _keep(opened, calls.raw_tracepoint("", program))
    return "attached"


@functools.cache
def _ids() -> dict[str, int]:
    functions = (*_FUNCTIONS, _HOOK, _ITERATOR)
    return btf_ids.find(_btf_bytes(), [(btf_ids.TYPEDEF, f"btf_trace_{_TRACEPOINT}"), *((btf_ids.FUNC, f) for f in functions)])


def _btf_id(*names: str) -> tuple[str, int]:
    """The first of these that the kernel's BTF has."""
    for name in names:
        if name in _ids():
            return name, _ids()[name]
    raise Lacking(f"the kernel's BTF has no {' nor '.join(names)}")


def _kprobe(opened: ExitStack, ret: bool = False) -> str:
    type = _perf_device("kprobe", "this kernel is built without kprobes (CONFIG_KPROBES)")
    function, _ = _btf_id(*_FUNCTIONS)
    program = _keep(opened, calls.program(calls.KPROBE))
    event = _keep(opened, calls.perf_event(type, int(ret), pid=-1, cpu=0, period=1, config1=function.encode()))
    calls.set_program(event, program)
    return "attached"


def _uprobe(opened: ExitStack, ret: bool = False) -> str:
    """On a function of the C library, in this process only."""
    type = _perf_device("uprobe", "this kernel is built without uprobes (CONFIG_UPROBES)")
    path, offset = calls.function_in_file(_LIBRARY_FUNCTION)
    program = _keep(opened, calls.program(calls.KPROBE))
    event = calls.perf_event(type, int(ret), pid=0, cpu=-1, period=1, config1=os.fsencode(path), config2=offset)
    calls.set_program(_keep(opened, event), program)
    return "attached"


def _perf_device(name: str, missing: str) -> int:
    """The number of a kind of perf event; the kinds of probes are there since 4.17 if the kernel has them at all."""
    try:
        with open(f"{PERF_DEVICES}/{name}/type", encoding="ascii") as file:
            return int(file.read())
    except FileNotFoundError:
        raise Lacking(missing) from None


def _timer(opened: ExitStack) -> str:
    program = _keep(opened, calls.program(calls.PERF_EVENT))
    event = _keep(opened, calls.perf_event(calls.PERF_SOFTWARE, _CPU_CLOCK, pid=-1, cpu=0, frequency=99))
    calls.set_program(event, program)
    return "attached"


def _software(opened: ExitStack) -> str:
    program = _keep(opened, calls.program(calls.PERF_EVENT))
    event = _keep(opened, calls.perf_event(calls.PERF_SOFTWARE, _PAGE_FAULTS, pid=-1, cpu=0, period=10**6))
    calls.set_program(event, program)
    return "attached"


def _hardware(opened: ExitStack) -> str:
    program = _keep(opened, calls.program(calls.PERF_EVENT))
    try:
        event = _keep(opened, calls.perf_event(calls.PERF_HARDWARE, _CYCLES, pid=-1, cpu=0, period=10**9))
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EOPNOTSUPP, errno.ENODEV):
            raise Lacking("the processors count nothing here (virtual machines often have no counters)") from None
        raise
    calls.set_program(event, program)
    return "attached"


def _lsm(opened: ExitStack) -> str:
    """Attached though it would never run is not attached."""
    with suppress(OSError), ExitStack() as held:
        active = _read_at(_keep(held, _mounted_or_detached(SECURITY, "securityfs")), "lsm").strip()
        if "bpf" not in active.split(","):
            raise Lacking(f"bpf is not among the kernel's security modules ({active})")
    return _tracing(opened, calls.LSM_MAC, _btf_id(_HOOK)[1], calls.LSM)


def _iterator(opened: ExitStack) -> str:
    program = _keep(opened, calls.program(calls.TRACING, calls.TRACE_ITER, _btf_id(_ITERATOR)[1]))
    _keep(opened, calls.iterator(program))
    return "attached"


def _functions(opened: ExitStack) -> str:
    _perf_device("kprobe", "this kernel is built without kprobes (CONFIG_KPROBES)")
    program = _keep(opened, calls.program(calls.KPROBE, calls.TRACE_KPROBE_MULTI))
    _keep(opened, calls.function_link(program, _btf_id(*_FUNCTIONS)[0], ret=False))
    return "attached"


def _places(opened: ExitStack) -> str:
    path, offset = calls.function_in_file(_LIBRARY_FUNCTION)
    program = _keep(opened, calls.program(calls.KPROBE, calls.TRACE_UPROBE_MULTI))
    _keep(opened, calls.file_link(program, path, offset))
    return "attached"


def _usdt(opened: ExitStack) -> str:
    """Needs uprobes, and cookies to tell places in position-independent code apart (they came together with links of perf)."""
    _uprobe(opened)
    program = _keep(opened, calls.program(calls.KPROBE))
    path, offset = calls.function_in_file(_LIBRARY_FUNCTION)
    type = _perf_device("uprobe", "")
    event = _keep(opened, calls.perf_event(type, 0, pid=0, cpu=-1, period=1, config1=os.fsencode(path), config2=offset))
    try:
        _keep(opened, calls.cookie_link(program, event))
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.E2BIG, errno.EOPNOTSUPP):
            raise Lacking("no attach cookies: only programs that are not position-independent can be traced") from None
        raise
    return "attached"


_KINDS: dict[str, tuple[Callable[[ExitStack], str], str]] = {
    "tracepoint": (_tracepoint, ""),
    "raw_tracepoint": (_raw_tracepoint, ""),
    "tp_btf": (_tp_btf, "raw_tracepoint does without"),
    "kprobe": (_kprobe, _ALTERNATIVE),
    "kretprobe": (functools.partial(_kprobe, ret=True), _ALTERNATIVE),
    "fentry": (_fentry, _ALTERNATIVE),
    "fexit": (_fexit, _ALTERNATIVE),
    "uprobe": (_uprobe, ""),
    "uretprobe": (functools.partial(_uprobe, ret=True), ""),
    "profile": (_timer, ""),
    "interval": (_timer, ""),
    "software": (_software, ""),
    "hardware": (_hardware, "software:cpu-clock does without"),
    "iter": (_iterator, "a kernel of 5.8 or newer"),
    "lsm": (_lsm, "boot with bpf at the end of lsm=…, on a kernel with CONFIG_BPF_LSM"),
    "usdt": (_usdt, "a kernel of 5.15 or newer"),
    "kprobe, many at once": (_functions, "`*` takes a link for each function then, at most 1024"),
    "uprobe, many at once": (_places, "`*` takes a link for each function then, at most 1024"),
}
