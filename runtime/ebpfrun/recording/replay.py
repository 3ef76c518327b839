"""``--replay FILE``: what was recorded goes to sinks as it once came.

Receives the command line of a replay; returns the exit status. Needs no kernel, no privilege, no artefact. What of the file is
damaged is named and counted, and the rest is given all the same; the status is then 3.
"""

from __future__ import annotations

import contextlib
import sys

from ebpfrun.errors import EXIT_OK
from ebpfrun.options import Replay
from ebpfrun.output import Output
from ebpfrun.sinks.words import insist_on_another
from ebpfrun.stop import Stop

from .chunks import RecordingError
from .reader import Events, Recording


def replay(options: Replay, stop: Stop) -> int:
    insist_on_another(options.sinks, options.path, "the recording itself")
    with Recording(options.path) as recording:
        output = Output(recording.records, options.sinks, quiet=options.quiet, count=options.most, ended=stop)
        try:
            _give(recording, output, stop)
            if not options.quiet:
                _tell(recording)
            output.finish_replay(recording.end)
        finally:
            output.close()
        if recording.damage or (recording.end is None and not stop.asked):
            raise RecordingError(f"{options.path}: not all of this recording could be replayed: {_why(recording)}")
    return EXIT_OK


def _give(recording: Recording, output: Output, stop: Stop) -> None:
    for item in recording:
        if stop.asked:
            return
        if isinstance(item, Events):
            output.settle()
            output.batch(recording.batch(item))
        elif not output.done or all(reading.seconds is None for reading in item):  # totals are of the whole run, as it was
            output.settle()
            output.readings(item)


def _tell(recording: Recording) -> None:
    for part in recording.damage:
        lost = f", {part.events} events" if part.events else ""
        with contextlib.suppress(OSError):  # nobody is left to be told
            text = f"from byte {part.at}: {part.what}; {part.size} bytes{lost} are left out"
            print(f"ebpfrun: {recording.path}: {text}", file=sys.stderr, flush=True)


def _why(recording: Recording) -> str:
    if any(not part.cut for part in recording.damage):
        return "parts of it were altered"
    return "it ends before the run did (what recorded it was killed, or the file was cut)"
