"""What artefacts do on kernels that are not here: every way in which kernels differ, on the lab's kernels and on kernels made
by hand. That it is so is what tests/kernels/test_portability.py shows in the guests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ebpfgen import ir, loader
from ebpfgen.check import check
from ebpfgen.kernel_description import Description
from ebpfgen.portability import Outcome, hooks, predict
from ebpfgen.portability.lack import CODES, UNASKED
from ebpfgen.portability.survey import Survey
from kernel_description.making import MadeSource, Maker, format_file
from portability.conftest import surveyed, why

States = Callable[[Survey, str], list[str]]
COUNTER = "metrics: {seen: {kind: counter, help: x}}\n"


def counting(*points: str) -> str:
    return COUNTER + "probes:\n" + "".join(f"  - {{on: {point}, count: seen}}\n" for point in points)


def runs(found: Survey) -> list[bool]:
    return [outcome.runs for outcome in found.outcomes]


def test_a_function_that_newer_kernels_no_longer_have(states: States) -> None:
    found = surveyed(counting('"kprobe:do_filp_open"'), "6.12")
    assert runs(found) == [True, True, True, False]
    assert states(found, "kprobe:do_filp_open") == ["attached", "attached", "attached", "failed"]
    assert why(found, "kprobe:do_filp_open", 3) == ["no function do_filp_open, or it was inlined (works up to 6.12)"]
    (row,) = found.rows
    assert row.cells[3].reasons[0].lack.seek()[0] == "do_file_open"


def test_a_tracepoint_that_older_kernels_do_not_have(states: States) -> None:
    found = surveyed(counting("tp_btf:block_io_start", "tracepoint:syscalls:sys_enter_cachestat"), "7.3")
    assert runs(found) == [True, False, False, True]
    assert why(found, "tp_btf:block_io_start", 1) == ["no tracepoint block_io_start (works since 6.12)"]
    assert why(found, "tracepoint:syscalls:sys_enter_cachestat", 2) == [
        "no tracepoint syscalls:sys_enter_cachestat (works since 6.12)"
    ]


def test_the_first_that_each_kernel_has(states: States) -> None:
    points = (
        '"tp_btf:block_io_start"',
        '"fentry:blk_account_io_start"',
        '"kprobe:blk_account_io_start"',
        '"tp_btf:block_rq_issue"',
    )
    found = surveyed(counting(f"{{first: [{', '.join(points)}]}}"), "7.3")
    assert runs(found) == [True] * 4
    assert states(found, "tp_btf:block_io_start") == ["attached", "passed", "passed", "attached"]
    assert states(found, "fentry:blk_account_io_start") == ["passed", "attached", "passed", "passed"]
    assert states(found, "kprobe:blk_account_io_start") == ["passed", "spare", "passed", "passed"]
    assert states(found, "tp_btf:block_rq_issue") == ["spare", "spare", "attached", "spare"]


def test_what_may_be_missing_is_no_failure(states: States) -> None:
    found = surveyed(counting('["tp_btf:sched_switch", "?tp_btf:block_io_start"]'), "7.3")
    assert runs(found) == [True] * 4
    assert states(found, "tp_btf:block_io_start") == ["attached", "absent", "absent", "attached"]


def test_where_nothing_is_attached_nothing_runs() -> None:
    found = surveyed(counting('"?tp_btf:block_io_start"'), "7.3")
    assert [outcome.attaches for outcome in found.outcomes] == [True] * 4
    assert runs(found) == [True, False, False, True]


@pytest.mark.parametrize(
    ("point", "built", "words"),
    [
        (
            "fentry:blk_account_io_start",
            "5.10",
            "blk_account_io_start: notrace: not among the kernel's available_filter_functions",
        ),
        ("kprobe:blk_account_io_done", "5.10", "blk_account_io_done: inlined: it has no code of its own in this kernel"),
    ],
)
def test_functions_that_are_there_and_can_t_be_hooked(point: str, built: str, words: str) -> None:
    found = surveyed(counting(f'"{point}"'), built, "7.3")
    assert runs(found) == [True, False]
    assert why(found, point, 1) == [f"{words} (works up to 5.10)"]


FIELDS = """\
events: {e: {fields: {state: u64}}}
params: {more: {type: bool, help: x}}
probes:
  - {on: "tracepoint:syscalls:sys_enter_kill", emit: e, with: {state: STATE}, if: $more or uid == 0}
