"""The config block of the kernel program: filters and parameters as bytes. What a run may be asked for.

Receives a manifest and values by name, returns the block that is set between open and load. Never parses text
(:mod:`ebpfrun.options` does) and leaves no value out: what the manifest has no room for, or what is of another type, is an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping

from . import values as words
from .errors import ArtefactError, MachineError, UsageError, did_you_mean
from .manifest import REBUILD, Manifest, Param, Slot

FILTERS = ("pid", "tid", "uid", "comm", "cgroup")  # in the order of their bits in filter.on
Value = bool | int | str

_ROOT_CGROUP = 1  # the inode of the root of cgroup v2, on every kernel: kernfs numbers from it
_COMM = 15
_RING = (1 << 12, 1 << 30)
_RECORD_HEAD = 8  # BPF_RINGBUF_HDR_SZ of include/uapi/linux/bpf.h
LONGEST_LATENCY = 1  # second
LONGEST_WINDOW = 10  # seconds


def is_ring(size: int) -> bool:
    """Whether the kernel makes a ring buffer of that size, and ebpfrun asks for one."""
    return _RING[0] <= size <= _RING[1] and not size & (size - 1)


RING = "a power of two from 4KiB to 1GiB"


def insist_on_times(latency: float | None, order: float | None) -> None:
    """Of Python programs: seconds, as :class:`~ebpfrun.tracer.Tracer` takes them."""
    for name, value, most in (("latency", latency, LONGEST_LATENCY), ("order", order, LONGEST_WINDOW)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= most):
            raise UsageError(f"{name}: expected seconds, at most {most}, not {value!r}")


def insist_on_ring(manifest: Manifest, size: int) -> None:
    """That each event finds room in it."""
    if not isinstance(size, int) or not is_ring(size):
        raise UsageError(f"ring: expected bytes, {RING}, not {size!r}")
    if large := [e for e in manifest.events if e.size + _RECORD_HEAD > size]:
        raise UsageError(f"ring: {size} bytes are too few for one event {large[0].name}")


def pack(
    manifest: Manifest, params: Mapping[str, Value], filters: Mapping[str, Value], ring: int | None = None, sampling: bool = False
) -> bytes:
    """The block; empty when the program has none. ``filters`` maps names of ``FILTERS`` to numbers, a name, a folder; ``ring`` is
    the ring buffer's size where not the spec's: a quarter of it filled wakes the reader; ``sampling`` says that the program asks
    how many events one stands for."""
    known = [p.name for p in manifest.params]
    if unknown := sorted(params.keys() - set(known)):
        raise UsageError(f"{manifest.name} has no parameter {unknown[0]}{_near(unknown[0], known)}")
    values = {f"param.{p.name}": _param(p, params[p.name]) if p.name in params else p.default for p in manifest.params}
    values.update(_filter_values(manifest, filters))
    values["ring.mark"] = (ring or manifest.ring) // 4
    values["sampling"] = sampling
    if manifest.config is None:
        return b""
    block = bytearray(manifest.config.size)
    for slot in manifest.config.fields:
        _put(block, slot, values.get(slot.name, 0))
    return bytes(block)


def _param(param: Param, value: Value) -> Value:
    """``value``, if it is one of that type."""
    if isinstance(param.default, bool):
        if value not in (False, True):
            raise UsageError(f"parameter {param.name}: expected True or False, not {value!r}")
        return bool(value)
    if param.type.startswith("string"):
        if not isinstance(value, str):
            raise UsageError(f"parameter {param.name}: expected text, not {value!r}")
        return value
    return _number(f"parameter {param.name}", value, param.type, param.min, param.max)


def _number(what: str, value: Value, type: str, least: int | None = None, most: int | None = None) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(f"{what}: expected a whole number, not {value!r}")
    low, high = words.between(type, least, most)
    if not low <= value <= high:
        raise UsageError(f"{what}: {value} is not between {low} and {high}")
    return value


def _near(word: str, known: Iterable[str]) -> str:
    import difflib

    near = difflib.get_close_matches(word, known, 3, 0.6)
    return did_you_mean(near)


def _filter_values(manifest: Manifest, filters: Mapping[str, Value]) -> dict[str, Value]:
    values: dict[str, Value] = {}
    on = 0
    for name, value in filters.items():
        if name not in FILTERS:
            raise UsageError(f"there is no filter {name}{_near(name, FILTERS) or '; there are ' + ' '.join(FILTERS)}")
        if name not in manifest.filters:
            have = ", ".join(f"--{f}" for f in manifest.filters) or "none"
            raise UsageError(f"{manifest.name} can't be filtered by {name}: its probes have no task to ask (its filters: {have})")
        on |= 1 << FILTERS.index(name)
        if name == "cgroup":
            values["filter.cgroup"], values["filter.cgroup_level"] = cgroup(str(value))
        elif name == "comm" and not value:
            raise UsageError("--comm: expected the name of tasks, not an empty one")
        elif name == "comm" and len(os.fsencode(str(value))) > _COMM:
            raise UsageError(f"--comm {value}: the kernel keeps {_COMM} bytes of a task's name; give its first {_COMM}")
        else:
            values[f"filter.{name}"] = str(value) if name == "comm" else _number(f"filter {name}", value, "u32")
    return values | {"filter.on": on}


def _put(block: bytearray, slot: Slot, value: Value) -> None:
    try:
        if isinstance(value, str):
            raw = os.fsencode(value)
            if len(raw) >= slot.size:
                raise UsageError(f"{slot.name.partition('.')[2]}: at most {slot.size - 1} bytes, not {len(raw)}")
            data = raw.ljust(slot.size, b"\0")
        elif slot.type.startswith(("string", "comm")):
            data = bytes(slot.size)
        else:
            data = int(value).to_bytes(slot.size, sys.byteorder, signed=value < 0)
    except OverflowError:
        raise UsageError(f"{slot.name.partition('.')[2]}: {value} does not fit into {slot.type}") from None
    if slot.offset < 0 or slot.offset + slot.size > len(block):
        raise ArtefactError(f"manifest: config field {slot.name} lies outside of the block; {REBUILD}")
    block[slot.offset : slot.offset + slot.size] = data


def cgroup(path: str) -> tuple[int, int]:
    """(id, level below the root) of a folder of cgroup v2."""
    mounts = _cgroup_mounts()
    if not mounts:
        raise MachineError("--cgroup: cgroup v2 is not mounted (mount -t cgroup2 none /sys/fs/cgroup)")
    real = os.path.realpath(path)
    for mount in mounts:
        if real != mount and not real.startswith(mount.rstrip("/") + "/"):
            continue
        if os.stat(mount).st_ino != _ROOT_CGROUP:
            raise MachineError(f"--cgroup: {mount} shows a part of the hierarchy (a container?), so levels can't be counted")
        try:
            number = os.stat(real).st_ino
        except OSError as error:
            raise UsageError(f"--cgroup {path}: {error.strerror}") from None
        return number, len([part for part in real[len(mount) :].split("/") if part])
    raise UsageError(f"--cgroup {path}: not a folder of cgroup v2, which is at {', '.join(mounts)}")


def _cgroup_mounts() -> list[str]:
    with open("/proc/self/mountinfo") as file:
        lines = [line.split() for line in file]
    return [fields[4] for fields in lines if fields[fields.index("-") + 1] == "cgroup2"]
