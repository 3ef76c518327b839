"""A tracer's life: open, configure, load, attach, take batches, detach, close. The Python API of the runtime.

Receives an artefact (its folder or its manifest), parameters and filters; gives batches of events, the contents of maps and the
account. Never decodes (:mod:`ebpfrun.batch` does) and never prints: remarks go to ``notice``.

    with Tracer("build/net", filters={"pid": 42}) as tracer:
        for batch in tracer.batches(duration=5):
            print(len(batch), batch.columns("connect")["latency"].max())
"""

from __future__ import annotations

import errno
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from . import account, attach, choose, config, manifest, verdict, wildcards
from .account import Account, Counts
from .arguments import Arguments
from .batch import Batch, Loan
from .batches import Batches
from .decode import clock_offset
from .delivery import Fate
from .door import Driver, Object
from .errors import ArtefactError, ClosedError, DriverError, MachineError
from .manifest import Manifest, Program
from .order import InOrder
from .pages import Pages
from .records import Records
from .stop import Bell

LATENCY = 0.05
HEAVIEST = 1 << 15
_SAMPLING = ".data.sampling"
_PAGE = 1 << 18
_LONGEST_WAIT = 60_000  # ms
_CLOCK_LOOK = 1.0  # seconds
_CLOCK_STEP = 10_000_000  # ns: less may be the time between looking at one clock and at the other
_HURRY = 75  # per cent of a ring
_QUICK = 50  # links: the kernel ends perf events one by one, under one lock, and waits for two grace periods (40 ms) each
_BTF = "/sys/kernel/btf/vmlinux"


def _silent(_text: str, _always: bool) -> None:
    pass


def _never() -> bool:
    return False


