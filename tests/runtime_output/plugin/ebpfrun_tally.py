"""A sink of another package: how many events of which type there were, one line per flush."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

from ebpfrun.batch import Batch
from ebpfrun.sinks import Context, SinkError
from ebpfrun.sinks.words import Words


class Tally:
    OPTIONS = ("title",)

    def __init__(self, words: Words, context: Context) -> None:
        self._words = words
        self._names = {event.id: event.name for event in context.manifest.events}
        self._counts: Counter[str] = Counter()
        try:
            self._file = Path(words.target).open("w")  # noqa: SIM115 - until close
        except OSError as error:
            raise SinkError(words.name, words.target, error) from None

    def write(self, batch: Batch) -> None:
        self._counts.update({self._names[id]: count for id, count in batch.counts.items()})

    def flush(self) -> None:
        try:
            print(self._words.options.get("title", "so far"), dict(self._counts), file=self._file, flush=True)
        except OSError as error:
            raise SinkError(self._words.name, self._words.target, error) from None

    def close(self) -> None:
        if not self._file.closed:
            self.flush()
            self._file.close()


def exits(words: Words, context: Context) -> object:
    sys.exit(0)


def nothing(words: Words, context: Context) -> object:
    return object()
