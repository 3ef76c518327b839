"""The running kernel as described, against what the kernel itself says; and kernels that lack something, made of folders."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import pytest

from ebpfgen import kernel
from ebpfgen.btf import Enum, Struct
from ebpfgen.kernel import TracepointField
from ebpfgen.kernel_description import Description, Symbols, machines, read_table
from ebpfgen.kernel_host import HostSource
from ebpfgen.problems import MachineError
from ebpfgen.tracepoint_format import member_name
from kernel_description.making import MadeSource, Maker, format_file

TRACEFS = Path("/sys/kernel/tracing")


# --- this kernel --------------------------------------------------------------------------------------------------------------


def test_tracepoints_are_read_and_their_records_have_their_fields(host_tracepoints: Description) -> None:
    described = host_tracepoints
    btf = described.btf
    events = sorted(described.tracepoints())
    assert len(events) > 100
    for category, name in events[::9]:
        found = described.tracepoint(category, name)
        assert found is not None
        lines = (TRACEFS / "events" / category / name / "format").read_text().count("\tfield:")
        common = 4
        assert len(found.fields) == lines - common
        if found.record is not None:
            record = btf.find(found.record, Struct)
            assert record is not None
            struct = btf.resolve(record)
            assert isinstance(struct, Struct)
            for field in found.fields:
                member = btf.member(struct, member_name(field))
                assert member is not None
                assert member.bit_offset == field.offset * 8


def test_fields_are_as_the_format_file_prints_them(host_tracepoints: Description) -> None:
    found = host_tracepoints.tracepoint("sched", "sched_switch")
    assert found is not None
    text = (TRACEFS / "events/sched/sched_switch/format").read_text()
    printed = re.findall(r"field:(.*);\toffset:(\d+);\tsize:(\d+);\tsigned:(\d);", text)[4:]
    fields = {f.name: f for f in found.fields}
    assert fields["prev_comm"].c_type == "char[16]"
    assert [(str(f.offset), str(f.size), str(int(f.signed))) for f in found.fields] == [row[1:] for row in printed]
    assert found.record == "trace_event_raw_sched_switch"


def test_an_event_of_a_class_has_the_class_s_record(host_tracepoints: Description) -> None:
    found = host_tracepoints.tracepoint("sched", "sched_waking")
    assert found is not None
    assert found.record == "trace_event_raw_sched_wakeup_template"


def test_system_calls_have_no_record(host_tracepoints: Description) -> None:
    found = host_tracepoints.tracepoint("syscalls", "sys_enter_openat")
    if found is None:
        pytest.skip("the kernel has no tracepoints of system calls (CONFIG_FTRACE_SYSCALLS)")
    assert found.record is None
    assert [(f.name, f.c_type, f.offset) for f in found.fields][:3] == [
        ("__syscall_nr", "int", 8),
        ("dfd", "int", 16),
        ("filename", "const char *", 24),
    ]


def test_what_is_no_tracepoint_is_none(host_tracepoints: Description) -> None:
    for category, name in (
        ("sched", "no_such"),
        ("no_such", "sched_switch"),
        ("..", ".."),
        ("sched", ""),
        ("", ""),
        ("sched", ".."),
    ):
        assert host_tracepoints.tracepoint(category, name) is None


def test_raw_tracepoints_have_names_and_no_data_argument(host: Description) -> None:
    switch = host.raw_tracepoint("sched_switch")
    assert switch is not None
    names = [name for name, _ in switch.params]
    assert names[:3] == ["preempt", "prev", "next"]
    assert host.btf.c_name(switch.params[1][1]) == "struct task_struct *"
    assert "sched_switch" in set(host.raw_tracepoints())
    assert host.raw_tracepoint("no_such") is None


def test_every_raw_tracepoint_has_its_arguments(host: Description) -> None:
    names = list(host.raw_tracepoints())
    found = [host.raw_tracepoint(name) for name in names]
    assert len(names) > 100
    assert None not in found
    assert all(name != "__data" for proto in found if proto for name, _ in proto.params)


def test_functions(host: Description) -> None:
    read = host.function("vfs_read")
    assert read is not None
    assert [name for name, _ in read.params] == ["file", "buf", "count", "pos"]
    assert {"vfs_read", "vfs_write"} <= set(host.functions())
    assert host.function("no_such_function") is None
    assert host.why_not_attachable("vfs_read") is None


def test_enums_and_constants(host: Description) -> None:
    established = host.constant("TCP_ESTABLISHED")
    assert established is not None
    assert established[0] == 1
    assert host.enum("TCP_ESTABLISHED") == established[1]
    named = host.enum("pid_type")
    assert isinstance(named, Enum)
    assert named.values[0] == ("PIDTYPE_PID", 0)
    assert host.enum("no_such") is None
    assert host.constant("no_such") is None
    assert "TCP_ESTABLISHED" in set(host.constants())


def test_a_worker_gets_the_same_description(host: Description) -> None:
    again = pickle.loads(pickle.dumps(host))
    assert again.fingerprint == host.fingerprint
    assert again.function("vfs_read") == host.function("vfs_read")


def test_system_calls_bear_the_names_that_the_kernel_gives_them(host_tracepoints: Description) -> None:
    """The tracepoints' names are of the functions; those differ from the calls' for a few with a history."""
    history = {"newfstat", "newstat", "newlstat", "newfstatat", "newuname", "sendfile64", "umount", "pread64", "pwrite64"}
    names = set(host_tracepoints.syscalls().values())
    traced = {name.removeprefix("sys_enter_") for _, name in host_tracepoints.tracepoints() if name.startswith("sys_enter_")}
    assert traced - names <= history


# --- what is kept -------------------------------------------------------------------------------------------------------------


def describe_made() -> Description:
    return Description(MadeSource(), (lambda: None, ()))


def test_the_index_is_kept_and_used(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe_made().function("kill_task") is not None
    assert (own_cache / "ebpfgen" / "btf-made.idx").exists()

    def never(_: object) -> None:
        raise AssertionError("the index was made again")

    monkeypatch.setattr("ebpfgen.btf.make_index", never)
    assert describe_made().function("kill_task") is not None


@pytest.mark.parametrize("damage", [b"", b"nonsense", None])
def test_a_damaged_index_is_made_anew(own_cache: Path, damage: bytes | None) -> None:
    first = describe_made().btf.index.to_bytes()
    kept = own_cache / "ebpfgen" / "btf-made.idx"
    kept.write_bytes(first[:-1] + bytes([first[-1] ^ 1]) if damage is None else damage)
    btf = describe_made().btf
    assert btf.find("task_struct", Struct) is not None
    assert kept.read_bytes() == first


def test_where_nothing_can_be_kept_it_works_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert describe_made().function("kill_task") is not None
    assert (tmp_path / "file").read_text() == "no folder"


# --- kernels made by hand -----------------------------------------------------------------------------------------------------


def test_a_class_is_told_from_another_of_the_same_layout_by_its_arguments(made: Description) -> None:
    for name in ("task_made", "task_gone"):
        found = made.tracepoint("task", name)
        assert found is not None
        assert found.record == "trace_event_raw_task_template"
        assert found.fields[1] == TracepointField("name", "__data_loc char[]", 12, 4, False)


def test_without_those_arguments_the_class_with_the_nearest_name_is_taken() -> None:
    found = Description(MadeSource(probes=False), (lambda: None, ())).tracepoint("task", "task_gone")
    assert found is not None
    assert found.record == "trace_event_raw_task_template"


def test_a_record_with_a_moved_field_is_none_of_the_event(made: Description) -> None:
    source = MadeSource()
    source.formats["task:task_made"] = format_file("task_made", ("pid_t pid", 8, 4, 1), ("int prio", 12, 4, 1))
    found = Description(source, (lambda: None, ())).tracepoint("task", "task_made")
    assert found is not None
    assert found.record is None


def test_arguments_without_a_function_that_names_them_are_numbered(made: Description) -> None:
    named, numbered = made.raw_tracepoint("task_made"), made.raw_tracepoint("task_gone")
    assert named is not None
    assert numbered is not None
    assert [n for n, _ in named.params] == ["task", "code"]
    assert [n for n, _ in numbered.params] == ["arg0", "arg1"]
    assert [t for _, t in named.params] == [t for _, t in numbered.params]


@pytest.mark.parametrize(
    "text", ["", "no format", "format:\n\tfield:int x;\toffset:here;\n", "format:\n\tfield:;\toffset:0;\tsize:4;\n"]
)
def test_a_format_that_can_t_be_read_is_told(text: str) -> None:
    source = MadeSource()
    source.formats["task:task_made"] = text
    with pytest.raises(MachineError, match="tracepoint:task:task_made"):
        Description(source, (lambda: None, ())).tracepoint("task", "task_made")


def test_reasons_not_to_attach(made: Description) -> None:
    reasons = {name: made.why_not_attachable(name) for name in ("kill_task", "hidden", "moved", "forbidden", "no_such")}
    assert reasons["kill_task"] is None
    assert reasons["hidden"] == "notrace: not among the kernel's available_filter_functions"
    assert reasons["moved"] == "the compiler turned it into moved.isra.0"
    assert reasons["forbidden"] == "on the kernel's list of functions that may not be probed"
    assert reasons["no_such"] == "there is no such function in this kernel, or it was inlined"
    assert list(made.functions()) == [
        "__bpf_trace_other",
        "__bpf_trace_task_template",
        "__traceiter_task_made",
        "hidden",
        "inlined",
        "kill_task",
        "moved.isra.0",
        "twice",
        "untyped",
    ]


@pytest.mark.parametrize(
    ("function", "kprobe", "fentry"),
    [
        ("kill_task", None, None),
        ("twice", "several functions of this kernel have that name", None),
        ("untyped", None, "its types are not in BTF, which fentry and fexit need; kprobes do not"),
        ("inlined", "inlined: it has no code of its own in this kernel", "inlined: it has no code of its own in this kernel"),
        ("assembly", "notrace: not among the kernel's available_filter_functions",
         "notrace: not among the kernel's available_filter_functions"),
        ("moved", "the compiler turned it into moved.isra.0", "the compiler turned it into moved.isra.0"),
    ],
)  # fmt: skip
def test_kprobes_and_trampolines_differ(made: Description, function: str, kprobe: str | None, fentry: str | None) -> None:
    found = {kind: made.why_not_attachable(function, kind) for kind in ("kprobe", "kretprobe", "fentry", "fexit")}
    assert found == {"kprobe": kprobe, "kretprobe": kprobe, "fentry": fentry, "fexit": fentry}


def test_where_the_kernel_allows_it_kprobes_take_what_ftrace_can_t() -> None:
    source = MadeSource()
    source.options["CONFIG_KPROBE_EVENTS_ON_NOTRACE"] = "y"
    described = Description(source, (lambda: None, ()))
    assert described.why_not_attachable("assembly") is None
    assert described.why_not_attachable("hidden") is None
    assert described.why_not_attachable("hidden", "fentry") == "notrace: not among the kernel's available_filter_functions"
    assert described.why_not_attachable("forbidden") == "on the kernel's list of functions that may not be probed"


def test_reasons_where_ftrace_s_list_is_not_to_be_seen() -> None:
    source = MadeSource()
    source.seen = None
    described = Description(source, (lambda: None, ()))
    assert described.why_not_attachable("hidden") is None
    assert described.why_not_attachable("assembly") is None
    assert described.why_not_attachable("moved") == "the compiler turned it into moved.isra.0"
    assert described.why_not_attachable("no_such") == "there is no such function in this kernel, or it was inlined"


def test_a_kernel_without_btf_is_told_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"shows no BTF: .*CONFIG_DEBUG_INFO_BTF.*--kernel FILE"):
        HostSource(tmp_path)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A root folder whose kernel has BTF and nothing else."""
    (tmp_path / "sys/kernel/btf").mkdir(parents=True)
    (tmp_path / "sys/kernel/btf/vmlinux").write_bytes(MadeSource().btf())
    return tmp_path


