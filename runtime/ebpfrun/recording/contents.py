"""What stands in the chunks of a recording, as JSON but for the records themselves.

Receives manifests, readings, names and accounts, returns bytes; and the same back. Bytes of another version are the file head's
matter (:mod:`.chunks`); what is malformed here all the same is a RecordingError.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from ebpfrun import manifest
from ebpfrun.account import End
from ebpfrun.decode import word
from ebpfrun.errors import ArtefactError
from ebpfrun.lean import Any, NamedTuple
from ebpfrun.manifest import Manifest, Metric
from ebpfrun.metrics import Reading, Sample
from ebpfrun.names import Name, Names

from .chunks import RecordingError

ABOUT, EVENTS, READINGS, NAMES, CLOCK, ACCOUNT = b"abou", b"even", b"read", b"name", b"cloc", b"acco"
_RAW = ("ip", "mac")  # types whose values are bytes

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
    try:
        known = manifest.parse(found["manifest"].encode(), f"{path}: its manifest", "")
        return About(manifest.weighted(known) if found["weighted"] else known, found["manifest"], int(found["offset"]))
    except ArtefactError as error:
        what = str(error).removesuffix(f"; {manifest.REBUILD}")
        raise RecordingError(f"{what}: made by another version of ebpfgen, or altered; this ebpfrun can't replay it") from None
    except (KeyError, AttributeError, TypeError, ValueError) as error:
        raise RecordingError(f"{path}: the recording does not say what was traced ({error!r})") from None


def clock(offset: int) -> bytes:
    """From here on."""
    return _bytes({"offset": offset})


def read_clock(data: bytes, path: str) -> int:
    try:
        return int(_object(data, path)["offset"])
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{path}: a clock that is none ({error!r})") from None


def names(found: Found) -> bytes:
    return _bytes(found)


def read_names(data: bytes, path: str) -> Found:
    return {type: {int(n): name for n, name in table.items()} for type, table in _object(data, path).items()}


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
    try:
        return [
            Reading(metrics[r["metric"]], r["time"], r["seconds"], [_read_sample(metrics[r["metric"]], s) for s in r["samples"]])
            for r in json.loads(data)
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{path}: readings of metrics that are none ({error!r})") from None


def _read_sample(metric: Metric, s: list[Any]) -> Sample:
    labels = tuple(bytes.fromhex(v) if t in _RAW else v for t, v in zip(_types(metric), s[0], strict=True))
    return Sample(labels, s[1], s[2], tuple(s[3]))


def account(a: End) -> bytes:
    counts = [[kind, of, n] for (kind, of), n in a.counts.items()]
    return _bytes({"seconds": a.seconds, "counts": counts, "beyond": a.beyond})


def read_account(data: bytes, path: str) -> End:
    found = _object(data, path)
    try:
        counts = {(kind, of): n for kind, of, n in found["counts"]}
        return End(found["seconds"], counts, dict(found["beyond"]))
    except (KeyError, TypeError, ValueError) as error:
        raise RecordingError(f"{path}: an account that is none ({error!r})") from None


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
