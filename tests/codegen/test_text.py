"""Text: what is read, compared, measured and cut, in the running kernel."""

from __future__ import annotations

import ctypes

import pytest

from codegen.running import Lab, each, prctl
from codegen.test_golden import left_behind

pytestmark = [pytest.mark.root, pytest.mark.kernel]

SPEC = """
params:
  word: {type: string(8), help: a word}
maps:
  kept: {type: hash, max_entries: 4, key: u32, value: {text: string(12), much: string(200)}}
events:
  same:
    fields: {bash: bool, bashful: bool, more: bool, cut: bool, starts: bool, other: bool, any: bool, empty: bool, param: bool, all: bool}
  stored: {fields: {equal: bool, longer: bool, starts: bool, param: bool, copied: string(12), shorter: string(4), much: string(200)}}
  read:
    fields: {whole: string(8), cut: string(7), limited: string(64), faulted: string(8), buffer: string(8), brief: string(4),
             bytes: argv(64), length: u32, nothing: u32, member: u32, constant: bool}
  mine: {fields: {where: u8}}
  choice: {fields: {first: string(16), second: comm, same: bool, length: u32}}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option == 0x7f00
    let: {p: uptr(args.arg2), t: curtask, name: ["str(t.no_such)", "str(t.comm)"]}
    do:
      - emit: same
        with:
          bash: str(p) == "bash"
          bashful: str(p) == "bashful"
          more: str(p) == "bashful!"
          cut: 'str(p, 5) == "bash"'
          starts: 'startswith(str(p), "bash")'
          other: 'startswith(str(p), "bashfuller")'
          any: 'startswith(str(p), "")'
          empty: str(p) == ""
          param: str(p) == $word
          all: 'str(p) in ("a", "bashful")'
      - set: "kept[1]"
        to: {text: str(p), much: str(p)}
      - emit: stored
        with:
          equal: 'kept[1].text == "bashful"'
          longer: 'kept[1].text == "bashfu"'
          starts: 'startswith(kept[1].text, "bashf")'
          param: kept[1].text == $word
          copied: kept[1].text
          shorter: kept[1].text
          much: kept[1].much
      - emit: read
        with:
          whole: str(p)
          cut: str(p)
          limited: str(p, 4)
          faulted: str(uptr(args.arg3))
          buffer: buf(p, 3)
          brief: buf(p, 7)
          bytes: buf(p, 7)
          length: strlen(str(uptr(args.arg4)))
          nothing: strlen(str(uptr(args.arg3)))
          member: strlen(t.comm)
          constant: startswith(probe, "sys_enter")
      - {if: args.arg5 == 1, then: [{if: comm == "known to be", emit: mine, with: {where: 1}}]}
      - {if: args.arg5 == 1, then: [{if: comm != "known to be", emit: mine, with: {where: 2}}]}
      - emit: choice
        with: {first: name, second: [t.no_such, t.comm], same: name == "known to be", length: strlen(name)}
"""


@pytest.fixture
def known_name() -> object:
    libc = ctypes.CDLL(None)
    before = ctypes.create_string_buffer(16)
    libc.prctl(16, before, 0, 0, 0)  # PR_GET_NAME
    libc.prctl(15, b"known to be", 0, 0, 0)
    yield
    libc.prctl(15, before, 0, 0, 0)


def test_text(lab: Lab, known_name: None) -> None:
    text, long = ctypes.create_string_buffer(b"bashful"), ctypes.create_string_buffer(b"x" * 1000)
    address = ctypes.addressof(text)
    traced = lab.run(SPEC, lambda: prctl(address, 8, ctypes.addressof(long), 1), {"word": "bashful"})
    assert traced.events("same") == [
        {"bash": False, "bashful": True, "more": False, "cut": True, "starts": True, "other": False, "any": True, "empty": False,
         "param": True, "all": True, "marks": 0}
    ]  # fmt: skip
    (stored,) = traced.events("stored")
    assert stored == {
        "equal": True, "longer": False, "starts": True, "param": True, "copied": "bashful", "shorter": "bas", "much": "bashful",
        "marks": 1 << 2,
    }  # fmt: skip
    (read,) = traced.events("read")
    marks = read.pop("marks")
    assert read == {
        "whole": "bashful", "cut": "bashfu", "limited": "bas", "faulted": "", "buffer": "bas", "brief": "bas", "bytes": ["bashful"],
        "length": 1000, "nothing": 0, "member": 11, "constant": True,
    }  # fmt: skip
    cut, unreadable = 1, 2
    assert marks == cut << 2 | cut << 4 | unreadable << 6 | cut << 10
    assert traced.counted("truncated", "read.cut") == traced.counted("truncated", "read.limited") == 1
    assert traced.counted("faulted", "read.faulted") == 1
    assert [row["where"] for row in traced.events("mine")] == [1]
    assert traced.events("choice") == [{"first": "known to be", "second": "known to be", "same": True, "length": 11, "marks": 0}]


def test_texts_of_any_length_in_the_spec(lab: Lab) -> None:
    """They are written and compared in pieces; nothing of them is left beside the instructions."""
    lengths = [*range(1, 18), 23, 24, 25, 31, 32, 33, 63, 64, 100, 200, 255]
    whole = "".join(chr(ord("a") + i % 23) for i in range(255))
    told = [f"{{if: 'str(uptr(args.arg2)) == \"{whole[:n]}\"', emit: e, with: {{text: '\"{whole[:n]}\"'}}}}" for n in lengths]
    probes = [f"  - {{on: tracepoint:syscalls:sys_enter_prctl, where: args.option == 0x7f00, do: [{do}]}}\n" for do in told]
    spec = "events: {e: {fields: {before: u8, text: string(256), after: u8}}}\nprobes:\n" + "".join(probes)
    artefact = lab.build(spec.replace("do: [", "let: {before: 1, after: 2}, do: ["))
    given = [text for n in lengths for text in (whole[:n], whole[: n - 1] + "z", "z" + whole[1:n], whole[:n] + "z")]
    buffers = [ctypes.create_string_buffer(text.encode()) for text in given]
    traced = lab.run_built(artefact, lambda: each(map(ctypes.addressof, buffers)))
    seen = [(row["before"], row["text"], row["after"]) for row in traced.events("e")]
    assert seen == [(1, whole[:n], 2) for n in lengths]
    assert not left_behind((artefact / "t.bpf.o").read_bytes())


@pytest.mark.parametrize("length", [3, 16, 40, 200])
def test_parameters_are_compared_with_texts_of_any_length(lab: Lab, length: int) -> None:
    text = "abcdefgh" * 25
    spec = (
        "params: {w: {type: string(256), help: x}}\nevents: {e: {fields: {same: bool, starts: bool}}}\nprobes:\n"
        f"  - {{on: tracepoint:syscalls:sys_enter_prctl, where: args.option == 0x7f00, emit: e, "
        f"with: {{same: '$w == \"{text[:length]}\"', starts: 'startswith($w, \"{text[:length]}\")'}}}}\n"
    )
    artefact = lab.build(spec)
    assert not left_behind((artefact / "t.bpf.o").read_bytes())
    for given, expected in ((text[:length], (1, 1)), (f"{text[:length]}z", (0, 1)), (text[: length - 1], (0, 0)), ("", (0, 0))):
        (row,) = lab.run_built(artefact, lambda: prctl(1), {"w": given}).events("e")
        assert (row["same"], row["starts"]) == expected
