"""Values become text: for people (units, local time), and for machines (JSON).

Receives a field's type and :class:`~ebpfrun.names.Names`, returns functions from a value to text, to be mapped over columns.
Never writes. Text for people holds no control characters, whatever the traced process put into its name.

For machines: numbers are numbers (``duration`` in ns, ``bytes`` in bytes), ``timestamp`` is ISO 8601 in UTC with nine digits
behind the second, whatever has a name (``errno``, ``result`` below 0, ``signal``, ``syscall``, ``enum``, ``flags``,
``ifindex``, ``cgroup``) is that name or, without one, the number; ``ip``, ``mac``, ``dev_t`` and ``hex`` are text, ``argv`` is
a list.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from json.encoder import encode_basestring_ascii

from .decode import word
from .lean import Any
from .names import Memo, Names

Text = Callable[[Any], str]

NUMBERS = frozenset((
    "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "duration", "bytes", "pid", "tid", "uid", "gid", "cpu", "port",
    "result", "errno", "signal", "dev_t", "hex",
))  # fmt: skip
"""Words whose columns people want aligned to the right."""

_SECOND = 10**9
_TIME_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": _SECOND}


# For machines.


def plain(type: str, names: Names) -> Callable[[Any], Any] | None:
    """What turns a value into what JSON holds (str, int, bool, list); None where it is that already."""
    return iso_time if word(type) == "timestamp" else names.of(type)


def json_text(type: str, names: Names) -> Text:
    """What turns a value into JSON's text of it. Pure ASCII, so the same in every locale and harmless to a terminal."""
    match word(type):
        case "timestamp":
            return lambda ns: f'"{iso_time(ns)}"'
        case "string":
            return encode_basestring_ascii
        case "comm":
            return Memo(encode_basestring_ascii).__getitem__
        case "bool":
            return ("false", "true").__getitem__
        case "argv":
            return lambda strings: "[" + ", ".join(map(encode_basestring_ascii, strings)) + "]"
    name = names.of(type)
    if name is None:
        return int.__repr__
    return Memo(lambda value: json.dumps(name(value))).__getitem__


def iso_time(ns: int) -> str:
    """ns since 1970 as ``2026-11-23T00:23:01.123456789Z``."""
    seconds, rest = divmod(ns, _SECOND)
    return f"{_UTC[seconds]}.{rest:09d}Z"


_UTC = Memo(lambda seconds: time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)))


# For people.


def human(type: str, names: Names, space: str = " ") -> Text:
    """What turns a value into text for people; ``space`` stands between a number and its unit."""
    match word(type):
        case "timestamp":
            return clock_time
        case "duration":
            return lambda ns: duration(ns, space)
        case "bytes":
            return lambda size: byte_size(size, space)
        case "string":
            return printable
        case "comm":
            return Memo(printable).__getitem__
        case "bool":
            return ("false", "true").__getitem__
        case "argv":
            return lambda strings: " ".join(map(quoted, strings))
    name = names.of(type)
    if name is None:
        return str
    return Memo(lambda value: printable(str(name(value)))).__getitem__


def clock_time(ns: int) -> str:
    """Local time of day, to the microsecond."""
    seconds, rest = divmod(ns, _SECOND)
    return f"{_LOCAL[seconds]}.{rest // 1000:06d}"


_LOCAL = Memo(lambda seconds: time.strftime("%H:%M:%S", time.localtime(seconds)))


def three_digits(value: float) -> str:
    """A number below 1000, to three significant digits."""
    return f"{value:.{2 if value < 9.995 else 1 if value < 99.95 else 0}f}"


def duration(ns: int, space: str = " ") -> str:
    """``1.23 ms``; from a minute on ``2m05s``, ``3h07m``, ``4d10h``."""
    if ns < 0:
        return "-" + duration(-ns, space)
    if ns < 1000:
        return f"{ns}{space}ns"
    for unit, size in (("us", 10**3), ("ms", 10**6)):
        if ns < 999.5 * size:
            return f"{three_digits(ns / size)}{space}{unit}"
    if ns < 59_950_000_000:
        return f"{three_digits(ns / _SECOND)}{space}s"
    minutes, seconds = divmod((ns + _SECOND // 2) // _SECOND, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02d}s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours < 24 else f"{hours // 24}d{hours % 24:02d}h"


def byte_size(size: int, space: str = " ") -> str:
    """``512 B``, ``4.0 KiB``, ``123 MiB``."""
    if size < 0:
        return "-" + byte_size(-size, space)
    if size < 1024:
        return f"{size}{space}B"
    value = float(size)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB"):
        value /= 1024
        if value < 1023.5 or unit == "EiB":
            break
    return f"{value:.{1 if value < 99.95 else 0}f}{space}{unit}"


def quantity(value: int, unit: str) -> str:
    """A metric's value in its unit."""
    if unit in _TIME_UNITS:
        return duration(value * _TIME_UNITS[unit])
    if unit == "bytes":
        return byte_size(value)
    return f"{value} {unit}" if unit else str(value)


def printable(text: str) -> str:
    """``text`` with what can't be printed (controls, line ends, direction marks) escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in text)


def _escape(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def quoted(text: str) -> str:
    """``text`` as one word: in double quotes, escaped, unless it is free of spaces, quotes and controls."""
    if text and text.isprintable() and not any(c in text for c in " \"'\\"):
        return text
    return '"' + printable(text.replace("\\", "\\\\").replace('"', '\\"')) + '"'
