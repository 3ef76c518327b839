"""Declarations: params, maps, events and metrics as written to their checked forms with layouts.

Each function takes the spec's part and a list that problems are added to; what is wrong is left out of the result.
"""

from __future__ import annotations

import os.path

from . import expr, fieldtypes, ir, model
from .btf_index import ENUM, ENUM64
from .constants import ENUMS, FLAGS, flags
from .expr import ExpressionError
from .fieldtypes import FieldType
from .kernel import Kernel
from .layout import MARKS, MOST_MARKS, StructLayout, lay_out, with_marks
from .problems import Problem, near_misses
from .wording import article

LARGEST_MAP = 1 << 26
"""Entries; the kernel refuses what its memory can't hold, this refuses what can only be a mistake."""
LARGEST_EVENT = 1 << 16
LARGEST_KEY, LARGEST_VALUE = 256, (1 << 15) - 8
"""Bytes: keys are made on the stack, values in memory that each CPU has of its own, where the kernel gives no more at once."""
LARGEST_COUNT, LARGEST_AMOUNT = 1 << 20, 1 << 40
"""Of limits: what no program and no machine has."""
FEWEST_RING, LARGEST_RING, DEFAULT_RING = 4096, 1 << 30, 1 << 20
LONGEST_LATENCY = 10**9
HEADER = (
    ("id", FieldType("u16", "", "int", "__u16", 2, 2)),
    ("weight", FieldType("u16", "", "int", "__u16", 2, 2)),  # how many events this one stands for
    ("marks", MARKS[1]),
)
_U64 = FieldType("u64", "", "int", "__u64", 8, 8)
_TIME_UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9}


def number(text: model.Text, problems: list[Problem], what: str, low: int, high: int, unit: str = "") -> int | None:
    """A constant whole number; with a unit (``64KiB``, ``10ms``) where it is of that kind, "bytes" or "duration"."""
    try:
        tree = expr.parse(text)
    except ExpressionError as e:
        problems.append(e.problem)
        return None
    if isinstance(tree, expr.Unary) and tree.op == "-" and isinstance(tree.operand, expr.Number):
        value, given = -tree.operand.value, tree.operand.unit
    elif isinstance(tree, expr.Number):
        value, given = tree.value, tree.unit
    else:
        problems.append(text.at.problem(f"{what} must be a number, this is '{text.text}'"))
        return None
    if given not in ("", unit):
        expected = f"a {unit}" if unit == "duration" else "a size in bytes" if unit == "bytes" else "a number without a unit"
        problems.append(text.at.problem(f"{what} must be {expected}, this is '{text.text}'"))
        return None
    if not low <= value <= high:
        problems.append(text.at.problem(f"{what} must be from {low} to {high}, this is {value}"))
        return None
    return value


def limits(spec: model.Spec, problems: list[Problem]) -> ir.Limits:
    found = {}
    for name, text in spec.limits.items():
        unit, most = ("", LARGEST_COUNT) if name in ("instructions", "cpus") else ("bytes", LARGEST_AMOUNT)
        value = number(text, problems, f"the limit of {name}", 1, most, unit)
        if value is not None:
            found[name] = ir.Limit(value, text.at)
    return ir.Limits(**found)


def params(spec: model.Spec, problems: list[Problem]) -> dict[str, ir.ParamInfo]:
    return {p.name: info for p in spec.params.values() if (info := _param(p, problems))}


def _param(param: model.Param, problems: list[Problem]) -> ir.ParamInfo | None:
    kind = fieldtypes.parse(param.type)
    if isinstance(kind, Problem):
        problems.append(kind)
        return None
    if kind.word not in fieldtypes.PARAM_WORDS:
        near = near_misses(kind.word, fieldtypes.PARAM_WORDS)
        hint = "" if near else "there are " + " ".join(fieldtypes.PARAM_WORDS)
        problems.append(param.type.at.problem(f"a parameter can't be {article(str(kind))}", near, hint))
        return None
    low, high = (-(1 << kind.bits - 1), (1 << kind.bits - 1) - 1) if kind.signed else (0, (1 << kind.bits) - 1)
    least = number(param.min, problems, "min", low, high, kind.word) if param.min and kind.shape == "int" else None
    most = number(param.max, problems, "max", low, high, kind.word) if param.max and kind.shape == "int" else None
    if kind.shape != "int" and (param.min or param.max):
        problems.append(param.at.problem(f"{article(str(kind))} has no min or max"))
    if least is not None and most is not None and least > most:
        problems.append(param.at.problem(f"min {least} is above max {most}"))
        return None
    default = _default(param, kind, problems, low if least is None else least, high if most is None else most)
    return None if default is None else ir.ParamInfo(param.name, kind, param.help, default, least, most)


