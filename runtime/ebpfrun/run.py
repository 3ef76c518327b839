"""A run, from options to exit status: sinks, command, tracer, the loop, the account.

Receives a manifest and :class:`~ebpfrun.options.Options`; returns the exit status. The order of the end is what makes the
account balance: detach, drain what is left, read the counters.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping

from . import config, values
from .command import Command, meant_for_a_shell
from .config import Value
from .decode import clock_offset
from .door import Driver
from .lean import TYPE_CHECKING, NamedTuple
from .manifest import FILE, Manifest, weighted
from .options import Options
from .output import Output
from .records import Records
from .sinks import Sink
from .stop import Stop
from .tracer import Tracer, load_driver

if TYPE_CHECKING:
    from .overhead.watch import Watch
    from .recording.recorder import Recorder

_LONGEST_WAIT = 60.0  # seconds
_PATIENCE = 2.0  # seconds between SIGTERM and SIGKILL for a command that outlives the run


class Loaded(NamedTuple):
    """The artefact's library, in this process before anything else is done."""

    driver: Driver
    records: Records


class Notices:
    """Remarks on the standard error: some always, some for ``--verbose``, none for ``--quiet``."""

    def __init__(self, options: Options) -> None:
        self._least = 2 if options.quiet else 0 if options.verbose else 1

    def __call__(self, text: str, always: bool) -> None:
        if int(always) >= self._least:
            with contextlib.suppress(OSError):  # nobody is left to be told
                print(f"ebpfrun: {text}", file=sys.stderr, flush=True)


def run(manifest: Manifest, options: Options, stop: Stop) -> int:
    """Traces until something asks for the end."""
    notice = Notices(options)
    if options.check:
        from .trial import trial

        return trial(manifest, options.params, options.filters, notice, options.verifier_log)
    budget = _budget(manifest, options)
    if budget is not None:
        manifest = weighted(manifest)
    config.pack(manifest, options.params, options.filters)  # what can't be is told before a sink empties its file
    driver = load_driver(manifest)
    records = driver.records(manifest, clock_offset())
    recorder = _recorder(options.record, records, options.sinks) if options.record is not None else None
    sinks: list[str | Sink] = [*options.sinks, *([recorder] if recorder else [])]
    output = Output(records, sinks, options.interval, options.quiet, count=options.most, ended=stop, changed=stop.bell.ring)
    try:
        command = Command(options.command) if options.command is not None else None
        try:
            return _run(Loaded(driver, records), options, budget, stop, output, command, notice)
        finally:
            if command is not None:
                command.end(_patience())
    finally:
        output.close()
        if recorder is not None and output.end is not None:
            recorder.end(output.end)


def _recorder(target: str, records: Records, sinks: list[str]) -> Recorder:
    from .recording.recorder import SINK, Recorder
    from .sinks.words import insist_on_another, parse

    insist_on_another(sinks, parse(f"{SINK}:{target}").target, "the file of --record")
    with open(records.manifest.path(FILE), encoding="utf-8") as file:
        return Recorder(target, records, file.read())


def _run(
    loaded: Loaded, options: Options, budget: float | None, stop: Stop, output: Output, command: Command | None, notice: Notices
) -> int:
    manifest = loaded.records.manifest
    stop.last_act = command.kill if command else None
    filters = _filters(manifest, options, command, notice)
    tracer = Tracer(
        manifest,
        options.params,
        filters,
        options.ring,
        notice,
        stop,
        options.latency,
        options.order,
        driver=loaded.driver,
        records=loaded.records,
        bell=stop.bell,
        verifier_log=options.verifier_log,
        sampling=budget is not None,
    )
    with tracer:
        watch = _watch(tracer, output, options, budget)
        attached = f"{_attached(len(tracer.attached))}{_of_whom(filters, command)}{_how_it_ends(options, manifest)}"
        notice(f"{manifest.name}: {attached}", True)
        if command is not None:
            command.go()
        _observe(tracer, output, options, watch, _ended(stop, output, command))
        tracer.detach()
        while batch := tracer.take():
            output.settle()
            output.batch(batch)
        if watch is not None:
            watch.finish()
        output.finish(tracer)
        if watch is not None:
            watch.insist()
    return command.exit_status if command is not None and command.ended() and not stop.asked else 0


