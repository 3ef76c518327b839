"""A kernel made by hand: what is checked or generated against it is the same on every machine.

    check(load(data, "x.yaml"), fake_kernel.kernel())

Its types are in ``kernel.h``, the rest is here. Grow it as tests need; what is in it is in the expected texts of other tests.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from pathlib import Path

from ebpfgen.btf import Btf
from ebpfgen.btf_merge import Begins
from ebpfgen.kernel_description import Description, Symbols, read_table
from fake_kernel.declarations import Declarations, Member
from kernel_description.making import format_file

RECORDS = {  # tracepoint → struct of its record
    "sock:inet_sock_set_state": "inet_sock_set_state",
    "sched:sched_process_exec": "sched_process_exec",
    "sched:sched_switch": "sched_switch",
    "block:block_rq_issue": "block_rq",
    "raw_syscalls:sys_enter": "sys_enter",
    "raw_syscalls:sys_exit": "sys_exit",
}
SYSTEM_CALLS = {
    "openat": ("int dfd", "const char * filename", "int flags", "umode_t mode"),
    "execve": ("const char * filename", "const char *const * argv", "const char *const * envp"),
    "read": ("unsigned int fd", "char * buf", "size_t count"),
    "kill": ("pid_t pid", "int sig"),
    "getpid": (),
}
ARGUMENTS = {  # raw tracepoint → arguments
    "inet_sock_set_state": "struct sock *sk, int oldstate, int newstate",
    "sched_process_exec": "struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm",
    "sched_switch": "bool preempt, struct task_struct *prev, struct task_struct *next, unsigned int prev_state",
    "sched_wakeup": "struct task_struct *p",
    "block_rq_issue": "struct request *rq",
    "block_rq_complete": "struct request *rq, int error, unsigned int nr_bytes",
    "net_dev_queue": "struct sk_buff *skb",
}
# A tracepoint that the types say nothing of: declaration, offset, size, signed.
UNTYPED = {"thermal:thermal_trip": (("__data_loc char[] zone", 8, 4, 0), ("int id", 12, 4, 1), ("unsigned long temp", 16, 8, 0),
                                    ("__u8 raw[6]", 24, 6, 0))}  # fmt: skip


class _Source:
    release, machine = "6.18.0-fake", "x86_64"

    def __init__(self) -> None:
        declared = Declarations((Path(__file__).parent / "kernel.h").read_text())
        for name, arguments in ARGUMENTS.items():
            declared.tracepoint(name, arguments)
        self._btf = declared.blob()
        self.index_key = self.fingerprint = hashlib.sha256(self._btf).hexdigest()
        self._formats = {
            event: _format(event, *_fields(declared.structs[f"trace_event_raw_{record}"])) for event, record in RECORDS.items()
        }
        self._formats |= {event: _format(event, *fields) for event, fields in UNTYPED.items()}
        for call, declared_arguments in SYSTEM_CALLS.items():
            enter = (("int __syscall_nr", 8, 4, 1), *((a, 16 + 8 * i, 8, 0) for i, a in enumerate(declared_arguments)))
            self._formats[f"syscalls:sys_enter_{call}"] = _format(f"syscalls:sys_enter_{call}", *enter)
            leave = ("int __syscall_nr", 8, 4, 1), ("long ret", 16, 8, 1)
            self._formats[f"syscalls:sys_exit_{call}"] = _format(f"syscalls:sys_exit_{call}", *leave)

    def btf(self) -> bytes:
        return self._btf

    def events(self) -> list[str]:
        return list(self._formats)

    def format(self, category: str, name: str) -> str | None:
        return self._formats.get(f"{category}:{name}")

    def attachable(self) -> frozenset[str] | None:
        return frozenset({"vfs_read", "vfs_write", "vfs_open", "tcp_connect", "tcp_close", "blk_account_io_start",
                          "blk_account_io_done", "many_arguments", "written_in_assembly", "made_static.isra.0",
                          "made_here.constprop.0"})  # fmt: skip

    def blacklist(self) -> frozenset[str]:
        return frozenset()

    def symbols(self) -> Symbols | None:
        return None

    def modules(self) -> Begins:
        return ()

    def syscalls(self) -> dict[int, str]:
        return read_table(self.machine)

    def config(self) -> dict[str, str]:
        return {}


class _Kernel(Description):
    @functools.cached_property
    def btf(self) -> Btf:
        """Never kept in the user's cache."""
        return Btf(self.source.btf())


@functools.cache
def kernel() -> Description:
    return _Kernel(_Source(), (kernel, ()))


def _format(event: str, *fields: tuple[str, int, int, int]) -> str:
    return format_file(event.partition(":")[2], *fields)


def _fields(record: tuple[Member, ...]) -> Iterator[tuple[str, int, int, int]]:
    """The lines of a format file for a record's members."""
    for m in record:
        if m.name == "ent":
            continue
        if m.name.startswith("__data_loc_"):
            yield f"__data_loc char[] {m.name.removeprefix('__data_loc_')}", m.offset // 8, m.type.size, 0
            continue
        base, _, array = m.type.text.partition("[")
        signed = base in ("int", "long", "pid_t", "char")
        yield f"{base} {m.name}{'[' if array else ''}{array}", m.offset // 8, m.type.size, int(signed)
