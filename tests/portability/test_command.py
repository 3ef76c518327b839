"""``ebpfgen check --kernel``: the table for people, the same as data, exit statuses, and files that are no such kernels."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ebpfgen import cli, kernel
from portability.conftest import KERNELS, LABELS

GOLDEN = Path(__file__).with_name("golden")
SPEC = """\
ebpfgen: 1
name: mixed
summary: Something of everything.

params: {more: {type: bool, help: more}}

events: {state: {fields: {state: u64, name: string(16)}}}

metrics: {seen: {kind: counter, help: times}}

probes:
  - on: {first: ["fentry:do_filp_open", "kprobe:no_such_function"]}
    count: seen
  - on: kprobe:close_fd
    emit: state
    with: {state: (u64)curtask.__state, name: comm}
  - on: ["tp_btf:sched_switch", "?tp_btf:block_io_start"]
    emit: state
    with: {state: "$more ? (u64)curtask.__state : 0", name: comm}
  - on: tracepoint:sched:sched_process_exit
    emit: state
    with: {state: 0, name: str(args.comm)}
"""


def files(*labels: str) -> list[str]:
    return [word for label in labels for word in ("--kernel", str(KERNELS / f"{label}.kdesc"))]


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Its folder is the current one, and the kernels are in a folder beside it, so that no path differs between machines."""
    (tmp_path / "mixed.yaml").write_text(SPEC)
    (tmp_path / "kernels").symlink_to(KERNELS)
    monkeypatch.chdir(tmp_path)
    return "mixed.yaml"


