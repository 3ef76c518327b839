"""Which kernel and which tools these are, told cheaply: names for what is kept or built with them.

Imports next to nothing, since every start of a spec asks. Reads a few small files and looks at the tools' sizes and times;
starts no process.
"""

from __future__ import annotations

import hashlib
import os

CLANG_NAMES = (
    "clang-19",
    "clang",
    "clang-22",
    "clang-21",
    "clang-20",
    "clang-18",
    "clang-17",
    "clang-16",
    "clang-15",
    "clang-14",
)

LIBBPF = "/usr/include/bpf/bpf_helpers.h"
"""Its headers are a part of every object."""


def kernel_build(root: str = "/") -> str:
    """Names the running kernel's BTF: by the build id, where there is one, else by its content. Raises OSError without BTF."""
    uname = os.uname()
    btf = os.path.join(root, "sys/kernel/btf/vmlinux")
    named = f"{uname.release}\n{uname.version}\n{os.stat(btf).st_size}\n".encode()
    try:
        notes = _read(os.path.join(root, "sys/kernel/notes"))
    except OSError:
        notes = b""
    named += notes
    return hashlib.sha256(named if _has_build_id(notes) else named + hashlib.sha256(_read(btf)).digest()).hexdigest()


def exact_build() -> str:
    """Names the running kernel beyond doubt, by its build id; "" where it has none. The runtime computes the same
    (ebpfrun.tracer.kernel_build) to know whether it runs on the kernel that an artefact was built for."""
    uname = os.uname()
    try:
        notes = _read("/sys/kernel/notes")
        size = os.stat("/sys/kernel/btf/vmlinux").st_size
    except OSError:
        return ""
    return hashlib.sha256(f"{uname.release}\n{uname.version}\n{size}\n".encode() + notes).hexdigest() if b"GNU\0" in notes else ""


def kernel_fingerprint(root: str = "/") -> str:
    """Over what the kernel was built as, and its modules, which bring tracepoints and types of their own."""
    try:
        modules = sorted(line.split()[0] for line in _read(os.path.join(root, "proc/modules")).splitlines() if line.strip())
    except OSError:
        modules = []
    return hashlib.sha256(b"\n".join([os.uname().machine.encode(), kernel_build(root).encode(), *modules])).hexdigest()


def tool(names: tuple[str, ...], variable: str) -> str | None:
    """The first of ``names`` on the PATH and in sbin, where Debian has bpftool; the environment's ``variable`` comes first."""
    folders = [*os.environ.get("PATH", os.defpath).split(os.pathsep), "/usr/sbin", "/sbin"]
    for name in (os.environ.get(variable, ""), *names):
        if not name:
            continue
        for path in [name] if os.path.isabs(name) else [os.path.join(f, name) for f in folders if f]:
            if os.access(path, os.X_OK) and os.path.isfile(path):
                return path
    return None


def tools() -> tuple[str | None, str | None]:
    """clang and bpftool."""
    return tool(CLANG_NAMES, "CLANG"), tool(("bpftool",), "BPFTOOL")


def tools_fingerprint() -> str:
    """Over the tools and the libbpf that would be used; a missing one has a name, too. Content is told by size and time."""
    return " ".join(_told(path) for path in (*tools(), LIBBPF))


def _told(path: str | None) -> str:
    if path is None or not os.path.isfile(path):
        return "missing"
    real = os.path.realpath(path)
    found = os.stat(real)
    return f"{os.path.basename(real)}:{found.st_size}:{found.st_mtime_ns}"


def _read(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _has_build_id(notes: bytes) -> bool:
    """Whether ELF notes hold a GNU build id. Linux writes them back to back, padded to four bytes."""
    import struct

    at = 0
    while at + 12 <= len(notes):
        name, desc, kind = struct.unpack_from("=III", notes, at)
        at += 12
        if kind == 3 and notes[at : at + name] == b"GNU\0" and desc:
            return True
        at += (name + 3 & ~3) + (desc + 3 & ~3)
    return False
