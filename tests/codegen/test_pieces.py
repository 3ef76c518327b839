"""What a build takes over from the last one, and which tools it starts for the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ebpfgen import freshness, linking, pipeline, processes, renewal, toolchain
from ebpfgen.ir import CheckedSpec
from ebpfgen.kernel import Kernel
from ebpfgen.problems import SpecError

SPEC = """\
ebpfgen: 1
name: mine
summary: What a build makes of it.
params:
  least: {type: i32, default: 3, help: the least option}
metrics:
  calls: {kind: counter, unit: calls, help: calls of prctl}
probes:
  - on: tracepoint:syscalls:sys_enter_prctl
    where: args.option > $least
    do: [{count: calls}]
"""
CODE = ["clang-19 -target", "bpftool gen skeleton"]
TYPES = ["clang-19 -target", "bpftool gen min_core_btf", "bpftool gen skeleton"]
LINK = ["ld -shared"]


class Build:
    """Builds one spec again and again. ``started``: the tools of the last build that got something to do; ``waited``: those that
    were there before the spec was read; ``files``: what it left."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.started, self.waited = folder, list[str](), list[str]()
        start, give, read = processes.Running.__init__, processes.Running.give, pipeline.read_and_check
        self.waiting: list[str] = []

        def starting(running: processes.Running, command: list[str], cwd: Path | None = None, reads: bool = False) -> None:
            words = [Path(command[0]).name, *command[1:]]
            (self.waiting if reads else self.started).append(" ".join(words[: 3 if words[0] == "bpftool" else 2]))
            start(running, command, cwd, reads)

        def giving(running: processes.Running, text: bytes) -> None:
            self.started.append(self.waiting.pop())
            give(running, text)

        def reading(path: Path, kernel: Kernel) -> tuple[bytes, CheckedSpec]:
            self.waited = [*self.waiting]
            return read(path, kernel)

        monkeypatch.setattr(processes.Running, "__init__", starting)
        monkeypatch.setattr(processes.Running, "give", giving)
        monkeypatch.setattr(pipeline, "read_and_check", reading)

    def __call__(self, text: str, anew: bool = False) -> list[str]:
        spec = self.folder / "mine.yaml"
        spec.write_text(text)
        self.started.clear()
        self.waiting.clear()
        pipeline.build_one(spec, self.folder / "out", anew=anew)
        return self.started

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (self.folder / "out/mine").iterdir()}

    @property
    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.files["manifest.json"])
        return found


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    toolchain.versions.cache_clear()
    made = Build(tmp_path, monkeypatch)
    made(SPEC)
    return made


def test_the_first_build_makes_everything(build: Build) -> None:
    assert build(SPEC, anew=True) == [*TYPES, *LINK]  # the driver and the skeleton's code are those of the build before


@pytest.mark.parametrize(
    "text",
    [
        SPEC + "# a comment\n",
        "# a comment\n" + SPEC.replace("probes:", "probes:  # and another"),
        SPEC.replace("the least option", "the least option that counts"),
        SPEC.replace("default: 3", "default: 4"),
    ],
)
def test_what_does_not_change_the_c_compiles_nothing(build: Build, text: str) -> None:
    before, digest = build.files, build.manifest["spec"]["sha256"]
    moved = text.startswith("#")  # the C says at which line of the spec a program is
    assert build(text) == (CODE[:1] if moved else [])
    assert build.manifest["spec"]["sha256"] != digest
    changed = {name for name, data in build.files.items() if before[name] != data}
    assert moved or changed == {"manifest.json"}


def test_clang_is_loaded_while_a_spec_is_read_that_was_built_before(build: Build, tmp_path: Path) -> None:
    assert build.waited == []
    build(SPEC)
    assert build.waited == CODE[:1]
    with pytest.raises(SpecError):
        build(SPEC.replace("args.option", "args.opinion"))
    assert build.waited == CODE[:1]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_a_program_that_changed_is_compiled(build: Build) -> None:
    before = build.files
    assert build(SPEC.replace("> $least", ">= $least")) == CODE
    assert {name for name in ("mine.so", "mine.btf", "mine.host.c", "mine_cffi.py") if build.files[name] != before[name]} == set()
    files = build.files
    assert build(SPEC.replace("> $least", ">= $least"), anew=True) == [*TYPES, *LINK]
    assert build.files == files


def test_a_program_that_reads_more_asks_for_more_types(build: Build) -> None:
    before = build.files
    assert build(SPEC.replace("> $least", "> $least and curtask.tgid > 1")) == TYPES
    assert build.files["mine.btf"] != before["mine.btf"]


