"""The build of one spec, step by step: read, check, emit, compile, make the skeleton, link, describe, put in place.

Leaves ``out/<name>/`` whole or as it was: everything is made in a folder beside and renamed.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from . import data, freshness, identity, linking, toolchain
from .atomic import folder_beside, put_in_place, write_beside
from .check import check
from .emit import Emitted, Emitter
from .emit.binding import binding, version
from .ir import CheckedSpec
from .kernel import Kernel, running
from .loader import load
from .pieces import Pieces
from .problems import MachineError, Problem, SpecError
from .processes import NOTHING
from .records import record
from .rendering import Renderer, Templates
from .source import read

Step = Callable[[str], None]


@record()
class Setting:
    """What builds share: the kernel described, the tools, the templates."""

    kernel: Kernel
    tools: toolchain.Toolchain
    emitter: Emitter

    @classmethod
    def of(cls, kernel: Kernel | None = None, renderer: Renderer | None = None) -> Setting:
        return cls(kernel or running(), toolchain.find(), Emitter(renderer or Templates(data.templates())))

    def makers(self) -> str:
        """Names all that makes an artefact of a spec."""
        return f"{freshness.generator_digest()} {identity.tools_fingerprint()} {self.kernel.machine}"


def read_and_check(path: Path, kernel: Kernel) -> tuple[bytes, CheckedSpec]:
    """Raises :class:`SpecError` with every problem of the spec."""
    source = read(path)
    return source, check(load(source, str(path)), kernel)


def build_one(spec: Path, out: Path, setting: Setting | None = None, step: Step = lambda _: None, anew: bool = False) -> Path:
    """Builds ``spec`` into ``out/<name>`` and returns that folder; with ``anew`` nothing of the last build is taken over. Raises
    SpecError, MachineError."""
    setting = setting or Setting.of()
    try:
        with contextlib.ExitStack() as inside:
            begun = _begin_early(out / spec.stem, setting.tools, inside)
            step("check")
            source, checked = read_and_check(spec, setting.kernel)
            step("generate")
            emitted = setting.emitter.emit(checked, setting.kernel.btf)
            return make(emitted, source, out, setting, step, anew, begun)
    except OSError as e:
        raise MachineError(f"{e.filename or out}: {e.strerror}") from None


Begun = tuple[Path, toolchain.Compiler]
"""A folder to make an artefact in, and clang, which waits there for its text."""


def _begin(target: Path, tools: toolchain.Toolchain, inside: contextlib.ExitStack) -> Begun:
    folder = inside.enter_context(folder_beside(target))
    return folder, inside.enter_context(toolchain.Compiler(tools, folder.resolve(), target.name))


def _begin_early(target: Path, tools: toolchain.Toolchain, inside: contextlib.ExitStack) -> Begun | None:
    """Before the spec is read, so that clang is loaded when its text is there. Only where there is an artefact already: then the
    spec is most probably right."""
    with contextlib.suppress(OSError):  # told once the spec is known to be right
        return _begin(target, tools, inside) if target.is_dir() else None
    return None


def make(
    emitted: Emitted, source: bytes, out: Path, setting: Setting, step: Step = lambda _: None, anew: bool = False,
    begun: Begun | None = None,
) -> Path:  # fmt: skip
    """The artefact of texts: the half of a build that uses tools. Raises MachineError, OSError."""
    target = out / emitted.name
    with contextlib.ExitStack() as inside:
        folder, clang = begun or _begin(target, setting.tools, inside)
        pieces = Pieces(folder.resolve(), None if anew else target, setting.makers)
        code = _compile(emitted, pieces, clang, setting, step)
        _describe(emitted, source, code, pieces, setting)
        pieces.tidy()
        put_in_place(folder, target, (*freshness.artefact_files(emitted.name), freshness.MANIFEST))
    return target


def _compile(emitted: Emitted, pieces: Pieces, clang: toolchain.Compiler, setting: Setting, step: Step) -> str:
    """Makes all files but the manifest; returns what names the library, to the manifest and to itself. What takes a while is
    done side by side: clang and the binding, then the types, the skeleton, and looking at the object."""
    name, folder, tools, templates = emitted.name, pieces.folder, setting.tools, setting.emitter.folder
    driver_h = (templates / "driver.h").read_text(encoding="utf-8")
    header, text = pieces.write(f"{name}.h", emitted.header), pieces.write(f"{name}.bpf.c", emitted.bpf_c)
    step("compile")
    if another := header or text:
        clang.begin(emitted.bpf_c)
    # Not taken once clang makes it: where the text of the last build is damaged, clang would go on in a folder that is in place.
    if not (taken := pieces.take(f"{name}.bpf.o", emitted.bpf_c, emitted.header, anew=another)) and not another:
        clang.begin(emitted.bpf_c)
    import ctypes  # noqa: F401 - only now, as what atomic needs at the end: clang is at work, and there is time

    from . import look_back

    if not pieces.take(f"{name}_cffi.py", driver_h, emitted.cdef, version()):
        pieces.write(f"{name}_cffi.py", binding(driver_h, emitted.cdef, f"{name}_cffi"))
    if not taken:
        try:
            clang.finish()
        except MachineError as error:
            raise _over_the_stack(str(error), emitted) or error from None
        object = folder / f"{name}.bpf.o"
        object.write_bytes(look_back.set_apart(object.read_bytes()))
    step("skeleton")
    compiled = pieces.read(f"{name}.bpf.o")
    types = pieces.take(f"{name}.btf", look_back.asked(compiled), setting.kernel.fingerprint)
    skeleton = pieces.take(f"{name}.skel.h", compiled)
    with (
        NOTHING if types else toolchain.make_core_btf(tools, folder, name, setting.kernel.btf.data) as making_types,
        NOTHING if skeleton else toolchain.make_skeleton(tools, folder, name) as making_skeleton,
    ):
        look_back.look_back(emitted, pieces)
        if skeleton_text := making_skeleton.finish():
            pieces.write(f"{name}.skel.h", skeleton_text.decode())
        step("link")
        code = _link(emitted, pieces, setting)
        making_types.finish()
    return code


_OVER = re.compile(r"\.bpf\.c:(\d+):\d+: error: Looks like the BPF stack limit")


def _over_the_stack(said: str, emitted: Emitted) -> SpecError | None:
    """Only clang knows how much of a program it has to keep at a time; it tells the lines where such programs begin."""
    from .linked import STACK

    begin = (int(line) for line in dict.fromkeys(_OVER.findall(said)))
    marks = [min((line, at) for line, at in emitted.places.items() if line > first)[1] for first in begin]
    words = f"the program that begins here keeps more at a time than the {STACK} bytes of stack that the kernel has for it"
    problems = [Problem(at, "", words, hint="have fewer variables, or let another probe do a part of it") for at in marks]
    return SpecError(problems) if problems else None


def _link(emitted: Emitted, pieces: Pieces, setting: Setting) -> str:
    """The shared object, unless it would be the last build's; returns what names it."""
    name = emitted.name
    skeleton = linking.without_bytes(pieces.read(f"{name}.skel.h").decode())
    data = {"name": name, "config": emitted.manifest["config"] is not None}
    code = pieces.digest(skeleton, emitted.header, repr(data))
    pieces.write(f"{name}.host.c", setting.emitter.render("host.c.j2", {**data, "code": code}))
    if not pieces.take(f"{name}.so", code):
        linking.link_host(setting.tools, pieces.folder, name, setting.emitter.folder, skeleton)
    return code


