"""Maps to figures, and figures to bars."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfrun.errors import ArtefactError
from ebpfrun.manifest import Buckets, Metric, Slot, Struct
from ebpfrun.metrics import Metrics, Reading, Sample, bounds, quantile
from ebpfrun.names import Names
from ebpfrun.sinks.people import histogram, reading_lines
from properties import examples

from .conftest import LATENCY, OPENS, TABLES, Maps, latency_entry, manifest, opens_entry

NAMES = Names(TABLES)
LOG2 = Buckets("log2", 64)
LINEAR = Buckets("linear", 5, 0, 25, 10)  # below 0, [0, 10), [10, 20), [20, 25), from 25 on


def gauge(verb: str) -> Metric:
    fields = (Slot("value", "i64", 0, 8),) if verb in ("set", "add") else (Slot("count", "u64", 0, 8), Slot("value", "i64", 8, 8))
    value = Struct(8 * len(fields), fields)
    return Metric("level", "gauge", verb, "how high", "bytes", None, "level", "percpu_array", 1, None, None, value)


def test_counters_are_summed_over_cpus_and_sorted() -> None:
    tracer = Maps(opens=[opens_entry(1, b"a", 1, 2), opens_entry(2, b"b", 4, 5), opens_entry(3, b"c\0junk", 3, 0)])
    (reading,) = Metrics(manifest(metrics=[OPENS]), 0).totals(tracer)
    assert [(s.labels, s.value) for s in reading.samples] == [((2, "b"), 9), ((1, "a"), 3), ((3, "c"), 3)]
    assert reading.seconds is None


def test_sums_are_of_64_bits_over_cpus_too() -> None:
    """As each CPU's own is: sinks of tables have columns of that size."""
    tracer = Maps(opens=[opens_entry(1, b"a", 2**64 - 1, 6)], latency=[latency_entry(0, (2**63, {1: 1}), (2**63 + 4, {1: 1}))])
    opens, latency = Metrics(manifest(metrics=[OPENS, LATENCY]), 0).totals(tracer)
    assert (opens.samples[0].value, latency.samples[0].value) == (5, 4)


def test_an_interval_is_what_happened_in_it() -> None:
    tracer = Maps(opens=[opens_entry(1, b"a", 1, 2), opens_entry(2, b"b", 7, 0)])
    metrics = Metrics(manifest(metrics=[OPENS]), 0)
    assert [s.value for s in metrics.interval(tracer)[0].samples] == [7, 3]
    tracer.maps["opens"] = [opens_entry(1, b"a", 1, 7), opens_entry(2, b"b", 7, 0), opens_entry(3, b"c", 1, 0)]
    (reading,) = metrics.interval(tracer)
    assert [(s.labels[0], s.value) for s in reading.samples] == [(1, 5), (3, 1)]
    assert reading.seconds is not None
    assert metrics.interval(tracer)[0].samples == []
    assert [s.value for s in metrics.totals(tracer)[0].samples] == [8, 7, 1]


def test_a_label_set_that_was_evicted_and_came_back_starts_anew() -> None:
    tracer = Maps(opens=[opens_entry(1, b"a", 100)])
    metrics = Metrics(manifest(metrics=[OPENS]), 0)
    metrics.interval(tracer)
    tracer.maps["opens"] = [opens_entry(1, b"a", 4)]
    assert [s.value for s in metrics.interval(tracer)[0].samples] == [4]


def test_histograms_are_summed_and_subtracted_slot_by_slot() -> None:
    tracer = Maps(latency=[latency_entry(0, (10, {1: 2}), (20, {1: 1, 4: 1}))])
    metrics = Metrics(manifest(metrics=[LATENCY]), 0)
    (sample,) = metrics.interval(tracer)[0].samples
    assert (sample.value, sample.observations, sample.slots[:5]) == (30, 4, (0, 3, 0, 0, 1))
    tracer.maps["latency"] = [latency_entry(0, (10, {1: 2}), (29, {1: 1, 3: 1, 4: 1}))]
    (sample,) = metrics.interval(tracer)[0].samples
    assert (sample.value, sample.observations, sample.slots[:5]) == (9, 1, (0, 0, 0, 1, 0))


@pytest.mark.parametrize(("verb", "wanted"), [("set", -5), ("add", -5)])
def test_gauges_that_add(verb: str, wanted: int) -> None:
    tracer = Maps(level=[(bytes(4), [struct.pack("=q", -7), struct.pack("=q", 2)])])
    metrics = Metrics(manifest(metrics=[gauge(verb)]), 0)
    assert [metrics.interval(tracer)[0].samples[0].value for _ in range(2)] == [wanted, wanted]


