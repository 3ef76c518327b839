"""docs/spec.md says all of the language, and nothing that does not build."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ebpfgen import cli, schema
from house.markdown import ROOT, Block, blocks

SPEC_MD = ROOT / "docs" / "spec.md"
EXAMPLES = blocks(SPEC_MD, "yaml")

SECTIONS = ("limits", "params", "maps", "events", "metrics")
SESSION = "  session: {fields: {duration: duration}}\n"  # the examples speak of it, none of them gives it

# Probes that use what an example only declares: a spec must use what it declares.
USES = {
    "limits": "stop: true",
    "params": "where: $failed and $frequency > 1\n    stop: true",
    "maps": """do:
      - {set: "conns[1]", to: {born: nsecs}}
      - {if: 1 in conns, delete: "conns[1]"}
      - {add: "hits[1]", of: 1}""",
    "events": "emit: open\n    with: {path: args.comm, flags: 0, result: 0, latency: 10ms}",
    "metrics": """do:
      - {count: opens}
      - {observe: latency, of: 10ms, by: {syscall: 1}}
      - {observe: sizes, of: 4KiB}
      - {add: memory, of: 4KiB}""",
}


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


def definitions(section: str) -> dict[str, str]:
    """Name → text of what the document's examples declare in a section."""
    text = "".join(block.text for block in EXAMPLES if head(block) == section) + (SESSION if section == "events" else "")
    return {match[1]: match[0] for match in re.finditer(r"^  (\w+):.*\n(?:    .*\n)*", text, re.M)}


def complete(example: Block, name: str) -> str:
    """The example as a spec that can be built: with what it uses of other examples, or with a probe that uses it."""
    if head(example) == "ebpfgen":
        return example.text
    text = example.text
    if head(example) == "on":  # a probe's attach point
        text = "probes:\n  - stop: true\n" + "".join(f"    {line}\n" for line in text.splitlines())
    if head(example) in SECTIONS:
        text += f"probes:\n  - on: tracepoint:sched:sched_process_exit\n    {USES[head(example)]}\n"
    else:
        for section in ("params", "maps", "events"):
            sign = r"\$" if section == "params" else r"\b"
            used = [entry for name, entry in definitions(section).items() if re.search(rf"{sign}{name}\b", example.text)]
            text += f"{section}:\n{''.join(used)}" if used else ""
    return f"ebpfgen: 1\nname: {name}\nsummary: an example of the documentation\n{text}"


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
