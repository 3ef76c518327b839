"""The sink behind ``--record``: batches into a file as they are.

Receives batches, at the end the account of the run; writes each as whole chunks, so that whatever ends the process leaves a
recording that can be read up to there. Names that only this machine knows are looked up now, before the events that need them.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from ebpfrun.account import End
from ebpfrun.batch import Batch
from ebpfrun.decode import word
from ebpfrun.errors import ClosedError, UsageError
from ebpfrun.lean import Any
from ebpfrun.records import Records
from ebpfrun.sinks.base import SinkError, lock, take_back
from ebpfrun.sinks.words import Words, parse

from . import chunks, contents

SINK = "record"


class Recorder:
    """``target``: a file (made, or emptied if it is there), and options behind it: ``FILE,compress=zlib``; ``manifest`` is the
    text of the artefact's."""

    def __init__(self, target: str, records: Records, manifest: str) -> None:
        words = parse(f"{SINK}:{target}")
        self.path = words.target
        self._pack = _compressed(words)
        self._names = records.names
        self._known: contents.Found = {}
        self._machine_fields = {
            event.id: found
            for event in records.manifest.events
            if (found := [(i, slot.type) for i, slot in enumerate(event.fields) if word(slot.type) in contents.MACHINES])
        }
        self._number = 0
        self._offset = records.offset
        about = contents.about(records.manifest, records.offset, manifest)
        try:
            self._fd = _emptied(self.path)
            self._file = os.fstat(self._fd)
        except OSError as error:
            raise SinkError(SINK, self.path, error) from None
        self._write(chunks.head() + self._chunk(contents.ABOUT, about), self._number)

    def write(self, batch: Batch) -> None:
        if self._fd < 0:
            raise ClosedError("a recording was written to after it was closed")
        data, number = b"", self._number
        if new := self._new_names(batch):
            data += self._chunk(contents.NAMES, contents.names(new))
        if len(batch) and batch.records.offset != self._offset:
            data += self._chunk(contents.CLOCK, contents.clock(batch.records.offset))
        if len(batch):
            data += self._chunk(contents.EVENTS, batch.data, len(batch))
        if batch.readings:
            data += self._chunk(contents.READINGS, contents.readings(batch.readings))
        if data:
            self._write(data, number)
        if len(batch):
            self._offset = batch.records.offset

    def flush(self) -> None:
        """Nothing waits here: every batch is written at once."""

    def close(self) -> None:
        """Nothing but the account is written after it."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            try:
                try:
                    os.fsync(fd)
                finally:
                    os.close(fd)
            except OSError as error:
                raise SinkError(SINK, self.path, error) from None

    def end(self, account: End) -> None:
        """The last chunk, when everything is counted."""
        self.close()
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError as error:
            raise SinkError(SINK, self.path, error) from None
        try:
            if not os.path.samestat(self._file, os.fstat(self._fd)):
                raise SinkError(SINK, self.path, OSError(errno.ENOENT, "another file is there now; the account can't be added"))
            self._write(self._chunk(contents.ACCOUNT, contents.account(account)), self._number)
        finally:
            self.close()

    def _chunk(self, kind: bytes, data: bytes | memoryview, events: int = 0) -> bytes:
        self._number += 1
        return chunks.chunk(kind, self._number - 1, data, events, self._pack)

    def _write(self, data: bytes, number: int) -> None:
        """All of it; a file that can't take it ends where it ended before, and goes on with chunk ``number``."""
        view, done = memoryview(data), 0
        try:
            while done < len(view):
                done += os.write(self._fd, view[done:])
        except OSError as error:
            self._number = number
            if done:
                take_back(self._fd, done)
            raise SinkError(SINK, self.path, error) from None

    def _new_names(self, batch: Batch) -> contents.Found:
        """What the batch's numbers are called here, where that has not been written yet or has changed."""
        new: contents.Found = {}
        for type, value in self._machine_values(batch):
            name = self._names.of(type)
            assert name is not None
            known, kind = self._known.setdefault(word(type), {}), word(type)
            if known.get(value) != (called := name(value)):
                known[value] = new.setdefault(kind, {})[value] = called
        return new

    def _machine_values(self, batch: Batch) -> Iterator[tuple[str, Any]]:
        if any(batch.counts.get(id) for id in self._machine_fields):
            for run in batch.runs:
                for i, type in self._machine_fields.get(run.event.id, ()):
                    yield from ((type, value) for value in set(run.columns[i]))
        for reading in batch.readings:
            slots = reading.metric.key.fields if reading.metric.key else ()
            for i, slot in enumerate(slots):
                if word(slot.type) in contents.MACHINES:
                    yield from ((slot.type, value) for value in {sample.labels[i] for sample in reading.samples})


def _emptied(path: str) -> int:
    """A file, ours alone. A pipe would wait for its reader, and nothing can be put behind what went through it."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o666)
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "expected a file to record into")
        lock(fd)
        os.ftruncate(fd, 0)
    except OSError:
        os.close(fd)
        raise
    return fd


def _compressed(words: Words) -> bool:
    how = words.options.get("compress")
    unknown = [key for key in words.options if key != "compress"]
    if unknown or how not in (None, "zlib"):
        what = f"there is no option {unknown[0]!r}" if unknown else f"compress={how}"
        raise UsageError(f"--record {words.target}: {what}; a recording has one option, compress=zlib")
    if words.target == "-":
        raise UsageError("--record: expected a file to record into")
    return how is not None
