"""Constants of the C headers."""

from __future__ import annotations

import os
import shutil
import subprocess

from ebpfgen.constants import ENUMS, FLAGS, flags, header_constants

OPEN = (
    "O_WRONLY",
    "O_CREAT",
    "O_TRUNC",
    "O_DIRECT",
    "O_DIRECTORY",
    "O_NOFOLLOW",
    "O_NONBLOCK",
    "O_CLOEXEC",
    "O_PATH",
    "O_NOATIME",
)


def test_flags_of_open_are_those_of_this_machine() -> None:
    table = flags("open", os.uname().machine)
    assert {name: table[getattr(os, name)] for name in OPEN} == {name: name for name in OPEN}


HEADERS = (
    "asm/errno.h", "asm/fcntl.h", "linux/if_ether.h", "linux/mman.h", "linux/sched.h", "linux/signal.h", "linux/stat.h",
)  # fmt: skip
LIBRARYS = {"ENOTSUP", "O_ASYNC", "O_FSYNC", "O_RSYNC", "SIGRTMIN", "SIGRTMAX"}
"""What only the C library calls so."""


def test_every_constant_is_the_kernels() -> None:
    """As a compiler finds them in the kernel's own headers."""
    found = [(name, value) for word in FLAGS for value, name in flags(word, os.uname().machine).items()]
    types = {name: value for value, name in ENUMS["file_type"].items() if value}
    found += [("S_IFIFO" if name == "FIFO" else f"S_IF{name}", value) for name, value in types.items()]
    found += [(name, value) for name, value in header_constants().items() if name not in LIBRARYS and not name.startswith("AF_")]
    text = "".join(f"#include <{header}>\n" for header in HEADERS)
    text += "".join(f"_Static_assert({name} == {value}ull, \"\");\n" for name, value in found)
    clang = shutil.which("clang-19") or "clang"
    done = subprocess.run([clang, "-fsyntax-only", "-x", "c", "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_arm_has_other_numbers_for_some() -> None:
    here, arm = flags("open", "x86_64"), flags("open", "aarch64")
    assert sorted(arm.values()) == sorted(here.values())
    assert (here[0o200000], arm[0o40000]) == ("O_DIRECTORY", "O_DIRECTORY")
    assert arm[0o2000000] == here[0o2000000] == "O_CLOEXEC"