@pytest.mark.parametrize(("verb", "wanted"), [("min", -7), ("max", -1)])
def test_gauges_of_extremes_ignore_cpus_that_saw_nothing(verb: str, wanted: int) -> None:
    values = [struct.pack("=Qq", count, value) for count, value in ((0, 0), (3, -7), (1, -1))]
    metrics = Metrics(manifest(metrics=[gauge(verb)]), 0)
    assert metrics.totals(Maps(level=[(bytes(4), values)]))[0].samples == [Sample((), wanted)]
    assert metrics.totals(Maps(level=[(bytes(4), values[:1])]))[0].samples == []


def test_a_counter_without_labels_shows_zero() -> None:
    total = OPENS._replace(key=None, name="total", map="total")
    metrics = Metrics(manifest(metrics=[total]), 0)
    (reading,) = metrics.interval(Maps(total=[(bytes(4), [bytes(8)])]))
    assert reading.samples == [Sample((), 0)]


def test_values_that_do_not_fit_their_buckets_are_refused() -> None:
    with pytest.raises(ArtefactError, match="512 bytes of slots"):
        Metrics(manifest(metrics=[LATENCY._replace(buckets=Buckets("log2", 32))]), 0)
    with pytest.raises(ArtefactError, match="has no value"):
        Metrics(manifest(metrics=[OPENS._replace(value=Struct(8, ()))]), 0)


def test_bounds() -> None:
    assert [bounds(LOG2, i) for i in (0, 1, 2, 63)] == [(0, 2), (2, 4), (4, 8), (2**63, 2**64)]
    assert [bounds(LINEAR, i) for i in range(5)] == [(None, 0), (0, 10), (10, 20), (20, 25), (25, None)]


@examples()
@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50), st.integers(1, 100))
def test_the_quantiles_bucket_holds_the_quantile(values: list[int], percent: int) -> None:
    slots = [0] * 64
    for value in values:
        slots[max(value, 1).bit_length() - 1] += 1
    found = quantile(tuple(slots), percent)
    assert found is not None
    low, high = bounds(LOG2, found)
    exact = sorted(values)[-(-len(values) * percent // 100) - 1]  # nearest rank
    assert (low or 0) <= exact < (high or 2**64)


def test_a_histogram_as_people_see_it() -> None:
    sample = Sample((), 31_416, 26, tuple({3: 1, 4: 10, 5: 13, 10: 2}.get(i, 0) for i in range(64)))
    assert histogram("us", LOG2, sample) == [
        "[8, 16)   1 |@@@@                                                |",
        "[16, 32) 10 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@            |",
        "[32, 64) 13 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|",
        "… 4 empty buckets",
        "[1K, 2K)  2 |@@@@@@@@                                            |",
        "count 26, sum 31.4 ms, mean 1.21 ms, p50 in [32, 64), p90 in [32, 64), p99 in [1K, 2K)",
    ]


def test_linear_histograms_and_units() -> None:
    assert histogram("bytes", LINEAR, Sample((), 90, 4, (1, 0, 2, 0, 1))) == [
        "(…, 0)   1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |",
        "[0, 10)  0 |                                                    |",
        "[10, 20) 2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|",
        "[20, 25) 0 |                                                    |",
        "[25, …)  1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |",
        "count 4, sum 90 B, mean 22 B, p50 in [10, 20), p90 in [25, …), p99 in [25, …)",
    ]
    assert histogram("", LINEAR, Sample((), 15, 2, (0, 1, 1, 0, 0)))[-1].startswith("count 2, sum 15, mean 7.5, p50 in [0, 10)")
    assert histogram("", LINEAR, Sample((), 0, 0, (0,) * 5)) == ["no values"]


def test_rows_beyond_the_top_are_counted() -> None:
    samples = [Sample((pid, f"c{pid}"), 10 - pid) for pid in range(1, 5)]
    assert reading_lines(Reading(OPENS, 0, 1.5, samples), NAMES) == [
        "opens: files opened (last 1.50 s)",
        "  PID  COMM  COUNT",
        "    1  c1        9",
        "    2  c2        8",
        "  … and 2 more rows",
        "",
    ]
    assert reading_lines(Reading(OPENS, 0, None, []), NAMES) == ["opens: files opened (since the start): none", ""]
    total = OPENS._replace(key=None, unit="bytes")
    (line, _) = reading_lines(Reading(total, 0, None, [Sample((), 4096)]), NAMES)
    assert line == "opens: files opened (since the start): 4.0 KiB"


def test_labelled_histograms() -> None:
    one = Sample((0,), 3, 1, tuple(int(i == 1) for i in range(64)))
    lines = reading_lines(Reading(LATENCY._replace(top=1), 0, None, [one, one]), NAMES)
    assert lines[:2] == ["latency: time in the call (since the start)", "  syscall=read"]
    assert lines[2].startswith("  [2, 4) 1 |@@@@")
    assert lines[-3:] == ["", "  … and 1 more label set", ""]
