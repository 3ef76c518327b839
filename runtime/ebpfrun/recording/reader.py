"""A recording, read from its beginning to its end.

Receives a path; gives what was traced, then batches' records and readings of metrics in their order, the account at last. What is
damaged is left out and kept in ``damage``; never guesses what it was.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from ebpfrun.account import End
from ebpfrun.batch import Batch
from ebpfrun.errors import ArtefactError
from ebpfrun.lean import Any, NamedTuple, Self
from ebpfrun.metrics import Metrics, Reading
from ebpfrun.records import Records

from . import chunks, contents
from .chunks import Chunk, Damage, RecordingError


class Events(NamedTuple):
    """A batch's records, as they were drained."""

    data: bytes


class Recording:
    """``records``: what makes batches of what was read last. ``end`` is None until the end, and stays so where it is missing."""

    def __init__(self, path: str) -> None:
        """RecordingError unless the file's beginning is intact."""
        self.path = path
        self.damage: list[Damage] = []
        self.end: End | None = None
        try:
            if stat.S_ISFIFO(os.stat(path).st_mode):
                raise RecordingError(f"{path}: expected a file; what comes through a pipe has to be put into one first")
            self._file: Any = open(path, "rb")  # noqa: SIM115 - closed by close
        except OSError as error:
            raise RecordingError(f"{path}: {error.strerror}") from None
        try:
            chunks.check_head(self._file, path)
            self._chunks = chunks.read(self._file)
            first = next(self._chunks, None)
            if not isinstance(first, Chunk) or first.kind != contents.ABOUT:
                why = first.what if isinstance(first, Damage) else "that part is missing"
                raise RecordingError(f"{path}: the recording does not say what was traced: {why}")
            self.manifest, self.manifest_text, self.offset = contents.read_about(first.data, path)
            self.names = contents.RecordedNames(self.manifest.tables)
            self.records = self._records()
        except BaseException:
            self.close()
            raise

    def _records(self) -> Records:
        try:
            Metrics(self.manifest, self.offset)  # refuses what can't be one
            return Records(self.manifest, self.offset, self.names)
        except ArtefactError as error:
            raise contents.other_version(ArtefactError(f"{self.path}: its {error}")) from None

    def batch(self, events: Events) -> Batch:
        """A batch of what was drained."""
        try:
            return self.records.batch(events.data)
        except ArtefactError as error:
            what = str(error).removeprefix("the kernel program sent ").partition(":")[0]
            raise RecordingError(f"{self.path}: events that were not recorded by this program: {what}") from None

    def __iter__(self) -> Iterator[Events | list[Reading]]:
        """Once: what was recorded."""
        for chunk in self._chunks:
            if isinstance(chunk, Damage):
                self.damage.append(chunk)
            elif chunk.kind == contents.EVENTS:
                yield Events(chunk.data)
            elif chunk.kind == contents.READINGS:
                yield contents.read_readings(chunk.data, self.manifest, self.path)
            elif chunk.kind == contents.NAMES:
                self.names.learn(contents.read_names(chunk.data, self.path))
            elif chunk.kind == contents.CLOCK:
                self.records = self.records.at(contents.read_clock(chunk.data, self.path))
            elif chunk.kind == contents.ACCOUNT:
                self.end = contents.read_account(chunk.data, self.path)
            else:
                raise RecordingError(f"{self.path}: a chunk of kind {chunk.kind!r}, which this ebpfrun does not know")

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