"""
POINT = "tracepoint:syscalls:sys_enter_kill"


def test_a_field_that_older_kernels_do_not_have(states: States) -> None:
    found = surveyed(FIELDS.replace("STATE", "curtask.__state"), "7.3")
    assert runs(found) == [True, False, True, True]
    assert why(found, POINT, 1) == ["no task_struct.__state (line 7) (works since 6.1)"]
    (reason,) = found.rows[0].cells[1].reasons
    assert reason.lack.at and reason.lack.at.column == 79
    assert "state" in reason.lack.seek()


def test_a_choice_between_fields(states: States) -> None:
    found = surveyed(FIELDS.replace("STATE", "[curtask.__state, curtask.state]"), "7.3")
    assert runs(found) == [True] * 4
    assert [cell.option for row in found.rows if row.kind == "choice" for cell in row.cells] == [0, 1, 0, 0]
    signed = FIELDS.replace("u64", "i64").replace("STATE", "[curtask.__state, curtask.state]")
    built_for_old = surveyed(signed, "5.10")
    assert [cell.option for row in built_for_old.rows if row.kind == "choice" for cell in row.cells] == [1, 0, 0, 0]


@pytest.mark.parametrize(
    ("value", "fine"),
    [
        ('"exists(curtask.__state) ? curtask.__state : 0"', True),
        ('"exists(curtask.state) ? 0 : curtask.__state"', True),
        ('"not exists(curtask.__state) ? 0 : curtask.__state"', True),
        ('"exists(curtask.__state) ? 0 : curtask.__state"', False),
        ('"exists(curtask.pid) ? curtask.__state : 0"', False),
    ],
)
def test_what_is_never_reached_there_need_not_be_there(value: str, fine: bool) -> None:
    assert runs(surveyed(FIELDS.replace("STATE", value), "7.3", "5.10")) == [True, fine]


@pytest.mark.parametrize(
    ("body", "fine"),
    [
        ("    where: exists(curtask.__state)\n    do: [{emit: e, with: {state: curtask.__state}}]", True),
        ("    do: [{if: exists(curtask.__state), emit: e, with: {state: curtask.__state}}]", True),
        ("    do: [{if: not exists(curtask.__state), stop: true}, {emit: e, with: {state: curtask.__state}}]", True),
        ("    let: {b: exists(curtask.__state)}\n    do: [{if: b and curtask.__state != 0, emit: e, with: {state: 0}}]", True),
        ("    do: [{if: exists(curtask.pid), emit: e, with: {state: curtask.__state}}]", False),
        ("    do: [{if: exists(curtask.__state) or curtask.__state == 0, emit: e, with: {state: 0}}]", False),
    ],
)
def test_statements_that_are_never_reached(body: str, fine: bool) -> None:
    text = f"events: {{e: {{fields: {{state: u64}}}}}}\nprobes:\n  - on: {POINT}\n{body}\n"
    assert runs(surveyed(text, "7.3", "5.10")) == [True, fine]


def test_what_only_parameters_reach_is_a_remark() -> None:
    found = surveyed(FIELDS.replace("STATE", '"$more ? (u64)curtask.__state : 0"'), "7.3", "5.10")
    assert runs(found) == [True, True]
    assert [[reason.words for reason in cell.otherwise] for cell in found.rows[0].cells] == [
        [],
        ["with --more: no task_struct.__state (line 7) (works since 7.3)"],
    ]


def test_a_tracepoint_s_record_of_another_name() -> None:
    """Linux 6.16 gave sched_process_exit a record of its own, and its class other fields."""
    text = "events: {e: {fields: {name: string(16)}}}\nprobes: [{on: 'tracepoint:sched:sched_process_exit', emit: e, WITH}]\n"
    found = surveyed(text.replace("WITH", "with: {name: str(args.comm)}"), "6.12")
    assert runs(found) == [True, True, True, False]
    assert why(found, "tracepoint:sched:sched_process_exit", 3) == [
        "no args.comm (field comm of trace_event_raw_sched_process_template) (line 5) (works up to 6.12)"
    ]


def test_an_alternative_that_the_artefact_has_no_program_for(states: States) -> None:
    text = counting("{first: ['tracepoint:syscalls:sys_enter_cachestat', 'tracepoint:syscalls:sys_enter_mincore']}")
    found = surveyed(text, "5.10", "7.3")
    assert states(found, "tracepoint:syscalls:sys_enter_cachestat") == ["passed", "passed"]
    assert [code.lack.code for cell in found.rows[0].cells for code in cell.reasons] == ["left_out", "left_out"]
    assert why(found, "tracepoint:syscalls:sys_enter_cachestat", 1) == [
        "not in the artefact: this kernel has no tracepoint syscalls:sys_enter_cachestat"
    ]


def test_what_files_decide_the_kernel_s_part_is_said_of(states: States) -> None:
    found = surveyed(counting('{first: ["uretprobe:/bin/bash:readline", "uretprobe:libreadline.so.8:readline"]}'), "7.3", "5.10")
    assert runs(found) == [True, True]
    assert states(found, "uretprobe:/bin/bash:readline") == ["attached", "attached"]
    assert states(found, "uretprobe:libreadline.so.8:readline") == ["spare", "spare"]
    assert all(cell.in_file for row in found.rows for cell in row.cells)


NAMED = "metrics: {{seen: {{kind: counter, labels: {{func: string(32)}}, help: x}}}}\nprobes: [{{on: '{}', count: seen}}]\n"


def test_wildcards(states: States) -> None:
    assert runs(surveyed(counting("'kprobe:vfs_*'"), "7.3")) == [True] * 4
    found = surveyed(counting("'kprobe:do_filp*'"), "6.12")
    assert runs(found) == [True, True, True, False]
    assert why(found, "kprobe:do_filp*", 3) == ["no function matches do_filp* (works up to 6.12)"]
    assert runs(surveyed(counting("'tracepoint:syscalls:sys_enter_cachest*'"), "7.3")) == [True, False, False, True]


def test_wildcards_that_match_too_much() -> None:
    found = surveyed(counting("'kprobe:s*'"), "7.3")
    assert runs(found) == [True, False, False, True]
    (reason,) = found.rows[0].cells[1].reasons
    assert reason.lack.why.endswith(" functions match s*, at most 1024 are attached one by one, as this kernel takes them")
    (reason,) = surveyed(counting("'kprobe:*'"), "7.3", "6.12").rows[0].cells[0].reasons
    assert reason.lack.why.endswith(" functions match *, at most 10000 are attached in one link")


@pytest.mark.parametrize("point", ["kprobe:vfs_*", "tracepoint:syscalls:sys_enter_*", "uprobe:libc.so.6:mem*"])
def test_names_behind_wildcards_need_cookies(point: str) -> None:
    named = NAMED.replace("func", "probe").format(point)
    found = surveyed(named, "7.3")
    assert runs(found) == [True, False, True, True]
    assert why(found, point, 1) == [
        "no attach cookies, which USDT probes and names behind wildcards need (BPF_FUNC_get_attach_cookie) (works since 6.1)"
    ]


def test_iterators() -> None:
    text = "events: {e: {fields: {pid: pid}}}\nprobes: [{on: 'iter:OBJECT', emit: e, with: {pid: 1}}]\n"
    assert runs(surveyed(text.replace("OBJECT", "tcp"), "7.3")) == [True] * 4
    found = surveyed(text.replace("OBJECT", "unix"), "7.3")
    assert runs(found) == [True, False, True, True]
    assert why(found, "iter:unix", 1) == ["no iterator over unix (works since 6.1)"]


def test_security_hooks() -> None:
    assert runs(surveyed(counting("'lsm:task_kill'"), "7.3")) == [True] * 4
    found = surveyed(counting("'lsm:mmap_backing_file'"), "7.3")
    assert runs(found) == [True, False, False, True]
    assert why(found, "lsm:mmap_backing_file", 1) == ["no security hook mmap_backing_file (works since 6.12)"]


# --- kernels made by hand -----------------------------------------------------------------------------------------------------


class Other(MadeSource):
    """The kernel made by hand, changed: its index is its own."""

    def __init__(self, **options: str) -> None:
        super().__init__()
        self.index_key = self.fingerprint = f"other {options}"
        self.options = options

    def retyped(self, make: Maker) -> Other:
        self._btf = make.blob()
        self.index_key = self.fingerprint = f"retyped {hash(self._btf)}"
        return self


def outcome(text: str, other: MadeSource, built: MadeSource | None = None) -> Outcome:
    here, there = (Description(source, (lambda: None, ())) for source in (built or MadeSource(), other))
    whole = f"ebpfgen: 1\nname: x\nsummary: x\n{text}"
    return predict(check(loader.load(whole.encode(), "x.yaml"), here), here, there)


def codes(found: Outcome) -> list[str]:
    return [lack.code for point in found.points for lack in point.lacks]


@pytest.mark.parametrize(
    ("point", "option", "words"),
    [
        ("kprobe:kill_task", "CONFIG_KPROBES", "kprobes are not configured (CONFIG_KPROBES)"),
        ("kretprobe:kill_task", "CONFIG_KPROBE_EVENTS", "kprobes are not configured (CONFIG_KPROBE_EVENTS)"),
        (
            "fentry:kill_task",
            "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
            "trampolines (fentry, fexit) are not configured (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)",
        ),
        ("uprobe:libc.so.6:malloc", "CONFIG_UPROBE_EVENTS", "uprobes are not configured (CONFIG_UPROBE_EVENTS)"),
        ("profile:hz:99", "CONFIG_PERF_EVENTS", "perf events are not configured (CONFIG_PERF_EVENTS)"),
    ],
)
def test_what_was_not_built_in(point: str, option: str, words: str) -> None:
    (found,) = outcome(counting(f'"{point}"'), Other(**{option: "n"})).points
    assert (found.state, [lack.why for lack in found.lacks]) == ("failed", [words])


def test_static_functions_that_the_compiler_changed() -> None:
    """The runtime takes foo.isra.0 and foo.constprop.0 where there is no foo; trampolines can't."""
    assert codes(outcome(counting("'kprobe:moved'"), Other())) == []


