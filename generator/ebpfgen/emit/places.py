"""From lines of the generated C to places in the spec, and from instructions to lines.

Receives the C as rendered and the functions whose bodies were lowered from the spec, then the linked programs; returns the place
of each line that has one, and the text of the file that tells the runtime.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from ebpfgen.cline import place_of
from ebpfgen.linked import Linked
from ebpfgen.problems import Mark

_HEAD = re.compile(r"(?:\w+ )+(\w+)\(.* \*ctx\)")


def places_of(text: str, functions: Iterable[dict[str, Any]]) -> dict[int, Mark]:
    """Number of a line of C, from 1 → place in the spec."""
    heads = {head[1]: i for i, line in enumerate(text.split("\n"), 1) if (head := _HEAD.fullmatch(line))}
    places: dict[int, Mark] = {}
    for function in functions:
        first = heads[function["name"]] + 2  # behind the brace
        places |= {first + i: at for i, line in enumerate(function["lines"]) if (at := place_of(line))}
    return places


def places_text(places: Mapping[int, Mark], programs: Mapping[str, Linked]) -> str:
    """``NAME.places.json``, see docs/artefact.md."""
    lines = {str(line): [at.line, at.column] for line, at in sorted(places.items())}
    return json.dumps({"lines": lines, "programs": {n: p.lines for n, p in programs.items()}}, separators=(",", ":")) + "\n"
