"""The shared object of an artefact: skeleton and driver, linked.

Receives the files of a folder; leaves ``name.so`` there. What is the same for many artefacts, or for the next build of this one,
is compiled once and kept in the cache folder.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from . import identity
from .atomic import write_beside
from .cache import cache_folder
from .pieces import digest
from .processes import run
from .toolchain import Toolchain

MOST_KEPT = 100
"""Objects of a kind in the cache folder; the oldest go."""
_FLAGS = ("-fPIC", "-fvisibility=hidden", "-Wall", "-Werror")
_BYTES = re.compile(r"(__elf_bytes\(size_t \*sz\)\n\{\n).*?(\n\}\n)", re.DOTALL)
"""What bpftool writes of the object's bytes, in all its versions so far: a function of one text."""
_NO_BYTES = r"""\1\t*sz = 0;
\treturn "";\2"""


def without_bytes(skeleton: str) -> str:
    """A skeleton as it is compiled: the object's bytes are given to it at run time (``host.c.j2``), so that of two objects
    with the same programs, maps and variables the same library is made."""
    return _BYTES.sub(_NO_BYTES, skeleton)


def link_host(tools: Toolchain, folder: Path, name: str, templates: Path, skeleton: str) -> None:
    """``skeleton`` (:func:`without_bytes`), ``name.host.c`` and the driver → ``name.so``, which needs the system's
    libbpf.so.1."""
    _host_object(tools, folder, name, templates, skeleton)
    _driver_object(tools, templates, folder)
    where = [f"-L{path}" for path in (f"/usr/lib/{os.uname().machine}-linux-gnu", "/usr/lib64", "/usr/lib")]
    flags = ["-shared", "--hash-style=gnu", "--build-id=none", "-z", "relro", "-z", "noexecstack", "-z", "defs", "-s"]
    run(["ld", *flags, *where, ".host.o", ".driver.o", "-lbpf", "-lc", "-o", f"{name}.so"], cwd=folder)


def _host_object(tools: Toolchain, folder: Path, name: str, templates: Path, skeleton: str) -> None:
    """``name.host.c`` and the skeleton, compiled, as ``.host.o``."""
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


def _driver_object(tools: Toolchain, templates: Path, folder: Path) -> None:
    """The driver, compiled once for all artefacts, with what it needs of the compiler's own library, as ``.driver.o``."""
    parts = sorted(templates.glob("*.c"))
    sources = [source.read_bytes() for source in (*parts, *sorted(templates.glob("*.h")))]
    flags = ["-O2", *_FLAGS, "-r", "-nostdlib"]

    def compile(to: Path) -> None:
        places = [f"-ffile-prefix-map={templates}=.", f"-I{templates}"]
        run([tools.clang, *flags, *places, *map(str, parts), "-lgcc", "-o", str(to)], cwd=folder)

    _kept("driver", digest(identity.tools_fingerprint(), *flags, "-lgcc", *sources), compile, folder)


def _kept(what: str, made_of: str, compile: Callable[[Path], None], to: Path) -> None:
    """An object kept in the cache folder, under a name that tells what it is made of and its content, as ``.what.o`` in ``to``:
    its own copy, since other builds may tidy up the cache at any time."""
    folder, name = cache_folder(), f"{what}-{made_of[:16]}"
    for kept in folder.glob(f"{name}-*.o"):
        try:
            data = kept.read_bytes()
            os.utime(kept)  # those that were not used for longest go first
        except OSError:
            continue
        if kept.name == f"{name}-{digest(data)[:16]}.o":  # else cut short, by a crash for example
            (to / f".{what}.o").write_bytes(data)
            return
    made = to / f".{what}.o"
    compile(made)
    data = made.read_bytes()
    with contextlib.suppress(OSError):
        write_beside(folder / f"{name}-{digest(data)[:16]}.o", data)
    for old in sorted(folder.glob(f"{what}-*.o"), key=_used, reverse=True)[MOST_KEPT:]:
        old.unlink(missing_ok=True)


def _used(path: Path) -> float:
    """When it was used last; 0 where somebody else has just removed it."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
