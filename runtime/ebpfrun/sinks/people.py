"""Events and metrics as people read them: what the table and the text sink share.

Receives runs and readings, returns cells and lines of text without line ends. Rows beyond a metric's ``top`` are left out, and
a line says how many.
"""

from __future__ import annotations

from collections.abc import Sequence

from ebpfrun.decode import Run
from ebpfrun.lean import Any
from ebpfrun.lines import CUT, marked_text
from ebpfrun.manifest import Buckets, Metric
from ebpfrun.metrics import Reading, Sample, bounds, quantile
from ebpfrun.names import Names
from ebpfrun.render import NUMBERS, Text, duration, human, quantity

TOP_ROWS = 20  # of counters and gauges, where the spec names no `top`
TOP_HISTOGRAMS = 8
BAR = 52  # as bpftrace draws them
_EMPTY_RUN = 3  # more empty buckets than this in a row become one line
_SUFFIXES = "KMGTPE"
_SCALE = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


def cells(run: Run, texts: Sequence[Text]) -> list[list[str]]:
    """The run's columns as text, with the marks shown: … behind what was cut, <unreadable> for what could not be read."""
    columns = [list(map(text, column)) for text, column in zip(texts, run.columns, strict=True)]
    if any(run.marks):
        for i, slot in enumerate(run.event.fields):
            if slot.mark is not None:
                _show_marks(columns[i], run.columns[i], run.marks, 2 * slot.mark)
    return columns


def _show_marks(column: list[str], values: Sequence[Any], marks: Sequence[int], shift: int) -> None:
    column[:] = [marked_text(text, value, m >> shift & 3) for text, value, m in zip(column, values, marks, strict=True)]


def reading_lines(reading: Reading, names: Names) -> list[str]:
    """A metric's block, an empty line last."""
    metric = reading.metric
    when = "since the start" if reading.seconds is None else f"last {duration(round(reading.seconds * 1e9))}"
    title = f"{metric.name}: {metric.help} ({when})"
    if not reading.samples:
        return [f"{title}: none", ""]
    if metric.buckets is not None:
        return [title, *_histograms(metric, metric.buckets, reading.samples, names)]
    if metric.key is None:
        return [f"{title}: {quantity(reading.samples[0].value, metric.unit)}", ""]
    return [title, *_rows(metric, reading.samples, names), ""]


def _rows(metric: Metric, samples: list[Sample], names: Names) -> list[str]:
    slots = metric.key.fields if metric.key else ()
    shown = samples[: metric.top or TOP_ROWS]
    texts = [human(slot.type, names) for slot in slots]
    columns = [
        [slot.name.upper(), *(text(sample.labels[i]) for sample in shown)]
        for i, (slot, text) in enumerate(zip(slots, texts, strict=True))
    ]
    columns.append([metric.verb.upper() if metric.kind == "counter" else "VALUE"])
    columns[-1] += [quantity(sample.value, metric.unit) for sample in shown]
    right = [slot.type in NUMBERS for slot in slots] + [True]
    widths = [max(map(width, column)) for column in columns]
    rows = zip(*columns, strict=True)
    lines = ["  " + "  ".join(map(pad, row, widths, right)) for row in rows]
    return lines + _rest(len(samples) - len(shown), "row")


def _rest(count: int, what: str) -> list[str]:
    return [f"  {CUT} and {count} more {what}{'s' if count > 1 else ''}"] if count > 0 else []


def _histograms(metric: Metric, buckets: Buckets, samples: list[Sample], names: Names) -> list[str]:
    shown = samples[: metric.top or TOP_HISTOGRAMS]
    slots = metric.key.fields if metric.key else ()
    lines = []
    for sample in shown:
        labels = [f"{slot.name}={human(slot.type, names)(value)}" for slot, value in zip(slots, sample.labels, strict=True)]
        lines += ["  " + ", ".join(labels)] if labels else []
        lines += [f"  {line}" for line in histogram(metric.unit, buckets, sample)] + [""]
    rest = _rest(len(samples) - len(shown), "label set")
    return lines + rest + ([""] if rest else [])


def histogram(unit: str, buckets: Buckets, sample: Sample) -> list[str]:
    """Bars, then count, sum, mean, and the buckets in which 50, 90 and 99 per cent of the values are reached."""
    used = [slot for slot, count in enumerate(sample.slots) if count]
    if not used:
        return ["no values"]
    shown = _without_gaps(sample.slots, range(used[0], used[-1] + 1))
    labels = {slot: _range(buckets, slot) for slot in shown if isinstance(slot, int)}
    left = max(map(len, labels.values()))
    most = max(sample.slots)
    digits = len(str(most))
    lines = []
    for slot in shown:
        if isinstance(slot, str):
            lines.append(slot)
        else:
            count = sample.slots[slot]
            lines.append(f"{labels[slot]:<{left}} {count:>{digits}} |{'@' * (BAR * count // most):<{BAR}}|")
    ranks = [f"p{p} in {_range(buckets, found)}" for p in (50, 90, 99) if (found := quantile(sample.slots, p)) is not None]
    return [*lines, ", ".join([f"count {sample.observations}", *_sum_and_mean(unit, sample), *ranks])]


def _without_gaps(counts: Sequence[int], shown: range) -> list[int | str]:
    """The buckets to show; a long run of empty ones is a line that says so."""
    lines: list[int | str] = []
    gap: list[int | str] = []
    for slot in shown:
        if not counts[slot]:
            gap.append(slot)
            continue
        lines += gap if len(gap) <= _EMPTY_RUN else [f"{CUT} {len(gap)} empty buckets"]
        lines.append(slot)
        gap = []
    return lines


def _sum_and_mean(unit: str, sample: Sample) -> list[str]:
    if not sample.observations:
        return []
    scale = _SCALE.get(unit)
    mean = sample.value / sample.observations
    if scale is not None:
        shown = duration(round(mean * scale))
    elif unit == "bytes":
        shown = quantity(round(mean), unit)
    else:
        shown = f"{mean:.1f}" + (f" {unit}" if unit else "")
    return [f"sum {quantity(sample.value, unit)}", f"mean {shown}"]


def _range(buckets: Buckets, slot: int) -> str:
    low, high = bounds(buckets, slot)
    return f"{'(' + CUT if low is None else '[' + _short(low)}, {CUT if high is None else _short(high)})"


def _short(number: int) -> str:
    """Powers of two as bpftrace writes them: 4K."""
    power = 0
    while number and number % 1024 == 0 and power < len(_SUFFIXES):
        number //= 1024
        power += 1
    return f"{number}{_SUFFIXES[power - 1] if power else ''}"


def width(text: str) -> int:
    """Cells that ``text`` takes on a terminal."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(c) else 2 if east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, to: int, right: Any) -> str:
    """``text`` with spaces up to ``to`` cells, aligned to the right if ``right``."""
    gap = " " * (to - width(text))
    return gap + text if right else text + gap
