"""The benchmark's soak for one minute: rotating files of two sinks hold every event that was produced, and memory does not grow."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from codegen.running import Lab
from workloads import Workloads

SECONDS = 60
BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.slow
def test_a_short_soak(lab: Lab, workloads: Workloads, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    monkeypatch.syspath_prepend(str(BENCH))
    import soak

    monkeypatch.setattr(soak, "ROTATE", {"jsonl": "16MiB", "parquet": "4MiB"})
    monkeypatch.setattr(soak, "QUEUE", "queue=4MiB")  # what waits when the machine is busy is memory, too: within this
    monkeypatch.setattr(soak, "EBPFRUN", str(Path(sys.executable).parent / "ebpfrun"))
    built = lab.build((BENCH / "specs" / "getppid.yaml").read_text())
    shutil.copytree(built, tmp_path / "build" / "getppid")
    found = soak.run(tmp_path, workloads, SECONDS * 200_000, 200_000)
    produced = [int(n) for n in re.findall(r"(\d+) produced", found.said)]
    assert produced == [found.calls], found.said
    delivered = {sink: _delivered(found.said, sink) for sink in found.files}
    assert found.files == delivered, "what the files hold is what was said"
    assert found.lost == 0 or "lost" in found.said or "dropped" in found.said, "a busy machine may lose some, and says so"
    assert min(found.finished.values()) > 5 and len(found.rss) - found.warm_up > 10, found
    assert found.growth < 16, f"MB of {found.rss}"


def _delivered(said: str, sink: str) -> int:
    """One figure where both sinks fared alike, else one for each."""
    both = re.search(r"call: \d+ produced = (\d+) delivered", said)
    own = re.search(rf"{sink}:\S* (\d+) delivered", said)
    found = both or own
    assert found, said
    return int(found[1])
