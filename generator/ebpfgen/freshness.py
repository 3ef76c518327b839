"""Whether an artefact is what a build would make now, told without building: by a digest of everything that it depends on.

Light on purpose (no YAML, no template engine, not even pathlib): it runs before every start of a spec and is all of a build that
has nothing to do.
"""

from __future__ import annotations

import hashlib
import json
import os

from . import identity

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

MANIFEST = "manifest.json"
_SEAL = b',\n "digest": "'
SUFFIXES = ("bpf.c", "h", "bpf.o", "btf", "places.json", "skel.h", "host.c", "so")
_PACKAGE = os.path.dirname(os.path.abspath(__file__))
_digest: list[str] = []


def artefact_files(name: str) -> list[str]:
    """The files of an artefact besides its manifest."""
    return [*(f"{name}.{s}" for s in SUFFIXES), f"{name}_cffi.py"]


def templates() -> str:
    """The folder of templates: in a wheel beside the package's modules, in a checkout at its top."""
    shipped = os.path.join(_PACKAGE, "_data")
    return os.path.join(shipped if os.path.isdir(shipped) else os.path.dirname(os.path.dirname(_PACKAGE)), "templates")


def generator_digest() -> str:
    """Over the generator's own code, grammar, schema and templates."""
    if not _digest:
        digest = hashlib.sha256()
        for root in (_PACKAGE, templates()):
            for path in sorted(_files(root)):
                with open(path, "rb") as file:
                    digest.update(os.path.relpath(path, root).encode() + b"\0" + file.read() + b"\0")
        _digest.append(digest.hexdigest())
    return _digest[0]


def _files(folder: str) -> list[str]:
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                if entry.name not in ("__pycache__", "_data"):
                    found += _files(entry.path)
            elif not entry.name.endswith((".pyc", "~")) and not entry.name.startswith("."):
                found.append(entry.path)
    return found


def _read(path: str | os.PathLike[str]) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def setting_digest(kernel_fingerprint: str, tools_fingerprint: str) -> str:
    """Over everything that a build depends on besides the spec."""
    return hashlib.sha256(f"{generator_digest()}\n{kernel_fingerprint}\n{tools_fingerprint}".encode()).hexdigest()


def inputs_digest(spec: bytes, kernel_fingerprint: str, tools_fingerprint: str) -> str:
    """Over everything that a build of ``spec`` depends on."""
    parts = f"{hashlib.sha256(spec).hexdigest()}\n{setting_digest(kernel_fingerprint, tools_fingerprint)}"
    return hashlib.sha256(parts.encode()).hexdigest()


def manifest_text(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"


def sealed(manifest: bytes) -> bytes:
    """The text of a manifest with one more key, the last: the digest of what was before it was there."""
    body = manifest.rstrip()
    return body.removesuffix(b"\n}") + _SEAL + hashlib.sha256(body).hexdigest().encode() + b'"\n}\n'


def manifest_of(artefact: str | os.PathLike[str]) -> dict[str, Any] | None:
    """The manifest of an artefact; None when there is none, or it is not as it was written."""
    try:
        text = _read(os.path.join(artefact, MANIFEST))
        manifest = json.loads(text) if text == sealed(text.rpartition(_SEAL)[0] + b"\n}") else None
        return manifest if isinstance(manifest, dict) else None
    except (OSError, ValueError, RecursionError):
        return None


def built_inputs(artefact: str | os.PathLike[str], spec: bytes | None = None) -> str | None:
    """The digest that an artefact was built with; None when there is none, or not all of it as it was built, or not of the
    bytes of ``spec``."""
    try:
        manifest = manifest_of(artefact)
        if manifest is None or (spec is not None and manifest["spec"]["sha256"] != hashlib.sha256(spec).hexdigest()):
            return None
        for name, digest in manifest["files"].items():
            if hashlib.sha256(_read(os.path.join(artefact, name))).hexdigest() != digest:
                return None
        return str(manifest["inputs"]) if sorted(manifest["files"]) == sorted(artefact_files(manifest["name"])) else None
    except (OSError, KeyError, TypeError, AttributeError):
        return None


def is_current(
    spec: str | os.PathLike[str], out: str | os.PathLike[str], kernel_fingerprint: str, tools_fingerprint: str
) -> bool:
    """Whether ``out/<name>`` is what building ``spec`` for that kernel with those tools would make."""
    stem = os.path.splitext(os.path.basename(spec))[0]
    if not os.path.isfile(spec):
        return False
    try:
        source = _read(spec)
    except OSError:
        return False
    built = built_inputs(os.path.join(out, stem), source)
    return built is not None and built == inputs_digest(source, kernel_fingerprint, tools_fingerprint)


def current(spec: str | os.PathLike[str], out: str | os.PathLike[str]) -> bool:
    """The same for the running kernel and this machine's tools. False when that can't be told."""
    try:
        return is_current(spec, out, identity.kernel_fingerprint(), identity.tools_fingerprint())
    except OSError:
        return False
