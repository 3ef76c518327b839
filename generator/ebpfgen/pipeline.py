"""The build of one spec, step by step: read, check, emit, compile, make the skeleton, link, describe, put in place.

Leaves ``out/<name>/`` whole or as it was: everything is made in a folder beside and renamed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import budget, data, freshness, identity, linked, toolchain
from .atomic import folder_beside, put_in_place, write_beside
from .check import check
from .emit import Emitted, Emitter, manifest_text
from .emit.binding import binding
from .emit.places import places_text
from .ir import CheckedSpec
from .kernel import Kernel, running
from .loader import load
from .problems import MachineError, SpecError
from .records import record
from .source import read

Step = Callable[[str], None]


@record()
class Setting:
    """What builds share: the kernel described, the tools, the templates."""

    kernel: Kernel
    tools: toolchain.Toolchain
    emitter: Emitter

    @classmethod
    def of(cls, kernel: Kernel | None = None) -> Setting:
        return cls(kernel or running(), toolchain.find(), Emitter(data.templates()))


def read_and_check(path: Path, kernel: Kernel) -> tuple[bytes, CheckedSpec]:
    """Raises :class:`SpecError` with every problem of the spec."""
    source = read(path)
    return source, check(load(source, str(path)), kernel)


def build_one(spec: Path, out: Path, setting: Setting | None = None, step: Step = lambda _: None) -> Path:
    """Builds ``spec`` into ``out/<name>`` and returns that folder. Raises SpecError, MachineError."""
    setting = setting or Setting.of()
    step("check")
    source, checked = read_and_check(spec, setting.kernel)
    step("generate")
    emitted = setting.emitter.emit(checked, setting.kernel.btf)
    try:
        return make(emitted, source, out, setting, step)
    except OSError as e:
        raise MachineError(f"{e.filename or out}: {e.strerror}") from None


def make(emitted: Emitted, source: bytes, out: Path, setting: Setting, step: Step = lambda _: None) -> Path:
    """The artefact of texts: the half of a build that uses tools. Raises MachineError, OSError."""
    target = out / emitted.name
    with folder_beside(target) as folder:
        inputs = freshness.inputs_digest(source, setting.kernel.fingerprint, identity.tools_fingerprint())
        _compile(emitted, inputs, folder.resolve(), setting, step)
        _describe(emitted, source, inputs, folder, setting)
        put_in_place(folder, target, (*freshness.artefact_files(emitted.name), freshness.MANIFEST))
    return target


def _compile(emitted: Emitted, inputs: str, folder: Path, setting: Setting, step: Step) -> None:
    name, tools = emitted.name, setting.tools
    (folder / f"{name}.bpf.c").write_text(emitted.bpf_c, encoding="utf-8")
    (folder / f"{name}.h").write_text(emitted.header, encoding="utf-8")
    host = setting.emitter.render("host.c.j2", {"name": name, "inputs": inputs, "config": emitted.manifest["config"] is not None})
    (folder / f"{name}.host.c").write_text(host, encoding="utf-8")
    with ThreadPoolExecutor(2) as beside:
        # What takes a while is done side by side: clang, its version, cffi's parser; then the types and the shared object.
        step("compile")
        compiled = beside.submit(toolchain.compile_object, tools, folder, name)
        beside.submit(toolchain.versions, tools)
        text = binding((setting.emitter.folder / "driver.h").read_text(encoding="utf-8"), emitted.cdef, f"{name}_cffi")
        (folder / f"{name}_cffi.py").write_text(text, encoding="utf-8")
        compiled.result()
        _look_back(emitted, folder)
        types = beside.submit(toolchain.make_core_btf, tools, folder, name, setting.kernel.btf.data)
        step("skeleton")
        toolchain.make_skeleton(tools, folder, name)
        step("link")
        toolchain.link_host(tools, folder, name, setting.emitter.folder)
        types.result()


def _look_back(emitted: Emitted, folder: Path) -> None:
    """What the object tells: where its instructions come from, and what it costs. Raises SpecError where that is too much."""
    name = emitted.name
    compiled = (folder / f"{name}.bpf.o").read_bytes()
    programs, maps = linked.read(compiled, f"{name}.bpf.c"), budget.maps_of(compiled)
    (folder / f"{name}.places.json").write_text(places_text(emitted.places, programs), encoding="utf-8")
    if problems := list(budget.over(emitted.limits, programs, maps)):
        raise SpecError(problems)
    emitted.manifest["budget"] = budget.as_data(programs, maps, emitted.limits)


def _describe(emitted: Emitted, source: bytes, inputs: str, folder: Path, setting: Setting) -> None:
    """The manifest, last: where it is, the artefact is whole."""
    manifest = emitted.manifest
    manifest["spec"] = {"file": manifest["file"], "sha256": hashlib.sha256(source).hexdigest()}
    del manifest["file"]
    manifest["inputs"] = inputs
    manifest["built"] |= {
        "kernel": setting.kernel.release,
        "machine": setting.kernel.machine,
        "kernel_build": identity.exact_build() if setting.kernel.fingerprint == identity.kernel_fingerprint() else "",
        **toolchain.versions(setting.tools),
    }
    files = freshness.artefact_files(emitted.name)
    manifest["files"] = {f: hashlib.sha256((folder / f).read_bytes()).hexdigest() for f in files}
    write_beside(folder / freshness.MANIFEST, freshness.sealed(manifest_text(manifest).encode()))


__all__ = ["Setting", "SpecError", "build_one", "read_and_check"]
