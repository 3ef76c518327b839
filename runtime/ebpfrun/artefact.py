"""What the user typed becomes an artefact: a spec is built first where it is stale.

Receives ``specs/net.yaml``, ``build/net`` or ``net``, returns the folder of the artefact. The one place where the runtime asks an
installed ebpfgen; without ebpfgen an artefact built elsewhere from the very same spec is taken.
"""

from __future__ import annotations

import os
import sys

from . import manifest
from .errors import EXIT_MACHINE, ArtefactError, EbpfrunError, UsageError

BUILD = "build"
SPECS = "specs"
_SUFFIXES = (".yaml", ".yml")


class BuildError(EbpfrunError):
    """ebpfgen's problems, as it says them, and its exit status."""

    def __init__(self, text: str, exit_status: int) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def resolve(word: str, build: str | None = None) -> str:
    """The folder of a current artefact. ``build`` is where artefacts are (default: ``build`` in the current folder)."""
    out = build or BUILD
    if word.endswith(_SUFFIXES):
        if not os.path.isfile(word):
            raise UsageError(f"{word}: {'not a file' if os.path.exists(word) else 'there is no such spec'}{_near(word, out)}")
        return _of_spec(word, out)
    if os.path.isfile(os.path.join(word, manifest.FILE)):
        return word
    if os.path.basename(word) == manifest.FILE and os.path.isfile(word):
        return os.path.dirname(word) or "."
    if os.path.isdir(word) and "/" in word:
        raise ArtefactError(f"{word}: no artefact (it has no {manifest.FILE}); build it with `ebpfgen build`")
    if "/" not in word:
        return _of_name(word, out)
    raise UsageError(f"{word}: there is no such spec or artefact{_near(word, out)}")


def _of_name(name: str, out: str) -> str:
    folder = os.path.join(out, name)
    if os.path.isfile(os.path.join(folder, manifest.FILE)):
        return folder
    for specs in filter(None, (SPECS, _shipped())):
        path = os.path.join(specs, name + _SUFFIXES[0])
        if os.path.isfile(path):
            return _of_spec(path, out)
    raise UsageError(f"{name}: there is no such spec or artefact (neither {folder} nor {SPECS}/{name}.yaml){_near(name, out)}")


def _shipped() -> str | None:
    """The folder of the specs that come with ebpfgen, if it is installed."""
    try:
        from ebpfgen import data
    except ImportError:
        return None
    return str(data.specs())


def _of_spec(spec: str, out: str) -> str:
    """Builds if need be. The stem of a spec's file is its name: ebpfgen sees to that."""
    folder = os.path.join(out, os.path.splitext(os.path.basename(spec))[0])
    try:
        from ebpfgen import freshness
    except ImportError:
        if _built_from(folder, spec):
            return folder
        raise ArtefactError(f"{spec}: {folder} was not built from it, and ebpfgen, which could, is not installed") from None
    from pathlib import Path

    if freshness.current(Path(spec), Path(out)):
        return folder
    return _build(spec, out, folder)


def _build(spec: str, out: str, folder: str) -> str:
    from pathlib import Path

    from ebpfgen import pipeline, problems

    print(f"ebpfrun: building {spec}", file=sys.stderr)
    try:
        return str(pipeline.build_one(Path(spec), Path(out)))
    except problems.EbpfgenError as error:
        if error.exit_status == EXIT_MACHINE and _built_from(folder, spec):
            print(
                f"ebpfrun: {spec} can't be rebuilt here ({error}); {folder}, built from the same text, is used", file=sys.stderr
            )
            return folder
        raise BuildError(str(error), error.exit_status) from None


def _built_from(folder: str, spec: str) -> bool:
    """Whether there is an artefact of the spec as it is now."""
    import hashlib

    try:
        with open(spec, "rb") as file:
            return manifest.read(folder).spec_sha256 == hashlib.sha256(file.read()).hexdigest()
    except OSError as error:
        raise UsageError(f"{spec}: {error.strerror}") from None
    except ArtefactError:
        return False


def _near(word: str, out: str) -> str:
    import difflib

    name = os.path.splitext(os.path.basename(word))[0]
    known = {entry for entry in _entries(out) if os.path.isfile(os.path.join(out, entry, manifest.FILE))}
    for specs in filter(None, (SPECS, _shipped())):
        known.update(entry.removesuffix(_SUFFIXES[0]) for entry in _entries(specs) if entry.endswith(_SUFFIXES))
    near = difflib.get_close_matches(name, known, 3, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
