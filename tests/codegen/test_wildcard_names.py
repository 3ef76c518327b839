"""Names behind wildcards, of any length: what does not fit is counted, as of any other text."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import pytest

from codegen.running import Lab

pytestmark = pytest.mark.root
SPEC = """
events: {{call: {{fields: {{func: string(256)}}}}}}
metrics: {{calls: {{kind: counter, help: x, labels: {{func: string(256)}}}}}}
probes:
  - {{on: "uprobe:{library}:long_*", do: [{{emit: call}}, {{count: calls}}]}}
"""


def test_names_longer_than_the_table_s_are_counted_as_cut(lab: Lab, tmp_path: Path) -> None:
    names = [f"long_{'x' * (length - 5)}" for length in (126, 127, 128, 300)]
    (tmp_path / "long.c").write_text("".join(f"int {name}(int n) {{ return n; }}\n" for name in names))
    library = tmp_path / "long.so"
    subprocess.run([lab.setting.tools.clang, "-shared", "-fPIC", "-O1", "-o", library, tmp_path / "long.c"], check=True)
    loaded = ctypes.CDLL(str(library))

    traced = lab.run(SPEC.format(library=library), lambda: [loaded[name](1) for name in names])
    cut = 1  # in the marks
    assert [(row["func"], row["marks"]) for row in traced.events("call")] == [(n[:127], cut * (len(n) > 127)) for n in names]
    assert traced.counted("truncated", "call.func") == traced.counted("truncated", "long.func") == 2  # of labels, by the probe
    values = {labels: sample.value for labels, sample in traced.metrics["calls"].items()}
    assert values == {(names[0],): 1, (names[1],): 3}