def _default(param: model.Param, kind: FieldType, problems: list[Problem], low: int, high: int) -> int | bool | str | None:
    text = param.default
    if kind.shape == "bool":
        if text is None or text.text in ("true", "false"):
            return text is not None and text.text == "true"
        problems.append(text.at.problem(f"true or false is expected, this is '{text.text}'"))
        return None
    if kind.shape == "string":
        value = text.text if text else ""
        if "\0" in value or len(value.encode()) >= kind.size:
            problems.append(
                param.at.problem(f"the default takes {len(value.encode()) + 1} bytes with its NUL, {kind} holds {kind.size}")
            )
            return None
        return value
    if text is None:
        if low <= 0 <= high:
            return 0
        problems.append(param.at.problem(f"a default from {low} to {high} is needed (0 is outside)"))
        return None
    return number(text, problems, "default", low, high, kind.word)


def record(
    fields: model.Fields, name: str, problems: list[Problem], scalar: str, allow_argv: bool = False, marks: bool = False
) -> StructLayout | None:
    """The layout of a map key, map value or label set; one type alone becomes the field ``scalar``. ``marks``: with those of
    its texts."""
    written = {scalar: fields.scalar} if fields.scalar else fields.fields
    kinds: list[tuple[str, FieldType]] = []
    for field, text in written.items():
        kind = fieldtypes.parse(text)
        if isinstance(kind, Problem):
            problems.append(kind)
        elif kind.shape == "argv" and not allow_argv:
            problems.append(text.at.problem("argv(N) is for events only"))
        else:
            kinds.append((field, kind))
    return lay_out(name, with_marks(kinds) if marks else kinds) if len(kinds) == len(written) else None


def too_large(key: StructLayout, value: StructLayout | None = None) -> str:
    """Why a map can't have that key, or that value; "" when it can."""
    if key.size > LARGEST_KEY:
        return f"the key takes {key.size} bytes; at most {LARGEST_KEY} are possible"
    if value and value.size > LARGEST_VALUE:
        return f"the value takes {value.size} bytes; at most {LARGEST_VALUE} are possible"
    return ""


def maps(spec: model.Spec, problems: list[Problem]) -> dict[str, ir.MapInfo]:
    found = {}
    for m in spec.maps.values():
        entries = number(m.max_entries, problems, "max_entries", 1, LARGEST_MAP)
        key = record(m.key, f"{m.name}_key", problems, "key")
        value = record(m.value, f"{m.name}_value", problems, "value", marks=True)
        if key and m.type.endswith("array") and [s.type.word for s in key.fields if s.type] != ["u32"]:
            problems.append(m.key.at.problem(f"the key of {article(m.type)} is a u32"))
            continue
        if value and len(value.marks) > MOST_MARKS:
            problems.append(m.value.at.problem(f"a value holds at most {MOST_MARKS} strings, this has {len(value.marks)}"))
            continue
        if key and (why := too_large(key, value)):
            problems.append((m.key if key.size > LARGEST_KEY else m.value).at.problem(why))
            continue
        if key and value:
            found[m.name] = ir.MapInfo(m.name, m.type, entries or 1, key, value, m.value.scalar is not None, m.at)
    return found


def events(spec: model.Spec, ring: int, problems: list[Problem]) -> dict[str, ir.EventInfo]:
    found = {}
    for i, event in enumerate(spec.events.values()):
        layout = _event_layout(event, problems)
        if layout is None:
            continue
        if layout.size + 8 > ring or layout.size > LARGEST_EVENT:
            limit = f"{ring - 8} (the ring's size less 8)" if layout.size + 8 > ring else f"{LARGEST_EVENT}"
            problems.append(
                event.at.problem(f"a record takes {layout.size} bytes, at most {limit} are possible", hint="shorten a string")
            )
            continue
        if len(layout.marks) > MOST_MARKS:
            problems.append(event.at.problem(f"an event holds at most {MOST_MARKS} strings, this has {len(layout.marks)}"))
            continue
        found[event.name] = ir.EventInfo(event.name, i, event.summary, layout)
    return found


def _event_layout(event: model.Event, problems: list[Problem]) -> StructLayout | None:
    kinds: list[tuple[str, FieldType]] = []
    for field, text in event.fields.fields.items():
        kind = fieldtypes.parse(text)
        if isinstance(kind, Problem):
            problems.append(kind)
        else:
            kinds.append((field, kind))
    if len(kinds) < len(event.fields.fields):
        return None
    # Members of the header are called id, weight and marks; a spec's field of that name would collide in C.
    header = [(f"__{name}", kind) for name, kind in HEADER]
    return lay_out(f"{event.name}_event", [*header, *kinds])


