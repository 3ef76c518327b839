"""What artefacts cost, against what the kernel says; and limits that a spec sets."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from ebpfgen import budget, cli, linked, toolchain
from ebpfgen.argument_reads import set_apart
from ebpfrun.tracer import Tracer
from house.markdown import ROOT

SPEC = """\
ebpfgen: 1
name: t
summary: maps of all types
events:
  seen: {fields: {pid: pid, path: string(256)}}
maps:
  a: {type: hash, max_entries: 1000, key: {who: u32}, value: u64}
  b: {type: lru_hash, max_entries: 1000, key: {who: u32, what: u64}, value: {one: u64, two: string(20)}}
  c: {type: percpu_hash, max_entries: 300, key: {who: u64}, value: u64}
  d: {type: array, max_entries: 77, key: u32, value: {one: u32, two: u64, three: u8}}
  e: {type: percpu_array, max_entries: 77, key: u32, value: u64}
metrics:
  sizes: {kind: histogram, help: sizes, labels: {who: pid}, max_entries: 100}
probes:
  - on: tracepoint:syscalls:sys_enter_getppid
    name: called
    do:
      - {set: "a[pid]", to: nsecs}
      - {set: "b[pid, nsecs]", to: {one: nsecs, two: comm}}
      - {add: "c[nsecs]", of: 1}
      - {set: "d[0]", to: {one: pid}}
      - {add: "e[0]", of: 1}
      - {observe: sizes, of: nsecs, by: {who: pid}}
      - {emit: seen, with: {path: comm}}
