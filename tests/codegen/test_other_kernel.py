"""Built for one kernel, run on another: here the kernel made by hand, whose structs are laid out as nobody's, and this one."""

from __future__ import annotations

import ctypes
import errno
import os
import re
import select
import threading
from pathlib import Path
from typing import cast

import pytest

import fake_kernel
from codegen.running import PR_NOTHING, Lab, prctl
from ebpfgen.btf import Btf, Struct
from ebpfgen.btf_index import STRUCT, Sections, make_index
from ebpfgen.kernel_description import Description
from ebpfgen.kernel_host import HostSource
from ebpfgen.pipeline import Setting
from ebpfgen.portability import predict
from ebpfrun import formats, manifest
from ebpfrun.tracer import Tracer

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


class Shifted(HostSource):
    """This kernel as if the common part of a tracepoint's record were 8 bytes longer, as where common_preempt_lazy_count is in it."""

    fingerprint = "shifted"

    def __init__(self) -> None:
        super().__init__()
        self.index_key = f"{self.index_key}-shifted"

    def btf(self) -> bytes:
        data = bytearray(super().btf())
        sections = Sections.of(cast("bytes", data))  # whose words can be written
        entry, words = Btf(bytes(data)).find("trace_entry", Struct), sections.words
        for at in make_index(sections).offsets[1:]:
            members = words[at + 1] & 0xFFFF
            if words[at + 1] >> 24 & 31 == STRUCT and members and words[at + 4] == entry:
                words[at + 2] += 8
                for offset in range(at + 8, at + 3 + 3 * members, 3):
                    words[offset] += 64
        return bytes(data)

    def format(self, category: str, name: str) -> str | None:
        text = super().format(category, name)
        return text and re.sub(r"offset:(\d+)", lambda m: f"offset:{int(m[1]) + 8 * (int(m[1]) >= 8)}", text)


def test_tracepoints_whose_records_are_shifted(lab: Lab) -> None:
    shifted = Description(Shifted(), (Description, ()))
    renamed = shifted.tracepoint("task", "task_rename")
    assert renamed
    assert (renamed.fields[0].offset, renamed.record) == (16, "trace_event_raw_task_rename")
    spec = """
events:
  call: {fields: {option: i32, second: u64, fifth: u64}}
  answer: {fields: {result: result}}
  raw: {fields: {second: u64}}
  renamed: {fields: {thread: pid, old: string(16), new: string(16)}}
probes:
  - {on: "tracepoint:syscalls:sys_enter_prctl", emit: call, with: {option: (i32)args.option, second: args.arg2, fifth: args.arg5}}
  - {on: "tracepoint:syscalls:sys_exit_prctl", emit: answer, with: {result: retval}}
  - {on: "tracepoint:raw_syscalls:sys_enter", where: args.id == SYS_prctl, emit: raw, with: {second: "args.args[1]"}}
  - on: tracepoint:task:task_rename
    emit: renamed
    with: {thread: (u32)args.pid, old: str(args.oldcomm), new: str(args.newcomm)}
"""
    own, name = Path("/proc/thread-self/comm"), Path("/proc/thread-self/comm").read_text().strip()

    def work() -> None:
        prctl(1, 2, 3, 2**64 - 4)
        own.write_text("another name")
        own.write_text(name)

    traced = Lab(lab.folder, Setting.of(shifted)).run(spec, work)
    unmarked = {"marks": 0}
    assert traced.events("call") == [{"option": PR_NOTHING, "second": 1, "fifth": 2**64 - 4, **unmarked}]
    assert traced.events("answer") == [{"result": -errno.EINVAL, **unmarked}]
    assert traced.events("raw") == [{"second": 1, **unmarked}]
    names = [(name, "another name"), ("another name", name)]
    assert traced.events("renamed") == [{"thread": os.getpid(), "old": a, "new": b, **unmarked} for a, b in names]


def test_verbose_says_which_of_several_fields_is_read(lab: Lab) -> None:
    """Built for the kernel made by hand and for this one: what each program finds out by itself is what is said."""
    text = """
events:
  e: {fields: {prio: u32, parent: u32, pointer: bool}}
probes:
  - on: tracepoint:raw_syscalls:sys_enter
    where: args.id == 157 and args.args[0] == 0x7f00
    let: {t: curtask}
    emit: e
    with:
      prio: ["(u32)t.static_prio", (u32)t.exit_code]
      parent: ["(u32)t.real_parent.no_such_member", (u32)t.real_parent.tgid]
      pointer: ["t.no_such_pointer != 0", "t.cred != 0"]
"""
    own = Lab(lab.folder / "own", lab.setting)
    own.folder.mkdir()
    for built in (Lab(lab.folder, Setting.of(fake_kernel.kernel())), own):
        said: list[str] = []
        with Tracer(str(built.build(text)), filters={"pid": os.getpid()}, notice=lambda text, _: said.append(text)):  # noqa: B023
            pass
        reads = [line.partition(" (t.yaml")[0] for line in said if line.startswith("reads ")]
        assert reads == ["reads (u32)t.static_prio", "reads (u32)t.real_parent.tgid", "reads t.cred != 0"]


