"""``ebpfrun list``: the tracers that can be run here.

Receives the words behind ``list``; prints a table or JSON of what is in the folder of artefacts, in ``specs`` and among the
shipped specs. Loads nothing and builds nothing. ``stale`` means that the spec's text is not the one that was built; a run asks
ebpfgen, which looks at the kernel and the tools as well.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence

from . import building, manifest
from .errors import EXIT_OK, ArtefactError
from .lean import NamedTuple
from .report import put

_DESCRIPTION = "Lists the tracers that can be run here: what is built, and the specs that `ebpfrun NAME` would build."
_SPEC = ".yaml"
_SUMMARY = re.compile(r"^summary:[ \t]*(?:[|>][-+0-9]*[ \t]*(?:#.*)?\n[ \t]+)?(?P<text>.*)$", re.M)


class Tracer(NamedTuple):
    """``state``: "built", "stale", "damaged" (``why`` says how) or "not built". ``kinds``: its attach kinds, once it is built."""

    name: str
    state: str
    kinds: list[str]
    summary: str
    spec: str | None
    artefact: str | None
    why: str = ""


def main(argv: Sequence[str]) -> int:
    """Prints the list; returns the exit status."""
    parser = argparse.ArgumentParser(prog="ebpfrun list", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--build", metavar="DIR", default=building.BUILD, help="the folder of artefacts (default: build)")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="a table for people, or JSON (default: text)")
    options = parser.parse_args(argv)
    tracers = list(found(options.build))
    if options.format == "json":
        put(json.dumps([tracer._asdict() for tracer in tracers], indent=2))
    elif tracers:
        put("\n".join(as_text(tracers)))
    else:
        put(f"no tracers: neither artefacts in {options.build} nor specs in {building.SPECS}")
    return EXIT_OK


def as_text(tracers: Sequence[Tracer]) -> list[str]:
    rows = [("NAME", "STATE", "ATTACHES TO", "SUMMARY")]
    rows += [(t.name, t.state, " ".join(t.kinds) or "-", t.why or t.summary) for t in tracers]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]).rstrip() for row in rows]


def found(build: str) -> Iterator[Tracer]:
    """Every tracer, by name. A spec of the current folder goes before a shipped one of the same name, as in a run."""
    specs: dict[str, str] = {}
    for folder in filter(None, (building.shipped(), building.SPECS)):
        specs.update((name.removesuffix(_SPEC), os.path.join(folder, name)) for name in _entries(folder) if name.endswith(_SPEC))
    built = {name for name in _entries(build) if os.path.isfile(os.path.join(build, name, manifest.FILE))}
    for name in sorted(specs.keys() | built):
        yield _tracer(name, specs.get(name), os.path.join(build, name) if name in built else None)


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _tracer(name: str, spec: str | None, folder: str | None) -> Tracer:
    text = _read(spec)
    if folder is None:
        return Tracer(name, "not built", [], _summary(text), spec, None)
    try:
        m = manifest.read(folder)
        for file in m.files:
            if not os.path.isfile(m.path(file)):
                raise ArtefactError(f"{m.path(file)} is missing; {manifest.REBUILD}")
    except ArtefactError as error:
        return Tracer(name, "damaged", [], _summary(text), spec, folder, str(error))
    kinds = list(dict.fromkeys(program.kind for program in m.programs))
    stale = spec is not None and hashlib.sha256(text).hexdigest() != m.spec_sha256
    return Tracer(name, "stale" if stale else "built", kinds, m.summary, spec, folder)


def _read(spec: str | None) -> bytes:
    """The spec's text; nothing where it can't be read, since a list is no place to fail."""
    try:
        with open(spec or os.devnull, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _summary(spec: bytes) -> str:
    """The first line of the spec's summary. Read without a YAML parser, which a runtime need not have."""
    match = _SUMMARY.search(spec.decode("utf-8", "replace"))
    text = match["text"].strip() if match else ""
    if text[:1] in ('"', "'") and (end := text.find(text[0], 1)) > 0:
        return text[1:end]
    return text.partition(" #")[0].rstrip()
