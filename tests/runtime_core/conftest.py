"""The hand-made artefact: one program of each kind on getppid, built once; each test writes the manifest it needs."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pytest

from ebpfgen.emit.binding import binding

ROOT = Path(__file__).parents[2]
HANDMADE = Path(__file__).parent / "handmade"
TEMPLATES = ROOT / "templates"
FILES = ("getppid.so", "getppid_cffi.py", "getppid.bpf.o")
CLANG = shutil.which("clang-19") or shutil.which("clang") or "clang"
RECORDS = """
struct getppid_event { unsigned int id; unsigned int marks; unsigned long long time; unsigned int pid; unsigned int number; };
"""

PROGRAMS: list[dict[str, Any]] = [
    {"name": "on_getppid", "kind": "tracepoint", "target": {"category": "syscalls", "name": "sys_enter_getppid"}},
    {"name": "on_sys_enter", "kind": "raw_tracepoint", "target": {"name": "sys_enter"}},
    {"name": "on_fork", "kind": "tp_btf", "target": {"name": "task_newtask"}},
    {"name": "on_nothing", "kind": "tp_btf", "target": {"name": "no_such_tracepoint"}},
    {"name": "on_kprobe", "kind": "kprobe", "target": {"function": "__x64_sys_getppid", "offset": 0}},
    {"name": "on_fentry", "kind": "fentry", "target": {"function": "vfs_read"}},
    {"name": "on_uprobe", "kind": "uprobe", "target": {"binary": "libc.so.6", "symbol": "getpgid", "offset": 0}},
    {"name": "on_tick", "kind": "profile", "target": {"unit": "hz", "value": None, "param": "first"}},
    {"name": "on_refused", "kind": "tracepoint", "target": {"category": "syscalls", "name": "sys_enter_getpgid"}},
]
NUMBER = {program["name"]: i for i, program in enumerate(PROGRAMS)}


def one(program: str, optional: bool = False) -> dict[str, Any]:
    return {"program": NUMBER[program], "optional": optional}


SANITIZED = "EBPFGEN_SANITIZED" in os.environ
SANITIZERS = ("-Wno-error", "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-g")


def run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the files of FILES, as the generator would leave them."""
    folder = tmp_path_factory.mktemp("handmade")
    shutil.copy(HANDMADE / "getppid.h", folder)
    include = f"-I/usr/include/{_triplet()}"
    source = str(HANDMADE / "getppid.bpf.c")
    run(CLANG, "-g", "-O2", "-target", "bpf", include, "-c", source, "-o", "getppid.bpf.o", cwd=folder)
    skeleton = subprocess.run(
        ["/usr/sbin/bpftool", "gen", "skeleton", "getppid.bpf.o", "name", "getppid_bpf"], cwd=folder, capture_output=True
    )
    assert skeleton.returncode == 0, skeleton.stderr
    (folder / "getppid.skel.h").write_bytes(skeleton.stdout)
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((TEMPLATES / "host.c.j2").read_text())
    (folder / "getppid.host.c").write_text(template.render(name="getppid", config=True, code="handmade"))
    flags = ("-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-fvisibility=hidden", f"-I{TEMPLATES}", "-I.")
    compiler, checked = (("gcc", SANITIZERS) if SANITIZED else (CLANG, ()))
    run(compiler, *flags, *checked, "-Wno-unused-parameter", "-c", "getppid.host.c", "-o", "host.o", cwd=folder)
    run(compiler, *flags, *checked, "-r", "-nostdlib", *map(str, TEMPLATES.glob("*.c")), "-o", "driver.o", cwd=folder)
    run(compiler, *checked, "-shared", "-o", "getppid.so", "host.o", "driver.o", "-lbpf", cwd=folder)
    (folder / "getppid_cffi.py").write_text(binding((TEMPLATES / "driver.h").read_text(), RECORDS, "getppid_cffi"))
    return folder


def _triplet() -> str:
    return subprocess.run([CLANG, "-print-target-triple"], capture_output=True, text=True).stdout.strip().replace("-pc-", "-")


@pytest.fixture
def artefact(built: Path, tmp_path: Path) -> Callable[..., Path]:
    """A folder with the artefact and a manifest whose attach plans are the ones given; ``changes`` go over the rest."""

    def make(*plans: dict[str, Any], **changes: Any) -> Path:
        folder = tmp_path / "getppid"
        folder.mkdir(exist_ok=True)
        for file in FILES:
            shutil.copy(built / file, folder)
        manifest = {
            **base(folder),
            "attach": [{"probe": f"p{i}", "line": 10 + i, "plan": p} for i, p in enumerate(plans)],
            **changes,
        }
        (folder / "manifest.json").write_text(json.dumps(manifest))
        return folder

    return make


def base(folder: Path) -> dict[str, Any]:
    """The manifest of the hand-made artefact, without attach plans."""
    slots = [("filter.on", "u32", 0, 4), ("filter.pid", "u32", 4, 4), ("filter.tid", "u32", 8, 4), ("filter.uid", "u32", 12, 4),
             ("filter.cgroup_level", "u32", 16, 4), ("filter.cgroup", "u64", 24, 8), ("filter.comm", "comm", 32, 16),
             ("param.first", "u32", 48, 4), ("param.silent", "bool", 52, 1), ("param.word", "string(11)", 53, 11)]  # fmt: skip
    fields = [("time", "timestamp", 8, 8), ("pid", "pid", 16, 4), ("number", "u32", 20, 4)]
    return {
        "schema": 1, "name": "getppid", "summary": "Calls of getppid.", "description": "",
        "spec": {"file": "getppid.yaml", "sha256": hashlib.sha256(b"spec").hexdigest()}, "code": "handmade",
        "built": {"ebpfgen": "0.1.0", "kernel": "6.1", "machine": _machine(), "clang": "19", "bpftool": "7.1.0"},
        "files": {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in FILES},
        "ring": 65536,
        "config": {"size": 64, "fields": [{"name": n, "type": t, "offset": o, "size": s} for n, t, o, s in slots]},
        "filters": ["pid", "tid", "uid", "cgroup"],
        "params": [
            {"name": "first", "type": "u32", "help": "number of the first record", "default": 7, "min": 1, "max": 1000},
            {"name": "silent", "type": "bool", "help": "count, send nothing", "default": False, "min": None, "max": None},
            {"name": "word", "type": "string(11)", "help": "a word", "default": "", "min": None, "max": None},
        ],
        "events": [{"id": 0, "name": "call", "summary": "one call", "size": 24, "fields": [
            {"name": n, "type": t, "offset": o, "size": s, "mark": None} for n, t, o, s in fields]}],
        "metrics": [],
        "maps": [{"name": "calls", "type": "percpu_hash", "max_entries": 64, "key_size": 4, "value_size": 8}],
        "programs": [{"section": "?", "file": "getppid.yaml", "line": 20 + i, "text": f"{p['kind']}:{p['name']}", **p}
                     for i, p in enumerate(PROGRAMS)],
        "left_out": [{"probe": "p0", "text": "tracepoint:left:out", "line": 5, "why": "not there"}],
        "counters": [{"index": 0, "kind": "produced", "of": "call"}, {"index": 1, "kind": "ring_full", "of": "call"}],
        "tables": {},
    }  # fmt: skip


def _machine() -> str:
    import os

    return os.uname().machine