"""
LIMITS = "limits: {instructions: 10, stack: 32, maps: 64KiB, ring: 4KiB, cpus: 4}\n"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "t.yaml"
    path.write_text(SPEC)
    return path


def accounted() -> list[int]:
    """Bytes of each map that this process holds, as the kernel accounts for them."""
    found = {}
    for fd in Path("/proc/self/fdinfo").iterdir():
        try:
            text = fd.read_text()
        except OSError:
            continue
        if map_id := re.search(r"^map_id:\t(\d+)$", text, re.M):
            found[map_id[1]] = int(re.findall(r"^memlock:\t(\d+)$", text, re.M)[0])
    return sorted(found.values())


@pytest.mark.root
def test_the_memory_of_maps_is_what_the_kernel_accounts_for(spec: Path) -> None:
    assert cli.main(["build", "t.yaml"]) == 0
    maps = budget.maps_of(Path("build/t/t.bpf.o").read_bytes())
    expected = sorted(m.on(budget.possible_cpus()) for m in maps)
    with Tracer("build/t"):
        found = accounted()
    assert len(found) == len(expected)
    for kernels, ours in zip(found, expected, strict=True):
        assert ours == pytest.approx(kernels, rel=0.01, abs=budget.PAGE)


@pytest.mark.root
@pytest.mark.parametrize("name", ["net", "mallocs", "opensnoop"])
def test_the_stack_is_what_the_kernel_counts(name: str, tmp_path: Path) -> None:
    """The verifier says it of each function that a program needs, in the order in which libbpf put them."""
    assert cli.main(["build", str(ROOT / "specs" / f"{name}.yaml"), "--out", str(tmp_path), "--quiet"]) == 0
    source = tmp_path / name / f"{name}.bpf.c"
    # bpftool loads what is loaded by default: all but what not every kernel lets be loaded.
    source.write_text(re.sub(r'SEC\("\?(?!fentry|fexit)', 'SEC("', source.read_text()))
    hooks = set(re.findall(r'SEC\("\?f(?:entry|exit)/\w+"\)\nint (\w+)\(', source.read_text()))
    tools = toolchain.find()
    with toolchain.Compiler(tools, tmp_path / name, name) as compiling:
        compiling.begin(source.read_text())
        compiling.finish()
    compiled = tmp_path / name / f"{name}.bpf.o"
    compiled.write_bytes(set_apart(compiled.read_bytes()))
    pinned = Path("/sys/fs/bpf") / f"ebpfgen-test-{os.getpid()}"
    try:
        done = subprocess.run([tools.bpftool, "-d", "prog", "loadall", compiled, pinned], capture_output=True, text=True, errors="replace")
    finally:
        subprocess.run(["rm", "-rf", str(pinned)], check=True)
    log = done.stdout + done.stderr
    said = dict(re.findall(r"prog '(\w+)': -- BEGIN PROG LOAD LOG --.*?^stack depth ([\d+]+)", log, re.S | re.M))
    if not said:
        pytest.skip("the kernel or bpftool does not tell the depth of stacks")
    programs = linked.read(compiled.read_bytes(), f"{name}.bpf.c")
    assert said.keys() == programs.keys() - hooks
    for program, depths in said.items():
        ours = [depth for _, depth in programs[program].chain]
        theirs = [int(depth) for depth in depths.split("+")]
        # Of what the constants of filters and parameters switch off the verifier sees nothing.
        for mine, their in zip(ours, theirs, strict=False):
            assert not their or 0 <= -(-mine // 8) * 8 - their <= 8
        assert programs[program].stack >= sum(theirs)


def test_a_build_over_its_limits_fails_at_their_line_and_replaces_nothing(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "t.yaml"]) == 0
    before = {path.name: path.read_bytes() for path in Path("build/t").iterdir()}
    spec.write_text(SPEC + LIMITS)
    capsys.readouterr()
    assert cli.main(["build", "t.yaml"]) == 1
    said = capsys.readouterr().err.splitlines()
    line = SPEC.count("\n") + 1
    patterns = [
        rf"t\.yaml:{line}:24: limits\.instructions: program called_enter_getppid has \d+ instructions; the limit is 10",
        rf"t\.yaml:{line}:35: limits\.stack: program called_enter_getppid needs \d+ bytes of stack \(called_.* up to 32\); the limit is 32",
        rf"t\.yaml:{line}:45: limits\.maps: the maps take [\d.]+ KiB with 4 CPUs \(\w+ [\d.]+ KiB, .*\); the limit is 64\.0 KiB",
        rf"t\.yaml:{line}:58: limits\.ring: the ring has 1\.0 MiB; the limit is 4\.0 KiB",
    ]
    assert len(said) == len(patterns)
    for text, pattern in zip(said, patterns, strict=True):
        assert re.fullmatch(pattern, text), text
    assert {path.name: path.read_bytes() for path in Path("build/t").iterdir()} == before


def test_a_build_within_its_limits(spec: Path) -> None:
    spec.write_text(SPEC + "limits: {instructions: 4000, stack: 512, maps: 1GiB, ring: 1MiB}\n")
    assert cli.main(["build", "t.yaml"]) == 0


def test_the_report_says_what_the_manifest_holds(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import json

    spec.write_text(SPEC + "limits: {cpus: 8}\n")
    assert cli.main(["build", "t.yaml", "--report", "--format", "json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    cost = json.loads(Path("build/t/manifest.json").read_bytes())["budget"]
    assert (told["name"], told["cpus"]) == ("t", 8)
    assert told["programs"] == [{"name": name, **program} for name, program in cost["programs"].items()]
    assert told["bytes"] == sum(m["bytes"] + 8 * m["per_cpu"] for m in cost["maps"]) == sum(m["bytes"] for m in told["maps"])
    assert cli.main(["build", "t.yaml", "--report"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"t: 1 program, {budget.size_text(told['bytes'])} with 8 CPUs\n")
    assert re.search(r"^  called_enter_getppid +\d+ +\d+$", out, re.M)
    assert re.search(r"^  sizes +percpu_hash +100 +[\d.]+ KiB$", out, re.M)


def test_what_is_said_without_being_asked_stays_the_same(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["build", "t.yaml"]) == 0
    assert capsys.readouterr() == ("", "")


def test_limits_that_are_none(spec: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec.write_text(SPEC + "limits: {maps: 10ms}\n")
    assert cli.main(["check", "t.yaml"]) == 1
    assert "limits.maps: expected a size such as 256KiB" in capsys.readouterr().err
    spec.write_text(SPEC + "limits: {instruction: 10}\n")
    assert cli.main(["check", "t.yaml"]) == 1
    assert "did you mean instructions?" in capsys.readouterr().err


