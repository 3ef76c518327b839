"""docs/spec.md says all of the language, and nothing that does not build."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from house.markdown import ROOT, Block, blocks

from ebpfgen import cli, schema

SPEC_MD = ROOT / "docs" / "spec.md"
EXAMPLES = blocks(SPEC_MD, "yaml")

# What the examples speak of and the document does not define.
DEFINED_ELSEWHERE = {"events": "  session: {fields: {duration: duration}}\n"}
DEFINITIONS = ("params", "maps", "events", "metrics")
PROBE = "probes:\n  - {on: tracepoint:sched:sched_process_exit, do: [{stop: true}]}\n"


def keys_of(node: Any) -> Iterator[str]:
    """Every key that the schema lets somebody write."""
    if isinstance(node, dict):
        if isinstance(properties := node.get("properties"), dict):
            yield from properties
        for inner in node.values():
            yield from keys_of(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from keys_of(inner)


@pytest.mark.parametrize("key", sorted(set(keys_of(json.loads(schema.text())))))
def test_each_key_of_the_schema_is_documented(key: str) -> None:
    text = SPEC_MD.read_text(encoding="utf-8")
    assert re.search(rf"`(?:[^`\n]*[^\w$.`])?{key}\b(?!\()[^`\n]*`", text), f"docs/spec.md says nothing about {key}"


def head(block: Block) -> str:
    """The first key of the example."""
    return block.text.split(":", 1)[0]


def complete(example: Block, name: str) -> str:
    """The example as a spec that can be built: with what the document's other examples define, where it uses that."""
    if head(example) == "ebpfgen":
        return example.text
    text = example.text
    if head(example) == "on":  # a probe's attach point
        text = "probes:\n  - do: [{stop: true}]\n" + "".join(f"    {line}\n" for line in text.splitlines())
    text = f"ebpfgen: 1\nname: {name}\nsummary: an example of the documentation\n" + text
    given = set(re.findall(r"^\w+", text, re.M))
    for key in DEFINITIONS:
        if key not in given:
            text += next(block.text for block in EXAMPLES if head(block) == key)
        if key in DEFINED_ELSEWHERE:
            text = re.sub(rf"^{key}:\n", lambda match, key=key: match[0] + DEFINED_ELSEWHERE[key], text, flags=re.M)
    return text if given & {"probes", "spans"} else text + PROBE


def test_there_are_examples() -> None:
    assert {"params", "maps", "events", "metrics", "on", "probes", "spans"} <= set(map(head, EXAMPLES))


@pytest.mark.root
@pytest.mark.slow
def test_each_example_builds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for example in EXAMPLES:
        name = f"line_{example.line}"
        (tmp_path / f"{name}.yaml").write_text(complete(example, name), encoding="utf-8")
    status = cli.main(["build", str(tmp_path), "--out", str(tmp_path / "out")])
    assert status == 0, capsys.readouterr().err
    assert len(list(tmp_path.glob("out/*/manifest.json"))) == len(EXAMPLES)
