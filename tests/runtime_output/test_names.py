"""Numbers to names, and values to text."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfrun.names import Cgroups, Memo, Names, cgroup_mount
from ebpfrun.render import byte_size, duration, human, iso_time, json_text, printable, quantity, quoted
from properties import examples

TABLES = {
    "flags:open": {1: "O_WRONLY", 2: "O_RDWR", 0o100: "O_CREAT", 0o4010000: "O_SYNC", 0o10000: "O_DSYNC"},
    "flags:clone": {0x100: "CLONE_VM", 0x200: "CLONE_FS"},
    "flags:perm": {0: "NONE", 1: "X", 2: "W", 4: "R"},
    "enum:state": {1: "RUNNING", -1: "DEAD"},
    "syscall": {0: "read"},
}
NAMES = Names(TABLES)


@pytest.mark.parametrize(
    ("type", "value", "name"),
    [
        ("errno", errno.ENOENT, "ENOENT"), ("errno", -errno.ENOENT, "ENOENT"), ("errno", 0, 0), ("errno", 4000, 4000),
        ("errno", errno.EAGAIN, "EAGAIN"), ("errno", errno.EOPNOTSUPP, "EOPNOTSUPP"), ("errno", errno.EDEADLK, "EDEADLK"),
        ("result", 5, 5), ("result", -errno.EACCES, "EACCES"), ("result", -512, "ERESTARTSYS"), ("result", -5000, -5000),
        ("result", 2, 2), ("result", -4000, -4000),
        ("signal", signal.SIGKILL, "SIGKILL"), ("signal", 0, 0), ("signal", 32, 32), ("signal", 1000, 1000),
        ("signal", signal.SIGRTMIN, "SIGRTMIN"), ("signal", signal.SIGRTMIN + 2, "SIGRTMIN+2"),
        ("syscall", 0, "read"), ("syscall", 999, 999), ("syscall", -1, -1),
        ("enum:state", 1, "RUNNING"), ("enum:state", -1, "DEAD"), ("enum:state", 7, 7),
        ("flags:open", 0, "O_RDONLY"), ("flags:open", 0o102, "O_RDWR|O_CREAT"), ("flags:open", 0o4010000, "O_RDONLY|O_SYNC"),
        ("flags:open", 0o10001, "O_WRONLY|O_DSYNC"), ("flags:open", 1 << 40, "O_RDONLY|0x10000000000"),
        ("flags:clone", 0x111, "SIGCHLD|CLONE_VM"), ("flags:clone", 0x300, "CLONE_VM|CLONE_FS"), ("flags:clone", 0, "0"),
        ("flags:perm", 0, "NONE"), ("flags:perm", 5, "X|R"), ("flags:perm", 0x18, "0x18"), ("flags:none", 6, "0x6"),
        ("dev_t", 8 << 20 | 1, "8:1"), ("hex", 255, "0xff"), ("mac", bytes.fromhex("0a00000000ff"), "0a:00:00:00:00:ff"),
        ("ip", socket.inet_pton(socket.AF_INET6, "::ffff:10.0.0.1"), "10.0.0.1"),
        ("ip", socket.inet_pton(socket.AF_INET6, "fe80::1"), "fe80::1"), ("ip", bytes(16), "::"),
        ("ifindex", socket.if_nametoindex("lo"), "lo"), ("ifindex", 2**31 - 1, 2**31 - 1), ("ifindex", 0, 0),
        ("protocol", 6, "TCP"), ("protocol", 58, "ICMPv6"), ("protocol", 200, 200), ("protocol", 256, "other"),
        ("protocol", 1535, "other"), ("protocol", 0x806, "ARP"), ("protocol", 0x9000, "0x9000"),
    ],
)  # fmt: skip
def test_names(type: str, value: Any, name: str | int) -> None:
    namer = NAMES.of(type)
    assert namer is not None
    assert namer(value) == name
    assert json.loads(json_text(type, NAMES)(value)) == name


PROTOCOLS = {
    "ETH_P_IP": "IPv4", "ETH_P_ARP": "ARP", "ETH_P_RARP": "RARP", "ETH_P_8021Q": "VLAN", "ETH_P_IPV6": "IPv6", "ETH_P_SLOW": "LACP",
    "ETH_P_MPLS_UC": "MPLS", "ETH_P_PPP_DISC": "PPPoE", "ETH_P_PPP_SES": "PPPoE", "ETH_P_PAE": "EAPOL", "ETH_P_8021AD": "802.1ad",
    "ETH_P_LLDP": "LLDP", "ETH_P_MACSEC": "MACsec", "ETH_P_1588": "PTP",
    "IPPROTO_IP": "HOPOPT", "IPPROTO_ICMP": "ICMP", "IPPROTO_IGMP": "IGMP", "IPPROTO_IPIP": "IPIP", "IPPROTO_TCP": "TCP",
    "IPPROTO_UDP": "UDP", "IPPROTO_DCCP": "DCCP", "IPPROTO_IPV6": "IPv6-in-IP", "IPPROTO_ROUTING": "IPv6-Route",
    "IPPROTO_FRAGMENT": "IPv6-Frag", "IPPROTO_GRE": "GRE", "IPPROTO_ESP": "ESP", "IPPROTO_AH": "AH", "IPPROTO_ICMPV6": "ICMPv6",
    "IPPROTO_NONE": "IPv6-NoNxt", "IPPROTO_DSTOPTS": "IPv6-Opts", "IPPROTO_PIM": "PIM", "IPPROTO_SCTP": "SCTP",
    "IPPROTO_UDPLITE": "UDPLite", "IPPROTO_ETHERNET": "Ethernet-in-IP",
}  # fmt: skip


def test_protocols_have_the_kernels_numbers() -> None:
    """As a compiler finds them in the kernel's own headers."""
    namer = NAMES.of("protocol")
    assert namer
    numbers: dict[str | int, list[int]] = {}
    for number in range(1 << 16):
        numbers.setdefault(namer(number), []).append(number)
    text = "".join(f"#include <linux/{header}.h>\n" for header in ("if_ether", "in", "in6"))
    for macro, name in PROTOCOLS.items():
        text += f'_Static_assert({" || ".join(f"{macro} == {number}" for number in numbers[name])}, "");\n'
    done = subprocess.run([shutil.which("clang-19") or "clang", "-fsyntax-only", "-x", "c", "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_error_of_the_c_library_has_its_name() -> None:
    namer = NAMES.of("errno")
    assert namer is not None
    for number in errno.errorcode:
        assert getattr(errno, str(namer(number))) == number


@examples()
@given(st.integers(0, 2**64 - 1))
def test_flags_lose_no_bit(value: int) -> None:
    namer = NAMES.of("flags:open")
    assert namer is not None
    bits = {name: number for number, name in TABLES["flags:open"].items()} | {"O_RDONLY": 0, "O_ACCMODE": 3}
    total = 0
    for part in str(namer(value)).split("|"):
        number = bits[part] if part in bits else int(part, 16)
        assert not total & number or part == "O_DSYNC"
        total |= number
    assert total == value


def test_cgroups_are_found_by_the_inode_of_their_folder() -> None:
    mount = cgroup_mount()
    if mount is None:
        pytest.skip("no cgroup version 2 is mounted")
    cgroups = Cgroups()
    assert cgroups.path(Path(mount).stat().st_ino) == "/"
    assert cgroups.path(2**60) == 2**60


def test_a_cgroup_made_later_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ebpfrun.names.cgroup_mount", lambda: str(tmp_path))
    cgroups = Cgroups()
    first = tmp_path / "a"
    first.mkdir()
    assert cgroups.path(first.stat().st_ino) == "/a"
    (first / "b\udcff").mkdir()
    assert cgroups.path((first / "b\udcff").stat().st_ino) == "/a/b\\xff"


def test_memos_stay_small() -> None:
    memo = Memo(lambda value: value + 1)
    assert [memo[i] for i in range(10000)] == list(range(1, 10001))
    assert len(memo) <= 4096


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ns"), (999, "999 ns"), (1000, "1.00 us"), (1234, "1.23 us"), (12345, "12.3 us"), (999499, "999 us"),
        (999500, "1.00 ms"), (1234567, "1.23 ms"), (10**9, "1.00 s"), (59_940_000_000, "59.9 s"), (59_960_000_000, "1m00s"),
        (125 * 10**9, "2m05s"), (3 * 3600 * 10**9 + 7 * 60 * 10**9, "3h07m"), (106 * 3600 * 10**9, "4d10h"), (-1500, "-1.50 us"),
    ],
)  # fmt: skip
def test_durations(ns: int, text: str) -> None:
    assert duration(ns) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (4096, "4.0 KiB"), (123 * 1024, "123 KiB"), (1023 * 1024 + 600, "1.0 MiB"),
     (2**63, "8.0 EiB"), (-2048, "-2.0 KiB")],
)  # fmt: skip
def test_sizes(size: int, text: str) -> None:
    assert byte_size(size) == text