def test_a_security_module_that_is_off() -> None:
    make = task_kernel(("code", 4))
    make.function("bpf_lsm_task_made", make.proto(1, ("code", 1)))
    make.enum("more", ("BPF_LSM_MAC", 27))
    built = Other(lsm="capability,bpf").retyped(make)
    assert codes(outcome(counting("'lsm:task_made'"), built, built)) == []
    (found,) = outcome(counting("'lsm:task_made'"), Other(lsm="lockdown,capability").retyped(make), built).points
    assert [lack.why for lack in found.lacks] == ["the security module bpf is off (lsm=…,bpf on the kernel's command line)"]


def test_a_kernel_that_lets_nobody_hook_its_functions() -> None:
    assert codes(outcome(counting('"fentry:kill_task"'), Other(functions="refused"))) == ["refused"]


def test_tracepoints_of_system_calls_need_an_option() -> None:
    class WithCalls(MadeSource):
        def __init__(self) -> None:
            super().__init__()
            self.formats["task:task_once"] = format_file("task_once", ("int a", 8, 4, 1))

    found = outcome(counting("tracepoint:task:task_once"), MadeSource(), WithCalls())
    assert codes(found) == ["no_tracepoint"]
    assert found.points[0].lacks[0].seek()


ARGUMENT = "events: {e: {fields: {code: i32}}}\nprobes: [{on: 'KIND:task_made', emit: e, with: {code: args.code}}]\n"


