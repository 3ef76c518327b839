"""The BPF object and what is made of it: clang and bpftool.

Receives source files, leaves objects beside them. Every failure is a :class:`~ebpfgen.problems.MachineError`: what a spec can do
wrong was found before.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import re
from mmap import mmap
from pathlib import Path

from . import identity
from .atomic import write_beside
from .cache import cache_folder
from .pieces import digest
from .problems import MachineError
from .processes import Running, run
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
    """What the tools say they are; asked once, since clang takes its time even for that."""
    kept = cache_folder() / f"versions-{digest(repr(tools), identity.tools_fingerprint())[:16]}.json"
    try:
        known = json.loads(kept.read_bytes())
        return {"clang": str(known["clang"]), "bpftool": str(known["bpftool"])}
    except (OSError, ValueError, KeyError, TypeError):
        told = _versions(tools)
    with contextlib.suppress(OSError):
        write_beside(kept, json.dumps(told).encode())
    return told


def _versions(tools: Toolchain) -> dict[str, str]:
    clang = re.search(r"version ([\d.]+)", run([tools.clang, "--version"]).decode(errors="replace"))
    bpftool = re.search(r"v?([\d.]+)", run([tools.bpftool, "version"]).decode(errors="replace"))
    return {"clang": clang[1] if clang else "unknown", "bpftool": bpftool[1] if bpftool else "unknown"}


class Compiler(Running):
    """``name.bpf.c`` → ``name.bpf.o``, with BTF, without paths of this machine. Started before there is a text: loading clang
    takes a third of its time.

    The spec's arithmetic wraps. What a condition of the spec says twice or in vain is no fault of the C."""

    def __init__(self, tools: Toolchain, folder: Path, name: str) -> None:
        self._name = name
        super().__init__(_to_bpf(tools, folder, name), folder, reads=True)

    def begin(self, text: str) -> None:
        """``text`` is what ``name.bpf.c`` holds, which is there by now, as is what it includes."""
        self.give(f'# 1 "{self._name}.bpf.c"\n{text}'.encode())


def _to_bpf(tools: Toolchain, folder: Path, name: str) -> list[str]:
    machine = os.uname().machine
    if machine not in TARGETS:
        raise MachineError(f"architecture {machine} is not supported; there are {' '.join(TARGETS)}")
    include = f"/usr/include/{machine}-linux-gnu"
    return [tools.clang, "-target", "bpf", f"-D__TARGET_ARCH_{TARGETS[machine]}", "-mcpu=v3", "-O2", "-g", "-fwrapv",
            "-Wall", "-Werror", "-Wno-unused-function", "-Wno-tautological-compare", "-fdebug-compilation-dir=.",
            f"-ffile-prefix-map={folder}=.", f"-I{include}", "-x", "c", "-c", "-", "-o", f"{name}.bpf.o"]  # fmt: skip


def make_skeleton(tools: Toolchain, folder: Path, name: str) -> Running:
    """``name.bpf.o`` → the text of its skeleton, as what the tool says."""
    return Running([tools.bpftool, "gen", "skeleton", f"{name}.bpf.o", "name", f"{name}_bpf"], folder)


def make_core_btf(tools: Toolchain, folder: Path, name: str, types: bytes | mmap) -> Running:
    """``name.btf``: of the kernel's ``types`` those that the object's relocations ask for."""
    whole = _file_of(types, folder / ".vmlinux")
    return Running([tools.bpftool, "gen", "min_core_btf", str(whole), f"{name}.btf", f"{name}.bpf.o"], folder)


def _file_of(types: bytes | mmap, copy: Path) -> Path:
    """A file with these types: this kernel's own, or a copy."""
    own = Path("/sys/kernel/btf/vmlinux")
    if isinstance(types, mmap) and own.exists() and own.stat().st_size == len(types):
        return own  # only this file is ever mapped
    copy.write_bytes(types)
    return copy
