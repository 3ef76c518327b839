"""One sink's way: its queue, its thread, its failures, and what became of every event that was meant for it.

Receives batches from the thread that drains, which never waits for a sink; writes them in a thread of the sink's own. A target
that fails in a way that may pass is tried again, with growing pauses; a sink that failed for good takes nothing more. Every
event is counted once, in one of :class:`Fate`'s ways.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable

from . import values
from .batch import Batch
from .errors import SinkCrashed
from .lean import NamedTuple
from .queues import BLOCK, DROP_NEWEST, POLICIES, Queue
from .sinks import Sink, SinkError
from .sinks.words import Words

_FIRST_PAUSE = 0.1  # seconds between attempts; each pause is twice the one before
_LONGEST_PAUSE = 5.0
_PATIENCE = 5.0  # seconds that a sink may take nothing once the run has ended
_SILENCE = 1.0  # seconds of attempts that nobody is told of
_STANDS_STILL = 0.5  # seconds after which a full queue is not waited for
_STEP = 0.05
_MOMENT = 0.001  # in which a ring of the usual size does not fill by half


class Settings(NamedTuple):
    """How a sink is served. ``policy``: one of ``POLICIES`` of :mod:`ebpfrun.queues`; ``queue``: bytes that may wait; ``flush``:
    seconds that what was written may stay where others can't read it; ``retry``: seconds that a failing target is tried again."""

    policy: str = DROP_NEWEST
    queue: int = 4 << 20
    flush: float = 0.0
    retry: float = 5.0

    @classmethod
    def of(cls, words: Words, policy: str = DROP_NEWEST) -> Settings:
        """By the common options (:data:`ebpfrun.sinks.words.COMMON`); ``policy`` where the words name none."""
        usual = cls(policy)
        return cls(
            words.value("policy", _policy, usual.policy),
            words.value("queue", _queue, usual.queue),
            words.value("flush", _seconds, usual.flush),
            words.value("retry", _seconds, usual.retry),
        )


def _policy(text: str) -> str:
    if text not in POLICIES:
        raise ValueError(f"expected {', '.join(POLICIES)}")
    return text


def _queue(text: str) -> int:
    size = values.size(text)
    if not 1 << 12 <= size <= 1 << 40:
        raise ValueError("expected from 4KiB to 1TiB")
    return size


def _seconds(text: str) -> float:
    return 0.0 if text == "0" else values.seconds(text)


class Fate(NamedTuple):
    """What became of events, by event id. ``taken``: the sink has them; ``dropped``: no room in the queue; ``failed``: the target
    failed; ``given_up``: they still waited when the end was not waited for any more."""

    taken: Counter[int]
    dropped: Counter[int]
    failed: Counter[int]
    given_up: Counter[int]


