"""find, describe and kernel capture: what they advise is what the checker takes, and what they cannot find they tell."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from ebpfgen import cli, loader
from ebpfgen.binaries import NoBinaryError
from ebpfgen.check import check
from ebpfgen.describe import UnknownThing, as_text, describe
from ebpfgen.find import find
from ebpfgen.fits import Fit, Value, fit
from ebpfgen.kernel import from_file
from ebpfgen.kernel_capture import capture
from ebpfgen.kernel_description import Description
from kernel_description.making import MadeSource, run
from workloads import Workloads

ATTACH_POINTS = [
    "tracepoint:sock:inet_sock_set_state",
    "tracepoint:sched:sched_switch",
    "tracepoint:sched:sched_process_exec",
    "tracepoint:sched:sched_waking",
    "tracepoint:net:net_dev_queue",
    "tracepoint:skb:kfree_skb",
    "tracepoint:tcp:tcp_retransmit_skb",
    "tracepoint:signal:signal_generate",
    "tracepoint:block:block_rq_issue",
    "tracepoint:raw_syscalls:sys_enter",
    "tracepoint:raw_syscalls:sys_exit",
    "tracepoint:syscalls:sys_enter_execve",
    "tracepoint:syscalls:sys_exit_openat",
    "raw_tracepoint:sched_switch",
    "tp_btf:sched_switch",
    "tp_btf:tcp_probe",
    "kprobe:tcp_connect",
    "kretprobe:vfs_read",
    "fentry:vfs_read",
    "fexit:vfs_read",
    "uretprobe:libc.so.6:malloc",
    "usdt:libstdc++.so.6:libstdcxx:throw",
    "iter:task_file",
    "iter:tcp",
    "lsm:file_open",
    "tracepoint:syscalls:sys_enter_*",
    "tracepoint:syscalls:sys_exit_get*",
]


@pytest.mark.parametrize("thing", ATTACH_POINTS)
def test_a_spec_written_as_described_is_right(host_tracepoints: Description, thing: str) -> None:
    rows = [row for row in describe(host_tracepoints, thing).rows if row.fits and "…" not in row.word]
    assert rows
    fields = "".join(f"      f{i}: '{row.fits}'\n" for i, row in enumerate(rows))
    values = "".join(f"      f{i}: '{row.write or row.word}'\n" for i, row in enumerate(rows))
    head = f"ebpfgen: 1\nname: x\nsummary: x\nevents:\n  e:\n    fields:\n{fields}"
    spec = f"{head}probes:\n  - on: '{thing}'\n    emit: e\n    with:\n{values}"
    checked = check(loader.load(spec.encode(), "x.yaml"), host_tracepoints)
    assert len(checked.programs) == 1


def test_the_inputs_of_a_tracepoint(host_tracepoints: Description) -> None:
    rows = {
        row.word: (row.type, row.fits, row.write)
        for row in describe(host_tracepoints, "tracepoint:sock:inet_sock_set_state").rows
    }
    assert rows["args.skaddr"] == ("const void *", "hex", "")
    assert rows["args.newstate"] == ("int", "enum:TCP_ESTABLISHED", "")
    assert rows["args.sport"] == ("__u16", "port", "")
    assert rows["args.saddr_v6"] == ("__u8[16]", "ip", "ip(args.saddr_v6)")


def test_the_inputs_of_a_system_call(host_tracepoints: Description) -> None:
    rows = {
        row.word: (row.type, row.fits, row.write)
        for row in describe(host_tracepoints, "tracepoint:syscalls:sys_enter_execve").rows
    }
    assert rows["args.filename"] == ("const char *", "string(256)", "str(args.filename)")
    assert rows["args.argv"] == ("const char *const *", "argv(256)", "argv(args.argv)")
    assert "args.__syscall_nr" not in rows


def test_a_function_shows_its_signature_and_where_to_read_on(host: Description) -> None:
    account = describe(host, "kprobe:tcp_connect")
    assert "int tcp_connect(struct sock *sk)" in account.about
    first = account.rows[0]
    assert (first.word, first.type, first.more) == ("args.sk", "struct sock *", "struct:sock")


def test_a_kernel_without_kprobes_says_so(made: Description) -> None:
    words = "Linux 6.18.0-made was built without CONFIG_KPROBES: it can't attach this"
    assert words in describe(made, "kprobe:kill_task").about
    assert words not in describe(made, "fentry:kill_task").about
    assert any("CONFIG_KPROBES" in note for note in find(made, "kill*").notes)


def test_events_of_perf_are_found_by_their_kind(made: Description) -> None:
    assert [row.name for row in find(made, "software:*faults").rows] == [
        f"software:{name}faults" for name in ("page-", "", "minor-", "major-", "alignment-", "emulation-")
    ]
    assert {row.kind for row in find(made, "hardware:cache").rows} == {"hardware"}


def test_a_function_that_can_t_be_traced_is_described_with_the_reason(made: Description) -> None:
    account = describe(made, "fentry:hidden")
    assert any("notrace" in line for line in account.about)
    row = next(row for row in find(made, "kprobe:hidden").rows if row.name == "kprobe:hidden")
    assert row.note.startswith("notrace")


def test_members_of_a_struct_with_their_places(host: Description) -> None:
    rows = {row.word: row for row in describe(host, "struct:sock_common").rows}
    assert rows["skc_dport"].write == "ntohs(skc_dport)"
    assert rows["skc_daddr"].fits == "ip"
    assert rows["skc_reuse"].more == "offset 19, bits 0 to 3"
    assert rows["skc_prot"].more.endswith("struct:proto")


def test_constants_of_an_enum_with_or_without_a_name(host: Description) -> None:
    nameless = [(r.word, r.type) for r in describe(host, "enum:TCP_CLOSE").rows]
    assert ("TCP_ESTABLISHED", "1") in nameless
    assert describe(host, "enum:pid_type").rows[0].word == "PIDTYPE_PID"


@pytest.mark.parametrize(
    ("name", "thing"),
    [("kill_task", "kprobe:kill_task"), ("task:task_gone", "tracepoint:task:task_gone"), ("task_struct", "struct:task_struct")],
)
def test_a_bare_name_is_enough_where_it_is_of_one_thing(made: Description, name: str, thing: str) -> None:
    assert describe(made, name) == describe(made, thing)


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        ("tracepoint:task:task_mad", "this kernel has no tracepoint task:task_mad; did you mean task:task_made"),
        ("tracepoint:task", "'tracepoint:task' is not complete, expected tracepoint:CATEGORY:NAME"),
        ("tp_btf:task_mad", "did you mean task_made"),
        ("kprobe:kil_task", "this kernel has no function kil_task; did you mean kill_task?"),
        ("struct:task_strct", "this kernel has no struct task_strct; did you mean task_struct?"),
        ("enum:no_such", "this kernel has no enum no_such"),
        ("kprob:kill_task", "did you mean kprobe"),
        ("task_made", "'task_made' may be one of several: tracepoint:task:task_made tp_btf:task_made"),
        ("task_mad", "did you mean tp_btf:task_made"),
        ("", "things are tracepoint:CATEGORY:NAME"),
        ("kprobe:\x1b[31m", "is no name"),
        ("profile:parsec:1", "'parsec' is no unit of profile"),
    ],
)
def test_what_is_not_there_is_told_with_what_was_perhaps_meant(made: Description, thing: str, words: str) -> None:
    with pytest.raises(UnknownThing) as caught:
        describe(made, thing)
    assert words in str(caught.value)
    assert caught.value.exit_status == 1


def test_the_text_for_people(made: Description) -> None:
    text, _, builtins = as_text(describe(made, "tracepoint:task:task_made")).partition("  everywhere: ")
    assert text == (
        "tracepoint:task:task_made\n"
        "  a tracepoint of the kernel; args.x are the fields of its record\n"
        "  see also tp_btf:task_made, with the kernel's own structs\n"
        "\n"
        "  input      type               field type  written as\n"
        "  args.pid   pid_t              pid\n"
        "  args.name  __data_loc char[]  string(64)  str(args.name)\n"
        "  args.prio  int                i32\n"
        "\n"
    )
    assert {"nsecs", "pid", "comm", "curtask", "probe"} <= set(builtins.split())


# --- find ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("task_*", ["tracepoint:task:task_made", "tracepoint:task:task_gone", "tp_btf:task_gone", "tp_btf:task_made"]),
        ("gone", ["tracepoint:task:task_gone", "tp_btf:task_gone"]),
        ("task:*", ["tracepoint:task:task_made", "tracepoint:task:task_gone"]),
        ("tracepoint:task_g*", ["tracepoint:task:task_gone"]),
        ("fentry:*kill*", ["fentry:kill_task"]),
        ("k[hi]ll_*", ["kprobe:kill_task"]),
        ("struct:task*", ["struct:task_struct"]),
        ("raw_tracepoint:*made", ["raw_tracepoint:task_made"]),
    ],
)
def test_patterns(made: Description, pattern: str, names: list[str]) -> None:
    assert [row.name for row in find(made, pattern).rows] == names


def test_signatures(made: Description) -> None:
    rows = {row.name: row.signature for pattern in ("*made", "kill*") for row in find(made, pattern).rows}
    assert rows["tracepoint:task:task_made"] == "pid, name, prio"
    assert rows["tp_btf:task_made"] == "struct task_struct *task, int code"
    assert rows["kprobe:kill_task"] == "int kill_task(struct task_struct *task, int signal)"


def test_nothing_found_is_told_with_what_was_perhaps_meant(made: Description) -> None:
    with pytest.raises(UnknownThing, match="nothing in this kernel matches 'kil_task'; did you mean kill_task"):
        find(made, "kil_task")


def test_what_can_t_be_looked_at_is_said() -> None:
    from ebpfgen.problems import MachineError

    class Unseen(MadeSource):
        def events(self) -> list[str]:
            raise MachineError("not to be seen")

    finds = find(Description(Unseen(), (lambda: None, ())), "*made*")
    assert [row.name for row in finds.rows if row.kind == "tp_btf"] == ["tp_btf:task_made"]
    assert finds.notes[0].startswith("tracepoints are left out")


# --- field types --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Value("dport", "__be16", 2, False, "int"), Fit("port", "ntohs")),
        (Value("daddr", "__be32", 4, False, "int"), Fit("ip", "ip")),
        (Value("seq", "__be32", 4, False, "int"), Fit("u32", "ntohl")),
        (Value("prev_comm", "char[16]", 16, False, "array"), Fit("comm")),
        (Value("name", "char[32]", 32, False, "array"), Fit("string(32)", "str")),
        (Value("addr", "unsigned char[6]", 6, False, "array"), Fit("mac", "mac")),
        (Value("hist", "unsigned long[4]", 32, False, "array"), Fit("")),
        (Value("dev", "dev_t", 4, False, "int"), Fit("dev_t")),
        (Value("sig", "int", 4, True, "int"), Fit("signal")),
        (Value("truth", "bool", 1, False, "bool"), Fit("bool")),
        (Value("reason", "enum why", 4, False, "enum", "why"), Fit("enum:why")),
        (Value("to", "struct in6_addr", 16, False, "struct"), Fit("ip", "ip")),
        (Value("x", "long long", 8, True, "int"), Fit("i64")),
    ],
)
def test_field_types_that_fit(value: Value, expected: Fit) -> None:
    assert fit(value) == expected


# --- the commands -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def captured(tmp_path: Path) -> str:
    capture(MadeSource(), tmp_path / "made.kernel")
    return str(tmp_path / "made.kernel")


def test_find_prints_rows_to_stdout_and_notes_to_stderr(captured: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("find", "k*task", "--kernel", captured) == 0
    printed = capsys.readouterr()
    assert printed.out == "kprobe:kill_task  int kill_task(struct task_struct *task, int signal)\n"
    assert "CONFIG_KPROBES" in printed.err


def test_find_for_machines(captured: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("find", "k*task", "--kernel", captured, "--format", "json") == 0
    signature = "int kill_task(struct task_struct *task, int signal)"
    assert json.loads(capsys.readouterr().out) == [
        {"kind": "kprobe", "name": "kprobe:kill_task", "signature": signature, "note": ""}
    ]


def test_describe_for_machines(captured: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("describe", "tracepoint:task:task_made", "--kernel", captured, "--format", "json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert rows[1] == {
        "word": "args.name",
        "type": "__data_loc char[]",
        "field_type": "string(64)",
        "write": "str(args.name)",
        "more": "",
    }


@pytest.mark.slow
def test_a_kernel_captured_by_the_command_is_described(host_captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("describe", "tracepoint:sched:sched_switch", "--kernel", str(host_captured)) == 0
    assert "args.prev_comm" in capsys.readouterr().out


def test_usdt_probes_of_a_library(made: Description, workloads: Workloads) -> None:
    file = workloads.library("known")
    rows = {row.name.removeprefix(f"usdt:{file}:"): row.signature for row in find(made, f"usdt:{file}").rows}
    assert rows == {
        "known:guarded": "i32",
        "known:numbers": "i8, u8, i16, u16, i32, u32, i64, u64",
        "known:places": "i32, i32, u64",
        "known:several": "i32",
    }
    assert [row.name for row in find(made, f"usdt:{file}:s*ral").rows] == [f"usdt:{file}:known:several"]
    described = [(row.word, row.fits, row.write) for row in describe(made, f"usdt:{file}:places").rows]
    assert described == [("arg0", "i32", "(i32)arg0"), ("arg1", "i32", "(i32)arg1"), ("arg2", "u64", "")]


def test_usdt_probes_that_are_not_there(made: Description, workloads: Workloads, tmp_path: Path) -> None:
    file = workloads.library("known")
    for ask, name in ((find, "severl*"), (describe, "severl")):
        with pytest.raises(UnknownThing, match=r"no USDT probe.* did you mean several\?"):
            ask(made, f"usdt:{file}:{name}")
    for content, why in (
        (None, "No such file"),
        (b"#!/bin/sh\n", "not a complete 64-bit ELF file"),
        (file.read_bytes()[:3000], "not a complete 64-bit"),
    ):
        if content is not None:
            (tmp_path / "file").write_bytes(content)
        with pytest.raises(NoBinaryError, match=why):
            find(made, f"usdt:{tmp_path}/file")
    with pytest.raises(NoBinaryError, match="there is no library libnothing"):
        find(made, "usdt:libnothing.so")


def test_functions_of_a_library(made: Description, tmp_path: Path) -> None:
    found = [row.name for row in find(made, "uprobe:libc.so.6:*alloc").rows]
    assert {f"uprobe:libc.so.6:{name}" for name in ("malloc", "calloc", "realloc")} <= set(found)
    assert found == sorted(found)
    assert all(row.kind == "uretprobe" for row in find(made, "uretprobe:libc.so.6:malloc").rows)
    with pytest.raises(UnknownThing, match=r"no function of libc.so.6 matches 'mallok\*'; did you mean malloc"):
        find(made, "uprobe:libc.so.6:mallok*")
    with pytest.raises(NoBinaryError, match="there is no library libnothing"):
        find(made, "uprobe:libnothing.so")
    (tmp_path / "file").write_bytes(b"\x7fELF\x02" + b"\xff" * 100)
    with pytest.raises(NoBinaryError, match="not a complete 64-bit ELF file"):
        find(made, f"uprobe:{tmp_path}/file")
    with pytest.raises(NoBinaryError, match="expected the path of a program, or a library's name"):
        find(made, "uprobe:")
    with pytest.raises(NoBinaryError, match="/dev/zero is not a file"):
        find(made, "uprobe:/dev/zero")


def test_a_function_of_a_library_that_is_not_there_is_told_and_described_all_the_same(made: Description) -> None:
    for symbol, said in (
        ("malloc", []),
        ("mallok", ["on this machine libc.so.6 has no function mallok; did you mean malloc or mallopt or mlock?"]),
        ("mall*", [f"{len(find(made, 'uprobe:libc.so.6:mall*').rows)} of libc.so.6 on this machine match"]),
    ):
        account = describe(made, f"uprobe:libc.so.6:{symbol}")
        assert list(account.about[1:]) == said
        assert account.rows[0].word.startswith("arg0")
    about = describe(made, "uretprobe:libnothing.so:f").about
    assert about[1] == "on this machine: there is no library libnothing.so in the usual folders: write its path"


def test_what_wildcards_match(made: Description, host_tracepoints: Description) -> None:
    about = describe(host_tracepoints, "tracepoint:sched:sched_process_e*").about
    assert about[0].endswith("of each that matches")
    assert about[1].endswith("of this kernel match: sched_process_exec sched_process_exit")


def test_hooks_and_iterators_are_found(host: Description) -> None:
    hooks = {row.name: row.signature for row in find(host, "lsm:task_k*").rows}
    assert hooks["lsm:task_kill"].startswith("int task_kill(struct task_struct *p, ")
    visits = {row.name: row.signature for row in find(host, "iter:task*").rows}
    assert visits["iter:task_file"] == "struct task_struct *args.task, u32 args.fd, struct file *args.file"
    assert not any("__" in name for name in visits)


def test_check_says_how_many_a_wildcard_matches(capsys: pytest.CaptureFixture[str]) -> None:
    spec, captured = Path(__file__).parents[2] / "specs/vfscount.yaml", Path(__file__).with_name("kernels") / "6.12.kdesc"
    assert cli.main(["check", str(spec), "--kernel", str(captured)]) == 0
    said = re.search(r"vfscount\.yaml:\d+: kprobe:vfs_\* matches (\d+) of Linux ", capsys.readouterr().err)
    assert said
    assert int(said[1]) == len([row for row in find(from_file(captured), "kprobe:vfs_*").rows if not row.note])