def test_tracepoints_that_can_t_be_seen_are_told_with_a_way_out(bare: Path) -> None:
    described = Description(HostSource(bare), (lambda: None, ()))
    assert described.function("kill_task") is not None
    assert not described.sees_tracepoints
    for ask in (lambda: described.tracepoint("task", "task_made"), lambda: list(described.tracepoints())):
        with pytest.raises(MachineError, match="mount -t tracefs"):
            ask()
    assert described.why_not_attachable("kill_task") is None


@pytest.mark.parametrize("place", ["sys/kernel/tracing", "sys/kernel/debug/tracing"])
def test_tracefs_is_found_in_both_its_places(bare: Path, place: str) -> None:
    folder = bare / place / "events/task/task_made"
    folder.mkdir(parents=True)
    (folder / "format").write_text(MadeSource().formats["task:task_made"])
    (bare / place / "available_events").write_text("task:task_made\nkprobes:mine\n")
    (bare / place / "available_filter_functions").write_text("kill_task\nvirtual [module]\n")
    described = Description(HostSource(bare), (lambda: None, ()))
    assert list(described.tracepoints()) == [("task", "task_made")]
    found = described.tracepoint("task", "task_made")
    assert found is not None
    assert [f.name for f in found.fields] == ["pid", "name", "prio"]
    assert described.why_not_attachable("virtual") is None
    assert described.why_not_attachable("hidden") is not None


