"""Batches as Arrow: the one conversion that the sinks of tables and the API share.

Receives a batch, gives a record batch per event; and metrics as tables of their own. Needs pyarrow. Types survive: see
``docs/sinks.md``. Texts that repeat (names of numbers, addresses, ``comm``) are dictionaries, of what is in the batch alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from . import extras
from .arrays import array, bools
from .batch import Batch
from .decode import TRUNCATED, UNREADABLE, marked, numpy_kind, text, word
from .errors import UsageError
from .lean import Any
from .manifest import Event, Metric, Slot
from .metrics import Reading, bounds
from .names import Names
from .render import plain

NAMED = frozenset(("errno", "signal", "syscall", "enum", "flags", "cgroup", "ifindex", "protocol", "dev_t"))
"""Types whose numbers become names."""
_SIGNED = frozenset(("errno", "signal", "syscall", "enum"))
RESERVED = ("truncated", "unreadable")


def library() -> Any:
    """pyarrow; MachineError with the way to get it, where it is not."""
    return extras.need("pyarrow", "parquet", "columns for files and data frames")


# Schemas.


def schema(event: Event) -> Any:
    """Of the event's record batches. The metadata of a field names its type in the spec."""
    pa = library()
    for slot in event.fields:
        if slot.name in RESERVED and can_be_marked(event):
            raise UsageError(f"event {event.name} has a field '{slot.name}', which is a column of its own in a table")
    fields = [pa.field(slot.name, _type(slot.type), nullable=False, metadata={"ebpf.type": slot.type}) for slot in event.fields]
    if can_be_marked(event):
        fields += [pa.field(name, pa.list_(pa.string())) for name in RESERVED]
    return pa.schema(fields, {"ebpf.event": event.name})


def can_be_marked(event: Event) -> bool:
    return any(slot.mark is not None for slot in event.fields)


def _type(type: str) -> Any:
    pa = library()
    match word(type):
        case "timestamp":
            return pa.timestamp("ns", "UTC")
        case "duration":
            return pa.duration("ns")
        case "bool":
            return pa.bool_()
        case "string":
            return pa.string()
        case "argv":
            return pa.list_(pa.string())
    return _number(type) or pa.dictionary(pa.int32(), pa.string())


def _number(type: str) -> Any:
    """The type of what stays a number; None for what becomes a name or a text."""
    kind = numpy_kind(type)
    if not kind or word(type) in NAMED or kind[0] not in "iu":
        return None
    return getattr(library(), f"{'u' if kind[0] == 'u' else ''}int{8 * int(kind[1:])}")()


# Columns.


def record_batch(batch: Batch, event: Event) -> Any:
    """The batch's events of one type, in their order."""
    count = batch.counts.get(event.id, 0)
    made = schema(event)
    arrays = [_column(batch, event, slot, made.field(i).type, count) for i, slot in enumerate(event.fields)]
    if can_be_marked(event):
        arrays += _marks(batch, event, count)
    return library().RecordBatch.from_arrays(arrays, schema=made)


def _column(batch: Batch, event: Event, slot: Slot, type: Any, count: int) -> Any:
    pa, loops = library(), batch.records.loops
    where = batch.data, event.id, slot.offset, slot.size
    if pa.types.is_dictionary(type):
        numbers, firsts = loops.distinct(*where, word(slot.type) == "comm", count)
        indices = pa.Array.from_buffers(pa.int32(), count, [None, pa.py_buffer(numbers)])
        texts = map(_text_of(slot.type, batch.records.names), batch.values(event.name, slot.name, firsts))
        return pa.DictionaryArray.from_arrays(indices, array(list(texts), pa.string()))
    if word(slot.type) == "string":
        offsets, texts = loops.utf8(*where, count)
        return _texts(offsets, texts)
    if word(slot.type) == "argv":
        lists, offsets, texts = loops.words(*where, count)
        items = _texts(offsets, texts)
        return pa.ListArray.from_arrays(pa.Array.from_buffers(pa.int32(), count + 1, [None, pa.py_buffer(lists)]), items)
    column = batch.columns(event.name)[slot.name]
    if word(slot.type) == "bool":
        return bools(column)
    return pa.Array.from_buffers(type, count, [None, pa.py_buffer(_contiguous(column))])


def _contiguous(column: Any) -> Any:
    return extras.need("numpy", "numpy", "columns").ascontiguousarray(column)


