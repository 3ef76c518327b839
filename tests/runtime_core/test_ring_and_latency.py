"""The size of the ring and the time that events wait in it: as the spec says, or the command line in its place."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ebpfgen.loader import load
from ebpfrun import manifest
from ebpfrun.door import Object
from ebpfrun.errors import ArtefactError
from ebpfrun.tracer import Tracer

from .conftest import one
from .test_command_line import caller, ebpfrun

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Make = Callable[..., Path]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The latencies that the driver is told, in ms."""
    found: list[int] = []
    wake_by = Object.wake_by

    def spy(self: Object, bell: int, latency_ms: int) -> None:
        found.append(latency_ms)
        wake_by(self, bell, latency_ms)

    monkeypatch.setattr(Object, "wake_by", spy)
    return found


@pytest.mark.parametrize(
    ("spec", "given", "expected"),
    [(None, None, 50), (20_000_000, None, 20), (0, None, 0), (20_000_000, 0.005, 5), (20_000_000, 0.0, 0), (None, 1.0, 1000)],
)
def test_the_latency_is_the_specs_unless_given(
    artefact: Make, told: list[int], spec: int | None, given: float | None, expected: int
) -> None:
    changes = {} if spec is None else {"latency": spec}
    with Tracer(str(artefact(one("on_getppid"), **changes)), latency=given):
        assert told == [expected]


@pytest.mark.parametrize("given", [None, 1 << 14])
def test_the_ring_is_the_specs_unless_given(artefact: Make, given: int | None) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": os.getpid()}, ring=given) as tracer:
        assert tracer._object is not None
        assert tracer._object.map_sizes("events").max_entries == (given or 65536)


@pytest.mark.parametrize("latency", ["50ms", True, 0.5])
def test_a_latency_that_is_none_is_refused(artefact: Make, latency: Any) -> None:
    folder = artefact(one("on_getppid"), latency=latency)
    with pytest.raises(ArtefactError, match=r"latency: expected a whole number, found"):
        manifest.read(str(folder))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--latency", "1001ms"), "expected at most 1s, not '1001ms'"),
        (("--latency", "soon"), "argument --latency: "),
        (("--latency", "-1ms"), "argument --latency: "),
        (("--ring", "5000"), "expected a power of two from 4KiB to 1GiB, not '5000'"),
        (("--ring", "2KiB"), "expected a power of two from 4KiB to 1GiB, not '2KiB'"),
        (("--ring", "2GiB"), "expected a power of two from 4KiB to 1GiB, not '2GiB'"),
        (("--order", "11s"), "expected at most 10s, not '11s'"),
    ],
)
def test_bad_words(artefact: Make, words: tuple[str, str], message: str) -> None:
    done = ebpfrun(artefact(one("on_getppid")), *words)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_good_words(artefact: Make, tmp_path: Path) -> None:
    """Events come out with each of them, and with all of them."""
    path = tmp_path / "out"
    for words in (["--latency", "0"], ["--latency", "1s"], ["--ring", "4KiB"], ["--latency", "1ms", "--ring", "8KiB", "--order", "5ms"]):
        done = ebpfrun(artefact(one("on_getppid"), latency=7_000_000), *words, "--sink", f"jsonl:{path}", "-c", caller(20))
        assert (done.returncode, "20 produced = 20 delivered" in done.stderr) == (0, True), done.stderr
        assert len([json.loads(line) for line in path.read_text().splitlines()]) == 20


@pytest.mark.parametrize(("text", "expected"), [("latency: 10ms\n", "10ms"), ("latency: 0ms\n", "0ms"), ("", None)])
def test_a_spec_may_say_it(text: str, expected: str | None) -> None:
    source = "ebpfgen: 1\nname: t\nsummary: a test\n" + text + "probes: [{on: 'interval:s:1', stop: true}]\n"
    latency = load(source.encode(), "t.yaml").latency
    assert (latency.text if latency else None) == expected