def test_quantities() -> None:
    assert [quantity(1500, unit) for unit in ("us", "bytes", "packets", "")] == ["1.50 ms", "1.5 KiB", "1500 packets", "1500"]


@examples()
@given(st.integers(0, 2**63))
def test_timestamps_keep_every_nanosecond(ns: int) -> None:
    from datetime import datetime

    text = iso_time(ns)
    assert text[-11] == "."
    assert text.endswith("Z")
    seconds = datetime.fromisoformat(text[:19] + "+00:00").timestamp()
    assert int(seconds) * 10**9 + int(text[20:29]) == ns


@examples()
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_text_for_people_has_no_controls(text: str) -> None:
    assert printable(text).isprintable()
    assert quoted(text).isprintable()
    assert json.loads(json_text("string(16)", NAMES)(text)) == text


def test_words_are_quoted_where_they_must() -> None:
    assert [quoted(t) for t in ("a", "", "a b", 'say "x"', "back\\", "\x1b[0m")] == [
        "a", '""', '"a b"', '"say \\"x\\""', '"back\\\\"', '"\\x1b[0m"',
    ]  # fmt: skip
    assert human("argv(64)", NAMES)(["ls", "-l", "a b"]) == 'ls -l "a b"'


def test_cgroup_ids_match_what_the_kernel_reports() -> None:
    """name_to_handle_at gives the id as the kernel's programs see it."""
    mount = cgroup_mount()
    if mount is None or not hasattr(os, "stat"):
        pytest.skip("no cgroup version 2 is mounted")
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    handle = (ctypes.c_uint32 * 34)(128)  # struct file_handle: room for 128 bytes
    got = libc.name_to_handle_at(-100, mount.encode(), handle, ctypes.byref(ctypes.c_int()), 0)
    assert got == 0, os.strerror(ctypes.get_errno())
    assert handle[0] == 8
    assert Cgroups().path(handle[2] | handle[3] << 32) == "/"