def test_modules_types_come_with_the_kernel_s(bare: Path) -> None:
    base = Maker()
    number = base.number("int", 4, encoding=1)
    (bare / "sys/kernel/btf/vmlinux").write_bytes(base.blob())
    without = HostSource(bare)
    make = Maker(base)
    make.function("loop_open", make.proto(number, ("disk", make.ptr(make.struct("gendisk", 4, ("major", number, 0))))))
    (bare / "sys/kernel/btf/loop").write_bytes(make.blob())
    described = Description(HostSource(bare), (lambda: None, ()))
    found = described.function("loop_open")
    assert found is not None
    assert [described.btf.c_name(t) for _, t in found.params] == ["struct gendisk *"]
    assert described.module_of("loop_open") == "loop"
    assert HostSource(bare).index_key != without.index_key


def test_code_s_names_with_those_of_modules(bare: Path) -> None:
    (bare / "proc").mkdir()
    (bare / "proc/kallsyms").write_text(
        "ffff8000 T vfs_read\nffff8010 t again\nffff8020 t again\nffff8030 D data\nffff8040 T __pfx_vfs_read\n"
        "ffff8050 t loop_open\t[loop]\n"
        "ffff8060 t bpf_prog_18166942febcf114_open\t[bpf]\nffff8070 t ftrace_trampoline\t[__builtin__ftrace]\n"
    )
    assert HostSource(bare).symbols() == Symbols(frozenset({"vfs_read", "again", "loop_open"}), frozenset({"again"}))


