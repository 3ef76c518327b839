"""The tools that compile: clang and bpftool.

Receives source files, leaves objects beside them. Every failure is a :class:`~ebpfgen.problems.MachineError`: what a spec can do
wrong was found before.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import platform
import re
import signal
import subprocess
from mmap import mmap
from pathlib import Path

from . import identity
from .atomic import beside_of
from .cache import cache_folder
from .problems import MachineError
from .records import record

TARGETS = {"x86_64": "x86", "aarch64": "arm64", "riscv64": "riscv", "s390x": "s390", "ppc64le": "powerpc"}


@record()
class Toolchain:
    """Paths of the tools."""

    clang: str
    bpftool: str


def find() -> Toolchain:
    """The toolchain of this machine; ``CLANG`` and ``BPFTOOL`` in the environment name others."""
    clang, bpftool = identity.tools()
    if clang is None:
        raise MachineError("clang is not installed; on Debian: apt install clang-19")
    if bpftool is None:
        raise MachineError("bpftool is not installed; on Debian: apt install bpftool")
    return Toolchain(clang, bpftool)


@functools.cache
def versions(tools: Toolchain) -> dict[str, str]:
    """What the tools say they are."""
    clang = re.search(r"version ([\d.]+)", _run([tools.clang, "--version"]).decode(errors="replace"))
    bpftool = re.search(r"v?([\d.]+)", _run([tools.bpftool, "version"]).decode(errors="replace"))
    return {"clang": clang[1] if clang else "unknown", "bpftool": bpftool[1] if bpftool else "unknown"}


def compile_object(tools: Toolchain, folder: Path, name: str) -> None:
    """``name.bpf.c`` → ``name.bpf.o``, with BTF, without paths of this machine.

    The spec's arithmetic wraps. What a condition of the spec says twice or in vain is no fault of the C."""
    machine = platform.machine()
    if machine not in TARGETS:
        raise MachineError(f"architecture {machine} is not supported; there are {' '.join(TARGETS)}")
    include = f"/usr/include/{machine}-linux-gnu"
    _run([tools.clang, "-target", "bpf", f"-D__TARGET_ARCH_{TARGETS[machine]}", "-mcpu=v3", "-O2", "-g", "-fwrapv",
          "-Wall", "-Werror", "-Wno-unused-function", "-Wno-tautological-compare", "-fdebug-compilation-dir=.",
          f"-ffile-prefix-map={folder}=.", f"-I{include}", "-c", f"{name}.bpf.c", "-o", f"{name}.bpf.o"], cwd=folder)  # fmt: skip


def make_skeleton(tools: Toolchain, folder: Path, name: str) -> None:
    """``name.bpf.o`` → ``name.skel.h``."""
    text = _run([tools.bpftool, "gen", "skeleton", f"{name}.bpf.o", "name", f"{name}_bpf"], cwd=folder)
    (folder / f"{name}.skel.h").write_bytes(text)


def make_core_btf(tools: Toolchain, folder: Path, name: str, types: bytes | mmap) -> None:
    """``name.btf``: of the kernel's ``types`` those that the object's relocations ask for."""
    whole = folder / ".vmlinux"
    whole.write_bytes(types)
    try:
        _run([tools.bpftool, "gen", "min_core_btf", whole.name, f"{name}.btf", f"{name}.bpf.o"], cwd=folder)
    finally:
        whole.unlink()


def link_host(tools: Toolchain, folder: Path, name: str, templates: Path) -> None:
    """``name.host.c``, the skeleton and the driver → ``name.so``, which needs the system's libbpf.so.1."""
    driver = driver_object(tools, templates)
    _run([tools.clang, "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Werror", "-Wno-unused-function",
          "-Ulinux", "-Uunix", f"-ffile-prefix-map={folder}=.", f"-I{templates}", f"{name}.host.c", str(driver),
          "-o", f"{name}.so", "-Wl,--build-id=none", "-Wl,-s", "-lbpf"], cwd=folder)  # fmt: skip


def driver_object(tools: Toolchain, templates: Path) -> Path:
    """The driver, compiled once for all artefacts and kept in the cache folder under a name that tells sources and content."""
    parts = sorted(templates.glob("*.c"))
    sources = [*parts, *sorted(templates.glob("*.h"))]
    made_of = _digest(identity.tools_fingerprint().encode() + b"".join(s.read_bytes() for s in sources))
    folder = cache_folder()
    for kept in folder.glob(f"driver-{made_of}-*.o"):
        if kept.name == f"driver-{made_of}-{_digest(kept.read_bytes())}.o":
            return kept  # else cut short, by a crash for example
    beside = beside_of(folder / f"driver-{made_of}.o")
    try:
        _run([tools.clang, "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Werror", f"-ffile-prefix-map={templates}=.",
              f"-I{templates}", "-r", "-nostdlib", *map(str, parts), "-o", str(beside)])  # fmt: skip
        return beside.replace(folder / f"driver-{made_of}-{_digest(beside.read_bytes())}.o")
    finally:
        beside.unlink(missing_ok=True)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def _run(command: list[str], cwd: Path | None = None) -> bytes:
    tool = Path(command[0]).name
    # The compiler's own temporary files stand beside what it makes: they end with it, and a full disk is that of --out.
    environment = {**os.environ, "TMPDIR": str(cwd)} if cwd else None
    try:
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as e:
        raise MachineError(f"{command[0]} can't be started: {e.strerror}") from None
    if done.returncode < 0:
        raise MachineError(f"{tool} was killed by {signal.Signals(-done.returncode).name}")
    if done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise MachineError(_advice(words, cwd) or f"{tool} failed with status {done.returncode}: {words or 'it said nothing'}")
    return done.stdout


_LACKS = {
    "bpf/bpf_helpers.h' file not found": ("libbpf's headers", "libbpf-dev"),
    "bpf/libbpf.h' file not found": ("libbpf's headers", "libbpf-dev"),
    "cannot find -lbpf": ("libbpf", "libbpf-dev"),
    "unable to find library -lbpf": ("libbpf", "libbpf-dev"),
    "linux/bpf.h' file not found": ("the kernel's headers for programs", "linux-libc-dev"),
    "asm/types.h' file not found": ("the kernel's headers for programs", "linux-libc-dev"),
    "errno.h' file not found": ("the C library's headers", "libc6-dev"),
    "stdio.h' file not found": ("the C library's headers", "libc6-dev"),
    "unable to execute command": ("the linker", "binutils"),
    "invalid linker name": ("the linker", "binutils"),
    "No available targets are compatible": ("a clang that compiles for BPF", "clang-19"),
}
"""What tools say where something is missing: what, and Debian's package of it."""


def _advice(words: str, cwd: Path | None) -> str:
    """One line in place of the tool's words, where those tell of a cause that a person can remove."""
    if os.strerror(errno.ENOSPC) in words:
        return f"{cwd.parent if cwd else cache_folder()}: {os.strerror(errno.ENOSPC)}"
    for said, (what, package) in _LACKS.items():
        if said in words:
            return f"{what} can't be found; on Debian: apt install {package}"
    return ""
