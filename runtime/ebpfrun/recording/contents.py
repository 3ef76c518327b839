"""What stands in the chunks of a recording, as JSON but for the records themselves.

Receives manifests, readings, names and accounts, returns bytes; and the same back. Bytes of another version are the file head's
matter (:mod:`.chunks`); what is malformed here all the same is a RecordingError.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Iterable

from ebpfrun import manifest
from ebpfrun.account import End
from ebpfrun.decode import CODES, TEXTS, word
from ebpfrun.errors import ArtefactError
from ebpfrun.lean import Any, NamedTuple, TypeVar
from ebpfrun.manifest import Manifest, Metric
from ebpfrun.metrics import Reading, Sample
from ebpfrun.names import Name, Names

from .chunks import RecordingError

ABOUT, EVENTS, READINGS, NAMES, CLOCK, ACCOUNT = b"abou", b"even", b"read", b"name", b"cloc", b"acco"
_RAW = {"ip": 16, "mac": 6}  # types whose values are bytes
_WRONG = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError, struct.error)

S = TypeVar("S")
T = TypeVar("T")

Found = dict[str, dict[int, "str | int"]]
"""By type: numbers and their names; a number for itself where it had none."""

MACHINES = ("cgroup", "ifindex")
"""Types whose names only the machine knows that was traced."""


class About(NamedTuple):
    """``text`` is the manifest as its file had it; ``offset`` turns the kernel's timestamps into ns since 1970."""

    manifest: Manifest
    text: str
    offset: int


def about(m: Manifest, offset: int, text: str) -> bytes:
    """``text`` is the manifest as its file has it."""
    weighted = any(manifest.WEIGHT in event.fields for event in m.events)
    return _bytes({"byteorder": sys.byteorder, "offset": offset, "weighted": weighted, "manifest": text})


def read_about(data: bytes, path: str) -> About:
    found = _object(data, path)
    if found.get("byteorder") != sys.byteorder:
        raise RecordingError(f"{path}: recorded on a {found.get('byteorder')}-endian machine, this one is {sys.byteorder}-endian")
    return _sound(_about, found, path, "the recording does not say what was traced")


def _about(found: dict[str, Any], path: str) -> About:
    try:
        known = manifest.parse(found["manifest"].encode(), f"{path}: its manifest", "")
        return About(manifest.weighted(known) if found["weighted"] else known, found["manifest"], _moment(found["offset"]))
    except ArtefactError as error:
        raise other_version(error) from None


def other_version(error: ArtefactError) -> RecordingError:
    what = str(error).removesuffix(f"; {manifest.REBUILD}")
    return RecordingError(f"{what}: made by another version of ebpfgen, or altered; this ebpfrun can't replay it")


def clock(offset: int) -> bytes:
    """From here on."""
    return _bytes({"offset": offset})


def read_clock(data: bytes, path: str) -> int:
    return _sound(lambda found, _: _moment(found["offset"]), _object(data, path), path, "a clock that is none")


def names(found: Found) -> bytes:
    return _bytes(found)


def read_names(data: bytes, path: str) -> Found:
    return _sound(_names, _object(data, path), path, "names that are none")


def _names(found: dict[str, Any], path: str) -> Found:
    return {type: {int(n): _name(name) for n, name in found[type].items()} for type in found}


def _name(name: Any) -> str | int:
    if not isinstance(name, str):
        return _whole(name)
    name.encode()
    return name


class RecordedNames(Names):
    """Names as the traced machine had them. ``machine`` grows while a recording is read."""

    def __init__(self, tables: dict[str, dict[int, str]]) -> None:
        super().__init__(tables)
        self.machine: Found = {}

    def learn(self, more: Found) -> None:
        for type, table in more.items():
            self.machine.setdefault(type, {}).update(table)

    def _of(self, type: str) -> Name | None:
        if word(type) not in MACHINES:
            return super()._of(type)
        table = self.machine.setdefault(word(type), {})

        def name(value: int) -> str | int:
            return table.get(value, value)

        return name