def table(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    status = cli.main(["check", *words])
    return status, capsys.readouterr().out


@pytest.mark.parametrize(("name", "more"), [("differing", ()), ("all", ("--verbose",))])
def test_the_table(
    spec: str, capsys: pytest.CaptureFixture[str], rewrite_goldens: bool, name: str, more: tuple[str, ...]
) -> None:
    kernels = [word for label in ("6.12", "5.10", "6.1", "7.3") for word in ("--kernel", f"kernels/{label}.kdesc")]
    status, text = table(capsys, spec, *kernels, *more)
    golden = GOLDEN / f"{name}.txt"
    if rewrite_goldens:
        golden.write_text(text)
    assert text == golden.read_text()
    assert status == 1
    assert max(map(len, text.splitlines())) <= 100


def test_many_kernels_take_several_tables(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path(spec).write_text(SPEC.replace("do_filp_open", "do_mkdirat"))  # so that the newest kernel can be built for
    status, text = table(capsys, spec, *files(*reversed(LABELS), *LABELS))
    assert max(map(len, text.splitlines())) <= 100 + len(str(KERNELS))  # the paths of files stay whole
    heads = [line.split()[6:] for line in text.splitlines() if line.startswith("spec, and")]
    assert [label for head in heads for label in head] == list("ABCDEFGH")
    assert status == 1


def test_it_exits_with_0_where_every_spec_runs_on_every_kernel(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert table(capsys, spec, *files("6.12"))[0] == 0
    assert table(capsys, spec, *files("6.12", "6.1"))[0] == 0
    assert table(capsys, spec, *files("6.12", "5.10"))[0] == 1


def test_as_data(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = table(capsys, spec, *files("6.12", "5.10"), "--format", "json")
    found = json.loads(text)
    assert status == 1
    assert (found["built_for"], [k["label"] for k in found["kernels"]], found["problems"]) == ("6.12", ["6.12", "5.10"], [])
    (mixed,) = found["specs"]
    assert (mixed["runs"], mixed["attaches"]) == ({"6.12": True, "5.10": False}, {"6.12": True, "5.10": False})
    lines: dict[str, Any] = {row["text"]: row for row in mixed["lines"]}
    assert lines["kprobe:close_fd"] == {
        "line": 14, "column": 9, "kind": "attach", "probe": "close_fd", "text": "kprobe:close_fd",
        "on": {"6.12": {"state": "attached"},
               "5.10": {"state": "failed", "why": [{"code": "no_member", "thing": "task_struct.__state",
                        "message": "no task_struct.__state", "line": 16, "since": "6.12", "near": ["state"]}]}},
    }  # fmt: skip
    remark = lines["tp_btf:sched_switch"]["on"]["5.10"]
    assert (remark["state"], [why["thing"] for why in remark["with_options"]]) == ("attached", ["task_struct.__state"])


def test_a_spec_that_is_wrong_is_told_and_the_others_are_in_the_table(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("wrong.yaml").write_text(SPEC.replace("mixed", "wrong").replace("close_fd", "close_fdd"))
    assert cli.main(["check", ".", *files("6.12", "6.1")]) == 1
    out, err = capsys.readouterr()
    assert "wrong.yaml:14:9: probes[1].on: this kernel has no function close_fdd; did you mean close_fd or" in err
    assert "mixed  " in out
    assert "wrong" not in out
    assert cli.main(["check", ".", *files("6.12", "6.1"), "--format", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert ([s["name"] for s in found["specs"]], [p["line"] for p in found["problems"]]) == (["mixed"], [14])


# --- bad input ----------------------------------------------------------------------------------------------------------------


def changed(path: Path, **head: object) -> bytes:
    """A description with another head, and a digest that fits."""
    first, _, rest = path.read_bytes().partition(b"\n")
    line, _, sections = rest[65:].partition(b"\n")
    body = json.dumps(json.loads(line) | head).encode() + b"\n" + sections
    return first + b"\n" + sha256(body).hexdigest().encode() + b"\n" + body


SOUND = KERNELS / "5.10.kdesc"
BAD = {
    "truncated": (SOUND.read_bytes()[:-100], "cut short or altered: its digest is of other bytes; capture it again"),
    "altered": (SOUND.read_bytes().replace(b"5.10.0", b"5.10.1", 1), "cut short or altered: its digest is of other bytes"),
    "older": (SOUND.read_bytes().replace(b"ebpfgen-kernel 2", b"ebpfgen-kernel 1", 1), "of format '1', this ebpfgen reads format '2'"),
    "no description": (b"\x7fELF and more", "no captured kernel; 'ebpfgen kernel capture FILE' makes one"),
    "empty": (b"", "no captured kernel"),
    "another machine": (changed(SOUND, machine="riscv64"), "captured on riscv64; tracers can be made for aarch64 and x86_64"),
}  # fmt: skip


@pytest.mark.parametrize("command", [["check"], ["build", "--out", "out"], ["find"], ["describe"]])
@pytest.mark.parametrize("what", BAD)
def test_bad_files_are_one_line_each(spec: str, capsys: pytest.CaptureFixture[str], what: str, command: list[str]) -> None:
    content, words = BAD[what]
    Path("bad.kdesc").write_bytes(content)
    thing = spec if command[0] in ("check", "build") else "kprobe:vfs_read"
    assert cli.main([*command, thing, "--kernel", "bad.kdesc"]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("ebpfgen: bad.kdesc: ")
    assert words in err


def test_kernels_of_different_machines_are_told(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("arm.kdesc").write_bytes(changed(SOUND, machine="aarch64"))
    assert cli.main(["check", spec, *files("6.12"), "--kernel", "arm.kdesc"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ebpfgen: arm.kdesc is of aarch64, ")
    assert "an artefact runs on one architecture" in told
    assert told.count("\n") == 1


def test_nothing_is_built_for_another_machine(spec: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("arm.kdesc").write_bytes(changed(SOUND, machine="aarch64"))
    assert cli.main(["build", spec, "--kernel", "arm.kdesc", "--out", "out"]) == 3
    assert capsys.readouterr().err == (
        "ebpfgen: arm.kdesc: a kernel of aarch64: artefacts are built on the architecture that they are for, this is x86_64\n"
    )


def test_a_check_says_which_specs_this_very_kernel_would_not_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    described = kernel.from_file(KERNELS / "5.10.kdesc")
    monkeypatch.setattr(kernel, "running", lambda: described)
    monkeypatch.chdir(GOLDEN.parents[2])
    assert cli.main(["check", "specs"]) == 0  # they are right all the same, and run elsewhere
    said = [line for line in capsys.readouterr().err.splitlines() if " matches " not in line]
    lacking = "no attach cookies, which USDT probes and names behind wildcards need (BPF_FUNC_get_attach_cookie)"
    no = "right, but won't run on this kernel:"
    assert said == [
        f"specs/exceptions.yaml:21: {no} usdt:libstdc++.so.6:libstdcxx:throw: {lacking} (and 1 more; --kernel running shows all)",
        f"specs/vfscount.yaml:12: {no} kprobe:vfs_*: {lacking}",
    ]
