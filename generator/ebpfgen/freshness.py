"""Whether an artefact is what a build would make now, told without building: by a digest of everything that it depends on.

Light on purpose (no YAML, no templates engine): it runs before every start of a spec and is all of a build that has nothing to do.
"""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from . import data, toolchain
from .kernel import running
from .problems import MachineError

SUFFIXES = ("bpf.c", "h", "bpf.o", "skel.h", "host.c", "so")


def artefact_files(name: str) -> list[str]:
    """The files of an artefact besides its manifest."""
    return [*(f"{name}.{s}" for s in SUFFIXES), f"{name}_cffi.py"]


@functools.cache
def generator_digest() -> str:
    """Over the generator's own code, grammar, schema and templates."""
    package = Path(__file__).parent
    digest = hashlib.sha256()
    for root, patterns in ((package, ("*.py", "*.lark", "*.json", "syscalls/*.tbl")), (data.templates(), ("*", "parts/*"))):
        for path in sorted(p for pattern in patterns for p in root.glob(pattern) if p.is_file()):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def inputs_digest(spec: bytes, kernel_fingerprint: str, tools: toolchain.Toolchain) -> str:
    """Over everything that a build of ``spec`` depends on."""
    parts = [hashlib.sha256(spec).hexdigest(), generator_digest(), kernel_fingerprint, tools.fingerprint]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def built_inputs(artefact: Path) -> str | None:
    """The digest that an artefact was built with; None when there is no whole artefact."""
    try:
        manifest = json.loads((artefact / "manifest.json").read_bytes())
        whole = all((artefact / f).is_file() for f in artefact_files(manifest["name"]))
        return str(manifest["inputs"]) if whole else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def current(spec: Path, out: Path) -> bool:
    """Whether ``out/<name>`` is what building ``spec`` for the running kernel would make. False when that can't be told."""
    try:
        inputs = inputs_digest(spec.read_bytes(), running().fingerprint, toolchain.find())
    except (OSError, MachineError):
        return False
    return built_inputs(out / spec.stem) == inputs
