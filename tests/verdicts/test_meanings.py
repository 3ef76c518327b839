"""Words of verifiers that no case here provokes, and failures of loading of which the verifier says nothing."""

from __future__ import annotations

import errno

import pytest

from ebpfrun import privileges, refusal
from ebpfrun.errors import DriverError
from ebpfrun.meanings import Meaning, meaning
from ebpfrun.verdict import Report


@pytest.mark.parametrize(
    ("said", "what"),
    [
        ("back-edge from insn 12 to 7", "a loop in it may never end"),
        ("The sequence of 8193 jumps is too complex.", "there are too many ways through it: the kernel gave up at 8193 branches"),
        ("R0 invalid mem access 'ringbuf_mem_or_null'", "it uses an entry of a map, or a record"),
        ("R1 invalid mem access 'trusted_ptr_or_null_'", "it follows a pointer that may be NULL"),
        ("R0 pointer arithmetic on map_value_or_null prohibited, null-check it first", "it uses an entry of a map, or a record"),
        ("R1 unbounded memory access, make sure to bounds check any such access", "it may reach outside"),
        ("invalid access to packet, off=14 size=4, R2(id=0,off=14,r=0)", "it may reach outside"),
        ("R2 min value is negative, either use unsigned or 'var &= const'", "it may reach outside"),
        ("invalid indirect read from stack R2 off -16+8 size 16", "it reads memory of its own stack that it never wrote"),
        ("invalid func unknown#195896080", "it reads a member that this kernel's types do not have"),
        ("invalid func bpf_no_such#999", "it calls a function that this kernel does not have (bpf_no_such)"),
        ("R0 leaks addr into map", "it would give addresses of the kernel away"),
        ("calling kernel function bpf_obj_new_impl is not allowed", "it calls a function of the kernel that this one"),
        ("func 'vfs_read' doesn't have 7-th argument", "vfs_read has no argument 7 on this kernel"),
        ("dereference of modified ctx ptr R1 off=8 disallowed", "it reads the context by a computed address"),
        ("access beyond struct task_struct at off 99999 size 8", "it reads beyond the end of task_struct"),
        ("write into map forbidden, value_size=64 off=0 size=4", "it writes to memory that it may only read"),
        ("unreachable insn 5", "a part of it can never be reached"),
        ("failed to resolve CO-RE relocation <enumval_value> [7] enum bpf_x::Y = 3 ", "this kernel has no enum bpf_x with Y"),
        ("failed to resolve CO-RE relocation <type_exists> [7] struct nothing ", "this kernel has no struct nothing"),
    ],
)
def test_what_words_mean(said: str, what: str) -> None:
    assert meaning((said,)).what.startswith(what)


def test_the_last_resort_is_the_kernels_own_words() -> None:
    assert meaning(("first", "never seen before")).what == "it can't tell that the program is safe: never seen before"
    report = Report("Its title", "Its reason.", "What it would change.", 0)
    assert meaning(("never seen before",), report) == Meaning("Its reason.", "What it would change.")


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.E2BIG, "the kernel refuses this program: it has more instructions than the kernel takes"),
        (errno.ENOMEM, "the kernel has no memory for this program"),
        (errno.EINVAL, "Invalid argument (prog 'p': what libbpf said)"),
    ],
)
def test_failures_without_a_verdict(number: int, why: str) -> None:
    error = DriverError("loading the kernel programs", number, "libbpf: prog 'p': what libbpf said\n")
    assert refusal.of_load(error) == refusal.Refusal(why)


@pytest.mark.parametrize(
    ("lacks", "locked", "why"),
    [
        (["CAP_BPF"], "none", "not permitted: this process lacks CAP_BPF"),
        ([], "integrity", "not permitted: this kernel is locked down (/sys/kernel/security/lockdown: integrity)"),
        ([], "", "not permitted, although no capability is lacking: another policy of this machine forbids it"),
    ],
)
def test_what_is_not_permitted(lacks: list[str], locked: str, why: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileges, "missing", lambda: lacks)
    monkeypatch.setattr(refusal, "lockdown", lambda: locked)
    assert refusal.of_load(DriverError("loading", errno.EPERM)).why == why