def task_kernel(*arguments: tuple[str, int], pid: int = 4) -> Maker:
    """A kernel whose tracepoint is called with those: (name, size of the number)."""
    make = Maker()
    number = {size: make.number(f"int{size}", size, encoding=1) for size in (4, 8)}
    make.struct("task_struct", 16, ("pid", number[pid], 0))
    words = [("__data", make.ptr(0)), *((name, number[size]) for name, size in arguments)]
    proto = make.proto(0, *words)
    make.typedef("btf_trace_task_made", make.ptr(proto))
    make.function("__traceiter_task_made", proto)
    make.function("kill_task", make.proto(number[4], ("task", make.ptr(2 + 1)), *((n, number[s]) for n, s in arguments)))
    make.enum("bpf_attach_type", ("BPF_TRACE_RAW_TP", 1), ("BPF_TRACE_FEXIT", 2), ("BPF_MAP_TYPE_RINGBUF", 3))
    return make


@pytest.mark.parametrize("kind", ["tp_btf", "raw_tracepoint"])
@pytest.mark.parametrize(
    ("there", "expected"),
    [
        ([("task", 4), ("code", 4)], []),
        ([("task", 4), ("status", 4)], []),  # renamed, of the same type
        ([("code", 4), ("task", 4)], []),  # the runtime reads it at its new place
        ([("task", 4), ("more", 4), ("code", 4)], []),
        ([("task", 4), ("code", 8)], ["other_type"]),
        ([("task", 4), ("status", 8)], ["no_argument"]),
        ([("task", 4)], ["no_argument"]),
        ([("code_of", 4), ("task", 4)], ["no_argument"]),  # the one at its place is another
    ],
)
def test_arguments_at_other_places(kind: str, there: list[tuple[str, int]], expected: list[str]) -> None:
    built = Other().retyped(task_kernel(("task", 4), ("code", 4)))
    found = outcome(ARGUMENT.replace("KIND", kind), Other().retyped(task_kernel(*there)), built)
    assert codes(found) == expected
    assert found.attaches == found.runs == (not expected)


