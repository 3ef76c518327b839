"""Built for one kernel, run on another: here the kernel made by hand, whose structs are laid out as nobody's, and this one."""

from __future__ import annotations

import os
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
