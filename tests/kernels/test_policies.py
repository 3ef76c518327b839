"""Kernels that do not let us, by their own policy or by the limits of a process: one line that says why, and status 3.

Only in guests of the lab: nobody else's kernel gets locked down.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from ebpfgen.kernel_host import HostSource
from ebpfgen.problems import MachineError
from ebpfrun import cli, doctor
from ebpfrun.errors import EXIT_MACHINE
from ebpfrun.policy import WAY_OUT, lockdown

from .conftest import LAB, LIBC, Observe
from .test_attach_kinds import call_all

pytestmark = [pytest.mark.root, pytest.mark.kernel, pytest.mark.skipif(not LAB, reason="changes what its kernel lets others do")]
NOBODY = 65534
KIB = 1024
OPTIONS = ("--duration", "0.01", "--quiet", "--sink", "jsonl:/dev/null")
LOCKDOWN = Path("/sys/kernel/security/lockdown")
KPTR = Path("/proc/sys/kernel/kptr_restrict")
UNPRIVILEGED = Path("/proc/sys/kernel/unprivileged_bpf_disabled")


class Done(NamedTuple):
    status: int
    err: str


@pytest.fixture
def ebpfrun(lab_artefacts: Path) -> Callable[..., Done]:
    """``ebpfrun(spec, before)``: the command, for a moment, in a process that has done ``before``. A new one: libbpf remembers what
    the kernel could."""

    def run(spec: str, before: Callable[[], object] = lambda: None) -> Done:
        command = [sys.executable, "-m", "ebpfrun.cli", str(lab_artefacts / spec), *OPTIONS]
        done = subprocess.run(command, preexec_fn=before, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        return Done(done.returncode, done.stderr)

    return run


def one_line(done: Done, *words: str) -> None:
    assert done.status == EXIT_MACHINE, done
    assert done.err.count("\n") == 1, done.err
    assert all(word in done.err for word in words), done.err


@contextmanager
def written(file: Path, text: str) -> Iterator[None]:
    before = file.read_text()
    file.write_text(text)
    yield
    file.write_text(before)


@pytest.mark.parametrize("disabled", ["0", "2"])
def test_an_ordinary_user(lab_artefacts: Path, tmp_path: Path, disabled: str) -> None:
    """Forked, since others do not get to this Python."""
    said = tmp_path / "said"
    with written(UNPRIVILEGED, disabled):
        pid = os.fork()
        if pid == 0:
            sys.stderr = said.open("w")
            os.setgroups([])
            os.setresgid(NOBODY, NOBODY, NOBODY)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            status = cli.main([str(lab_artefacts / "kprobe"), *OPTIONS])
            sys.stderr.flush()
            os._exit(status)
        _, ended = os.waitpid(pid, 0)
    done = Done(os.waitstatus_to_exitcode(ended), said.read_text())
    one_line(done, "loading kernel programs needs CAP_BPF and CAP_PERFMON", "run it as root (sudo)")


def little_memory() -> None:
    """No more than 64 KiB may be locked, and this can't be changed."""
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (64 * KIB, 64 * KIB))
    drop, sys_resource = 24, 24  # PR_CAPBSET_DROP, CAP_SYS_RESOURCE
    assert LIBC.prctl(drop, sys_resource, 0, 0, 0) == 0


def test_little_memory_may_be_locked(ebpfrun: Callable[..., Done]) -> None:
    """Since Linux 5.11 maps and programs are no locked memory."""
    done = ebpfrun("metrics", little_memory)
    if LAB == "5.10":
        one_line(done, "metrics.yaml: ", "the kernel can't make this map", "64 KiB", "CAP_SYS_RESOURCE", "ulimit -l unlimited")
    else:
        assert done == Done(0, "")
    resource_of_root = ebpfrun("metrics", lambda: resource.setrlimit(resource.RLIMIT_MEMLOCK, (64 * KIB, 64 * KIB)))
    assert resource_of_root == Done(0, "")


def test_hidden_addresses(observe: Observe) -> None:
    with written(KPTR, "2"):
        assert len(observe("kprobe", call_all).events("seen")) == 3
        assert len(observe("fentry", call_all).events("seen")) == 3


def unseen(*mounts: str) -> Callable[[], None]:
    """Hides folders of /sys from a process, by a file system without anything over each."""

    def hide() -> None:
        new_namespace, private = 0x20000, 1 << 14 | 1 << 18  # CLONE_NEWNS; MS_REC, MS_PRIVATE
        assert LIBC.unshare(new_namespace) == 0
        assert LIBC.mount(b"none", b"/", None, private, None) == 0
        for mount in mounts:
            assert LIBC.mount(b"none", mount.encode(), b"tmpfs", 1, None) == 0  # MS_RDONLY

    return hide


def test_no_types(ebpfrun: Callable[..., Done]) -> None:
    one_line(ebpfrun("kprobe", unseen("/sys/kernel/btf")), "this kernel does not tell its types", "CONFIG_DEBUG_INFO_BTF")


def test_no_tracefs(ebpfrun: Callable[..., Done]) -> None:
    """It is mounted, should it be needed."""
    assert ebpfrun("metrics", unseen("/sys/kernel/tracing", "/sys/kernel/debug")) == Done(0, "")


@pytest.mark.forever
def test_lockdown_for_integrity(observe: Observe) -> None:
    """Tracing only looks."""
    LOCKDOWN.write_text("integrity")
    for spec in ("kprobe", "fentry", "tracepoint", "uprobe"):
        observe(spec, call_all)
    assert lockdown() == "integrity"


@pytest.mark.forever
def test_lockdown_for_confidentiality(ebpfrun: Callable[..., Done], observe: Observe) -> None:
    LOCKDOWN.write_text("confidentiality")
    reads = "the kernel's lockdown (confidentiality) lets no program read the kernel's memory"
    for spec in ("opensnoop", "tp_btf", "biolatency"):
        done = ebpfrun(spec)
        what = "can be attached here" if spec == "biolatency" else "can't be attached"
        one_line(done, f"{spec}.yaml:", what, reads, WAY_OUT)
        assert ("no helper left for a process's" in done.err) == (spec == "opensnoop")  # which reads nothing of the kernel's
    one_line(ebpfrun("kprobe"), "kprobe.yaml:", "lets no kprobe be attached", WAY_OUT)
    for spec in ("metrics", "timers", "uprobe", "fexit"):  # which read no memory of the kernel
        observe(spec, call_all)
    with pytest.raises(MachineError, match="Operation not permitted, even for root: the kernel is locked down"):
        HostSource().events()
    told = {check.name: check for check in doctor.examine()}["lockdown"]
    assert (told.state, told.remedy) == ("no", WAY_OUT)
