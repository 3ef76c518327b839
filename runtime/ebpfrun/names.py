"""Numbers get the names that people know them by.

Receives a field's type and the manifest's tables; returns functions from a value to its name, or to the value itself where it
has none. Never fails on a value. What is looked up on this machine (interfaces, cgroups) is what this process's namespaces
show.
"""

from __future__ import annotations

import errno
import functools
import os
import signal
from _socket import AF_INET6, if_indextoname, inet_ntop  # `socket` costs five times as much to import
from collections.abc import Callable, Iterator

from .decode import word
from .lean import Any

Name = Callable[[Any], "str | int"]
Tables = dict[str, dict[int, str]]

_MEMO_LIMIT = 4096
_V4_MAPPED = bytes(10) + b"\xff\xff"
_LEAST_ETHERTYPE = 0x600  # ETH_P_802_3_MIN of include/uapi/linux/if_ether.h
_ETHERTYPES = {
    0x0800: "IPv4",
    0x0806: "ARP",
    0x8035: "RARP",
    0x8100: "VLAN",
    0x86DD: "IPv6",
    0x8809: "LACP",
    0x8847: "MPLS",
    0x8863: "PPPoE",
    0x8864: "PPPoE",
    0x888E: "EAPOL",
    0x88A8: "802.1ad",
    0x88CC: "LLDP",
    0x88E5: "MACsec",
    0x88F7: "PTP",
}
_IP_PROTOCOLS = {
    0: "HOPOPT",
    1: "ICMP",
    2: "IGMP",
    4: "IPIP",
    6: "TCP",
    17: "UDP",
    33: "DCCP",
    41: "IPv6-in-IP",
    43: "IPv6-Route",
    44: "IPv6-Frag",
    47: "GRE",
    50: "ESP",
    51: "AH",
    58: "ICMPv6",
    59: "IPv6-NoNxt",
    60: "IPv6-Opts",
    89: "OSPF",
    103: "PIM",
    112: "VRRP",
    132: "SCTP",
    136: "UDPLite",
    143: "Ethernet-in-IP",
}
_LAST_ERRNO = 4095  # MAX_ERRNO of include/linux/err.h
# Names that never leave the kernel, except through tracepoints: include/linux/errno.h
_KERNEL_ERRNOS = {
    512: "ERESTARTSYS",
    513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND",
    515: "ENOIOCTLCMD",
    516: "ERESTART_RESTARTBLOCK",
    517: "EPROBE_DEFER",
    518: "EOPENSTALE",
    519: "ENOPARAM",
    521: "EBADHANDLE",
    522: "ENOTSYNC",
    523: "EBADCOOKIE",
    524: "ENOTSUPP",
    525: "ETOOSMALL",
    526: "ESERVERFAULT",
    527: "EBADTYPE",
    528: "EJUKEBOX",
    529: "EIOCBQUEUED",
    530: "ERECALLCONFLICT",
}
# Python lists several names for these numbers; the ones that strace and the manual pages use.
_ERRNOS = {**errno.errorcode, 11: "EAGAIN", 35: "EDEADLK", 95: "EOPNOTSUPP"} | _KERNEL_ERRNOS


class Memo(dict[Any, Any]):
    """A function with a memory: ``memo[value]``. Forgets everything when full, so that it stays small."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function

    def __missing__(self, value: Any) -> Any:
        if len(self) >= _MEMO_LIMIT:
            self.clear()
        result = self[value] = self._function(value)
        return result


class Names:
    """Namers of one artefact. One object serves all sinks, so that nothing is looked up twice."""

    def __init__(self, tables: Tables) -> None:
        """``self.of(type)`` is what names values of ``type``; None for types that are text or plain numbers."""
        self._tables = tables
        self._cgroups = Memo(Cgroups().path)
        self._interfaces = Memo(interface)
        self.of = functools.cache(self._of)

    def _of(self, type: str) -> Name | None:
        match word(type):
            case "syscall" | "enum":
                return _from_table(self._tables.get(type, {}))
            case "flags":
                return flags_of(type, self._tables.get(type, {}))
            case "cgroup":
                return self._cgroups.__getitem__
            case "ifindex":
                return self._interfaces.__getitem__
        return _FIXED.get(type)


def _from_table(table: dict[int, str]) -> Name:
    def name(value: int) -> str | int:
        return table.get(value, value)

    return name


def error(number: int) -> str | int:
    """``errno``, of either sign."""
    return _ERRNOS.get(abs(number), number)


def result(value: int) -> str | int:
    """A system call's result: an error's name when it is one, else the number."""
    return error(value) if -_LAST_ERRNO <= value < 0 else value


def signal_name(number: int) -> str | int:
    try:
        return signal.Signals(number).name
    except ValueError:
        real_time = signal.SIGRTMIN < number < signal.SIGRTMAX
        return f"SIGRTMIN+{number - signal.SIGRTMIN}" if real_time else number


def device(number: int) -> str:
    """The kernel's own dev_t: 12 bits of major, 20 of minor."""
    return f"{number >> 20}:{number & 0xFFFFF}"


