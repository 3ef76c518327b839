"""Constants of the C headers."""

from __future__ import annotations

import os

from ebpfgen.constants import flags

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


def test_arm_has_other_numbers_for_some() -> None:
    here, arm = flags("open", "x86_64"), flags("open", "aarch64")
    assert sorted(arm.values()) == sorted(here.values())
    assert (here[0o200000], arm[0o40000]) == ("O_DIRECTORY", "O_DIRECTORY")
    assert arm[0o2000000] == here[0o2000000] == "O_CLOEXEC"