def _budget(manifest: Manifest, options: Options) -> float | None:
    """Per cent of a core that the run may use; None for as much as it takes."""
    chosen = values.percent(manifest.overhead) if options.budget is None and manifest.overhead else options.budget
    return None if chosen == values.NO_LIMIT else chosen


def _watch(tracer: Tracer, output: Output, options: Options, budget: float | None) -> Watch | None:
    if budget is None and not options.stats:
        return None
    from .overhead.watch import LOOK, Watch

    return Watch(tracer, output, budget, (options.interval or LOOK) if options.stats else None, _say)


def _say(text: str) -> None:
    with contextlib.suppress(OSError):  # nobody is left to be told
        print(text, file=sys.stderr, flush=True)


def _observe(tracer: Tracer, output: Output, options: Options, watch: Watch | None, ended: Callable[[], bool]) -> None:
    start = time.monotonic()
    end = start + options.duration if options.duration is not None else float("inf")
    interval = options.interval if options.interval is not None else float("inf")
    tick = start + interval
    _visit(tracer, output, ended)
    if options.interval is None and options.duration is None and options.command is None and only_visits(tracer.manifest):
        return  # nothing more will come
    while not ended():
        now = time.monotonic()
        if now >= end:
            return
        if now >= tick:
            _visit(tracer, output, ended)
            output.tick(tracer)
            tick += interval * ((now - tick) // interval + 1)
        if watch is not None and now >= watch.due:
            watch.look(now)
            if watch.over:
                return
        left = min(end, tick, now + _LONGEST_WAIT, watch.due if watch else end) - now
        if output.ready(lambda: tracer.in_a_hurry) and (batch := tracer.take(left)):
            output.batch(batch)


def _visit(tracer: Tracer, output: Output, ended: Callable[[], bool]) -> None:
    """Iterators visit the kernel's objects at the start and at each interval."""
    for batch in tracer.iterate():
        output.settle()
        output.batch(batch)
        if ended():
            return


def only_visits(manifest: Manifest) -> bool:
    """Whether all that the tracer does is to visit the kernel's objects: then it ends when it has seen them."""
    return all(program.kind == "iter" for program in manifest.programs)


def _ended(stop: Stop, output: Output, command: Command | None) -> Callable[[], bool]:
    return lambda: stop.asked or output.done or (command is not None and command.ended())


def _filters(manifest: Manifest, options: Options, command: Command | None, notice: Notices) -> dict[str, Value]:
    """With a command and no filter of the user's own, the command's process."""
    filters = dict(options.filters)
    if options.command is not None and (remark := meant_for_a_shell(options.command)):
        notice(remark, True)
    if command is not None and not filters:
        if "pid" in manifest.filters:
            filters["pid"] = command.pid
        else:
            notice(f"{manifest.name} can't be filtered by process: everything is traced while the command runs", True)
    if {"pid", "tid"} & filters.keys() and values.in_pid_namespace():
        notice(
            "this process is in a PID namespace, the kernel compares with the machine's own numbers: --pid may match others", True
        )
    return filters


def _attached(number: int) -> str:
    return f"attached {number} program{'s' if number != 1 else ''}"


def _of_whom(filters: Mapping[str, Value], command: Command | None) -> str:
    itself = command is not None and filters.get("pid") == command.pid
    return f"; only the command's own process ({command.pid}) is traced, not those that it starts" if command and itself else ""


def _how_it_ends(options: Options, manifest: Manifest) -> str:
    by_itself = options.command or options.duration or options.most or (only_visits(manifest) and options.interval is None)
    return "" if by_itself else ", Ctrl-C ends"


def _patience() -> Callable[[], bool]:
    """True until time is up; waits a little at each call."""
    end = time.monotonic() + _PATIENCE

    def more() -> bool:
        time.sleep(0.01)
        return time.monotonic() < end

    return more