@pytest.mark.parametrize("place", ["boot/config-{}", "lib/modules/{}/config"])
def test_build_options_are_found(bare: Path, place: str) -> None:
    file = bare / place.format(HostSource(bare).release)
    file.parent.mkdir(parents=True)
    file.write_text("CONFIG_KPROBES=y\n# CONFIG_FPROBE is not set\nCONFIG_HZ=250\nCONFIG_OTHER=y\n")
    found = HostSource(bare).config()
    assert (found["CONFIG_KPROBES"], found["CONFIG_FPROBE"], found["CONFIG_HZ"]) == ("y", "n", "250")
    assert "CONFIG_OTHER" not in found


def test_without_build_options_what_the_kernel_s_folders_tell(bare: Path) -> None:
    assert HostSource(bare).config() == {}
    (bare / "sys/bus/event_source/devices/uprobe").mkdir(parents=True)
    assert HostSource(bare).config() == {"CONFIG_KPROBE_EVENTS": "n", "CONFIG_UPROBE_EVENTS": "y"}


def test_other_types_are_another_kernel(bare: Path) -> None:
    before = HostSource(bare)
    make = Maker()
    make.struct("task_struct", 20)
    (bare / "sys/kernel/btf/vmlinux").write_bytes(make.blob())
    after = HostSource(bare)
    assert (before.index_key, before.fingerprint) != (after.index_key, after.fingerprint)
    assert before.index_key != after.index_key


# --- system calls -------------------------------------------------------------------------------------------------------------


def test_system_calls_of_both_machines() -> None:
    assert machines() == ["aarch64", "x86_64"]
    x86, arm = read_table("x86_64"), read_table("aarch64")
    assert (x86[0], x86[59], x86[257], x86[334]) == ("read", "execve", "openat", "rseq")
    assert (arm[56], arm[63], arm[221], arm[293]) == ("openat", "read", "execve", "rseq")
    assert {n: x86[n] for n in range(424, 470)} == {n: arm[n] for n in range(424, 470)}
    assert x86[469] == "file_setattr"


def test_names_of_system_calls_are_unique() -> None:
    for machine in machines():
        names = list(read_table(machine).values())
        assert len(set(names)) == len(names)


def test_a_machine_without_a_table_is_told() -> None:
    with pytest.raises(MachineError, match="riscv64 are not known here, only those of aarch64 and x86_64"):
        read_table("riscv64")


def test_the_running_kernel_is_described_without_arguments(host: Description) -> None:
    assert kernel.running().fingerprint == host.fingerprint