class Tracer:
    """``params`` and ``filters`` are values by name; ``ring`` is the ring buffer's size in bytes where not the spec's;
    ``notice`` is told what a person may want to know, with True when it matters without ``--verbose``; once ``stop`` says so,
    no more is attached. ``latency``: seconds that an event may wait for others before it is drained, where not the spec's;
    ``order``: seconds that an event may come later than younger ones, which then wait for it (:mod:`ebpfrun.order`). ``driver``
    and ``records`` are the artefact's, where they are loaded already; ``bell`` is what ends a wait; ``verifier_log`` a file for
    all that the kernel says of programs that it refuses. Raises UsageError for values that the tracer has not, or can't take."""

    def __init__(
        self,
        artefact: str | Manifest,
        params: Mapping[str, config.Value] | None = None,
        filters: Mapping[str, config.Value] | None = None,
        ring: int | None = None,
        notice: Callable[[str, bool], None] = _silent,
        stop: Callable[[], bool] = _never,
        latency: float | None = None,
        order: float | None = None,
        driver: Driver | None = None,
        sampling: bool = False,
        verifier_log: str | None = None,
        records: Records | None = None,
        bell: Bell | None = None,
    ) -> None:
        self.manifest = manifest.read(artefact) if isinstance(artefact, str) else artefact
        self.attached: tuple[Program, ...] = ()
        self._params = {p.name: (params or {}).get(p.name, p.default) for p in self.manifest.params}
        config.insist_on_times(latency, order)
        if ring is not None:
            config.insist_on_ring(self.manifest, ring)
        self._block = config.pack(self.manifest, params or {}, filters or {}, ring, sampling)
        self._ring = ring
        self._notice = notice
        self._stop = stop
        self._verifier_log = verifier_log
        spec_latency = LATENCY if self.manifest.latency is None else self.manifest.latency / 1e9
        self._latency = spec_latency if latency is None else latency
        self._window = order
        self._in_order: InOrder | None = None
        self._driver = driver
        self._records = records
        self._object: Object | None = None
        self._bell = bell if bell is not None else Bell()
        self._own_bell = bell is None
        largest = max((e.size for e in self.manifest.events), default=0)
        self._pages = Pages(max(_PAGE, largest + 16))
        self._taken: Counter[int] = Counter()
        self._detached = False
        self._clock_due = 0.0
        self._missed: dict[str, int] = {}
        self._loaded: list[Program] = []
        self._wildcards: dict[str, wildcards.Chosen] = {}
        self._remarks: list[wildcards.Remark] = []

    def __enter__(self) -> Tracer:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Loads and attaches. Nothing stays behind when it raises."""
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def load(self) -> None:
        """As :meth:`open`, but attaches nothing."""
        self._open(attaches=False)

    def sizes(self) -> list[tuple[Program, int, int, int]]:
        """(program, instructions verified, instructions kept, bytes of machine code) of what is loaded."""
        opened = self._opened()
        return [(p, *opened.size(p.name)) for p in self._loaded]

    def _open(self, attaches: bool = True) -> None:
        driver = self._driver = self._driver or load_driver(self.manifest)
        self._records = self._records or driver.records(self.manifest, clock_offset())
        self._bell.open()
        if self._window is not None:
            self._in_order = InOrder(driver, self.manifest, self._window)
        self._mount_tracefs(driver)
        btf = _types(self.manifest)
        arguments = Arguments(self.manifest, *((None, None) if btf else (driver.signature, driver.offset_of)))
        try:
            self._open_chosen(driver, btf, arguments, attaches)
        finally:
            driver.forget_types()

    def _open_chosen(self, driver: Driver, btf: str | None, arguments: Arguments, attaches: bool) -> None:
        """Chooses until the kernel takes all that was chosen."""
        chooser = choose.Chooser(self.manifest, self._verifier_log, arguments)
        refusals = 0
        while True:
            choice = chooser.choose()
            chosen = [self.manifest.programs[i] for i in choice.programs]
            self._object = driver.open(arguments.moved(driver.program, chosen), btf)
            self._object.wake_by(self._bell.fileno(), round(self._latency * 1000))
            refused = self._load(self._object, choice, chooser) or (self._attach(self._object) if attaches else None)
            if refused is None:
                self._tell(choice)
                fields = choose.fields_taken(self.manifest, choice.programs, None if btf else driver.offset_of)
                for remark in [*arguments.remarks(chosen), *fields]:
                    self._notice(remark, False)
                return
            self._close()
            refusals += self._keep_log(*refused, first=not refusals)
            chooser.refuse(*refused)
            self._notice(str(refused[1]), False)

    def close(self) -> None:
        """Detaches and frees everything; nothing happens the second time. A thread that waits in :meth:`take` gets a
        ClosedError, or what came just before."""
        self._close()
        if self._own_bell:
            self._bell.close()

    def _close(self) -> None:
        held, self._object = self._object, None
        self.attached = ()
        if held is not None:
            held.close(self._bell.ring)

    def detach(self) -> None:
        """Ends the observation; what was observed can still be drained and read."""
        links = sum(len(chosen.names) for chosen in self._wildcards.values() if not chosen.multi)
        if links > _QUICK:
            self._notice(f"detaching from {links} places, which takes the kernel some time", True)
        self._missed = self.missed()
        self._opened().detach()
        self.attached = ()
        self._detached = True

    @property
    def records(self) -> Records:
        """What is known of the events' records."""
        if self._records is None:
            raise ClosedError("this tracer was not opened yet")
        return self._records

    def take(self, timeout: float | None = 0) -> Batch | None:
        """The events that are there, as many as fit into one batch, for whoever releases it; None when there was none until
        ``timeout`` seconds (None: for as long as it takes), or :meth:`wake` or a signal came. Events wait for others for at most
        the tracer's latency."""
        loan = self._drained(timeout) if self._in_order is None else self._ordered(self._in_order, timeout)
        if loan is None:
            return None
        self._look_at_clock()
        batch = self.records.lent(loan)
        self._taken.update(batch.counts)
        return batch

    def _look_at_clock(self) -> None:
        """The wall clock may be set while we observe, or go on where the kernel's stood still (a machine that slept): from then
        on events have the time that it shows."""
        now = time.monotonic()
        if now < self._clock_due:
            return
        self._clock_due = now + _CLOCK_LOOK
        offset, known = clock_offset(), self.records.offset
        if abs(offset - known) < _CLOCK_STEP:
            return
        self._records = self.records.at(offset)
        self._notice(f"the clock was set by {(offset - known) / 1e9:+.3f} s; times of events follow it from now on", True)

    def _filled(self, write: Callable[[bytearray], int]) -> Loan | None:
        page = self._pages.take()
        length = 0
        try:
            length = write(page)
        finally:
            if not length:
                self._pages.give(page)
        return self._pages.lend(page, length) if length else None

    def _drained(self, timeout: float | None) -> Loan | None:
        wait = -1 if timeout is None else min(_LONGEST_WAIT, int(timeout * 1000 + 0.999))
        return self._filled(lambda page: self._opened().drain(page, wait))

    def _ordered(self, order: InOrder, timeout: float | None) -> Loan | None:
        """Waits no longer than until the first event is old enough; once detached, gives all that there is."""
        self._opened()
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            left = None if end is None else max(0.0, end - time.monotonic())
            drained = self._drained(min((wait for wait in (order.due(), left) if wait is not None), default=None))
            while drained is not None:
                order.put(drained.view)
                drained.end()
                drained = self._drained(0) if self._detached else None
            loan = self._filled(lambda page: order.take(page, all=self._detached))
            if loan is not None or self._detached or (end is not None and time.monotonic() >= end) or order.due() is None:
                return loan

    @property
    def in_a_hurry(self) -> bool:
        """Whether events may soon find no room in the kernel if nobody takes some."""
        return self._opened().filled() > _HURRY

    def batches(self, duration: float | None = None, until: Callable[[], bool] = _never) -> Batches:
        """Every batch, by ``for`` or ``async for``, each released when the next one is asked for. After ``duration`` seconds, by
        :meth:`Batches.stop`, or once ``until`` says so (asked at least after each :meth:`wake`), the tracer is detached; the loop
        ends when all that was observed before has been given."""
        return Batches(self, duration, until)

    def wake(self) -> None:
        """Ends a :meth:`take` that waits; from any thread, or a signal's handler."""
        self._bell.ring()

    @property
    def observing(self) -> bool:
        """Whether it is open and not yet detached."""
        return self._object is not None and not self._detached

    def account(self) -> Account:
        """What became of every event until now, for whoever takes batches."""
        none: Counter[int] = Counter()
        fate = Fate(self._taken, none, none, none)
        return account.take(self.manifest, account.read_counters(self.manifest, self), none, [("python", fate)])

    def iterate(self) -> Iterator[Batch]:
        """Has each iterator visit all objects once; yields batches, as :meth:`take` gives them. However many records there are,
        the ring never fills: a program writes a byte for each, and no more of these are read at once than there is room for."""
        room = self._ring or self.manifest.ring
        step = max(1, min(1024, room // (2 * max((e.size + 8 for e in self.manifest.events), default=1))))
        for program in [p for p in self.attached if p.kind == "iter"]:
            visit = self._opened().iterate(program.name)
            try:
                while _go_on(visit, step):
                    while batch := self.take():
                        yield batch
            finally:
                os.close(visit)
            while batch := self.take():
                yield batch

    def dump(self, map: str) -> list[tuple[bytes, list[bytes]]]:
        """Every entry of a map: its key, and its value on each possible CPU (a single one when the map is not per CPU)."""
        return self._opened().dump(map)

    @property
    def samples(self) -> bool:
        """Whether the spec has anything that can be sampled: events, counters, histograms."""
        return self.manifest.config is not None and any(slot.name == "sampling" for slot in self.manifest.config.fields)

    def sample(self, weight: int) -> None:
        """From now on one in ``weight`` events counts, chosen by chance, for as many: a power of two up to ``HEAVIEST``.
        Only of a tracer made with ``sampling``."""
        if not 0 < weight <= HEAVIEST or weight & (weight - 1):
            raise ValueError(f"a weight is a power of two up to {HEAVIEST}, not {weight}")
        self._opened().update(_SAMPLING, bytes(4), (weight - 1).to_bytes(4, sys.byteorder))

    def measure(self) -> None:
        """Lets the kernel count and time the runs of programs, for :meth:`stats`. It costs some 20 ns a run, of all programs on
        this machine, and ends with this tracer."""
        self._opened().measure()

    def stats(self) -> list[tuple[Program, int, int, int]]:
        """(program, runs, ns, missed) of what is loaded, as the kernel counts them."""
        opened = self._opened()
        return [(p, *opened.stats(p.name)) for p in self._loaded]

    def other_counts(self) -> Counts:
        """What the kernel's counters do not hold: hits that were missed, events that came late."""
        late = self._in_order.late() if self._in_order is not None else {}
        return {("missed", of): n for of, n in self.missed().items()} | {("late", of): n for of, n in late.items()}

    def missed(self) -> dict[str, int]:
        """Hits for which the kernel could not run the program, by attach point: because it was running there already, or more
        calls were under way than it can catch the returns of (Linux 6.7 and later tell these)."""
        if self._detached:
            return self._missed
        found: Counter[str] = Counter()
        for program, _, _, missed in self.stats():
            found[program.text] += missed
        return dict(found)

    @property
    def libbpf(self) -> str:
        """Version of the libbpf in use, "" before open."""
        return self._driver.libbpf if self._driver else ""

    # --- steps of open ---

    def _opened(self) -> Object:
        if self._object is None:
            raise ClosedError("this tracer is not open")
        return self._object

    def _mount_tracefs(self, driver: Driver) -> None:
        needed = any(p.kind == "tracepoint" for p in self.manifest.programs)
        useful = needed or any(wildcards.is_wildcard(p) and "function" in p.target for p in self.manifest.programs)
        if not useful or os.path.isdir(f"{wildcards.TRACING}/events"):
            return
        try:
            driver.mount("tracefs", wildcards.TRACING)
        except DriverError as error:
            if not needed:  # which functions can be probed is told by kallsyms too, if not as well
                return
            raise MachineError(
                f"tracepoints need tracefs, and {error} (try: mount -t tracefs tracefs {wildcards.TRACING})"
            ) from None
        self._notice(f"mounted tracefs at {wildcards.TRACING}, for {'tracepoints' if needed else 'names of functions'}", True)

    def _load(self, held: Object, choice: choose.Choice, chooser: choose.Chooser) -> tuple[Program, DriverError] | None:
        """Loads what was chosen; returns the program that the kernel refused, if there is another way."""
        held.configure(self._block)
        if self._ring is not None and self.manifest.events:
            for ring in self.manifest.rings:
                held.max_entries(ring, self._ring)
        self._loaded = attach.in_order(self.manifest, choice.programs)
        self._wildcards = chooser.chosen(self._loaded)
        names = [name for chosen in self._wildcards.values() if chosen.first for name in chosen.names]
        if names:
            held.max_entries(wildcards.NAMES_MAP, len(names) + 1)
        for program in self._loaded:
            held.autoload(program.name)
            if type := chooser.attach_type(program):
                held.attach_type(program.name, type)
        try:
            held.load()
        except DriverError as error:
            return _culprit(self._loaded, error), error
        self._name(held, names)
        return None

    def _name(self, held: Object, names: list[str]) -> None:
        """Tells the programs the names behind their cookies, which begin with 1. Of a longer one so much that they see that there
        is more, and count it as cut."""
        size = held.map_sizes(wildcards.NAMES_MAP).value if names else 0
        for number, name in enumerate(names, 1):
            held.update(wildcards.NAMES_MAP, number.to_bytes(4, sys.byteorder), name.encode()[:size].ljust(size, b"\0"))

    def _attach(self, held: Object) -> tuple[Program, DriverError] | None:
        self._remarks = []
        numbers = {name: int(value) for name, value in self._params.items() if not isinstance(value, str)}
        for program in self._loaded:
            if self._stop():
                return None
            try:
                self._remarks += attach.attach(held, program, numbers, self._wildcards.get(program.name))
            except DriverError as error:
                return program, error
            self.attached = (*self.attached, program)
        return None

    def _keep_log(self, program: Program, error: DriverError, first: bool) -> bool:
        """Writes the verifier's words where they are wanted; returns whether it said something."""
        if not verdict.is_verdict(error.log):
            return False
        if self._verifier_log is not None:
            try:
                with open(self._verifier_log, "w" if first else "a", encoding="utf-8") as file:
                    file.write(f"{program.text} ({program.file}:{program.line}), program {program.name}:\n")
                    file.write(f"{verdict.whole(error.log)}\n")
            except OSError as failed:
                raise MachineError(f"--verifier-log {self._verifier_log}: {failed.strerror}") from None
        return True

    def _tell(self, choice: choose.Choice) -> None:
        for program in self.attached:
            self._notice(f"attached {program.text} ({program.file}:{program.line})", False)
        for remark in self._remarks:
            self._notice(*remark)
        for reason in choice.passed:
            program, place = reason.program, reason.place or f"{reason.program.file}:{reason.program.line}"
            self._notice(f"passed over {program.text} ({place}): {reason.why}", False)
        for left in self.manifest.left_out:
            self._notice(f"left out when built: {left.text} ({self.manifest.spec_file}:{left.line}): {left.why}", False)
        if not choice.programs:
            self._notice("nothing is attached: every attach point of this spec is optional and none is here", True)


def _go_on(visit: int, step: int) -> bool:
    """Visits until so many records were made; False when there are no more objects."""
    while True:
        try:
            return bool(os.read(visit, step))
        except BlockingIOError:  # the kernel's way of taking a break after many objects without a record
            continue


def load_driver(m: Manifest) -> Driver:
    """The artefact's library, verified, in this process."""
    library, binding = f"{m.name}.so", f"{m.name}_cffi.py"
    machine = os.uname().machine
    if m.built.get("machine") != machine:
        raise ArtefactError(f"{m.folder}: built for {m.built.get('machine')}, this machine is {machine}; rebuild it here")
    manifest.verify(m, (library, binding))
    driver = Driver(os.path.abspath(m.path(library)), m.path(binding), manifest.verified(m, f"{m.name}.bpf.o"))
    if (driver.name, driver.code) != (m.name, m.code):
        raise ArtefactError(f"{m.path(library)}: not of the same build as the manifest; {manifest.REBUILD}")
    return driver


def _types(m: Manifest) -> str | None:
    """The artefact's own copy of the types that it uses, where it was built for this very kernel: reading all types of the kernel
    takes longer than all else at the start. None elsewhere."""
    file = f"{m.name}.btf"
    if not m.built.get("kernel_build") or m.built["kernel_build"] != kernel_build():
        return None
    manifest.verify(m, (file,))
    return m.path(file)


def kernel_build() -> str:
    """Names the running kernel beyond doubt, by its build id; "" where it has none. As ebpfgen.identity.exact_build."""
    uname = os.uname()
    try:
        with open("/sys/kernel/notes", "rb") as file:
            notes = file.read()
        size = os.stat("/sys/kernel/btf/vmlinux").st_size
    except OSError:
        return ""
    return manifest.sha256(f"{uname.release}\n{uname.version}\n{size}\n".encode() + notes) if b"GNU\0" in notes else ""


def _culprit(programs: list[Program], error: DriverError) -> Program:
    """The program for which loading failed, by libbpf's words. Raises when it was not for a program."""
    named = re.search(r"prog '(\w+)': .*failed", error.log)
    for program in programs:
        if named and program.name == named[1]:
            return program
    if made := re.search(r"map '(\w+)': failed to create: ([^(]+)", error.log):
        from . import policy

        why = policy.memory_limited(error) or f"{made[2]}{_too_large(error)}"
        raise MachineError(f"{programs[0].file}: {made[1]}: the kernel can't make this map: {why}") from error
    if not os.path.exists(_BTF):
        raise MachineError(f"this kernel does not tell its types: no {_BTF} (CONFIG_DEBUG_INFO_BTF)") from error
    raise error


def _too_large(error: DriverError) -> str:
    return " (fewer max_entries, or smaller values)" if error.errno in (errno.ENOMEM, errno.E2BIG) else ""
