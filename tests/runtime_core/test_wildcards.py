"""What wildcards match, on machines made of files: names that stand for several functions, places that ftrace patches, modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ebpfrun import choose, wildcards
from ebpfrun.manifest import Manifest, Program
from ebpfrun.wildcards import Chosen, Match, NoMatchError

ADDRESSES = """\
ffffffff81000104 vfs_read
ffffffff81000200 vfs_write
ffffffff81000304 vfs_twice
ffffffff81000404 vfs_twice
ffffffff81000500 vfs_barred
ffffffff81000600 __ftrace_invalid_address___16
ffffffffc0000004 vfs_of_module [overlay]
ffffffffc0000104 ovl_open [overlay]
"""
KALLSYMS = """\
ffffffff81000100 T vfs_read
ffffffff81000200 t vfs_write
ffffffff81000300 t vfs_twice
ffffffff81000400 t vfs_twice
ffffffff81000500 T vfs_barred
ffffffff81000700 D vfs_data
ffffffffc0000000 t vfs_of_module	[overlay]
ffffffffc0000100 t ovl_open	[overlay]
ffffffffc0000200 t vfs_bpf_reader	[bpf]
ffffffffc0000300 t vfs_redirected	[__builtin__ftrace]
"""


class Machine:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write("kallsyms", KALLSYMS)
        self.write("blacklist", "0xffffffff81000500-0xffffffff81000510\tvfs_barred\n")
        self.write("available_filter_functions_addrs", ADDRESSES)

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text)

    def without_addresses(self) -> None:
        (self.folder / "available_filter_functions_addrs").unlink()
        self.write("available_filter_functions", "".join(line.partition(" ")[2] + "\n" for line in ADDRESSES.splitlines()))


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(wildcards, "TRACING", str(tmp_path))
    monkeypatch.setattr(wildcards, "KALLSYMS", str(tmp_path / "kallsyms"))
    monkeypatch.setattr(wildcards, "BLACKLIST", str(tmp_path / "blacklist"))
    return Machine(tmp_path)


def program(kind: str, **target: Any) -> Program:
    return Program("on_it", kind, kind, target, "x.yaml", 3, f"{kind}:{':'.join(map(str, target.values()))}")


def test_functions_by_where_they_begin(machine: Machine) -> None:
    """Not by the place behind a landing pad that ftrace patches: a link there would have no cookie."""
    match = wildcards.find(program("kprobe", function="vfs_*"))
    assert dict(zip(match.names, match.places, strict=True)) == {
        "vfs_of_module": 0xFFFFFFFFC0000000,
        "vfs_read": 0xFFFFFFFF81000100,
        "vfs_write": 0xFFFFFFFF81000200,
        "vfs_twice": 0xFFFFFFFF81000400,
    }
    assert match.names.count("vfs_twice") == 2
    assert match.places.count(0xFFFFFFFF81000300) == 1
    assert match.left_out == ("vfs_twice",)


def test_functions_of_a_module(machine: Machine) -> None:
    assert wildcards.find(program("kprobe", function="*o*", module="overlay")).names == ("ovl_open", "vfs_of_module")
    with pytest.raises(NoMatchError, match="no function that this kernel lets be probed matches in module overlay"):
        wildcards.find(program("kprobe", function="vfs_read*", module="overlay"))


@pytest.mark.parametrize("hidden", [False, True])
def test_without_addresses_only_names_that_are_of_one_function(machine: Machine, hidden: bool) -> None:
    """Kernels before 6.5 list no addresses; kptr_restrict hides those of kallsyms."""
    machine.without_addresses()
    if hidden:
        machine.write("kallsyms", "".join("0" * 16 + line[16:] + "\n" for line in KALLSYMS.splitlines()))
    match = wildcards.find(program("kprobe", function="vfs_*"))
    assert match == Match(("vfs_of_module", "vfs_read", "vfs_write"), (), "", ("vfs_twice",))
    places = wildcards.find(program("kprobe", function="vfs_r*")).places
    assert places == (() if hidden else (0xFFFFFFFF81000100,))


def test_a_kernel_without_ftrace(machine: Machine) -> None:
    (machine.folder / "available_filter_functions_addrs").unlink()
    assert wildcards.find(program("kprobe", function="vfs_*d*")).names == ("vfs_of_module", "vfs_read")


def test_near_misses(machine: Machine) -> None:
    with pytest.raises(NoMatchError, match=r"did you mean vfs_write\?"):
        wildcards.find(program("kprobe", function="vfs_writ_*"))
    events = machine.folder / "events/sched"
    for name in ("sched_switch", "sched_wakeup"):
        (events / name).mkdir(parents=True)
    (events / "enable").write_text("0")
    assert wildcards.find(program("tracepoint", category="sched", name="sched_*")).names == ("sched_switch", "sched_wakeup")
    with pytest.raises(NoMatchError, match=r"no tracepoint of sched matches; did you mean sched_switch\?"):
        wildcards.find(program("tracepoint", category="sched", name="sched_swich*"))
    with pytest.raises(NoMatchError, match="no tracepoints of the category scheduler"):
        wildcards.find(program("tracepoint", category="scheduler", name="*"))
    with pytest.raises(NoMatchError, match=r"no function of /.*libc.so.6 matches"):
        wildcards.find(program("uprobe", binary="libc.so.6", symbol="malocc*"))


def test_only_stars_are_wildcards() -> None:
    matches = wildcards.pattern("a.b*[c]*?").fullmatch
    assert matches("a.bxx[c]yy?")
    assert not matches("aXbxx[c]yy?")
    assert not matches("a.bc?")


def test_more_than_can_be_attached(machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "kprobe").mkdir()
    monkeypatch.setattr(choose, "PERF_DEVICES", str(tmp_path))
    chooser = choose.Chooser(Manifest(*[()] * len(Manifest._fields)))  # type: ignore[arg-type]
    every = program("kprobe", function="vfs_*")
    assert chooser._why_not(every) is None
    monkeypatch.setattr(wildcards, "MOST", 3)
    refusal = chooser._why_not(every)
    assert refusal
    assert refusal.why == "5 match, one link takes at most 3"
    machine.without_addresses()
    monkeypatch.setattr(wildcards, "MOST_LINKS", 2)
    refusal = choose.Chooser(chooser.manifest)._why_not(every)
    assert refusal
    assert refusal.why.startswith("3 match, this kernel takes one link for each, and that is slow: ebpfrun makes at most 2")


def test_remarks(machine: Machine) -> None:
    match = wildcards.find(program("kprobe", function="vfs_*"))
    traced = program("kprobe", function="vfs_*")
    assert [text for text, _ in wildcards.remarks(traced, Chosen(match, True), {})] == ["kprobe:vfs_*: 5 functions, one link"]
    refused = {"Invalid argument": [f"vfs_{i}" for i in range(12)]}
    one_by_one = Chosen(Match(tuple(f"vfs_{i}" for i in range(13)), left_out=("vfs_twice",)), False)
    assert wildcards.remarks(traced, one_by_one, refused) == [
        ("kprobe:vfs_*: 1 function, one link", False),
        ("kprobe:vfs_*: left out: " + " ".join(f"vfs_{i}" for i in range(10)) + " and 2 more: Invalid argument", True),
        ("kprobe:vfs_*: left out: vfs_twice: the kernel has several functions of that name", True),
    ]


@pytest.mark.parametrize(
    ("active", "why"), [("capability,bpf\n", None), ("capability,selinux", "boot with lsm=capability,selinux,bpf"), (None, None)]
)
def test_hooks_that_no_program_is_run_at(
    active: str | None, why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program at such a hook would be attached and never run."""
    monkeypatch.setattr(choose, "LSMS", str(tmp_path / "lsm"))
    if active:
        (tmp_path / "lsm").write_text(active)
    refusal = choose.Chooser(Manifest(*[()] * len(Manifest._fields)))._why_not(program("lsm", hook="file_open"))  # type: ignore[arg-type]
    assert refusal is None if why is None else refusal and why in refusal.why
