"""Words of the command line become values: numbers, durations, sizes, users.

Receives text and a type as specs name them, returns what :mod:`ebpfrun.config` packs; :class:`ValueError` says what was expected.
"""

from __future__ import annotations

import os
import re

_SECONDS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_BYTES = {
    "B": 1,
    **{f"{p}iB": 1 << 10 * i for i, p in enumerate("KMGT", 1)},
    **{f"{p}B": 1000**i for i, p in enumerate("kMGT", 1)},
}
_LONGEST = 100 * 365 * 86400 * 10**9
_INIT_PID_NAMESPACE = 0xEFFFFFFC  # PROC_PID_INIT_INO of include/linux/proc_ns.h
_BITS = re.compile(r"([ui])(8|16|32|64)")
_ALIASES = {"port": "u16", "pid": "u32", "uid": "u32", "duration": "u64", "bytes": "u64"}


def limits(type: str) -> tuple[int, int]:
    """The smallest and the largest number of a type."""
    match = _BITS.fullmatch(_ALIASES.get(type, type))
    if match is None:
        raise ValueError(f"a parameter of type {type} is not known to this ebpfrun")
    bits = int(match[2])
    return (0, (1 << bits) - 1) if match[1] == "u" else (-(1 << bits - 1), (1 << bits - 1) - 1)


def between(type: str, least: int | None, most: int | None) -> tuple[int, int]:
    """The smallest and the largest number of a type that may be narrowed."""
    low, high = limits(type)
    return (low if least is None else least), (high if most is None else most)


def number(text: str, type: str, least: int | None = None, most: int | None = None) -> int:
    """A number of ``type``, in base 10, 0x, 0o or 0b, or with the unit that the type has, between ``least`` and ``most``."""
    value = {"duration": duration, "bytes": size, "uid": user}.get(type, integer)(text)
    low, high = between(type, least, most)
    if not low <= value <= high:
        raise ValueError(f"{text} is not between {low} and {high}{' ns' if type == 'duration' else ''}")
    return value


def integer(text: str) -> int:
    try:
        return int(text, 0)
    except ValueError:
        raise ValueError(f"expected a whole number, not {text!r}") from None


def duration(text: str) -> int:
    """Nanoseconds; a unit is required, but for 0."""
    return 0 if text == "0" else _with_unit(text, _SECONDS, "a duration with its unit, such as 10ms")


def seconds(text: str) -> float:
    """Seconds, more than 0; without a unit they are seconds."""
    ns = _with_unit(
        text + "s" if re.fullmatch(r"[0-9.]+", text) else text, _SECONDS, "seconds, or a duration such as 500ms or 2m"
    )
    if not 0 < ns <= _LONGEST:
        raise ValueError(f"expected more than 0 and at most 100 years, not {text!r}")
    return ns / 10**9


def size(text: str) -> int:
    return _with_unit(text + "B" if text.isdigit() else text, _BYTES, "bytes, or a size such as 4KiB")


def spelled(value: object, type: str) -> str:
    """A value as a command line would have it: durations and sizes in the largest unit of which they are a whole number."""
    units = {"duration": ("ns", "us", "ms", "s"), "bytes": ("KiB", "MiB", "GiB", "TiB")}.get(type, ())
    if not isinstance(value, int) or not value:
        return str(value)
    sizes = [(size, unit) for unit in units if value % (size := (_SECONDS | _BYTES)[unit]) == 0]
    size, unit = max(sizes, default=(1, ""))
    return f"{value // size}{unit}"


NO_LIMIT = float("inf")


def percent(text: str) -> float:
    """Per cent of one core; ``off`` is NO_LIMIT."""
    if text == "off":
        return NO_LIMIT
    match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s*%", text, re.ASCII)
    if match is None or not float(match[1]):
        raise ValueError(f"expected a share of one core, such as 1% or 0.5%, or off, not {text!r}")
    return float(match[1])


def user(text: str) -> int:
    """A user's number, by number or name."""
    if text.isdigit():
        return int(text)
    import pwd

    try:
        return pwd.getpwnam(text).pw_uid
    except KeyError:
        raise ValueError(f"there is no user {text!r}") from None


def process(text: str) -> int:
    """The number of a process that is there."""
    pid = _task(text, "process")
    owner = _owner(pid)
    if owner != pid:
        raise ValueError(f"{pid} is a thread of process {owner}; --tid takes threads")
    return pid


def thread(text: str) -> int:
    """The number of a thread that is there."""
    return _task(text, "thread")


def in_pid_namespace() -> bool:
    """Whether numbers of processes here are not those that the kernel compares with."""
    return os.stat("/proc/self/ns/pid").st_ino != _INIT_PID_NAMESPACE


def _task(text: str, what: str) -> int:
    value = number(text, "pid")
    if value and not in_pid_namespace() and not os.path.exists(f"/proc/{value}"):  # 0 is the idle task
        raise ValueError(f"there is no {what} {value}")
    return value


def _owner(tid: int) -> int:
    try:
        with open(f"/proc/{tid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("Tgid:"))
    except (OSError, StopIteration):  # of the machine's numbers, or gone meanwhile
        return tid


def _with_unit(text: str, units: dict[str, int], expected: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([A-Za-z]+)", text, re.ASCII)
    if match is None or match[2] not in units:
        raise ValueError(f"expected {expected}, not {text!r}")
    try:
        return round(float(match[1]) * units[match[2]]) if "." in match[1] else int(match[1]) * units[match[2]]
    except (OverflowError, ValueError):  # beyond floats, or more digits than Python reads
        raise ValueError(f"{text[:20]}… is too large") from None
