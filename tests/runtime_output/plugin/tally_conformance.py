"""What the other package tests itself: the public suite, through the registry."""

from __future__ import annotations

import ast
from pathlib import Path

from ebpfrun.sinks import Sink, open_sink
from ebpfrun.sinks.conformance import SinkConformance, context


class TestTally(SinkConformance):
    def open(self, folder: Path) -> Sink:
        return open_sink(f"tally:{folder}/out,title=now", context())

    def stored(self, folder: Path) -> int:
        last = (folder / "out").read_text().splitlines()[-1:]
        return sum(ast.literal_eval(last[0].removeprefix("now ")).values()) if last else 0
