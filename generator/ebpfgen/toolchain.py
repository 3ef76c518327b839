"""The tools that compile: clang and bpftool.

Receives source files, leaves objects beside them. Every failure is a :class:`~ebpfgen.problems.MachineError`: what a spec can do
wrong was found before.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from . import identity
from .cache import cache_folder
from .problems import MachineError

TARGETS = {"x86_64": "x86", "aarch64": "arm64", "riscv64": "riscv", "s390x": "s390", "ppc64le": "powerpc"}


@dataclass(frozen=True, slots=True)
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
    """``name.bpf.c`` → ``name.bpf.o``, with BTF, without paths of this machine."""
    machine = platform.machine()
    if machine not in TARGETS:
        raise MachineError(f"architecture {machine} is not supported; there are {' '.join(TARGETS)}")
    include = f"/usr/include/{machine}-linux-gnu"
    _run([tools.clang, "-target", "bpf", f"-D__TARGET_ARCH_{TARGETS[machine]}", "-mcpu=v3", "-O2", "-g", "-Wall", "-Werror",
          "-Wno-unused-function", "-fdebug-compilation-dir=.", f"-ffile-prefix-map={folder}=.", f"-I{include}",
          "-c", f"{name}.bpf.c", "-o", f"{name}.bpf.o"], cwd=folder)  # fmt: skip


def make_skeleton(tools: Toolchain, folder: Path, name: str) -> None:
    """``name.bpf.o`` → ``name.skel.h``."""
    text = _run([tools.bpftool, "gen", "skeleton", f"{name}.bpf.o", "name", f"{name}_bpf"], cwd=folder)
    (folder / f"{name}.skel.h").write_bytes(text)


def link_host(tools: Toolchain, folder: Path, name: str, templates: Path) -> None:
    """``name.host.c``, the skeleton and the driver → ``name.so``, which needs the system's libbpf.so.1."""
    driver = driver_object(tools, templates)
    _run([tools.clang, "-O1", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall", "-Werror", "-Wno-unused-function",
          f"-ffile-prefix-map={folder}=.", f"-I{templates}", f"{name}.host.c", str(driver), "-o", f"{name}.so",
          "-Wl,--build-id=none", "-Wl,-s", "-lbpf"], cwd=folder)  # fmt: skip


def driver_object(tools: Toolchain, templates: Path) -> Path:
    """The driver, compiled once for all artefacts and kept in the cache folder."""
    sources = [templates / n for n in ("driver.c", "driver.h", "host.h")]
    digest = hashlib.sha256(identity.tools_fingerprint().encode() + b"".join(s.read_bytes() for s in sources)).hexdigest()[:16]
    target = cache_folder() / f"driver-{digest}.o"
    if not target.exists():
        beside = target.with_name(f".{target.name}.{os.getpid()}.o")
        try:
            _run([tools.clang, "-O2", "-fPIC", "-fvisibility=hidden", "-Wall", "-Werror", f"-ffile-prefix-map={templates}=.",
                  f"-I{templates}", "-c", str(templates / "driver.c"), "-o", str(beside)])  # fmt: skip
            os.replace(beside, target)
        finally:
            beside.unlink(missing_ok=True)
    return target


def _run(command: list[str], cwd: Path | None = None) -> bytes:
    try:
        done = subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL, check=False)
    except OSError as e:
        raise MachineError(f"{command[0]} can't be started: {e.strerror}") from None
    if done.returncode:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise MachineError(f"{os.path.basename(command[0])} failed ({done.returncode}): {_advice(words)}{words}")
    return done.stdout


def _advice(words: str) -> str:
    if "bpf/bpf_helpers.h' file not found" in words or "bpf/libbpf.h' file not found" in words or "cannot find -lbpf" in words:
        return "libbpf's headers are not installed; on Debian: apt install libbpf-dev\n"
    if "linux/bpf.h' file not found" in words or "asm/types.h' file not found" in words:
        return "the kernel's headers for programs are not installed; on Debian: apt install linux-libc-dev\n"
    return ""
