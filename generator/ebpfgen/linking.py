"""The shared object of an artefact: skeleton, driver and the BPF object's bytes, linked.

Receives the files of a folder; leaves ``name.so`` there. What is the same for many artefacts, or for the next build of this one,
is compiled once and kept in the cache folder.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from . import identity
from .atomic import beside_of
from .cache import cache_folder
from .pieces import digest
from .processes import run
from .toolchain import Toolchain

MOST_KEPT = 100
"""Objects of a kind in the cache folder; the oldest go."""
_FLAGS = ("-fPIC", "-fvisibility=hidden", "-Wall", "-Werror")
_DATA = """.section .rodata
.balign 16
.globl host_data, host_data_end, host_code
.hidden host_data, host_data_end, host_code
host_data:
.incbin "{object}"
host_data_end:
host_code:
.asciz "{code}"
.section .note.GNU-stack, "", %progbits
"""
_BYTES = re.compile(r"(__elf_bytes\(size_t \*sz\)\n\{\n).*?(\n\}\n)", re.DOTALL)
"""What bpftool writes of the object's bytes, in all its versions so far: a function of one text."""
_ELSEWHERE = r"""\1\textern const char host_data[], host_data_end[];

\t*sz = host_data_end - host_data;
\treturn host_data;\2"""


def link_host(tools: Toolchain, folder: Path, name: str, templates: Path, code: str) -> None:
    """The skeleton, the object's bytes and the driver (:func:`driver_object`) → ``name.so``, which needs the system's
    libbpf.so.1. ``code``: what it names itself. A skeleton that differs from one that was compiled before by the object's bytes
    only is not compiled again."""
    _host_object(tools, folder, name, templates)
    (folder / ".data.s").write_text(_DATA.format(object=f"{name}.bpf.o", code=code), encoding="ascii")
    run(["as", ".data.s", "-o", ".data.o"], cwd=folder)
    where = [f"-L{path}" for path in (f"/usr/lib/{os.uname().machine}-linux-gnu", "/usr/lib64", "/usr/lib")]
    flags = ["-shared", "--hash-style=gnu", "--build-id=none", "-z", "relro", "-z", "noexecstack", "-z", "defs", "-s"]
    run(["ld", *flags, *where, ".host.o", ".data.o", ".driver.o", "-lbpf", "-lc", "-o", f"{name}.so"], cwd=folder)


def _host_object(tools: Toolchain, folder: Path, name: str, templates: Path) -> None:
    """``name.host.c`` and the skeleton, compiled, as ``.host.o``; its bytes of the object are elsewhere."""
    skeleton = _BYTES.sub(_ELSEWHERE, (folder / f"{name}.skel.h").read_text(encoding="utf-8"))
    texts = {f"{name}.skel.h": skeleton} | {n: (folder / n).read_text(encoding="utf-8") for n in (f"{name}.host.c", f"{name}.h")}
    texts["host.h"] = (templates / "host.h").read_text(encoding="utf-8")
    flags = ["-O1", *_FLAGS, "-Wno-unused-function", "-Ulinux", "-Uunix", "-c", f"{name}.host.c"]

    def compile(to: Path) -> None:
        apart = folder / ".host"
        apart.mkdir()
        for file, text in texts.items():
            (apart / file).write_text(text, encoding="utf-8")
        run([tools.clang, *flags, f"-ffile-prefix-map={apart}=.", "-o", str(to)], cwd=apart)
        for made in apart.iterdir():
            made.unlink()
        apart.rmdir()

    _kept("host", digest(identity.tools_fingerprint(), *flags, *texts, *texts.values()), compile, folder)


def driver_object(tools: Toolchain, templates: Path, folder: Path) -> str:
    """The driver, compiled once for all artefacts, with what it needs of the compiler's own library, as ``.driver.o``. Returns
    what identifies it."""
    parts = sorted(templates.glob("*.c"))
    sources = [source.read_bytes() for source in (*parts, *sorted(templates.glob("*.h")))]
    flags = ["-O2", *_FLAGS, "-r", "-nostdlib"]

    def compile(to: Path) -> None:
        places = [f"-ffile-prefix-map={templates}=.", f"-I{templates}"]
        run([tools.clang, *flags, *places, *map(str, parts), "-lgcc", "-o", str(to)])

    return _kept("driver", digest(identity.tools_fingerprint(), *flags, "-lgcc", *sources), compile, folder)


def _kept(what: str, made_of: str, compile: Callable[[Path], None], to: Path) -> str:
    """An object kept in the cache folder, under a name that tells what it is made of and its content, as ``.what.o`` in ``to``:
    its own copy, since other builds may tidy up the cache at any time. Returns the name."""
    folder, name = cache_folder(), f"{what}-{made_of[:16]}"
    for kept in folder.glob(f"{name}-*.o"):
        try:
            data = kept.read_bytes()
            os.utime(kept)  # those that were not used for longest go first
        except OSError:
            continue
        if kept.name == f"{name}-{digest(data)[:16]}.o":  # else cut short, by a crash for example
            (to / f".{what}.o").write_bytes(data)
            return kept.name
    beside = beside_of(folder / f"{name}.o")
    try:
        compile(beside)
        data = beside.read_bytes()
        (to / f".{what}.o").write_bytes(data)
        kept_as = f"{name}-{digest(data)[:16]}.o"
        beside.replace(folder / kept_as)
    finally:
        beside.unlink(missing_ok=True)
    for old in sorted(folder.glob(f"{what}-*.o"), key=_used, reverse=True)[MOST_KEPT:]:
        old.unlink(missing_ok=True)
    return kept_as


def _used(path: Path) -> float:
    """When it was used last; 0 where somebody else has just removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