def test_registers_are_settled_when_it_is_built() -> None:
    text = "events: {e: {fields: {code: i32}}}\nprobes: [{on: 'kprobe:kill_task', emit: e, with: {code: args.code}}]\n"
    built = Other().retyped(task_kernel(("code", 4), ("more", 4)))
    assert outcome(text, built, built).runs
    found = outcome(text, Other().retyped(task_kernel(("more", 4), ("code", 4))), built)
    assert codes(found) == ["moved"]
    assert not found.attaches
    (lack,) = found.points[0].lacks
    assert lack.why == "args.code of kprobe:kill_task is argument 2 here, 1 where the artefact is built"


@pytest.mark.parametrize(("kind", "c"), [("kprobe", "PT_REGS_PARM4(ctx)"), ("fexit", "ctx->code")])
def test_a_struct_by_value_takes_several_places(kind: str, c: str) -> None:
    make = Maker()
    number, long = make.number("int", 4, encoding=1), make.number("long", 8, encoding=1)
    pair = make.struct("pair", 16, ("a", long, 0), ("b", long, 64))
    make.function("kill_task", make.proto(number, ("first", long), ("both", pair), ("code", number)))
    make.enum("bpf_attach_type", ("BPF_MAP_TYPE_RINGBUF", 3))
    built = Other().retyped(make)
    text = f"events: {{e: {{fields: {{code: i32}}}}}}\nprobes: [{{on: '{kind}:kill_task', emit: e, with: {{code: args.code}}}}]\n"
    kernel = Description(built, (lambda: None, ()))
    (program,) = check(loader.load(f"ebpfgen: 1\nname: x\nsummary: x\n{text}".encode(), "x.yaml"), kernel).programs
    assert [node.c for node in ir.walk(program.body) if isinstance(node, ir.Input)] == [f"(__s32){c}"]
    assert program.signature
    assert [program.signature.place(name) for name in ("first", "both", "code", ir.RESULT)] == [0, 1, 3, 4]


def test_a_result_behind_more_arguments() -> None:
    text = "events: {e: {fields: {code: i32}}}\nprobes: [{on: 'fexit:kill_task', emit: e, with: {code: retval}}]\n"
    built = Other().retyped(task_kernel(("code", 4)))
    assert outcome(text, built, built).runs
    found = outcome(text, Other().retyped(task_kernel(("code", 4), ("more", 4))), built)
    assert (codes(found), found.attaches, found.runs) == ([], True, True)  # it is found behind them


def test_a_field_of_another_size_is_read_wrong_in_a_process_s_memory() -> None:
    """In the kernel's it is read in the size that it has there: tests/kernels/test_sizes.py."""
    text = (
        "events: {e: {fields: {pid: u64}}}\n"
        "probes: [{on: 'raw_tracepoint:task_made', emit: e, with: {pid: (u64)((struct task_struct *)arg0).pid}}]\n"
    )
    built, other = Other().retyped(task_kernel(("task", 4))), Other().retyped(task_kernel(("task", 4), pid=8))
    assert codes(outcome(text, other, built)) == []
    found = outcome(text.replace("arg0", "uptr(arg0)"), other, built)
    assert codes(found) == ["other_size"]
    assert found.points[0].lacks[0].why == "task_struct.pid has 8 bytes here, 4 where the artefact is built"


