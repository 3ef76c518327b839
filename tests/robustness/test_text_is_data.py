"""Text in a spec stays text: in the C that is compiled, in the binding that Python runs, in help, tables and rows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .commands import EBPFGEN, EBPFRUN, OUR_PROGRAMS, SPEC, TRACEPOINT, build, one_message, run

pytestmark = pytest.mark.root  # tracepoints of the running kernel are root's to see

EVIL = r""""; system("touch pwned"); //*/ /* \ ??/ ' $(touch pwned) `touch pwned` %s %n %(x)s {x} {{ 7*7 }} {% raw %} {# c"""
EVIL += r""" \" """ + "'''" + ' """ ' + r"\x22 é …"
QUOTED = json.dumps(EVIL, ensure_ascii=False)  # YAML's double quotes read what JSON's write

EVERYWHERE = f"""\
ebpfgen: 1
name: evil
summary: {QUOTED}
description: {QUOTED}
params:
  word: {{type: string(256), default: {QUOTED}, help: {QUOTED}}}
events:
  call:
    summary: {QUOTED}
    fields: {{pid: pid, given: string(256), written: string(256)}}
metrics:
  calls: {{kind: counter, help: {QUOTED}, unit: calls, labels: {{pid: pid}}}}
probes:
  - name: {OUR_PROGRAMS}
    on: {TRACEPOINT}
    where: comm != {json.dumps(QUOTED, ensure_ascii=False)}
    do:
      - {{emit: call, with: {{given: $word, written: {json.dumps(QUOTED, ensure_ascii=False)}}}}}
      - {{count: calls}}
"""


@pytest.mark.kernel
def test_hostile_text_in_every_field_of_text(tmp_path: Path) -> None:
    (tmp_path / "evil.yaml").write_text(EVERYWHERE, encoding="utf-8")
    build(Path("evil.yaml"), out=Path("build"), cwd=tmp_path)
    manifest = json.loads((tmp_path / "build/evil/manifest.json").read_text())
    texts = [manifest["summary"], manifest["description"], manifest["params"][0]["default"], manifest["params"][0]["help"],
             manifest["events"][0]["summary"], manifest["metrics"][0]["help"]]  # fmt: skip
    assert [text.strip() for text in texts] == [EVIL.strip()] * 6
    helped = run(EBPFRUN, "build/evil", "--help", cwd=tmp_path, env={"COLUMNS": "1000"})
    assert helped.status == 0
    assert helped.out.count(EVIL) == 4  # summary, description, the parameter's help and default
    call = f"{os.path.realpath('/proc/self/exe')} -c 'import os; os.getppid()'"
    done = run(
        EBPFRUN, "build/evil", "--sink", "jsonl:-", "--sink", "text:rows", "--sink", "csv:tables/", "-c", call, cwd=tmp_path
    )
    assert done.status == 0, done.err
    rows = [row for row in map(json.loads, done.out.splitlines()) if row.get("event") == "call"]
    assert [(row["given"], row["written"]) for row in rows] == [(EVIL, EVIL)] * len(rows) != []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["build", "evil.yaml", "rows", "tables"]  # and nothing called pwned
    assert sorted(p.name for p in (tmp_path / "build").iterdir()) == ["evil"]


SHORT = '"; system("touch pwned"); //'
WORD = json.dumps(SHORT)
PLAIN = EVERYWHERE.replace(json.dumps(QUOTED, ensure_ascii=False), "'\"text\"'").replace(QUOTED, '"text"')
REFUSED = {
    "name": ("name: evil", f"name: {WORD}"),
    "parameter": ("word: {", f"{WORD}: {{"),
    "parameter type": ("type: string(256), default", f"type: {WORD}, default"),
    "event": ("call:\n    summary", f"{WORD}:\n    summary"),
    "field": ("given: string", f"{WORD}: string"),
    "field type": ("given: string(256)", f"given: {WORD}"),
    "metric": ("calls: {kind", f"{WORD}: {{kind"),
    "kind": ("kind: counter", f"kind: {WORD}"),
    "unit": ("unit: calls", f"unit: {WORD}"),
    "label": ("labels: {pid:", f"labels: {{{WORD}:"),
    "probe": (f"name: {OUR_PROGRAMS}", f"name: {WORD}"),
    "attach point": (TRACEPOINT, WORD),
    "tracepoint": (TRACEPOINT, json.dumps(f"tracepoint:syscalls:{SHORT}")),
    "condition": ("where: ", f"where: {WORD} #"),
    "emitted": ("emit: call", f"emit: {WORD}"),
    "counted": ("count: calls", f"count: {WORD}"),
}


def test_hostile_text_where_a_word_belongs(tmp_path: Path) -> None:
    for field, (old, new) in REFUSED.items():
        assert old in PLAIN
        (tmp_path / field).mkdir()
        (tmp_path / field / "evil.yaml").write_text(PLAIN.replace(old, new, 1), encoding="utf-8")
    done = run(EBPFGEN, "check", *(f"{field}/evil.yaml" for field in REFUSED), cwd=tmp_path)
    one_message(done, SPEC, lines=len(done.err.splitlines()))
    assert {line.split("/")[0] for line in done.err.splitlines()[:-1]} == set(REFUSED)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(REFUSED)


@pytest.mark.parametrize("place", ["binary", "symbol", "function", "software"])
@pytest.mark.kernel
def test_hostile_text_in_attach_points(place: str, tmp_path: Path) -> None:
    """Where the kernel is asked, or a file that may have any name, the words are data all the same."""
    points = {"binary": f"uprobe:/tmp/{SHORT[:-2]}:main", "symbol": f"uprobe:libc.so.6:{SHORT}", "function": f"kprobe:{SHORT}",
              "software": f"software:{SHORT}:1"}  # fmt: skip
    (tmp_path / "evil.yaml").write_text(PLAIN.replace(TRACEPOINT, json.dumps(points[place]), 1), encoding="utf-8")
    done = run(EBPFRUN, "evil.yaml", "--duration", "0.01", cwd=tmp_path)
    assert done.status in (1, 3), done
    assert "a bug" not in done.err
    assert "mistake in ebpfgen" not in done.err
    assert "evil.yaml:" in done.err
    assert not (tmp_path / "pwned").exists()
