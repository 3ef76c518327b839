"""From batches to sinks, and the account of it.

Receives batches as they were drained and a tracer whose maps can be dumped; hands each batch to every sink's own queue
(:mod:`ebpfrun.delivery`), so that no sink keeps another, or the drain, waiting. Never attaches, drains or decodes: the caller
drains when they are ``ready``, and stops when ``done`` says so.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence

from . import account
from .account import Account, Counts, End
from .batch import Batch
from .delivery import Delivery, Settings
from .errors import UsageError
from .lean import TextIO
from .metrics import Dump, Metrics, Reading
from .queues import DROP_NEWEST
from .records import Records
from .sinks import Context, Sink, open_sink
from .sinks.base import STDOUT
from .sinks.words import Words, parse, place
from .summary import summary


class Output:
    """All that a run puts out.

    ``sinks``: words as behind ``--sink``, or sink objects; none means a table on a terminal, text elsewhere. ``interval``:
    seconds between metrics' readings, None for none before the end. ``count``: how many events are wanted in all. Once
    ``ended`` says so, a sink's reader who takes nothing is not waited for. ``policy`` of sinks that name none. ``changed`` is
    called, in any thread, when ``done`` may have become true.
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
        policy: str = DROP_NEWEST,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens the sinks: SinkError for a target that can't be, UsageError for words that name none."""
        self._records = records
        self._interval = interval
        self._quiet = quiet
        self._stderr = stderr if stderr is not None else sys.stderr
        self._count = count
        self._metrics = Metrics(records.manifest, records.offset)
        self._handed: Counter[int] = Counter()
        self._beyond: Counter[int] = Counter()
        self._started = time.monotonic()
        self._asked = ended
        self._notify = changed
        self._told: set[str] = set()
        self.end: End | None = None
        context = Context(records.manifest, records.names, stdout if stdout is not None else sys.stdout, ended, self._tell)
        self._deliveries: list[Delivery] = []
        self._open(sinks, context, policy)

    def begin(self) -> None:
        """Observation begins now: the first interval and the summary's duration count from here. Without it, from the making of
        this object."""
        self._started = time.monotonic()
        self._metrics.begin()

    @property
    def done(self) -> bool:
        """No event is wanted any more: ``count`` is reached, or no sink is left."""
        return self._wanted() == 0 or not any(delivery.alive for delivery in self._deliveries)

    def ready(self, hurry: Callable[[], bool] = lambda: True) -> bool:
        """Whether to drain now. Waits for a moment where a sink's queue is full: always for one that blocks, for one that
        drops as long as it goes on taking and there is no ``hurry``."""
        alone = len(self._deliveries) == 1
        return all(delivery.ready(hurry, alone) for delivery in self._deliveries)

    def settle(self) -> None:
        """Nothing new is observed, so nothing is in a hurry: waits for room in each queue, as long as its sink takes."""
        for delivery in self._deliveries:
            delivery.settle(self._asked)

    def wait(self) -> None:
        """Until every sink has written, or lost, all that it was handed."""
        for delivery in self._deliveries:
            delivery.wait()

    def batch(self, batch: Batch) -> None:
        """Hands it to every sink. It is the caller's no longer."""
        with batch:
            wanted = self._limit(batch)
            if len(wanted):
                self._handed.update(wanted.counts)
                self._put(wanted)

    def tick(self, tracer: Dump) -> None:
        """An interval has passed: puts out what the metrics gathered in it, and the account until now."""
        if self._interval is not None:
            self._read(tracer, self._metrics.interval)

    def _read(self, tracer: Dump, read: Callable[[Dump], list[Reading]]) -> None:
        readings = read(tracer) if self._records.manifest.metrics else []
        until_now = self.account(tracer) if any(delivery.wants_account for delivery in self._deliveries) else None
        if readings or until_now:
            self.readings(readings, until_now)

    def readings(self, readings: Sequence[Reading], until_now: Account | None = None) -> None:
        """Hands readings of metrics to every sink, with the account for those that want it."""
        batch = self._records.batch(b"", readings)
        batch.account = until_now
        self._put(batch)

    def account(self, tracer: Dump) -> Account:
        """What became of every event until now."""
        return self._account(account.read_counters(self._records.manifest, tracer))

    def _account(self, counts: Counts) -> Account:
        fates = [(delivery.label, delivery.fate) for delivery in self._deliveries]
        lost = {("readings_lost", each.label): each.readings_lost for each in self._deliveries if each.readings_lost}
        return account.take(self._records.manifest, counts | lost, self._beyond, fates)

    def finish(self, tracer: Dump) -> None:
        """After detaching and the last batch: totals of the metrics, sinks closed, the account on stderr. Then raises the first
        failure of a sink there was, unless it was only that a pipe's reader left."""
        self._read(tracer, self._metrics.totals)
        self.close()
        events = self._records.manifest.events
        beyond = {event.name: self._beyond[event.id] for event in events if self._beyond[event.id]}
        self.end = End(time.monotonic() - self._started, account.read_counters(self._records.manifest, tracer), beyond)
        if not self._quiet:
            self._say(*summary(self._records.manifest.name, self.end.seconds, self._account(self.end.counts)))
        self._raise_failure()

    def finish_replay(self, end: End | None) -> None:
        """The same, with the recorded end of the run in place of a tracer: None where that is missing."""
        name, events = self._records.manifest.name, self._records.manifest.events
        self._beyond.update({event.id: end.beyond.get(event.name, 0) for event in events} if end else {})
        if end and any(delivery.wants_account for delivery in self._deliveries):
            self.readings([], self._account(end.counts))
        self.close()
        if not self._quiet and end:
            self._say(*summary(name, end.seconds, self._account(end.counts), replayed=True))
        elif not self._quiet:
            handed = [f"  {event.name}: {self._handed[event.id]} replayed" for event in events]
            self._say(f"{name}: how long it ran, what it produced and what it lost is not known", *handed)
        self._raise_failure()

    def _raise_failure(self) -> None:
        for delivery in self._deliveries:
            if delivery.crashed is not None:
                raise delivery.crashed
            if delivery.failed is not None and not delivery.failed.reader_gone:
                raise delivery.failed

    def close(self) -> None:
        """Lets every sink write what waits for it, closes it; gives up those that stand still. Harmless the second time."""
        for delivery in self._deliveries:
            delivery.end()
        for delivery in self._deliveries:
            delivery.join(self._asked)

    def _open(self, sinks: Sequence[str | Sink], context: Context, policy: str) -> None:
        chosen = [parse(sink) if isinstance(sink, str) else sink for sink in list(sinks) or [_default(context.stdout)]]
        targets = Counter(place(sink.target) for sink in chosen if isinstance(sink, Words))
        for target, number in targets.items():
            if number > 1:
                where = "the standard output" if target == STDOUT else target
                raise UsageError(f"--sink: {number} sinks would write to {where}; give each its own target (--sink NAME:PATH)")
        try:
            for sink in chosen:
                self._deliveries.append(self._delivery(sink, context, policy))
        except Exception:
            self.close()
            raise

    def _delivery(self, sink: Words | Sink, context: Context, policy: str) -> Delivery:
        if not isinstance(sink, Words):
            return Delivery(sink, type(sink).__name__.lower(), Settings(policy), self._tell, self._changed)
        settings = Settings.of(sink, policy)
        opened = open_sink(sink, context)
        if "flush" not in sink.options:
            settings = settings._replace(flush=getattr(opened, "FLUSH", settings.flush))
        delivery = Delivery(opened, sink.label, settings, self._tell, self._changed)
        delivery.patient = sink.target == STDOUT or _is_pipe(sink.target)
        return delivery

    def _wanted(self) -> int | None:
        return None if self._count is None else max(0, self._count - self._handed.total())

    def _limit(self, batch: Batch) -> Batch:
        wanted = self._wanted()
        if wanted is None or len(batch) <= wanted:
            return batch
        first = batch.first(wanted)
        self._beyond.update(batch.counts)
        self._beyond.subtract(first.counts)
        return first

    def _put(self, batch: Batch) -> None:
        for delivery in self._deliveries:
            delivery.put(batch)

    def _tell(self, words: str) -> None:
        self._say(f"ebpfrun: {words}")

    def _changed(self) -> None:
        """In a sink's thread: says at once that it is gone, if the run goes on without it; else finish does."""
        for delivery in self._deliveries:
            gone = delivery.crashed or (delivery.failed if delivery.failed and not delivery.failed.reader_gone else None)
            if gone and delivery.label not in self._told and not self.done:
                self._told.add(delivery.label)
                self._tell(f"{gone}; the other sinks go on")
        self._notify()

    def _say(self, *lines: str) -> None:
        try:
            self._stderr.write("\n".join((*lines, "")))
            self._stderr.flush()
        except OSError:  # nobody is left to be told
            return


def _default(stdout: TextIO | None) -> str:
    return "table" if stdout is not None and stdout.isatty() else "text"


def _is_pipe(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False
