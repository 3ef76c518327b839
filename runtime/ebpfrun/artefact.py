"""What the user typed becomes an artefact: a spec is built first where it is stale.

Receives ``specs/net.yaml``, ``build/net`` or ``net``, returns the folder of the artefact. Without ebpfgen an artefact built
elsewhere from the very same spec is taken.
"""

from __future__ import annotations

import os
import sys

from . import manifest
from .building import BUILD, SPECS, SUFFIXES, Building, installed, shipped
from .errors import EXIT_MACHINE, ArtefactError, EbpfrunError, UsageError, did_you_mean

COMMANDS = ("doctor", "list")
"""What may stand in the place of a tracer's name; what is called like one is reached by a path."""


class BuildError(EbpfrunError):
    """ebpfgen's problems, as it says them, and its exit status."""

    def __init__(self, text: str, exit_status: int) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def find(word: str, build: str | None = None, begun: Building | None = None) -> manifest.Manifest:
    """The manifest of a current artefact. Messages call the spec as ``word`` does. ``begun``: what looks at a spec already."""
    known = manifest.read(resolve(word, build, begun))
    if not word.endswith(SUFFIXES):
        return known
    return known._replace(spec_file=word, programs=tuple(p._replace(file=word) for p in known.programs))


def resolve(word: str, build: str | None = None, begun: Building | None = None) -> str:
    """The folder of a current artefact. ``build`` is where artefacts are (default: ``build`` in the current folder)."""
    out = build or BUILD
    if word.endswith(SUFFIXES):
        if not os.path.isfile(word):
            raise UsageError(f"{word}: {'not a file' if os.path.exists(word) else 'there is no such spec'}{_near(word, out)}")
        return _of_spec(word, out, begun)
    if os.path.isfile(os.path.join(word, manifest.FILE)):
        return word
    if os.path.basename(word) == manifest.FILE and os.path.isfile(word):
        return os.path.dirname(word) or "."
    if not word:
        raise UsageError("an empty name is no spec and no artefact")
    if "/" not in word:
        return _of_name(word, out, begun)
    if os.path.isdir(word):
        raise _no_artefact(word)
    if os.path.exists(word):
        raise UsageError(f"{word}: neither a spec (NAME{SUFFIXES[0]}) nor the folder of an artefact")
    raise UsageError(f"{word}: there is no such spec or artefact{_near(word, out)}")


def _no_artefact(folder: str) -> EbpfrunError:
    """Of a folder that is none. Somebody may have meant all that is in it, as for ``ebpfgen build``."""
    inside = [e for e in _entries(folder) if e.endswith(SUFFIXES) or os.path.isfile(os.path.join(folder, e, manifest.FILE))]
    if inside:
        one = os.path.join(folder, min(inside))
        return UsageError(f"{folder}: one tracer at a time, for example {one}; `ebpfrun list` shows all")
    return ArtefactError(f"{folder}: no artefact (it has no {manifest.FILE}); build it with `ebpfgen build`")


def _of_name(name: str, out: str, begun: Building | None) -> str:
    """The spec of that name here, else the artefact, else the spec that comes with ebpfgen: no edit is passed over."""
    folder = os.path.join(out, name)
    here = os.path.join(SPECS, name + SUFFIXES[0])
    if os.path.isfile(here):
        return _of_spec(here, out, begun)
    if os.path.isfile(os.path.join(folder, manifest.FILE)):
        return folder
    folder_of_ours = shipped()
    if folder_of_ours and os.path.isfile(path := os.path.join(folder_of_ours, name + SUFFIXES[0])):
        return _of_spec(path, out, begun)
    if os.path.isdir(name):
        raise _no_artefact(name)
    raise UsageError(f"{name}: there is no such spec or artefact (neither {folder} nor {SPECS}/{name}.yaml){_near(name, out)}")


def _of_spec(spec: str, out: str, begun: Building | None) -> str:
    """Builds if need be. The stem of a spec's file is its name: ebpfgen sees to that."""
    folder = os.path.join(out, os.path.splitext(os.path.basename(spec))[0])
    if not installed():
        if _built_from(folder, spec):
            return folder
        raise ArtefactError(f"{spec}: {folder} was not built from it, and ebpfgen, which could, is not installed")
    building = begun if begun and (begun.spec, begun.out) == (spec, out) else Building(spec, out)
    status, text = building.finish()
    if status == EXIT_MACHINE and _built_from(folder, spec):
        print(f"ebpfrun: {spec} can't be rebuilt here ({text}); {folder}, built from the same text, is used", file=sys.stderr)
    elif status:
        raise BuildError(text, status)
    return folder


def _built_from(folder: str, spec: str) -> bool:
    """Whether there is an artefact of the spec as it is now."""
    try:
        with open(spec, "rb") as file:
            return manifest.read(folder).spec_sha256 == manifest.sha256(file.read())
    except OSError as error:
        raise UsageError(f"{spec}: {error.strerror}") from None
    except ArtefactError:
        return False


def _near(word: str, out: str) -> str:
    import difflib

    name = os.path.splitext(os.path.basename(word))[0]
    known = {entry for entry in _entries(out) if os.path.isfile(os.path.join(out, entry, manifest.FILE))}
    for specs in filter(None, (SPECS, shipped())):
        known.update(entry.removesuffix(SUFFIXES[0]) for entry in _entries(specs) if entry.endswith(SUFFIXES))
    if name == word:
        known.update(COMMANDS)
    near = difflib.get_close_matches(name, known, 3, 0.6)
    return did_you_mean(near)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
