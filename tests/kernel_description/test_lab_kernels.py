"""The lab's kernels, as captured in its guests (``python -m kernels --capture tests/kernel_description/kernels``)."""

from __future__ import annotations

from pathlib import Path

import pytest

from ebpfgen import kernel
from ebpfgen.btf import Struct
from ebpfgen.kernel_description import Description

FOLDER = Path(__file__).with_name("kernels")
NAMES = ("5.10", "6.1", "6.12", "7.3")
LARGEST = 2_000_000
"""Bytes of a file: small enough to be sent around, and kept beside specs."""


@pytest.fixture(scope="module", params=NAMES)
def described(request: pytest.FixtureRequest) -> Description:
    return captured(request.param)


def captured(name: str) -> Description:
    return kernel.from_file(FOLDER / f"{name}.kdesc")


@pytest.mark.parametrize("name", NAMES)
def test_each_is_of_its_series_and_small(name: str) -> None:
    assert captured(name).release.startswith(f"{name}.")
    assert (FOLDER / f"{name}.kdesc").stat().st_size < LARGEST


def test_what_every_kernel_has(described: Description) -> None:
    task = described.btf.resolve(described.btf.find("task_struct", Struct) or 0)
    assert isinstance(task, Struct) and task.size > 1000
    assert described.tracepoint("sched", "sched_switch") and described.tracepoint("syscalls", "sys_enter_openat")
    assert described.raw_tracepoint("sched_switch")
    assert described.syscalls()[59] == "execve"
    assert len(described.source.attachable() or ()) > 30_000
    assert (described.config["CONFIG_KPROBES"], described.config["CONFIG_BPF_KPROBE_OVERRIDE"]) == ("y", "n")
    assert "bpf" in described.config["lsm"].split(",")


@pytest.mark.parametrize("kind", ["kprobe", "kretprobe", "fentry", "fexit"])
def test_what_can_be_hooked(described: Description, kind: str) -> None:
    assert described.why_not_attachable("vfs_read", kind) is None
    assert described.why_not_attachable("no_such_function", kind) == "there is no such function in this kernel, or it was inlined"
    assert described.why_not_attachable("memcpy", kind) is not None  # in assembly, or marked notrace


def test_kprobes_keep_off_what_they_are_made_of(described: Description) -> None:
    assert described.why_not_attachable("kprobe_ftrace_handler") == "on the kernel's list of functions that may not be probed"


@pytest.mark.parametrize(("name", "typed"), [("5.10", False), ("6.1", True), ("6.12", True), ("7.3", True)])
def test_modules_have_types_where_the_kernel_keeps_them(name: str, typed: bool) -> None:
    """Since Linux 5.11 (36e68442d1af, bpf: Load and verify kernel module BTFs)."""
    described = captured(name)
    assert described.why_not_attachable("xfs_file_open") is None
    opened = described.function("xfs_file_open")
    assert (opened is not None) == typed
    if opened is not None:
        assert described.module_of("xfs_file_open") == "xfs"
        assert [described.btf.declaration(t, n) for n, t in opened.params] == ["struct inode *inode", "struct file *file"]
        assert described.why_not_attachable("xfs_file_open", "fentry") is None
        assert described.btf.find("xfs_inode", Struct) is not None
    assert described.module_of("vfs_read") == ""
    assert described.tracepoint("xfs", "xfs_file_buffered_read") is not None