def ip(raw: bytes) -> str:
    """An IPv6 address, or the IPv4 address mapped into it."""
    if raw.startswith(_V4_MAPPED):
        return ".".join(map(str, raw[12:]))
    return inet_ntop(AF_INET6, raw)


def mac(raw: bytes) -> str:
    return raw.hex(":")


def interface(index: int) -> str | int:
    """The interface's name in our own network namespace."""
    try:
        return if_indextoname(index)
    except OSError:
        return index


def protocol(number: int) -> str | int:
    """An IP protocol (below 256) or an Ethernet type (from 1536); in between is what is neither."""
    if number < _LEAST_ETHERTYPE:
        return _IP_PROTOCOLS.get(number, number) if number < 256 else "other"
    return _ETHERTYPES.get(number, f"0x{number:04x}")


_FIXED: dict[str, Name] = {
    "protocol": protocol,
    "errno": error,
    "result": result,
    "signal": signal_name,
    "dev_t": device,
    "ip": ip,
    "mac": mac,
    "hex": hex,
}


def flags_of(type: str, table: dict[int, str]) -> Name:
    """Set bits by name, joined by ``|``, the rest in hexadecimal. Two sets hold a number in their low bits: the access mode of
    ``flags:open`` (where 0 is O_RDONLY) and the signal of ``flags:clone``."""
    zero = table.get(0, "0")
    # A name that stands for several bits is tried before the names of each of them.
    masks = sorted(((bits, name) for bits, name in table.items() if bits), key=lambda m: (-m[0].bit_count(), m[0]))
    low: Callable[[int], str] | None = None
    low_bits = 0
    if type == "flags:open":
        low, low_bits = _access_mode, 3
    elif type == "flags:clone":
        low, low_bits = lambda number: str(signal_name(number)) if number else "", 0xFF

    def name(value: int) -> str:
        words = list(_take(value & ~low_bits, masks))
        rest = value & ~low_bits
        for bits, _ in words:
            rest &= ~bits
        parts = [word for _, word in sorted(words)]
        if low is not None:
            parts.insert(0, low(value & low_bits))
        if rest:
            parts.append(hex(rest))
        return "|".join(filter(None, parts)) or zero

    return name


def _take(value: int, masks: list[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    for bits, name in masks:
        if value & bits == bits:
            value &= ~bits
            yield bits, name


def _access_mode(number: int) -> str:
    return ("O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE")[number]


class Cgroups:
    """Paths of cgroups (version 2) by id. An id is the inode number of the cgroup's directory and is never used twice, so what
    is not found now has gone for good."""

    def __init__(self) -> None:
        self._paths: dict[int, str] = {}

    def path(self, id: int) -> str | int:
        if id not in self._paths:
            self._paths = dict(_walk_cgroups(cgroup_mount()))
        return self._paths.get(id, id)


def cgroup_mount() -> str | None:
    """Where cgroup version 2 is mounted."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as mounts:
        for line in mounts:
            before, _, after = line.partition(" - ")
            if after.startswith("cgroup2 "):
                return before.split()[4]
    return None


def _walk_cgroups(mount: str | None) -> Iterator[tuple[int, str]]:
    if mount is None:
        return
    yield os.stat(mount).st_ino, "/"
    folders = [mount]
    while folders:
        folder = folders.pop()
        try:
            entries = [entry for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False)]
        except OSError:  # removed while we look
            continue
        for entry in entries:
            yield entry.inode(), os.fsencode(entry.path.removeprefix(mount)).decode("utf-8", "backslashreplace")
            folders.append(entry.path)
