"""What is installed: libbpf and cffi to run, ebpfgen with its tools and packages to build.

Receives nothing, returns checks. Asks ebpfgen, if it is there, which tools it would take; tries them on a few lines of C
instead of looking for files. Writes to /dev/null only.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import platform
import re
import subprocess

from . import calls
from .check import BUILD, RUN, Check

GROUP = "Software"
_PACKAGES = ("jinja2", "pyyaml", "jsonschema", "lark", "cffi")
_PROGRAM = b"#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_core_read.h>\n"
_HOST = b"#include <bpf/libbpf.h>\nvoid *use(void);\nvoid *use(void) { return bpf_object__open; }\n"
_HEADERS = "on Debian: apt install libbpf-dev linux-libc-dev"
_EBPFGEN = "pip install ebpfgen, where specs are to be built"


def checks() -> list[Check]:
    return [
        Check(GROUP, "Python", "info", platform.python_version()),
        _libbpf(),
        _cffi(),
        *_tools(),
        *(_package(name) for name in _PACKAGES),
    ]


def _libbpf() -> Check:
    try:
        return Check(GROUP, "libbpf", "ok", f"libbpf.so.1, {calls.libbpf_version()}", needed=RUN)
    except OSError as error:
        return Check(GROUP, "libbpf", "no", str(error), "on Debian: apt install libbpf1", RUN)


def _cffi() -> Check:
    try:
        backend = importlib.import_module("_cffi_backend")
    except ImportError as error:
        return Check(GROUP, "cffi backend", "no", str(error), "pip install cffi, or apt install python3-cffi-backend", RUN)
    return Check(GROUP, "cffi backend", "ok", str(backend.__version__), needed=RUN)


def _tools() -> list[Check]:
    try:
        from ebpfgen import __version__, identity
    except ImportError:
        return [Check(GROUP, "ebpfgen", "no", "not installed: what was built elsewhere can be run", _EBPFGEN, BUILD)]
    clang, bpftool = identity.tools()
    return [
        Check(GROUP, "ebpfgen", "ok", __version__, needed=BUILD),
        _tool("clang", clang, "--version", "on Debian: apt install clang-19"),
        _tool("bpftool", bpftool, "version", "on Debian: apt install bpftool"),
        *(_compilers(clang) if clang else []),
    ]


def _tool(name: str, path: str | None, option: str, remedy: str) -> Check:
    if path is None:
        return Check(GROUP, name, "no", "not found on the PATH", remedy, BUILD)
    status, words = _run([path, option])
    version = re.search(r"v?(\d[\w.+-]*)", words)
    if status or not version:
        return Check(GROUP, name, "no", f"{path}: {words}", remedy, BUILD)
    return Check(GROUP, name, "ok", f"{version[1]} ({path})", needed=BUILD)


def _compilers(clang: str) -> list[Check]:
    """Whether clang makes what a build makes: a kernel program with libbpf's headers, and a library with libbpf."""
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    bpf = [clang, "-target", "bpf", include, "-x", "c", "-c", "-", "-o", "/dev/null"]
    host = [clang, "-fPIC", "-shared", "-x", "c", "-", "-lbpf", "-o", "/dev/null"]
    return [_compiles("headers", bpf, _PROGRAM), _compiles("libbpf to link", host, _HOST)]


def _compiles(name: str, command: list[str], source: bytes) -> Check:
    status, words = _run(command, source)
    if status:
        reason = next((line for line in words.splitlines() if "error" in line or "cannot" in line), words)
        remedy = "on Debian: apt install binutils" if 'Executable "ld"' in reason else _HEADERS
        return Check(GROUP, name, "no", reason, remedy, BUILD)
    return Check(GROUP, name, "ok", "clang finds all of it", needed=BUILD)


def _run(command: list[str], source: bytes = b"") -> tuple[int, str]:
    """Exit status, and the first lines of what it said."""
    try:
        done = subprocess.run(command, input=source, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    except OSError as error:
        return 1, error.strerror or str(error)
    return done.returncode, done.stdout.decode(errors="replace").strip()


def _package(name: str) -> Check:
    try:
        return Check(GROUP, name, "ok", importlib.metadata.version(name), needed=BUILD)
    except importlib.metadata.PackageNotFoundError:
        return Check(GROUP, name, "no", "not installed", f"pip install {name}", BUILD)
