"""From drained bytes to sinks, and the account of it.

Receives buffers of records as the driver drains them and a tracer whose maps can be dumped; hands the same batch to every
sink. A sink that fails is closed and told of on stderr; the others go on, and what it did not take is counted. Never
attaches, drains or waits: the caller does, and stops when ``done`` says so.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from .batch import Batch
from .errors import UsageError
from .metrics import Dump, Metrics
from .records import Records
from .sinks import Context, Sink, SinkError, open_sink
from .sinks.words import parse
from .summary import Tally, read_counters, summary


class Output:
    """All that a run puts out.

    ``sinks``: words as behind ``--sink``, or sink objects; none means a table on a terminal, text elsewhere. ``interval``:
    seconds between metrics' readings, None for none before the end. ``count``: how many events are wanted in all. Once
    ``ended`` says so, a sink's reader who takes nothing is not waited for.
    """

    def __init__(
        self,
        records: Records,
        sinks: Sequence[str | Sink],
        interval: float | None = None,
        quiet: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        count: int | None = None,
        ended: Callable[[], bool] = lambda: False,
    ) -> None:
        """Opens the sinks: SinkError for a target that can't be, UsageError for words that name none."""
        manifest = self._manifest = records.manifest
        self._interval = interval
        self._quiet = quiet
        self._stderr = stderr if stderr is not None else sys.stderr
        self._count = count
        self._records = records
        self._metrics = Metrics(manifest, records.offset)
        self._tally = Tally(Counter(), Counter(), Counter())
        self._started = time.monotonic()
        context = Context(manifest, records.names, stdout if stdout is not None else sys.stdout, ended)
        self._targets = _open_all(sinks, context)

    def begin(self) -> None:
        """Observation begins now: the first interval and the summary's duration count from here. Without it, from the making of
        this object."""
        self._started = time.monotonic()
        self._metrics.begin()

    @property
    def events(self) -> dict[str, int]:
        """Events delivered so far to every sink, by name."""
        return {event.name: self._tally.delivered[event.name] for event in self._manifest.events}

    @property
    def done(self) -> bool:
        """No event is wanted any more: ``count`` is reached, or no sink is left."""
        return self._wanted() == 0 or not any(target.alive for target in self._targets)

    def batch(self, buffer: Any, length: int) -> None:
        """Delivers the records in the first ``length`` bytes of ``buffer``, which may be reused afterwards."""
        with self._records.batch(memoryview(buffer)[:length]) as batch:
            wanted = self._limit(batch)
            if not len(wanted):
                return
            taken = self._send(wanted)
            for event in self._manifest.events:
                (self._tally.delivered if taken else self._tally.sink_lost)[event.name] += wanted.counts.get(event.id, 0)

    def tick(self, tracer: Dump) -> None:
        """An interval has passed: puts out what the metrics gathered in it."""
        if self._interval is not None and self._manifest.metrics:
            self._send(self._records.batch(b"", self._metrics.interval(tracer)))

    def finish(self, tracer: Dump) -> None:
        """After detaching and the last batch: totals of the metrics, the account on stderr, sinks closed. Then raises the first
        SinkError there was, unless it was only that a pipe's reader left."""
        if self._manifest.metrics:
            self._send(self._records.batch(b"", self._metrics.totals(tracer)))
        self.close()
        if not self._quiet:
            counts = read_counters(self._manifest, tracer)
            self._say(*summary(self._manifest, time.monotonic() - self._started, counts, self._tally))
        for target in self._targets:
            if target.failed is not None and not target.failed.reader_gone:
                raise target.failed

    def close(self) -> None:
        """Closes the sinks; harmless when they are closed already."""
        for target in self._targets:
            target.close()

    def _wanted(self) -> int | None:
        if self._count is None:
            return None
        return max(0, self._count - sum(self._tally.delivered.values()) - sum(self._tally.sink_lost.values()))

    def _limit(self, batch: Batch) -> Batch:
        wanted = self._wanted()
        if wanted is None or len(batch) <= wanted:
            return batch
        first = batch.first(wanted)
        for event in self._manifest.events:
            self._tally.beyond[event.name] += batch.counts.get(event.id, 0) - first.counts.get(event.id, 0)
        return first

    def _send(self, batch: Batch) -> bool:
        """True when every sink took it."""
        taken = True
        for target in self._targets:
            if target.alive and not target.take(batch):
                self._tell(target)
            taken = taken and target.alive
        return taken

    def _tell(self, broken: _Target) -> None:
        """Says at once that a sink is gone, if the run goes on without it; else finish does."""
        if broken.failed and not broken.failed.reader_gone and any(target.alive for target in self._targets):
            self._say(f"ebpfrun: {broken.failed}; the other sinks go on")

    def _say(self, *lines: str) -> None:
        try:
            self._stderr.write("\n".join((*lines, "")))
            self._stderr.flush()
        except OSError:  # nobody is left to be told
            return


class _Target:
    """A sink and how it fared."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._open = True
        self.failed: SinkError | None = None

    @property
    def alive(self) -> bool:
        return self._open and self.failed is None

    def take(self, batch: Batch) -> bool:
        try:
            self._sink.write(batch)
            self._sink.flush()
        except SinkError as error:
            self.failed = error
            self.close()
            return False
        return True

    def close(self) -> None:
        if self._open:
            self._open = False
            try:
                self._sink.close()
            except SinkError as error:
                self.failed = self.failed or error


def _open_all(sinks: Sequence[str | Sink], context: Context) -> list[_Target]:
    chosen = list(sinks) or [_default(context.stdout)]
    words = [parse(sink) for sink in chosen if isinstance(sink, str)]
    for target, number in Counter(each.target for each in words).items():
        if number > 1:
            where = "the standard output" if target == "-" else target
            raise UsageError(f"--sink: {number} sinks would write to {where}; give each its own target (--sink NAME:PATH)")
    opened: list[_Target] = []
    try:
        for sink in chosen:
            opened.append(_Target(open_sink(sink, context) if isinstance(sink, str) else sink))
    except Exception:
        for target_ in opened:
            target_.close()
        raise
    return opened


def _default(stdout: TextIO | None) -> str:
    return "table" if stdout is not None and stdout.isatty() else "text"
