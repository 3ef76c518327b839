"""Machines that can't: rights, types, file systems and room that are missing. One message each, with the way out, status 3."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .commands import CALL, EBPFGEN, EBPFRUN, MACHINE, OUR_PROGRAMS, ROOT, Done, build, one_message, run, spec

pytestmark = [pytest.mark.root, pytest.mark.kernel]

NOBODY = 65534
ONCE = "build/call -c true"


def without(mounts: str, line: str, home: Path, *drop: str) -> Done:
    """Runs a line in a mount namespace of its own after ``mounts``, without the capabilities named in ``drop``."""
    bounded = f"setpriv --bounding-set={','.join('-' + name for name in drop)} " if drop else ""
    line = f"{mounts}; exec {bounded}bash -c '{line}'"
    return run("unshare", "--mount", "--propagation", "private", "bash", "-c", line, cwd=home)


def as_nobody(home: Path, *command: str, caps: str = "") -> Done:
    """Runs a command as a user without rights, but for the capabilities in ``caps``."""
    for path in (home, *home.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    kept = f"--inh-caps=-all{caps} --ambient-caps=-all{caps}" if caps else "--inh-caps=-all"
    return run(
        "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *kept.split(), "--", *command,
        cwd=home, env={"HOME": str(home), "XDG_CACHE_HOME": ""},
    )  # fmt: skip


@pytest.fixture
def open_home(home: Path) -> Iterator[Path]:
    """Another user gets to it, and to the commands. Not below pytest's own folder, which each run of pytest closes to others, even
    while this one goes on."""
    done = run("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--", EBPFRUN, "--version")
    if done.status != 0:
        pytest.skip("other users: they do not get to the commands here")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(shutil.copytree(home, Path(folder) / "home"))


def test_no_root(open_home: Path) -> None:
    message = "loading kernel programs needs CAP_BPF and CAP_PERFMON, which this process lacks; run it as root (sudo)"
    for word in ("build/call", "specs/call.yaml"):
        one_message(as_nobody(open_home, EBPFRUN, word, "--count", "1"), MACHINE, message)
    helped = as_nobody(open_home, EBPFRUN, "build/call", "--help")
    assert (helped.status, helped.err) == (0, "")


def test_a_user_without_rights_checks_and_builds_for_a_described_kernel(open_home: Path, captured: Path) -> None:
    shutil.copy(captured, open_home / "kernel")
    done = as_nobody(open_home, EBPFGEN, "build", "specs", "--kernel", "kernel", "--out", "mine", "--quiet")
    assert done == Done(0, "", "")
    assert (open_home / ".cache/ebpfgen").is_dir()
    tracefs_hidden = as_nobody(open_home, EBPFGEN, "check", "specs")
    one_message(tracefs_hidden, MACHINE, "ebpfgen: the kernel's tracepoints can't be seen", "as root", "--kernel FILE")


@pytest.mark.parametrize("lacks", ["bpf", "perfmon"])
def test_a_capability_is_missing(lacks: str, home: Path) -> None:
    done = without(":", f"{EBPFRUN} {ONCE}", home, "sys_admin", lacks)
    one_message(done, MACHINE, f"loading kernel programs needs CAP_{lacks.upper()}, which this process lacks")


def test_the_capabilities_that_are_asked_for_are_enough_but_for_tracefs(open_home: Path) -> None:
    """They load and attach what needs no file of root's."""
    build(spec(open_home / "specs", "raw", on="raw_tracepoint:sys_enter"), out=open_home / "build")
    done = as_nobody(open_home, EBPFRUN, "build/raw", "--count", "1", caps=",+bpf,+perfmon")
    assert done.status == 0, done.err
    done = as_nobody(open_home, EBPFRUN, "build/call", "--count", "1", caps=",+bpf,+perfmon")
    one_message(done, MACHINE, "/sys/kernel/tracing", "tracefs")


NO_BTF = "mount --bind $(mktemp -d) /sys/kernel/btf"


def test_no_btf(home: Path) -> None:
    done = without(NO_BTF, f"{EBPFRUN} {ONCE}", home)
    one_message(done, MACHINE, "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF")
    for command in ("check", "build --out out"):
        done = without(NO_BTF, f"{EBPFGEN} {command} specs", home)
        one_message(
            done, MACHINE, "shows no BTF: /sys/kernel/btf/vmlinux: No such file", "CONFIG_DEBUG_INFO_BTF", "--kernel FILE"
        )
    assert not (home / "out").exists()