def readings(these: Iterable[Reading]) -> bytes:
    return _bytes(
        [
            {"metric": r.metric.name, "time": r.time, "seconds": r.seconds, "samples": [_sample(r.metric, s) for s in r.samples]}
            for r in these
        ]
    )


def _types(metric: Metric) -> list[str]:
    return [word(slot.type) for slot in metric.key.fields] if metric.key else []


def _sample(metric: Metric, sample: Sample) -> list[Any]:
    labels = [v.hex() if t in _RAW else v for t, v in zip(_types(metric), sample.labels, strict=True)]
    return [labels, sample.value, sample.observations, list(sample.slots)]


def read_readings(data: bytes, known: Manifest, path: str) -> list[Reading]:
    metrics = {metric.name: metric for metric in known.metrics}

    def read(data: bytes, _: str) -> list[Reading]:
        return [_reading(metrics[r["metric"]], r) for r in json.loads(data)]

    return _sound(read, data, path, "readings of metrics that are none")


def _reading(metric: Metric, r: dict[str, Any]) -> Reading:
    seconds = None if r["seconds"] is None else _seconds(r["seconds"])
    return Reading(metric, _moment(r["time"]), seconds, [_read_sample(metric, s) for s in r["samples"]])


def _read_sample(metric: Metric, s: list[Any]) -> Sample:
    labels = tuple(_label(type, value) for type, value in zip(_types(metric), s[0], strict=True))
    slots = tuple(map(_count, s[3]))
    if len(slots) != (metric.buckets.slots if metric.buckets else 0):
        raise ValueError(f"{len(slots)} buckets")
    return Sample(labels, _value(metric, s[1]), _count(s[2]), slots)


def _label(type: str, value: Any) -> Any:
    if type in _RAW:
        raw = bytes.fromhex(value)
        if len(raw) != _RAW[type]:
            raise ValueError(f"{type} {value}")
        return raw
    if type in TEXTS:
        if not isinstance(value, str):
            raise TypeError(f"{type} {value!r}")
        value.encode()
        return value
    number = value if isinstance(value, bool) else _whole(value)
    struct.pack(CODES[type], number)  # struct.error for what such a type can't hold
    return number


def account(a: End) -> bytes:
    counts = [[kind, of, n] for (kind, of), n in a.counts.items()]
    return _bytes({"seconds": a.seconds, "counts": counts, "beyond": a.beyond})


def read_account(data: bytes, path: str) -> End:
    return _sound(_account, _object(data, path), path, "an account that is none")


def _account(found: dict[str, Any], path: str) -> End:
    counts = {(str(kind), str(of)): _count(n) for kind, of, n in found["counts"]}
    return End(_seconds(found["seconds"]), counts, {event: _count(n) for event, n in found["beyond"].items()})


def _whole(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value.bit_length() > 64:
        raise TypeError(f"{value!r} is no whole number of 64 bits")
    return value


def _count(value: Any) -> int:
    if not 0 <= _whole(value) < 1 << 63:
        raise ValueError(f"{value} of something")
    return int(value)


def _value(metric: Metric, value: Any) -> int:
    (type,) = (slot.type for slot in metric.value.fields if slot.name in ("value", "sum"))
    struct.pack(CODES[type], _whole(value))
    return int(value)


def _moment(value: Any) -> int:
    if not -(1 << 63) <= _whole(value) < 1 << 63:
        raise ValueError(f"{value} ns")
    return int(value)


def _seconds(value: Any) -> float:
    if not 0 <= float(value) < 1 << 40:
        raise ValueError(f"{value} seconds")
    return float(value)


def _sound(read: Callable[[S, str], T], data: S, path: str, otherwise: str) -> T:
    try:
        return read(data, path)
    except _WRONG as error:
        raise RecordingError(f"{path}: {otherwise} ({error!r})") from None


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _object(data: bytes, path: str) -> dict[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise RecordingError(f"{path}: a chunk that is no JSON ({error})") from None
    if not isinstance(found, dict):
        raise RecordingError(f"{path}: a chunk that is no JSON object")
    return found