class Delivery:
    """``label`` is what people call the sink. ``say`` is told what they should know at once; ``changed`` is called when the sink
    is gone. The thread begins with the first batch."""

    patient = False
    """At the end it is waited for as long as the run is not asked to end: a pipe's reader may be a pager."""

    def __init__(
        self,
        sink: Sink,
        label: str,
        settings: Settings,
        say: Callable[[str], None],
        changed: Callable[[], None],
    ) -> None:
        self.label = label
        self.fate = Fate(Counter(), Counter(), Counter(), Counter())
        self.readings_lost = 0
        """Readings of metrics that the sink did not take, for whatever reason."""
        self.failed: SinkError | None = None
        self.crashed: BaseException | None = None
        self.wants_account = bool(getattr(sink, "wants_account", False))
        self._sink = sink
        self._settings = settings
        self._say = say
        self._changed = changed
        self._queue = Queue(settings.queue, settings.policy)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._writing: Batch | None = None
        self._stored: dict[int, int] = {}
        self._given_up = False
        self._open = True
        self._stepped = time.monotonic()
        self._unflushed: float | None = None
        self._looked = 0.0

    # --- the side that drains ---

    @property
    def alive(self) -> bool:
        return self.failed is None and self.crashed is None and not self._ending.is_set()

    def ready(self, hurry: Callable[[], bool] = lambda: True, alone: bool = False) -> bool:
        """Whether it can be handed a batch; waits for that for a moment. Where the newest are dropped and the sink is ``alone``,
        they may as well wait in the ring, and be dropped there. Otherwise a sink that stands still, or where there is a
        ``hurry``, is always ready: it drops."""
        while self.alive and not self._queue.wait_for_room(0):
            if self._settings.policy == BLOCK or (alone and self._settings.policy == DROP_NEWEST):
                return self._queue.wait_for_room(_STEP)
            if self._idle() >= _STANDS_STILL or hurry():
                break
            self._queue.wait_for_room(_MOMENT)
        return True

    def put(self, batch: Batch) -> None:
        """Hands it on; the caller's own batch stays the caller's."""
        if self._queue.idle:
            self._stepped = time.monotonic()
        self._begin()
        for lost in self._queue.put(batch.share()):
            (self.fate.dropped if self.alive else self.fate.failed).update(lost.counts)
            self.readings_lost += len(lost.readings)
            lost.release()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=f"sink {self.label}", daemon=True)
            self._thread.start()

    def wait(self) -> None:
        """Until all that was put until now is written, or lost."""
        self._queue.wait_until_finished()

    def end(self) -> None:
        """No more batches come: what waits is written, then the sink is closed. Does not wait for that."""
        if self._thread is None:
            self._stepped = time.monotonic()
        self._ending.set()
        self._queue.close()
        self._begin()  # it may not have had a batch; a close that stands still must not keep us waiting either

    def join(self, asked: Callable[[], bool] = lambda: True) -> None:
        """Waits for the end, as long as the sink goes on taking; then what it did not take is given up and counted. ``asked``:
        whether the run was asked to end."""
        if self._given_up:
            return
        if not self._wait(lambda: self._ended.wait(_STEP), asked):
            self._give_up()
        elif self._thread is not None:
            self._thread.join()  # its last steps: the interpreter may not end under a thread

    def settle(self, asked: Callable[[], bool] = lambda: True) -> None:
        """Waits for room in the queue, whatever the policy, as patiently."""
        if self._thread is not None:
            self._wait(lambda: not self.alive or self._queue.wait_for_room(_STEP), asked)

    def _wait(self, met: Callable[[], bool], asked: Callable[[], bool]) -> bool:
        while not met():
            if self._idle() >= _PATIENCE and not (self.patient and not asked()):
                return False
        return True

    def _idle(self) -> float:
        """Seconds since the sink last took something, or began to."""
        return time.monotonic() - self._stepped

    def _give_up(self) -> None:
        with self._lock:
            self._given_up = True
            left = [self._writing] if self._writing is not None else []
            left += self._queue.clear()
            for batch in left:
                self.fate.given_up.update(batch.counts)
                self.readings_lost += len(batch.readings)
        self._say(f"sink {self.label}: took nothing for {_PATIENCE:g} s and is given up")

    # --- the sink's own thread ---

    def _run(self) -> None:
        batch = None
        try:
            while not self._queue.ended:
                batch = self._queue.get(self._until_flush())
                if batch is not None:
                    self._write(batch)
                    self._stepped = time.monotonic()
                self._flush_when_due()
                if batch is not None:
                    batch = None
                    self._queue.finished()
        except BaseException as error:  # a sink's bug: told at once, and by whoever waits for the end
            self.crashed = self._crash(error)
        finally:
            self._fail_the_rest()
            self._close()
            if batch is not None:
                self._queue.finished()
            self._changed()
            self._ended.set()  # last of all: who waits for it may take down what `changed` needs

    def _crash(self, error: BaseException) -> BaseException:
        """As what it is reported: what is not of this package is not our bug."""
        if type(self._sink).__module__.partition(".")[0] == __package__:
            return error
        crash = SinkCrashed(self.label, error)
        crash.__cause__ = error
        return crash

    def _write(self, batch: Batch) -> None:
        with self._lock:
            if self._given_up:
                return
            self._writing = batch
        taken = False
        try:
            taken = self.failed is None and self._try(lambda: self._sink.write(batch))
        finally:
            with self._lock:
                self._writing = None
                stored, self._stored = Counter(batch.counts if taken else self._stored) & Counter(batch.counts), {}
                if not self._given_up:
                    self.fate.taken.update(stored)
                    self.fate.failed.update(Counter(batch.counts) - stored)
                    self.readings_lost += 0 if taken else len(batch.readings)
            batch.release()
        if taken and self._unflushed is None:
            self._unflushed = time.monotonic()

    def _flush_at(self) -> float | None:
        """The monotonic time of the next flush: for what was written, or because the sink wants one at that time."""
        if self.failed is not None:
            return None
        usual = None if self._unflushed is None else self._unflushed + self._settings.flush
        due = getattr(self._sink, "due", None)
        moments = [usual, None if due is None else max(due, self._looked + _STEP)]
        return min((moment for moment in moments if moment is not None), default=None)

    def _until_flush(self) -> float | None:
        at = self._flush_at()
        return None if at is None else max(0.0, at - time.monotonic())

    def _flush_when_due(self) -> None:
        at, now = self._flush_at(), time.monotonic()
        if at is not None and at <= now:
            self._unflushed, self._looked = None, now
            self._try(self._sink.flush)

    def _try(self, act: Callable[[], None]) -> bool:
        """Again and again while the target may recover. False when the sink has failed for good, and is closed."""
        begun, pause, told = time.monotonic(), _FIRST_PAUSE, False
        while True:
            try:
                act()
            except SinkError as error:
                self._take_back(error)
                tried = time.monotonic() - begun
                if not error.may_pass or tried >= self._settings.retry or self._ending.is_set():
                    self._fail(error)
                    return False
                if tried >= _SILENCE and not told:
                    told = True
                    self._say(f"{error}; trying again")
                self._ending.wait(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                if told:
                    self._say(f"sink {self.label}: works again")
                return True

    def _fail(self, error: SinkError) -> None:
        self.failed = self.failed or error
        self._stored = error.stored
        self._unflushed = None
        self._close()
        self._changed()

    def _take_back(self, error: SinkError) -> None:
        """Events that the sink had taken, but which its target does not have: no more than it took, whatever it says."""
        with self._lock:
            lost = {id: min(count, self.fate.taken[id]) for id, count in error.lost.items() if count > 0}
            self.fate.taken.subtract(lost)
            self.fate.failed.update(lost)

    def _fail_the_rest(self) -> None:
        """Only after a crash there is a rest."""
        for batch in self._queue.clear():
            self.fate.failed.update(batch.counts)
            self.readings_lost += len(batch.readings)
            batch.release()

    def _close(self) -> None:
        if self._open:
            self._open = False
            try:
                self._sink.close()
            except SinkError as error:
                self._take_back(error)
                self.failed = self.failed or error
            except BaseException as error:
                self.crashed = self.crashed or self._crash(error)