NO_TRACEFS = "umount -l /sys/kernel/tracing; umount -l /sys/kernel/debug 2>/dev/null"


def test_tracefs_is_mounted_where_it_is_not(home: Path) -> None:
    done = without(NO_TRACEFS, f"{EBPFRUN} {ONCE} --sink jsonl:-", home)
    assert done.status == 0, done.err
    assert done.err.startswith("ebpfrun: mounted tracefs at /sys/kernel/tracing")
    done = without(NO_TRACEFS, f"{EBPFGEN} check specs", home)
    assert (done.status, done.err.count("\n")) == (0, 1)
    assert done.err.startswith("ebpfgen: mounted tracefs at /sys/kernel/tracing")


def test_tracefs_is_not_mounted_and_can_not_be(home: Path) -> None:
    hidden = f"{NO_TRACEFS}; mount -t tmpfs -o ro tmpfs /sys/kernel/tracing"
    done = without(hidden, f"{EBPFRUN} {ONCE}", home, "sys_admin")
    one_message(done, MACHINE, "tracepoints need tracefs", "mount -t tracefs tracefs /sys/kernel/tracing")
    done = without(hidden, f"{EBPFGEN} check specs", home, "sys_admin")
    one_message(done, MACHINE, "the kernel's tracepoints can't be seen", "mount -t tracefs tracefs /sys/kernel/tracing")


def test_no_memory_for_a_map(tmp_path: Path) -> None:
    """What only the kernel can refuse: it says so at load."""
    many = "{{type: array, max_entries: 67108864, key: u32, value: {{n: u64, text: string(4096)}}}}"  # 256 GiB
    text = CALL.replace("emit: call", "do: [{{emit: call}}, {{add: 'many[1].n', of: 1}}]") + f"maps: {{{{many: {many}}}}}\n"
    build(spec(tmp_path, text=text), out=tmp_path / "build")
    done = run(EBPFRUN, tmp_path / "build/call", "-c", "true")
    one_message(done, MACHINE, "call.yaml: many: the kernel can't make this map: Cannot allocate memory (fewer max_entries")


MISSING = {
    "file": ("uprobe:/nowhere/at/all:main", "/nowhere/at/all"),
    "library": ("uprobe:libnothing.so.9:main", "there is no library libnothing.so.9"),
    "symbol": ("uprobe:libc.so.6:malloc_at_all", "libc.so.6 has no function malloc_at_all"),
    "program": ("uprobe:/etc/passwd:main", "/etc/passwd"),
    "folder": ("uprobe:/tmp:main", "/tmp"),
    "returning": ("uretprobe:libc.so.6:gettpid", "did you mean get"),
}


def test_a_library_or_a_symbol_is_missing(tmp_path: Path) -> None:
    for name, (on, _) in MISSING.items():
        spec(tmp_path / "specs", name, on=on)
    build(tmp_path / "specs", out=tmp_path / "build")
    for name, (on, words) in MISSING.items():
        place = f"ebpfrun: {name}.yaml:7: {OUR_PROGRAMS}: can't be attached here: {on}: "
        one_message(run(EBPFRUN, tmp_path / "build" / name, "-c", "true"), MACHINE, place, words)


def test_libraries_of_python_are_missing(home: Path) -> None:
    """The runtime says which package has what it needs."""
    (home / "none" / "_cffi_backend.py").parent.mkdir()
    (home / "none" / "_cffi_backend.py").write_text("raise ImportError('No module named _cffi_backend')\n")
    done = run(EBPFRUN, "build/call", "-c", "true", cwd=home, env={"PYTHONPATH": str(home / "none")})
    one_message(done, MACHINE, "cffi is missing", "apt install python3-cffi-backend")


def test_no_libbpf(home: Path) -> None:
    found = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    libraries = [line.split("=> ")[1] for line in found.splitlines() if "libbpf.so.1 " in line]
    hide = "; ".join(f"mount --bind /dev/null {Path(library).resolve()}" for library in libraries)
    done = without(hide, f"{EBPFRUN} {ONCE}", home)
    one_message(done, MACHINE, "libbpf")


def test_the_specs_that_come_with_it_check_here() -> None:
    """What this file says cannot be is not because nothing can."""
    assert run(EBPFGEN, "check", ROOT / "specs/opensnoop.yaml") == Done(0, "", "")
