"""What of a kernel can be traced: attach points whose names match a pattern.

Receives a kernel description and a pattern, returns rows and what could not be looked at. Prints nothing.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator

from .describe import UnknownThing, describe
from .inputs.events import EVENTS
from .inputs.functions import HOOK
from .inputs.objects import OF_ONE, RECORD
from .kernel_description import Description
from .problems import near_misses
from .records import record
from .tracepoint_format import parse_fields

_FUNCTIONS = ("kprobe", "kretprobe", "fentry", "fexit")
_Matches = Callable[[str], object]


@record()
class Row:
    """``name`` as a spec writes it (``tracepoint:sock:inet_sock_set_state``); ``note``: why it can't be attached, "" when nothing
    is known against it."""

    kind: str
    name: str
    signature: str
    note: str = ""


@record()
class Finds:
    rows: tuple[Row, ...]
    notes: tuple[str, ...]  # what was left out, what to know


def find(kernel: Description, pattern: str) -> Finds:
    """Attach points that match ``pattern``: a glob over names (``tcp*``), over CATEGORY:NAME (``tcp:*``), or over either behind a
    kind (``fentry:tcp*``, ``struct:*sock``); without ``*``, ``?`` and ``[`` it is looked for anywhere in the name. Functions
    appear as kprobes unless a kind says otherwise; ``usdt:BINARY:GLOB`` and ``uprobe:BINARY:GLOB`` look into a binary of this
    machine. Raises UnknownThing when nothing matches."""
    kind, _, rest = pattern.partition(":")
    if kind == "usdt":
        return Finds(tuple(_usdt(rest)), ())
    if kind in ("uprobe", "uretprobe"):
        return Finds(tuple(_uprobes(kind, rest)), ())
    if kind not in _LISTS:
        kind, rest = "", pattern
    matches = _matcher(rest)
    kinds: tuple[str, ...] = (kind,) if kind else ("tracepoint", "tp_btf", "kprobe")
    left_out: tuple[str, ...] = ()
    if not kind and not kernel.sees_tracepoints:
        kinds = ("tp_btf", "kprobe")
        left_out = ("tracepoints are left out: the kernel does not let this user see them (root can)",)
    rows = tuple(row for k in kinds for row in _LISTS[k](kernel, k, matches))
    if not rows:
        raise UnknownThing(f"nothing in this kernel matches {pattern!r}", _near(kernel, rest, kinds), *left_out)
    return Finds(rows, left_out + tuple(_notes(kernel, rows)))


def _matcher(pattern: str) -> _Matches:
    glob = pattern if re.search(r"[*?\[]", pattern) else f"*{pattern}*"
    return re.compile(fnmatch.translate(glob)).match


def _usdt(rest: str) -> Iterator[Row]:
    """Of a binary of this machine: the kernel does not know them."""
    from .usdt import probes

    binary, _, pattern = rest.partition(":")
    matches, known = _matcher(pattern or "*"), probes(binary)
    found = [p for p in known if matches(p.name) or matches(f"{p.provider}:{p.name}")]
    if not found:
        why = f"no USDT probe of {binary} matches {pattern!r}" if known else f"{binary} has no USDT probes"
        raise UnknownThing(why, near_misses(pattern.rpartition(":")[2], [p.name for p in known]))
    yield from (Row("usdt", f"usdt:{binary}:{p.provider}:{p.name}", ", ".join(p.args)) for p in found)


def _uprobes(kind: str, rest: str) -> Iterator[Row]:
    from .binaries import functions

    binary, _, pattern = rest.partition(":")
    matches, known = _matcher(pattern or "*"), functions(binary)
    found = [name for name in known if matches(name)]
    if not found:
        near = near_misses(re.sub(r"[*?\[\]]", "", pattern), known)
        raise UnknownThing(f"no function of {binary} matches {pattern!r}" if known else f"{binary} names no functions", near)
    yield from (Row(kind, f"{kind}:{binary}:{name}", "") for name in found)


def _tracepoints(kernel: Description, _: str, matches: _Matches) -> Iterator[Row]:
    for category, name in kernel.tracepoints():
        if matches(name) or matches(f"{category}:{name}"):
            text = kernel.source.format(category, name)
            if text is not None:  # gone since the list was read: a module was taken out
                fields = ", ".join(field.name for field in parse_fields(category, name, text))
                yield Row("tracepoint", f"tracepoint:{category}:{name}", fields)


def _raw_tracepoints(kernel: Description, kind: str, matches: _Matches) -> Iterator[Row]:
    for name in filter(matches, kernel.raw_tracepoints()):
        proto = kernel.raw_tracepoint(name)
        params = proto.params if proto else ()
        yield Row(kind, f"{kind}:{name}", ", ".join(kernel.btf.declaration(t, n) for n, t in params))


def _functions(kernel: Description, kind: str, matches: _Matches) -> Iterator[Row]:
    for name in filter(matches, kernel.functions()):
        found = kernel.btf.find_function(name)
        signature = kernel.btf.declaration(found, name) if found is not None else ""
        yield Row(kind, f"{kind}:{name}", signature, kernel.why_not_attachable(name, kind) or "")


def _hooks(kernel: Description, kind: str, matches: _Matches) -> Iterator[Row]:
    for name in kernel.functions():
        if name.startswith(HOOK) and matches(name.removeprefix(HOOK)):
            found = kernel.btf.find_function(name)
            hook = name.removeprefix(HOOK)
            yield Row(kind, f"{kind}:{hook}", kernel.btf.declaration(found, hook) if found is not None else "")


def _iterators(kernel: Description, kind: str, matches: _Matches) -> Iterator[Row]:
    for struct in kernel.btf.struct_names():
        name = struct.removeprefix(RECORD)
        if struct.startswith(RECORD) and "__" not in name and name not in OF_ONE and matches(name):
            given = (
                row.type + ("" if row.type.endswith("*") else " ") + row.word for row in describe(kernel, f"iter:{name}").rows
            )
            yield Row(kind, f"{kind}:{name}", ", ".join(given))


def _events(_: Description, kind: str, matches: _Matches) -> Iterator[Row]:
    names, period = EVENTS[kind]
    return (Row(kind, f"{kind}:{name}", f"once in {period}; with :N behind it, once in N") for name in names if matches(name))


def _structs(kernel: Description, kind: str, matches: _Matches) -> Iterator[Row]:
    return (Row(kind, f"{kind}:{name}", "") for name in kernel.btf.struct_names() if matches(name))


def _enums(kernel: Description, kind: str, matches: _Matches) -> Iterator[Row]:
    for name in filter(matches, kernel.enums()):
        enum = kernel.enum(name)
        yield Row(kind, f"{kind}:{name}", ", ".join(constant for constant, _ in enum.values) if enum else "")


_LISTS: dict[str, Callable[[Description, str, _Matches], Iterable[Row]]] = {
    "tracepoint": _tracepoints,
    "raw_tracepoint": _raw_tracepoints,
    "tp_btf": _raw_tracepoints,
    **dict.fromkeys(_FUNCTIONS, _functions),
    "lsm": _hooks,
    "iter": _iterators,
    **dict.fromkeys(EVENTS, _events),
    "struct": _structs,
    "enum": _enums,
}


def _notes(kernel: Description, rows: tuple[Row, ...]) -> Iterator[str]:
    if kernel.config.get("CONFIG_KPROBES") == "n" and any(row.kind in ("kprobe", "kretprobe") for row in rows):
        yield f"Linux {kernel.release} was built without CONFIG_KPROBES: it can't attach kprobes, other kernels can"


def _near(kernel: Description, pattern: str, kinds: tuple[str, ...]) -> tuple[str, ...]:
    wanted = re.sub(r"[*?\[\]]", "", pattern)
    begins = re.compile(re.escape(wanted[:2])).match  # a typing error is rarely in the first two letters, and functions are many
    names = {row.name.rpartition(":")[2] for kind in kinds for row in _LISTS[kind](kernel, kind, begins)} if wanted else set()
    return near_misses(wanted, sorted(names))