def _texts(offsets: Any, data: Any) -> Any:
    pa = library()
    return pa.Array.from_buffers(pa.string(), len(offsets) // 4 - 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _text_of(type: str, names: Names) -> Callable[[bytes], str]:
    """What turns a value's bytes into its text."""
    import sys

    if word(type) == "comm":
        return text
    name = plain(type, names) or str
    if word(type) in ("ip", "mac"):
        return lambda raw: str(name(raw))
    signed = word(type) in _SIGNED
    return lambda raw: str(name(int.from_bytes(raw, sys.byteorder, signed=signed)))


def _marks(batch: Batch, event: Event, count: int) -> list[Any]:
    """Lists of names of fields, null where there are none: as good as always."""
    pa = library()
    marks = batch.marks(event.name)
    if not marks.any():
        return [pa.nulls(count, pa.list_(pa.string()))] * 2
    known: dict[int, tuple[Any, Any]] = {
        int(each): (marked(event, int(each), TRUNCATED) or None, marked(event, int(each), UNREADABLE) or None)
        for each in set(marks.tolist())
    }
    return [array([known[m][i] for m in marks.tolist()], pa.list_(pa.string())) for i in (0, 1)]


# Metrics.


def metric_schema(metric: Metric) -> Any:
    """``time``, ``seconds`` (null for figures since the start), the labels, and ``value``, or of a histogram ``count``, ``sum``
    and ``buckets``: those that are not empty, null being no bound."""
    pa = library()
    labels = [pa.field(s.name, _label_type(s.type), metadata={"ebpf.type": s.type}) for s in _labels(metric)]
    number = pa.int64() if metric.kind == "gauge" else pa.uint64()
    figures = [pa.field("value", number)]
    if metric.buckets is not None:
        bucket = pa.struct({"low": pa.float64(), "high": pa.float64(), "n": pa.uint64()})
        figures = [pa.field("count", pa.uint64()), pa.field("sum", pa.uint64()), pa.field("buckets", pa.list_(bucket))]
    fields = [pa.field("time", pa.timestamp("ns", "UTC")), pa.field("seconds", pa.float64()), *labels, *figures]
    return pa.schema(fields, {"ebpf.metric": metric.name, "ebpf.kind": metric.kind, "ebpf.unit": metric.unit})


def metric_batch(reading: Reading, names: Names) -> Any:
    """A row for each label set."""
    metric = reading.metric
    rows: list[dict[str, Any]] = []
    convert = [_label_value(slot.type, names) for slot in _labels(metric)]
    for sample in reading.samples:
        row: dict[str, Any] = {"time": reading.time, "seconds": reading.seconds}
        row |= {slot.name: f(v) for slot, f, v in zip(_labels(metric), convert, sample.labels, strict=True)}
        if metric.buckets is None:
            row["value"] = sample.value
        else:
            row |= {"count": sample.observations, "sum": sample.value}
            row["buckets"] = [_bucket(*bounds(metric.buckets, i), n) for i, n in enumerate(sample.slots) if n]
        rows.append(row)
    made = metric_schema(metric)
    return library().RecordBatch.from_arrays([array([row[f.name] for row in rows], f.type) for f in made], schema=made)


def losses_schema() -> Any:
    """Of :mod:`ebpfrun.sinks.losses`."""
    pa = library()
    text, name = pa.string(), pa.dictionary(pa.int32(), pa.string())
    return pa.schema({"time": pa.timestamp("ns", "UTC"), "kind": name, "of": text, "sink": text, "count": pa.int64()})


def losses_batch(rows: Iterable[tuple[Any, ...]]) -> Any:
    made = losses_schema()
    columns = zip(*rows, strict=True)
    return library().RecordBatch.from_arrays([array(c, f.type) for c, f in zip(columns, made, strict=True)], schema=made)


def _bucket(low: int | None, high: int | None, n: int) -> dict[str, float | None]:
    return {"low": None if low is None else float(low), "high": None if high is None else float(high), "n": n}


def _labels(metric: Metric) -> Sequence[Slot]:
    return metric.key.fields if metric.key else ()


def _label_type(type: str) -> Any:
    return _type(type) if _plain_label(type) else library().string()


def _plain_label(type: str) -> bool:
    """Whether the value is stored as it is."""
    return _number(type) is not None or word(type) in ("timestamp", "duration", "bool", "argv")


def _label_value(type: str, names: Names) -> Callable[[Any], Any]:
    if _plain_label(type):
        return lambda value: value
    name = plain(type, names) or str
    return lambda value: str(name(value))
