"""The costs of artefacts for people and for machines, from their manifests.

Receives folders of artefacts, returns text. Builds and measures nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from . import freshness
from .budget import Memory, possible_cpus, size_text
from .linked import STACK
from .wording import counted


def report(artefacts: Iterable[Path], form: str) -> str:
    """``form``: "text" or "json"."""
    found = [_read(folder) for folder in artefacts]
    if form == "json":
        return json.dumps(found, indent=1) + "\n"
    return "\n".join(_table(each) for each in found)


def _read(folder: Path) -> dict[str, Any]:
    """One artefact's costs, with the memory of each map on as many CPUs as it is counted with."""
    manifest = json.loads((folder / freshness.MANIFEST).read_bytes())
    cost = manifest["budget"]
    cpus = cost["cpus"] or possible_cpus()
    maps = [Memory(**each) for each in cost["maps"]]
    told = [{"name": m.name, "type": m.type, "entries": m.entries, "bytes": m.on(cpus)} for m in maps]
    programs = [{"name": name, **each} for name, each in cost["programs"].items()]
    return {"name": manifest["name"], "cpus": cpus, "programs": programs, "maps": told, "bytes": sum(m.on(cpus) for m in maps)}


def _table(cost: dict[str, Any]) -> str:
    programs = [(p["name"], f"{p['instructions']}", f"{p['stack']}") for p in cost["programs"]]
    maps = [
        (m["name"], m["type"], "" if m["type"] == "ringbuf" else str(m["entries"]), size_text(m["bytes"])) for m in cost["maps"]
    ]
    maps.append(("all", "", "", size_text(cost["bytes"])))
    head = f"{cost['name']}: {counted(len(programs), 'program')}, {size_text(cost['bytes'])} with {counted(cost['cpus'], 'CPU')}"
    lines = [head, *_columns([("PROGRAM", "INSTRUCTIONS", f"STACK OF {STACK}"), *programs], 1)]
    return "\n".join([*lines, *_columns([("MAP", "TYPE", "ENTRIES", "MEMORY"), *maps], 2)]) + "\n"


def _columns(rows: Sequence[Sequence[str]], words: int) -> list[str]:
    """The first ``words`` columns to the left, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    signs = ["<" if i < words else ">" for i in range(len(widths))]
    return ["  " + "  ".join(f"{c:{s}{w}}" for c, s, w in zip(row, signs, widths, strict=True)).rstrip() for row in rows]
