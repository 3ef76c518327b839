"""The words behind ``--sink``: ``NAME[:TARGET][,KEY=VALUE…]``.

Receives text, returns :class:`Words`; values that :mod:`ebpfrun.values` reads raise UsageError here. A comma before anything but
``KEY=`` belongs to the target. Knows no sink: which there are, and their keys, is :mod:`ebpfrun.sinks.registry`'s.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from ebpfrun.errors import UsageError
from ebpfrun.lean import NamedTuple, TypeVar

from .base import STDOUT

COMMON = ("policy", "queue", "flush", "retry")
"""Keys that every sink has; :mod:`ebpfrun.delivery` reads them."""

_OPTION = re.compile(r",(?=[a-z_]+=)")
T = TypeVar("T")


class Words(NamedTuple):
    """``target`` is a path, or ``-`` for the standard output, the default."""

    name: str
    target: str = STDOUT
    options: dict[str, str] = {}  # noqa: RUF012 - of a named tuple: never changed

    @property
    def label(self) -> str:
        """What people call it, in characters that any sink can store."""
        return self.name if self.target == STDOUT else f"{self.name}:{os.fsencode(self.target).decode(errors='backslashreplace')}"

    def value(self, key: str, read: Callable[[str], T], default: T) -> T:
        """An option's value; ``read`` raises ValueError for what it can't be."""
        try:
            return read(self.options[key]) if key in self.options else default
        except ValueError as error:
            raise UsageError(f"--sink {self.label}: {key}={self.options[key]}: {error}") from None


def place(target: str) -> str:
    """The same for every way to write a path."""
    return target if target == STDOUT else os.path.realpath(target)


def insist_on_another(sinks: Iterable[str], file: str, what: str) -> None:
    """UsageError where one of the sinks would write to a file that is something else already."""
    for words in map(parse, sinks):
        if place(words.target) == place(file):
            raise UsageError(f"--sink {words.label}: this is {what}; give the sink another file")


def parse(text: str) -> Words:
    head, *options = _OPTION.split(text)
    name, _, target = head.partition(":")
    found: dict[str, str] = {}
    for option in options:
        key, _, value = option.partition("=")
        if key in found:
            raise UsageError(f"--sink {text}: {key} is given twice")
        found[key] = value
    return Words(name, target or STDOUT, found)