def test_a_tracepoint_without_types_is_read_at_fixed_places() -> None:
    class Untyped(MadeSource):
        def __init__(self, at: int, name: str = "id") -> None:
            super().__init__()
            self.formats["heat:trip"] = format_file("trip", (f"int {name}", at, 4, 1))

    text = "events: {e: {fields: {id: i32}}}\nprobes: [{on: 'tracepoint:heat:trip', emit: e, with: {id: args.id}}]\n"
    ringbuf = [Untyped(8), Untyped(12)]
    assert codes(outcome(text, ringbuf[0], ringbuf[0])) == []
    found = outcome(text, ringbuf[1], ringbuf[0])
    assert [lack.why for point in found.points for lack in point.lacks] == [
        "args.id of tracepoint:heat:trip has 4 bytes at 12 in the record, the program reads 4 at 8"
    ]
    assert not found.attaches
    found = outcome(text, Untyped(8, "ids"), ringbuf[0])
    (lack,) = found.points[0].lacks
    assert (lack.code, lack.thing) == ("no_argument", "args.id of tracepoint:heat:trip")
    assert (lack.why, lack.seek()) == ("no args.id of tracepoint:heat:trip", ("ids",))
    assert not found.attaches


def test_a_constant_of_another_value() -> None:
    def kernel(value: int, name: str = "TASK_DONE") -> Other:
        make = task_kernel(("code", 4))
        make.enum("task_codes", (name, value))
        return Other().retyped(make)

    text = ARGUMENT.replace("KIND", "tp_btf").replace("with:", "if: args.code == TASK_DONE, with:")
    assert outcome(text, kernel(3), kernel(3)).runs
    assert codes(outcome(text, kernel(3, "TASK_OVER"), kernel(3))) == []
    found = outcome(text, kernel(4), kernel(3))
    assert [lack.why for point in found.points for lack in point.lacks] == ["TASK_DONE is 4 here, 3 where the artefact is built"]


def test_an_enum_of_other_numbers() -> None:
    """The names of numbers are the artefact's; Linux 6.4 put in reasons before those that were there (071c0fc6fb91)."""
    text = (
        "events: {e: {fields: {reason: 'enum:skb_drop_reason'}}}\n"
        "probes: [{on: 'tracepoint:skb:kfree_skb', emit: e, with: {reason: args.reason}}]\n"
    )
    found = surveyed(text, "7.3", "6.1")
    assert runs(found) == [True, True]
    assert found.remarks[0] == ()
    (reason,) = found.remarks[1]
    assert reason.words.startswith(
        "names of enum:skb_drop_reason are those of the first kernel: there SKB_DROP_REASON_NOT_SPECIFIED "
    )
    assert surveyed(text.replace("skb_drop_reason", "req_op"), "7.3", "6.1").remarks == ((), ())


def test_a_kernel_without_ring_buffers() -> None:
    built = Other().retyped(task_kernel(("code", 4)))
    make = Maker()
    make.number("int", 4, encoding=1)
    found = outcome(ARGUMENT.replace("KIND", "raw_tracepoint"), Other().retyped(make), built)
    assert [lack.why for lack in found.lacks] == ["no ring buffers, which events need (BPF_MAP_TYPE_RINGBUF)"]
    assert not found.attaches


# --- the whole ----------------------------------------------------------------------------------------------------------------


def test_every_kind_of_attach_point_has_a_rule() -> None:
    from ebpfgen.inputs import KINDS

    assert set(KINDS) <= set(hooks.RULES)


def test_codes_are_those_that_are_documented() -> None:
    import re
    from pathlib import Path

    folder = Path(hooks.__file__).parent
    used = {code for path in folder.glob("*.py") for code in re.findall(r'Lack\(\s*"(\w+)"', path.read_text())}
    used |= set(re.findall(r'code = "(\w+)" if', (folder / "hooks.py").read_text())) | {"not_hookable"}
    assert used == set(CODES)
    assert set(UNASKED) <= set(CODES)
