"""What any sink must do, as tests that any sink's author can run.

Derive a class whose name begins with ``Test`` from :class:`SinkConformance`, fill in ``open`` and ``stored`` (and ``broken`` if
the target can fail), and let pytest collect it. Needs nothing but a folder for each test (``tmp_path``).
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ebpfrun.batch import Batch
from ebpfrun.lean import Any
from ebpfrun.manifest import Event, Manifest, Metric, Slot, Struct
from ebpfrun.metrics import Reading, Sample
from ebpfrun.names import Names
from ebpfrun.records import Records

from .base import Context, Sink, SinkError

HOSTILE = (
    "", "a b", "\x1b[31mred\x07", "two\nlines\r\n", '"quoted", with \\', "%s %d {} {0}", "=1+1", "日本語 \u202e", "\x00",
    "x" * 4000,
)  # fmt: skip
"""Names that traced processes may well have."""

_VALUE = Struct(8, (Slot("value", "u64", 0, 8),))


def events() -> tuple[Event, ...]:
    """Two event types, one with a text that can be cut and whose records are only as long as it is."""
    fields = (Slot("time", "timestamp", 8, 8), Slot("n", "u64", 16, 8), Slot("name", "string(256)", 24, 256, 0))
    return Event(0, "name", "", 280, fields, least=25), Event(1, "number", "", 16, (Slot("n", "i64", 8, 8),))


def context(several: bool = True) -> Context:
    """Of a tracer with two events and a metric, or with the first event alone; without a standard output."""
    metric = Metric("total", "counter", "count", "a count", "", None, "total", "array", 1, None, None, _VALUE)
    manifest = Manifest(
        "", "conformance", "", "", "", "", "", {}, {}, 4096, None, (), (),
        events()[: 2 if several else 1], (metric,) if several else (), (), (), (), (), {},
    )  # fmt: skip
    return Context(manifest, Names({}), None)


Row = tuple[str, dict[str, Any]]


def names(*texts: str, marks: int = 0) -> list[Row]:
    """Events of type ``name``."""
    return [("name", {"time": 10**18, "name": text, "n": i, "marks": marks}) for i, text in enumerate(texts)]


def numbers(*values: int) -> list[Row]:
    """Events of type ``number``."""
    return [("number", {"n": value}) for value in values]


def batch(*rows: list[Row], readings: Sequence[Reading] = (), several: bool = True) -> Batch:
    """Of these events, for a sink of ``context(several)``."""
    records = Records(context(several).manifest, 10**18)
    return records.make(itertools.chain.from_iterable(rows), readings)


class SinkConformance:
    """Derive from it; ``several`` is False for a sink that takes one event type only, ``whole`` is True for one whose target can
    be read only when it is complete."""

    several = True
    whole = False

    def open(self, folder: Path) -> Sink:
        """A new sink for ``context(self.several)``, whose target is in ``folder``."""
        raise NotImplementedError

    def stored(self, folder: Path) -> int:
        """How many events others can now read from the target, all of which must be well-formed; 0 where there is none yet."""
        raise NotImplementedError

    def rows(self, folder: Path) -> list[tuple[int, str, int]] | None:
        """The events of type ``name`` as read back: time in ns since 1970, name, n; None for a sink of text for people."""
        return None

    def broken(self, folder: Path) -> Sink | None:
        """A sink whose target fails when it is written to; None when that can't be."""
        return None

    def test_what_was_flushed_can_be_read(self, tmp_path: Path) -> None:
        sink = self.open(tmp_path)
        sink.write(batch(names("a", "b")))
        sink.flush()
        if not self.whole:
            assert self.stored(tmp_path) == 2
        sink.write(batch(names("c")))
        sink.close()
        assert self.stored(tmp_path) == 3

    def test_whoever_looks_meanwhile_sees_whole_events(self, tmp_path: Path) -> None:
        sink = self.open(tmp_path)
        seen = [self.stored(tmp_path)]
        for i in range(5):
            sink.write(batch(names(*(f"{i} {j}" for j in range(50)))))
            sink.flush()
            seen.append(self.stored(tmp_path))
        sink.close()
        assert seen == ([0] * 6 if self.whole else [50 * i for i in range(6)])
        assert self.stored(tmp_path) == 250

    def test_values_are_what_they_were(self, tmp_path: Path) -> None:
        sink = self.open(tmp_path)
        sink.write(batch(names("a", "b,\n'c'", "日本語")))
        sink.close()
        rows = self.rows(tmp_path)
        if rows is not None:
            assert rows == [(10**18, "a", 0), (10**18, "b,\n'c'", 1), (10**18, "日本語", 2)]

    def test_nothing_is_something(self, tmp_path: Path) -> None:
        sink = self.open(tmp_path)
        sink.write(batch())
        sink.flush()
        sink.close()
        assert self.stored(tmp_path) == 0

    def test_mixed_events_and_readings(self, tmp_path: Path) -> None:
        sink = self.open(tmp_path)
        rows = [names("a"), numbers(-1, 2), names("b", "c")] if self.several else [names("a"), names("b", "c")]
        sink.write(batch(*rows, several=self.several))
        if self.several:
            (metric,) = context().manifest.metrics
            sink.write(batch(readings=[Reading(metric, 10**18, 1.0, [Sample((), 5)]), Reading(metric, 10**18, None, [])]))
        sink.close()
        assert self.stored(tmp_path) == sum(map(len, rows))

    def test_any_text_can_be_stored(self, tmp_path: Path) -> None:
        sink = self.open(tmp_path)
        sink.write(batch(names(*HOSTILE), names(*HOSTILE, marks=1), names(*HOSTILE, marks=2)))
        sink.close()
        assert self.stored(tmp_path) == 3 * len(HOSTILE)

    def test_the_batch_is_borrowed(self, tmp_path: Path) -> None:
        """Its memory is used again once ``write`` has returned."""
        sink = self.open(tmp_path)
        memory = bytearray(batch(names("a", "b")).data)
        before = bytes(memory)
        lent = Records(context(self.several).manifest, 10**18).batch(memory)
        sink.write(lent)
        assert bytes(memory) == before
        lent.release()
        memory[:] = bytes(len(memory))
        sink.close()
        assert self.stored(tmp_path) == 2

    def test_close_twice_and_leave_nothing_open(self, tmp_path: Path) -> None:
        before = _open_files()
        sink = self.open(tmp_path)
        sink.write(batch(names("a")))
        sink.close()
        sink.close()
        assert _open_files() == before

    def test_a_failing_target_is_a_sink_error(self, tmp_path: Path) -> None:
        before = _open_files()
        sink = self.broken(tmp_path)
        if sink is None:
            return
        assert _fails(sink), "the target failed and nothing was raised"
        with suppress(SinkError):
            sink.close()
        assert _open_files() == before


def _fails(sink: Sink) -> bool:
    try:
        sink.write(batch(names("a")))
        sink.flush()
        sink.close()
    except SinkError:
        return True
    return False


def _open_files() -> set[str]:
    """Descriptors with what they lead to."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            found.add(f"{fd} {os.readlink(f'/proc/self/fd/{fd}')}")
        except FileNotFoundError:  # the one that lists them
            continue
    return found