def test_a_new_map_changes_the_skeleton(build: Build) -> None:
    text = SPEC.replace("probes:", "  more: {kind: gauge, unit: calls, help: the last option}\nprobes:")
    text = text.replace("do: [{count: calls}]", "do: [{count: calls}, {set: more, to: (i64)args.option}]")
    assert build(text) == [*TYPES, "clang-19 -O1", *LINK]


@pytest.mark.parametrize("file", ["mine.bpf.c", "mine.h"])
def test_clang_has_ended_when_the_folder_is_in_place(build: Build, monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    """Also where the last build's C is damaged, but not what was made of it: clang is at work by then, and would write into it."""
    finished: list[str] = []
    finish = processes.Running.finish

    def finishing(running: processes.Running) -> bytes:
        finished.append(running.__class__.__name__)
        return finish(running)

    monkeypatch.setattr(processes.Running, "finish", finishing)
    before = build.files
    (build.folder / "out/mine" / file).write_text("damaged")
    assert build(SPEC) == CODE[:1]
    assert finished == ["Compiler"]
    assert build.files == before


@pytest.mark.parametrize("file", ["mine.bpf.o", "mine.skel.h", "mine.so", "mine_cffi.py", "mine.btf"])
def test_a_file_that_is_not_as_it_was_is_made_anew(build: Build, file: str) -> None:
    before = build.files
    (build.folder / "out/mine" / file).write_bytes(before[file][:-1] + b"?")
    build(SPEC)
    assert build.files == before


def test_anew_is_the_same(build: Build) -> None:
    build(SPEC + "# a comment\n")
    before = build.files
    build(SPEC + "# a comment\n", anew=True)
    assert build.files == before


def test_the_oldest_of_the_cache_go(build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(linking, "MOST_KEPT", 1)
    for name in ("first", "second"):
        build(SPEC.replace("  calls:", f"  {name}:").replace("count: calls", f"count: {name}"))
    assert len(list((tmp_path / "cache/ebpfgen").glob("host-*.o"))) == 1


def test_another_build_may_tidy_the_cache_at_any_time(build: Build, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    removed: list[str] = []

    def tidied_before(command: list[str], **more: Any) -> None:
        for kept in (tmp_path / "cache/ebpfgen").glob("*.o"):
            removed.append(kept.name.partition("-")[0])
            kept.unlink()
        processes.run(command, **more)

    monkeypatch.setattr(linking, "run", tidied_before)
    build(SPEC.replace("  calls:", "  others:").replace("count: calls", "count: others"))
    assert (build.folder / "out/mine/mine.so").exists()
    assert {"host", "driver"} <= set(removed)


SAME = {
    "a comment behind": SPEC + "# a comment\n",
    "a comment beside": SPEC.replace("probes:", "probes:   # and another"),
    "a space": SPEC.replace("probes:", "probes: "),
}
OTHER = {
    "a comment before": "# a comment\n" + SPEC,
    "a number": SPEC.replace("default: 3", "default: 4"),
    "a word of help": SPEC.replace("the least", "the last"),
    "quotes": SPEC.replace("help: calls of prctl", 'help: "calls of prctl"'),
    "spaces before": SPEC.replace("    where:", "     where:").replace("    do:", "     do:").replace("  - on:", "  -  on:"),
    "no YAML": SPEC + "]",
}


def renewed(build: Build, text: str) -> bool:
    (build.folder / "mine.yaml").write_text(text)
    return renewal.renew_here(build.folder / "mine.yaml", build.folder / "out")


@pytest.mark.parametrize("edit", SAME)
def test_a_comment_renews(build: Build, edit: str) -> None:
    assert renewed(build, SAME[edit])
    files = build.files
    assert freshness.current(build.folder / "mine.yaml", build.folder / "out")
    build(SAME[edit], anew=True)
    assert build.files == files


@pytest.mark.parametrize("edit", OTHER)
def test_another_edit_does_not(build: Build, edit: str) -> None:
    before = build.files
    assert not renewed(build, OTHER[edit])
    assert build.files == before


@pytest.mark.parametrize("file", ["mine.so", "manifest.json"])
def test_what_is_damaged_is_not_renewed(build: Build, file: str) -> None:
    (build.folder / "out/mine" / file).write_bytes(build.files[file][:-4] + b"....")
    assert not renewed(build, SPEC + "# a comment\n")


def test_another_setting_is_not_renewed(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freshness, "generator_digest", lambda: "another")
    assert not renewed(build, SPEC + "# a comment\n")
