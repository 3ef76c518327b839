"""One layout: what the manifest says of a record is what cffi computes from the C declaration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SPECS = sorted(p.stem for p in (Path(__file__).parents[2] / "specs").glob("*.yaml"))


def binding(folder: Path, name: str) -> Any:
    module: dict[str, Any] = {"__name__": f"{name}_cffi"}
    exec((folder / f"{name}_cffi.py").read_text(), module)
    return module["ffi"]


@pytest.mark.parametrize("name", SPECS)
def test_manifest_and_cffi_agree(name: str, artefact: Callable[[str], Path]) -> None:
    folder = artefact(name)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    ffi = binding(folder, name)
    seen = 0
    for event in manifest["events"]:
        struct = f"struct {event['name']}_event"
        assert ffi.sizeof(struct) == event["size"]
        for field in event["fields"]:
            assert ffi.offsetof(struct, field["name"]) == field["offset"], field
            assert ffi.sizeof(dict(ffi.typeof(struct).fields)[field["name"]].type) == field["size"], field
            seen += 1
    records = [(part, metric[part]) for metric in manifest["metrics"] for part in ("key", "value") if metric[part]]
    for part, layout in records:
        if len(layout["fields"]) == 1:
            continue  # a number, no struct
        # Metrics with the same labels share one struct, which has the name of the first.
        owner = next(m["name"] for m in manifest["metrics"] if m[part] == layout)
        for field in layout["fields"]:
            assert ffi.offsetof(f"struct {owner}_{part}", field["name"]) == field["offset"], field
            seen += 1
        assert ffi.sizeof(f"struct {owner}_{part}") == layout["size"]
    if manifest["config"]:
        struct = f"struct {name}_config"
        assert ffi.sizeof(struct) == manifest["config"]["size"]
        for field in manifest["config"]["fields"]:
            assert ffi.offsetof(struct, field["name"].replace(".", "_").removeprefix("param_")) == field["offset"], field
            seen += 1
    assert seen, "a tracer without any record?"
