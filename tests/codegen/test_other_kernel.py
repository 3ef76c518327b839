"""Built for one kernel, run on another: here the kernel made by hand, whose structs are laid out as nobody's, and this one."""

from __future__ import annotations

import ctypes
import os
import select
import threading
from pathlib import Path

import pytest

import fake_kernel
from codegen.running import Lab, prctl
from ebpfgen.pipeline import Setting

pytestmark = [pytest.mark.root, pytest.mark.kernel]

SPEC = """
events:
  task: {fields: {pid: pid, tgid: u32, comm: comm, name: string(16), uid: uid, parent: u32, grandparent: u32, state: u64}}
  exist: {fields: {number: bool, pointer: bool, record: bool, array: bool, thread: bool, never: bool, both: bool, deep: bool}}
  choice: {fields: {prio: u32, other: u32, name: string(16), parent: u32}}
probes:
  - on: tracepoint:raw_syscalls:sys_enter
    where: args.id == 157 and args.args[0] == 0x7f00
    let: {t: curtask}
    do:
      - emit: task
        with:
          tgid: (u32)t.tgid
          name: t.comm
          uid: t.cred.uid.val
          parent: (u32)t.real_parent.tgid
          grandparent: (u32)t.real_parent.real_parent.tgid
          state: t.__state
      - emit: exist
        with:
          number: exists(t.prio)
          pointer: exists(t.mm)
          record: exists(t.se)
          array: exists(t.cpus_ptr)
          thread: exists(t.thread)
          never: exists(t.no_such_member)
          both: exists(t.pid) and exists(t.tgid)
          deep: exists(t.real_parent.prio)
      - emit: choice
        with:
          prio: ["(u32)t.static_prio", (u32)t.exit_code]
          other: ["(u32)t.no_such_member", (u32)t.tgid]
          name: [t.no_such_name, t.comm]
          parent: ["(u32)t.real_parent.no_such_member", (u32)t.real_parent.tgid]
"""


def test_members_are_found_where_this_kernel_has_them(lab: Lab) -> None:
    other = Lab(lab.folder, Setting.of(fake_kernel.kernel()))
    traced = other.run(SPEC, lambda: prctl(1))
    (task,) = traced.events("task")
    grandparent = int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])
    name = Path("/proc/self/comm").read_text().strip()
    assert task == {"pid": os.getpid(), "tgid": os.getpid(), "comm": name, "name": name, "uid": os.getuid(), "parent": os.getppid(),
                    "grandparent": grandparent, "state": 0, "marks": 0}  # fmt: skip
    (exist,) = traced.events("exist")
    assert exist == {"number": True, "pointer": True, "record": True, "array": True, "thread": True, "never": False, "both": True,
                     "deep": True, "marks": 0}  # fmt: skip
    (choice,) = traced.events("choice")
    assert choice == {"prio": 120 + os.nice(0), "other": os.getpid(), "name": name, "parent": os.getppid(), "marks": 0}


SIZES = """
events:
  read: {fields: {signal: i64, running: u64, prio: i64, reset: u64, persona: u64, known: i64}}
  followed: {fields: {signal: i64, running: u64, prio: i64, reset: u64, persona: u64}}
params:
  who: {type: pid, help: whose switches}
probes:
  - on: tracepoint:raw_syscalls:sys_enter
    where: args.id == 157 and args.args[0] == 0x7f00
    let: {t: curtask}
    do:
      - emit: read
        with:
          signal: t.exit_signal
          running: t.on_cpu
          prio: t.normal_prio
          reset: t.sched_reset_on_fork
          persona: t.personality
          known: [t.no_such_member, t.exit_signal]
  - on: tp_btf:sched_switch
    task: none
    where: args.prev.tgid == (i32)$who
    emit: followed
    with:
      signal: args.prev.exit_signal
      running: args.prev.on_cpu
      prio: args.prev.normal_prio
      reset: args.prev.sched_reset_on_fork
      persona: args.prev.personality
"""


def test_numbers_are_read_in_the_size_that_this_kernel_has(lab: Lab) -> None:
    """Of the kernel made by hand exit_signal is a short, on_cpu a byte, normal_prio has 64 bits, sched_reset_on_fork is no bit field and
    personality is one. In a real kernel their neighbours are something else than zeroes."""
    other = Lab(lab.folder, Setting.of(fake_kernel.kernel()))
    sticky = 0x4000000  # STICKY_TIMEOUTS of personality(2): a high bit, and harmless

    def work() -> None:
        libc = ctypes.CDLL(None)
        before = libc.personality(0xFFFFFFFF)
        libc.personality(sticky)
        os.sched_setscheduler(0, os.SCHED_OTHER | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        prctl(1)
        select.select([], [], [], 0.01)
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        libc.personality(before)

    traced = None

    def in_thread() -> None:
        nonlocal traced
        traced = other.run(SIZES, work, {"who": os.getpid()})

    thread = threading.Thread(target=in_thread)
    thread.start()
    thread.join()
    assert traced is not None
    prio = 120 + os.nice(0)
    expected = {"signal": -1, "running": 1, "prio": prio, "reset": 1, "persona": sticky}
    (read,) = traced.events("read")
    assert read == {**expected, "known": -1, "marks": 0}
    assert {**expected, "marks": 0} in traced.events("followed")