def _describe(emitted: Emitted, source: bytes, code: str, pieces: Pieces, setting: Setting) -> None:
    """The manifest, last: where it is, the artefact is whole."""
    manifest = emitted.manifest
    manifest["spec"] = {"file": manifest["file"], "sha256": hashlib.sha256(source).hexdigest()}
    del manifest["file"]
    made_with = (setting.kernel.fingerprint, identity.tools_fingerprint())
    manifest["inputs"] = freshness.inputs_digest(source, *made_with)
    manifest["nodes"], manifest["setting"] = emitted.nodes, freshness.setting_digest(*made_with)
    manifest["code"] = code
    manifest["built"] |= {
        "kernel": setting.kernel.release,
        "machine": setting.kernel.machine,
        "kernel_build": identity.exact_build() if setting.kernel.fingerprint == identity.kernel_fingerprint() else "",
        **toolchain.versions(setting.tools),
    }
    files = freshness.artefact_files(emitted.name)
    manifest["made_of"] = pieces.made_of
    manifest["files"] = {f: hashlib.sha256(pieces.read(f)).hexdigest() for f in files}
    write_beside(pieces.folder / freshness.MANIFEST, freshness.sealed(freshness.manifest_text(manifest).encode()))


__all__ = ["Setting", "SpecError", "build_one", "read_and_check"]
