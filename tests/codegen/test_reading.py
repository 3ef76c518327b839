"""What lies in memory is read as the kernel's types have it: bit fields, enums, numbers behind pointers, long chains."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest

from codegen.running import Lab, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
_libc = ctypes.CDLL(None)


def test_members_of_a_task(lab: Lab) -> None:
    """The same bits through a pointer that the verifier trusts and through a plain number; ``in_execve`` is set there and then."""
    traced = lab.run(
        """
events:
  run: {fields: {trusted: bool, plain: bool, direct: u32, tgid: u32, far: i32, has: bool, lacks: bool, parent: u32, same: bool}}
probes:
  - on: tp_btf:sched_process_exec
    let: {p: args.p, plain: (struct task_struct *)(u64)args.p, t: curtask}
    emit: run
    with:
      trusted: p.in_execve != 0
      plain: plain.in_execve != 0
      direct: t.in_execve
      tgid: (u32)p.tgid
      far: t.real_parent.real_parent.real_parent.real_parent.real_parent.real_parent.real_parent.real_parent.real_parent.tgid
      has: exists(t.se.exec_start)
      lacks: exists(t.se.no_such)
      parent: (u32)p.real_parent.tgid
      same: p == curtask
""",
        lambda: None,
    )
    assert traced.events("run") == []  # this process runs no other program; the verifier took it all


def test_a_child_s_execution(lab: Lab) -> None:
    artefact = lab.build(
        """
events:
  run: {fields: {trusted: bool, plain: bool, pid: pid, parent: u32, same: bool}}
probes:
  - on: tp_btf:sched_process_exec
    task: none
    where: args.p.real_parent.tgid == $parent
    let: {p: args.p, plain: (struct task_struct *)(u64)args.p}
    emit: run
    with:
      trusted: p.in_execve != 0
      plain: plain.in_execve != 0
      pid: p.tgid
      parent: (u32)p.real_parent.tgid
      same: p == curtask
params: {parent: {type: i32, min: 1, default: 1, help: whose children}}
"""
    )
    children = []
    traced = lab.run_built(
        artefact, lambda: children.append(os.spawnv(os.P_WAIT, "/bin/true", ["true"])), {"parent": os.getpid()}
    )
    (row,) = traced.events("run")
    assert row | {"pid": 0} == {"trusted": True, "plain": True, "pid": 0, "parent": os.getpid(), "same": True, "marks": 0}


def test_numbers_behind_pointers(lab: Lab) -> None:
    numbers = (ctypes.c_int * 4)(10, 20, -30, 40)

    def work() -> None:
        prctl(address, 3)
        _libc.pipe2(numbers, 0x7F000000)

    address = ctypes.addressof(numbers)
    traced = lab.run(
        """
events:
  seen: {fields: {first: i32, second: i32, wide: u64, byte: u8, at: i32, sum: i64, next: u8}}
  pipe: {fields: {first: i32, second: i32}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    let: {p: (i32 *)args.arg2, q: (u8 *)args.arg2}
    emit: seen
    with:
      first: "*uptr(p)"
      second: "uptr(p)[1]"
      wide: "((u64 *)uptr(args.arg2))[1]"
      byte: "((u8 *)uptr(args.arg2))[4]"
      at: "uptr(p)[args.arg3]"
      sum: "uptr(p)[0] + uptr(p)[2]"
      next: "*(uptr(q) + 4)"
  - on: tracepoint:syscalls:sys_enter_pipe2
    where: args.flags == 0x7f000000
    emit: pipe
    with: {first: "*args.fildes", second: "args.fildes[1]"}
""",
        work,
    )
    wide = int.from_bytes(bytes(numbers)[8:16], "little")
    assert traced.events("seen") == [
        {"first": 10, "second": 20, "wide": wide, "byte": 20, "at": 40, "sum": -20, "next": 20, "marks": 0}
    ]
    assert traced.events("pipe") == [{"first": 10, "second": 20, "marks": 0}]


def test_structs_that_the_headers_have_too(lab: Lab) -> None:
    """Kernel types of the names that C's headers and the spec's own records use; an enum in two structs."""
    lab.build(
        """
events:
  perf: {fields: {a: u64, b: u32, c: u32, d: i64, e: i64, f: i64}}
probes:
  - on: tp_btf:sys_enter
    where: args.id == 157
    let: {r: args.regs, s: (struct bpf_sock *)(u64)args.id, e: (struct perf_event *)(u64)args.id, b: (struct bio *)(u64)args.id}
    emit: perf
    with:
      a: r.di
      b: s.family
      c: (u32)e.cpu
      d: e.state
      e: b.bi_write_hint
      f: b.bi_io_vec.bv_page.mapping.host.i_write_hint
"""
    )


def test_enums_keep_their_size(lab: Lab) -> None:
    """A byte that is an enum, read beside the bytes that follow it."""
    with Path("/dev/null").open() as file:
        traced = lab.run(
            """
events: {seen: {fields: {hint: i64, through: u8, whole: u64}}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    let: {node: "curtask.files.fdt.fd", file: "kptr((struct file *)((u64 *)kptr((u64)node))[args.arg2])", inode: file.f_inode}
    emit: seen
    with:
      hint: inode.i_write_hint
      through: (u8)inode.i_write_hint
      whole: inode.i_ino
""",
            lambda: prctl(file.fileno()),
        )
        (row,) = traced.events("seen")
        assert row["whole"] == os.fstat(file.fileno()).st_ino
        assert row["hint"] == row["through"] == 0
