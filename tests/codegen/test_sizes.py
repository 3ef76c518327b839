"""The stack of a BPF program has 512 bytes, and clang sets 1024 at once: specs need not know."""

from __future__ import annotations

import ctypes

import pytest

from codegen.running import Lab, prctl
from ebpfgen.problems import SpecError

pytestmark = [pytest.mark.root, pytest.mark.kernel]

PROBE = "  - {on: 'tracepoint:syscalls:sys_enter_prctl', where: args.option == 0x7f00, do: [%s]}\n"
LONG = "y" * 1500


def test_more_than_the_stack_holds_at_once(lab: Lab) -> None:
    """Thirty keys, fifteen texts, three values of 120 bytes and two keys of 250, in one program."""
    labels = "{p: u64, q: u64}"
    keys = [f"{{count: many, by: {{p: {i}, q: args.arg3}}}}" for i in range(30)]
    texts = [f'{{if: str(uptr(args.arg2)) == "{"z" * 30}{i}", count: never}}' for i in range(15)]
    values = [f"{{set: 'm{i}[{i}]', to: {{text: str(uptr(args.arg2))}}}}" for i in range(3)]
    large = [f"{{count: large{i}, by: {{text: str(uptr(args.arg2))}}}}" for i in range(2)]
    maps = "\n".join(f"  m{i}: {{type: hash, max_entries: 2, key: u32, value: {{text: string(120)}}}}" for i in range(3))
    metrics = "\n".join(f"  large{i}: {{kind: counter, help: x, labels: {{text: string(250)}}}}" for i in range(2))
    spec = f"maps:\n{maps}\nmetrics:\n  many: {{kind: counter, help: x, labels: {labels}}}\n  never: {{kind: counter, help: x}}\n{metrics}\n"
    text = ctypes.create_string_buffer(b"given")
    traced = lab.run(
        spec + "probes:\n" + PROBE % ", ".join([*keys, *texts, *values, *large]), lambda: prctl(ctypes.addressof(text), 7)
    )
    assert {labels: sample.value for labels, sample in traced.metrics["many"].items()} == {(i, 7): 1 for i in range(30)}
    assert traced.metrics["never"][()].value == 0
    assert [{labels: s.value for labels, s in traced.metrics[f"large{i}"].items()} for i in range(2)] == [{("given",): 1}] * 2
    for i in range(3):
        assert traced.maps[f"m{i}"] == {i.to_bytes(4, "little"): [b"given".ljust(120, b"\0") + bytes(4)]}


def test_more_than_clang_sets_at_once(lab: Lab) -> None:
    spec = (
        """
maps:
  m: {type: hash, max_entries: 2, key: u32, value: {text: string(4096), number: u64, other: string(2000)}}
events:
  e: {fields: {whole: string(4096), cut: string(1200), faulted: string(4096), buffer: string(2000), bytes: argv(4000), kept: string(4096), length: u32}}
probes:
"""
        + PROBE
        % (
            "{set: 'm[1]', to: {text: str(uptr(args.arg2)), number: 7}}, "
            "{emit: e, with: {whole: str(uptr(args.arg2)), cut: str(uptr(args.arg2)), faulted: str(uptr(args.arg3)), "
            "buffer: 'buf(uptr(args.arg2), 1400)', bytes: 'buf(uptr(args.arg2), 1400)', kept: 'm[1].text', length: 'strlen(m[1].text)'}}"
        )
    )
    text = ctypes.create_string_buffer(LONG.encode())
    traced = lab.run(spec, lambda: prctl(ctypes.addressof(text)))
    (row,) = traced.events("e")
    assert (row["whole"], row["cut"], row["faulted"], row["buffer"], row["bytes"]) == (
        LONG,
        LONG[:1199],
        "",
        LONG[:1400],
        [LONG[:1400]],
    )
    assert (row["kept"], row["length"]) == (LONG, 1500)
    (value,) = traced.maps["m"][(1).to_bytes(4, "little")]
    assert value == LONG.encode().ljust(4096, b"\0") + (7).to_bytes(8, "little") + bytes(2000 + 8)


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("metrics: {m: {kind: counter, help: x, labels: {p: string(300)}}}", "the key takes 300 bytes; at most 256 are possible"),
        (
            "maps: {m: {type: hash, max_entries: 1, key: string(300), value: u32}}",
            "the key takes 300 bytes; at most 256 are possible",
        ),
        (
            f"maps: {{m: {{type: hash, max_entries: 1, key: u32, value: {{{', '.join(f'f{i}: string(4096)' for i in range(9))}}}}}}}",
            "the value takes 36868 bytes; at most 32760 are possible",
        ),
    ],
)
def test_what_is_too_large_is_refused(lab: Lab, declaration: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        lab.check(f"{declaration}\nprobes:\n  - {{on: 'interval:s:1', stop: true}}\n")


def test_the_largest_value(lab: Lab) -> None:
    """Of a program that others may interrupt: there the memory to build it in is the largest that the kernel has for a CPU."""
    fields = ", ".join([*(f"f{i}: string(4096)" for i in range(7)), "f7: string(4072)", "n: u64"])
    spec = f"maps:\n  m: {{type: hash, max_entries: 2, key: u32, value: {{{fields}}}}}\nprobes:\n"
    spec += "  - {on: 'tp_btf:sys_enter', where: args.id == SYS_prctl, do: [{set: 'm[1]', to: {n: 7}}]}\n"
    traced = lab.run(spec, lambda: prctl(1))
    assert traced.maps["m"] == {(1).to_bytes(4, "little"): [bytes(32744) + (7).to_bytes(8, "little") + bytes(8)]}