class LongerBeginning(Shifted):
    """This kernel as some distributions build it: records begin with 12 bytes, which moves the structs that stand for all system
    calls by 8, but not the records themselves."""

    fingerprint = "longer beginning"

    def __init__(self) -> None:
        super().__init__()
        self.index_key = f"{self.index_key}-12"

    def format(self, category: str, name: str) -> str | None:
        text = HostSource.format(self, category, name)
        return text and text.replace("field:int __syscall_nr;\toffset:8;", "field:int __syscall_nr;\toffset:12;")


CALL = """
events:
  call: {fields: {option: i32, second: u64, fifth: u64}}
  answer: {fields: {result: result}}
probes:
  - {on: "tracepoint:syscalls:sys_enter_prctl", emit: call, with: {option: (i32)args.option, second: args.arg2, fifth: args.arg5}}
  - {on: "tracepoint:syscalls:sys_exit_prctl", emit: answer, with: {result: retval}}
"""


def test_records_of_system_calls_that_types_do_not_describe(lab: Lab) -> None:
    """Read where the format says; here they are at the same places."""
    other = Description(LongerBeginning(), (Description, ()))
    traced = Lab(lab.folder, Setting.of(other)).run(CALL, lambda: prctl(1, 2, 3, 2**64 - 4))
    assert traced.events("call") == [{"option": PR_NOTHING, "second": 1, "fifth": 2**64 - 4, "marks": 0}]
    assert traced.events("answer") == [{"result": -errno.EINVAL, "marks": 0}]


def test_records_of_system_calls_that_are_not_where_types_say(lab: Lab) -> None:
    """The table and the runtime refuse them, in the same words but for the end."""
    folder = lab.build(CALL)
    checked = lab.check(CALL)
    points = predict(checked, lab.setting.kernel, Description(LongerBeginning(), (Description, ()))).points
    said = [lack.why for point in points for lack in point.lacks if lack.code == "moved"]
    programs = manifest.read(str(folder)).programs
    refused = [formats.why_not(program, lambda *_: 24) for program in programs]
    assert said == [
        "args.option of tracepoint:syscalls:sys_enter_prctl has 8 bytes at 16 in the record, the program reads 8 at 24",
        "args.arg2 of tracepoint:syscalls:sys_enter_prctl has 8 bytes at 24 in the record, the program reads 8 at 32",
        "args.arg5 of tracepoint:syscalls:sys_enter_prctl has 8 bytes at 48 in the record, the program reads 8 at 56",
        "retval of tracepoint:syscalls:sys_exit_prctl has 8 bytes at 16 in the record, the program reads 8 at 24",
    ]
    assert [each.why.partition(": build")[0] for each in refused if each] == [said[0], said[3]]
    assert [each.place.rpartition(":")[0] for each in refused if each] == ["t.yaml:9", "t.yaml:10"]
    assert [formats.why_not(program, lambda *_: 16) for program in programs] == [None, None]
    assert [formats.why_not(program, None) for program in programs] == [None, None]


@pytest.mark.parametrize(("at", "size", "words"), [(16, 4, "has 4 bytes at 8 in the record, the program reads 4 at 16"), (8, 4, "")])
def test_records_without_types(at: int, size: int, words: str) -> None:
    """They are read where the kernel built for has them: this one has them there, or says otherwise."""
    field = manifest.Field("pid", 3, 7, size, at, None)
    program = manifest.Program("p", "", "tracepoint", {"category": "task", "name": "task_rename"}, "t.yaml", 3, "tracepoint:x")
    refused = formats.why_not(program._replace(record=(field,)), lambda *_: -1)
    assert (refused.why if refused else "").startswith(f"args.pid of tracepoint:x {words}" if words else "")
    assert (refused is None) == (not words)
    gone = formats.why_not(program._replace(record=(field._replace(name="gone"),)), lambda *_: -1)
    assert gone == ("args.gone of tracepoint:x is not there", "t.yaml:3:7", ())