def metrics(spec: model.Spec, verbs: dict[str, str], problems: list[Problem]) -> dict[str, ir.MetricInfo]:
    """``verbs``: the verb that the statements use for each metric."""
    found: dict[str, ir.MetricInfo] = {}
    for m in spec.metrics.values():
        key = record(m.labels, f"{m.name}_key", problems, "label") if m.labels else None
        entries = number(m.max_entries, problems, "max_entries", 1, LARGEST_MAP) if m.max_entries else (1024 if m.labels else 1)
        if (m.labels and key is None) or entries is None:
            continue
        if m.labels and key and (why := too_large(key)):
            problems.append(m.labels.at.problem(why))
            continue
        if m.buckets and (m.kind != "histogram" or (why := _bad_buckets(m.buckets))):
            problems.append(m.buckets.at.problem(why if m.kind == "histogram" else f"a {m.kind} has no buckets"))
            continue
        # Metrics with the same labels share one struct, so that a program makes the key once for all of them.
        key = next((other.key for other in found.values() if key and other.key and other.key.fields == key.fields), key)
        verb = verbs.get(m.name, {"counter": "count", "gauge": "set", "histogram": "observe"}[m.kind])
        if m.name not in verbs:
            problems.append(m.at.problem(f"metric {m.name} is never used: nothing counts or observes it"))
        per_cpu = not (m.kind == "gauge" and verb in ("set", "add"))
        map_type = ("percpu_" if per_cpu else "") + ("hash" if m.labels else "array")
        found[m.name] = ir.MetricInfo(m.name, m.kind, verb, m.help, m.unit, m.top, m.buckets, entries, key, map_type)
    return found


def _bad_buckets(linear: model.Linear) -> str:
    if linear.step < 1 or linear.max <= linear.min:
        return "linear buckets need step ≥ 1 and max above min"
    if (linear.max - linear.min) % linear.step:
        return f"max - min ({linear.max - linear.min}) must be a multiple of step ({linear.step})"
    if (count := (linear.max - linear.min) // linear.step) > 1024:
        return f"{count} buckets; at most 1024 are possible"
    if linear.min < 0:
        return "buckets begin at 0 or above"
    return ""


def unit_divisor(unit: str, value: ir.Expr) -> int | None:
    """What a duration in ns is divided by to be in the metric's unit, None where that is no unit of time; 1 for anything else."""
    if isinstance(value.type, ir.IntT) and value.type.meaning == "duration":
        return _TIME_UNITS.get(unit or "ns")
    return 1


def tables(kinds: list[tuple[FieldType, model.At]], kernel: Kernel, problems: list[Problem]) -> dict[str, dict[str, str]]:
    """The names behind numbers, for every type that has some: word → number → name."""
    found: dict[str, dict[str, str]] = {}
    for kind, at in kinds:
        key = str(kind)
        if key in found:
            continue
        if kind.word == "syscall":
            found[key] = {str(n): name for n, name in sorted(kernel.syscalls().items())}
        elif kind.word == "flags" and kind.arg in FLAGS:
            found[key] = {str(bit): name for bit, name in flags(kind.arg, kernel.machine).items()}
        elif kind.word == "enum" and kind.arg in ENUMS:
            found[key] = {str(number): name for number, name in ENUMS[kind.arg].items()}
        elif kind.word in ("enum", "flags"):
            enum = next((e for n in kind.arg.split("|") if (e := kernel.enum(n))), None)
            if enum is None:
                problems.append(_no_enum(kind, at, kernel))
                continue
            found[key] = _names(list(enum.values))
    return found


def _no_enum(kind: FieldType, at: model.At, kernel: Kernel) -> Problem:
    known = [*kernel.btf.names(ENUM, ENUM64), *(FLAGS if kind.word == "flags" else ENUMS)]
    wanted = kind.arg.split("|")
    near = next((n for name in wanted if (n := near_misses(name, kernel.constants() if name.isupper() else known))), ())
    hint = "" if near else "for an enum without a name write one of its constants"
    return at.problem(f"this kernel has no enum '{kind.arg}'", tuple(f"{kind.word}:{n}" for n in near), hint)


def _names(values: list[tuple[str, int]]) -> dict[str, str]:
    """Number → name without the words that all names share; the first name of a number counts."""
    prefix = os.path.commonprefix([name for name, _ in values]) if len(values) > 1 else ""  # noqa: RUF071 - by character is meant
    cut = prefix.rfind("_") + 1
    named: dict[str, str] = {}
    for name, number_ in values:
        named.setdefault(str(number_), name[cut:])
    return named
