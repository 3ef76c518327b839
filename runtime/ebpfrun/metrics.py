"""Metrics, read from the kernel's maps.

Receives the manifest and something that can dump maps; returns a :class:`Reading` per metric: label sets with their figures,
summed over CPUs, largest first. Never prints, never writes to a map.

An interval's reading says what happened in that interval (counters and histograms: the difference to the one before; label sets
in which nothing happened are left out), the reading at the end says what happened since the start. Gauges are always the value
now; ``min`` and ``max`` gauges are over the whole run.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable
from operator import add, sub

from .decode import Record
from .errors import ArtefactError
from .lean import Any, NamedTuple, Protocol
from .manifest import REBUILD, Buckets, Manifest, Metric, Slot


class Dump(Protocol):
    """What of a tracer is needed here."""

    def dump(self, map: str) -> list[tuple[bytes, list[bytes]]]:
        """Each entry's key, and its value on each CPU, or its one value."""


class Sample(NamedTuple):
    """The figures of one label set. ``value`` of a histogram is the sum of what was observed; ``observations`` (how
    many) and ``slots`` are 0 and empty but for histograms."""

    labels: tuple[Any, ...]
    value: int
    observations: int = 0
    slots: tuple[int, ...] = ()


_U64 = (1 << 64) - 1  # a sum over CPUs begins anew where each CPU's own does


class Reading(NamedTuple):
    """``time`` is ns since 1970; ``seconds`` the length of the interval, None when the figures are since the start. Label values
    are as :mod:`ebpfrun.decode` gives them."""

    metric: Metric
    time: int
    seconds: float | None
    samples: list[Sample]


class Metrics:
    """Reads one tracer's metrics."""

    def __init__(self, manifest: Manifest, offset: int) -> None:
        """``offset`` turns timestamps into wall clock."""
        self._readers = [(m, _MapReader(m, offset)) for m in manifest.metrics]
        self._before: dict[str, dict[bytes, Sample]] = {}
        self._since = time.monotonic()

    def begin(self) -> None:
        """The first interval begins now."""
        self._since = time.monotonic()

    def interval(self, tracer: Dump) -> list[Reading]:
        """What happened since the last call, or since the beginning."""
        now = time.monotonic()
        seconds, self._since = now - self._since, now
        return [Reading(m, time.time_ns(), seconds, self._difference(m, reader.read(tracer))) for m, reader in self._readers]

    def totals(self, tracer: Dump) -> list[Reading]:
        """What happened since the start."""
        return [Reading(m, time.time_ns(), None, _ordered(m, list(reader.read(tracer).values()))) for m, reader in self._readers]

    def _difference(self, metric: Metric, now: dict[bytes, Sample]) -> list[Sample]:
        if metric.kind == "gauge":
            return _ordered(metric, list(now.values()))
        before = self._before.get(metric.name, {})
        self._before[metric.name] = now
        changes = [_minus(sample, before.get(key)) for key, sample in now.items()]
        return _ordered(metric, [c for c in changes if c.value or c.observations or metric.key is None])


def _minus(now: Sample, before: Sample | None) -> Sample:
    # Less than before: the entry was removed in between and made again.
    if before is None or now.value < before.value or now.observations < before.observations:
        return now
    slots = tuple(map(sub, now.slots, before.slots))
    return Sample(now.labels, now.value - before.value, now.observations - before.observations, slots)


def _ordered(metric: Metric, samples: list[Sample]) -> list[Sample]:
    if metric.kind == "histogram":
        return sorted(samples, key=lambda s: (-s.observations, s.labels))
    return sorted(samples, key=lambda s: (-s.value, s.labels))


class _MapReader:
    """One metric's map: keys become labels, the CPUs' values one :class:`Sample`."""

    def __init__(self, metric: Metric, offset: int) -> None:
        self._map = metric.map
        self._key = None if metric.key is None else Record(metric.key.fields, metric.key.size, offset)
        self._combine = _combiner(metric)

    def read(self, tracer: Dump) -> dict[bytes, Sample]:
        samples = {}
        for key, values in tracer.dump(self._map):
            labels = () if self._key is None else self._key.read(key)
            sample = self._combine(labels, values)
            if sample is not None:
                samples[key] = sample
        return samples


_Combine = Callable[[tuple[Any, ...], list[bytes]], Sample | None]


def _combiner(metric: Metric) -> _Combine:
    slots = {slot.name: slot for slot in metric.value.fields}
    if metric.kind == "histogram":
        return _histogram(_number(metric, slots, "count"), _number(metric, slots, "sum"), _array(metric, slots))
    value = _number(metric, slots, "value")
    if metric.verb not in ("min", "max"):
        mask = -1 if metric.kind == "gauge" else _U64
        return lambda labels, values: Sample(labels, sum(map(value, values)) & mask)
    count = _number(metric, slots, "count")
    best = min if metric.verb == "min" else max

    def extreme(labels: tuple[Any, ...], values: list[bytes]) -> Sample | None:
        seen = [value(raw) for raw in values if count(raw)]
        return Sample(labels, best(seen)) if seen else None

    return extreme


def _histogram(count: Callable[[bytes], int], total: Callable[[bytes], int], array: struct.Struct) -> _Combine:
    def combine(labels: tuple[Any, ...], values: list[bytes]) -> Sample:
        slots: tuple[int, ...] = (0,) * len(array.unpack(bytes(array.size)))
        for raw in values:
            slots = tuple(map(add, slots, array.unpack_from(raw)))
        return Sample(labels, sum(map(total, values)) & _U64, sum(map(count, values)), slots)

    return combine


def _slot(metric: Metric, slots: dict[str, Slot], name: str) -> Slot:
    if name not in slots:
        raise ArtefactError(f"manifest: metric {metric.name}: its value has no {name}; {REBUILD}")
    return slots[name]


def _number(metric: Metric, slots: dict[str, Slot], name: str) -> Callable[[bytes], int]:
    slot = _slot(metric, slots, name)
    layout = struct.Struct("=q" if slot.type == "i64" else "=Q")
    return lambda raw: int(layout.unpack_from(raw, slot.offset)[0])


def _array(metric: Metric, slots: dict[str, Slot]) -> struct.Struct:
    slot = _slot(metric, slots, "slots")
    if metric.buckets is None or slot.size != 8 * metric.buckets.slots:
        raise ArtefactError(f"manifest: metric {metric.name}: {slot.size} bytes of slots do not fit its buckets; {REBUILD}")
    return struct.Struct(f"={slot.offset}x{metric.buckets.slots}Q")


def bounds(buckets: Buckets, slot: int) -> tuple[int | None, int | None]:
    """A bucket as ``[low, high)``; None is no bound."""
    if buckets.kind == "log2":
        return (1 << slot if slot else 0), 2 << slot
    low = buckets.min + (slot - 1) * buckets.step
    if slot == 0:
        return None, buckets.min
    if slot == buckets.slots - 1:
        return buckets.max, None
    return low, min(low + buckets.step, buckets.max)


def quantile(slots: tuple[int, ...], percent: int) -> int | None:
    """The first bucket with at least ``percent`` of the values in it and below; None without values."""
    total = sum(slots)
    if not total:
        return None
    wanted = -(-total * percent // 100)  # rounded up
    seen = 0
    for slot, count in enumerate(slots):
        seen += count
        if seen >= wanted:
            return slot
    return None
