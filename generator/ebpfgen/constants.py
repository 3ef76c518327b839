"""Constants that C programmers know and kernel types do not hold: macros of the C headers.

Values are those of the architecture that the generator runs on, from Python's own tables.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
import stat

_ETHERTYPES = {
    "ETH_P_IP": 0x0800,
    "ETH_P_ARP": 0x0806,
    "ETH_P_8021Q": 0x8100,
    "ETH_P_IPV6": 0x86DD,
    "ETH_P_ALL": 0x0003,
}


def header_constant(name: str) -> int | None:
    """One of AF_*, ETH_P_*, O_*, E*, SIG*, S_IF*."""
    return (_address_families() if name.startswith("AF_") else _other_constants()).get(name)


def header_constants() -> dict[str, int]:
    """All of them."""
    return _address_families() | _other_constants()


@functools.cache
def _address_families() -> dict[str, int]:
    import socket  # is slow to import, and most specs name none

    return {family.name: int(family) for family in socket.AddressFamily}


@functools.cache
def _other_constants() -> dict[str, int]:
    table = _ETHERTYPES | {name: number for number, name in errno.errorcode.items()}
    table |= {s.name: int(s) for s in signal.Signals}
    table |= {name: value for name, value in vars(os).items() if name.startswith("O_") and isinstance(value, int)}
    types = {name: value for name, value in vars(stat).items() if name.startswith("S_IF") and isinstance(value, int)}
    table |= {name: value for name, value in types.items() if value}  # 0 are those of other systems
    # The kernel's own word goes before that of the C library, which calls O_LARGEFILE 0 and has its calls set it.
    table |= {name: value for value, name in flags("open", os.uname().machine).items() if name.startswith("O_")}
    return {**table, "S_IFMT": stat.S_IFMT(0o777777)}


def flags(word: str, machine: str) -> dict[int, str]:
    """The names of the bits of ``flags:word`` on that machine."""
    return FLAGS[word] | (_OPEN_ON_ARM if word == "open" and machine == "aarch64" else {})


ENUMS: dict[str, dict[int, str]] = {
    "file_type": {
        0: "ANON",  # of the kernel's own: epoll, timers, BPF programs
        0o010000: "FIFO",
        0o020000: "CHR",
        0o040000: "DIR",
        0o060000: "BLK",
        0o100000: "REG",
        0o120000: "LNK",
        0o140000: "SOCK",
    },
}
"""Enums that are macros in the kernel: a mode's S_IFMT bits."""
_OPEN_ON_ARM = {0o40000: "O_DIRECTORY", 0o100000: "O_NOFOLLOW", 0o200000: "O_DIRECT", 0o400000: "O_LARGEFILE"}
FLAGS: dict[str, dict[int, str]] = {
    "open": {
        0o1: "O_WRONLY",
        0o2: "O_RDWR",
        0o100: "O_CREAT",
        0o200: "O_EXCL",
        0o400: "O_NOCTTY",
        0o1000: "O_TRUNC",
        0o2000: "O_APPEND",
        0o4000: "O_NONBLOCK",
        0o10000: "O_DSYNC",
        0o20000: "FASYNC",
        0o40000: "O_DIRECT",
        0o100000: "O_LARGEFILE",
        0o200000: "O_DIRECTORY",
        0o400000: "O_NOFOLLOW",
        0o1000000: "O_NOATIME",
        0o2000000: "O_CLOEXEC",
        0o4000000: "__O_SYNC",
        0o10000000: "O_PATH",
        0o20000000: "__O_TMPFILE",
    },
    "mmap_prot": {
        1: "PROT_READ",
        2: "PROT_WRITE",
        4: "PROT_EXEC",
        8: "PROT_SEM",
        0x01000000: "PROT_GROWSDOWN",
        0x02000000: "PROT_GROWSUP",
    },
    "mmap": {
        1: "MAP_SHARED",
        2: "MAP_PRIVATE",
        0x10: "MAP_FIXED",
        0x20: "MAP_ANONYMOUS",
        0x40: "MAP_32BIT",
        0x100: "MAP_GROWSDOWN",
        0x800: "MAP_DENYWRITE",
        0x2000: "MAP_LOCKED",
        0x4000: "MAP_NORESERVE",
        0x8000: "MAP_POPULATE",
        0x10000: "MAP_NONBLOCK",
        0x20000: "MAP_STACK",
        0x40000: "MAP_HUGETLB",
        0x80000: "MAP_SYNC",
        0x100000: "MAP_FIXED_NOREPLACE",
    },
    "clone": {
        0x100: "CLONE_VM",
        0x200: "CLONE_FS",
        0x400: "CLONE_FILES",
        0x800: "CLONE_SIGHAND",
        0x1000: "CLONE_PIDFD",
        0x2000: "CLONE_PTRACE",
        0x4000: "CLONE_VFORK",
        0x8000: "CLONE_PARENT",
        0x10000: "CLONE_THREAD",
        0x20000: "CLONE_NEWNS",
        0x40000: "CLONE_SYSVSEM",
        0x80000: "CLONE_SETTLS",
        0x100000: "CLONE_PARENT_SETTID",
        0x200000: "CLONE_CHILD_CLEARTID",
        0x800000: "CLONE_UNTRACED",
        0x1000000: "CLONE_CHILD_SETTID",
        0x2000000: "CLONE_NEWCGROUP",
        0x4000000: "CLONE_NEWUTS",
        0x8000000: "CLONE_NEWIPC",
        0x10000000: "CLONE_NEWUSER",
        0x20000000: "CLONE_NEWPID",
        0x40000000: "CLONE_NEWNET",
        0x80000000: "CLONE_IO",
    },
}
