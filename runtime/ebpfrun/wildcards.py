"""What a wildcard in an attach point matches on this machine.

Receives programs whose targets hold ``*``; returns the names and places that match, or a :class:`NoMatchError` in words. Reads
tracefs, kallsyms and ELF files; attaches nothing.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from .errors import did_you_mean
from .lean import NamedTuple
from .manifest import Program
from .symbols import SymbolError, binary_path, matching

TRACING = "/sys/kernel/tracing"
KALLSYMS = "/proc/kallsyms"
BLACKLIST = "/sys/kernel/debug/kprobes/blacklist"
NAMES_MAP = "probe_names"
_SHOWN = 10
_PATCHED_WITHIN = 16
"""Bytes from a function's begin to where ftrace patches it, at most: landing pads of x86 and arm64."""
MOST = 10_000
"""Places that one link takes: more would be no question but a mistake."""
MOST_LINKS = 1024
"""Places where each takes a link of its own: the kernel makes and ends some hundred of them in a second."""


class NoMatchError(Exception):
    """Why nothing can be attached, in words."""


class Match(NamedTuple):
    """What matched, by name. ``places``: addresses of kernel functions or offsets in the file ``path``, as far as they are known.
    ``left_out``: names that stand for several functions, which a link of its own can't tell apart."""

    names: tuple[str, ...]
    places: tuple[int, ...] = ()
    path: str = ""
    left_out: tuple[str, ...] = ()


def is_wildcard(program: Program) -> bool:
    return any("*" in str(program.target.get(key, "")) for key in ("function", "symbol", "name"))


def find(program: Program) -> Match:
    """Raises NoMatchError with what was perhaps meant."""
    target = program.target
    if program.kind == "tracepoint":
        return _tracepoints(target["category"], target["name"])
    if program.kind in ("uprobe", "uretprobe"):
        return _symbols(target["binary"], target["symbol"])
    return _functions(target["function"], str(target.get("module") or ""))


def pattern(text: str) -> re.Pattern[str]:
    """``*`` stands for any characters of a name; all else for itself."""
    return re.compile(".*".join(map(re.escape, text.split("*"))))


def _tracepoints(category: str, wanted: str) -> Match:
    folder = f"{TRACING}/events/{category}"
    try:
        known = [name for name in sorted(os.listdir(folder)) if os.path.isdir(f"{folder}/{name}")]
    except OSError:
        raise NoMatchError(f"this kernel has no tracepoints of the category {category}") from None
    names = tuple(filter(pattern(wanted).fullmatch, known))
    if not names:
        raise NoMatchError(f"no tracepoint of {category} matches{_near(wanted, known)}")
    return Match(names)


def _symbols(binary: str, wanted: str) -> Match:
    try:
        path = binary_path(binary)
        found = matching(path, pattern(wanted).fullmatch)
    except SymbolError as error:
        raise NoMatchError(str(error)) from None
    return Match(tuple(name for name, _ in found), tuple(offset for _, offset in found), path)


def _functions(wanted: str, module: str) -> Match:
    matches = pattern(wanted).fullmatch
    known = list(_known_functions())
    found = sorted((name, address) for name, address, of in known if matches(name) and (not module or of == module))
    if not found:
        names = {name for name, _, of in known if not module or of == module}
        where = f" in module {module}" if module else ""
        raise NoMatchError(f"no function that this kernel lets be probed matches{where}{_near(wanted, names)}")
    times = Counter(name for name, _ in found)
    several = tuple(name for name, n in times.items() if n > 1)
    if places := _entries(found):
        return Match(tuple(name for name, _ in found), places, left_out=several)
    return Match(tuple(name for name in times if name not in several), left_out=several)


def _entries(found: list[tuple[str, int]]) -> tuple[int, ...]:
    """Where the functions begin. The kernel lists the place that it patches, which may be some bytes behind; a link to it would
    work, but has no cookie. Empty where the kernel hides addresses, or does not say which of several functions it means."""
    starts: dict[str, list[int]] = {name: [] for name, _ in found}
    with open(KALLSYMS) as lines:
        for line in lines:
            words = line.split()
            if words[2] in starts:
                starts[words[2]].append(int(words[0], 16))
    places = []
    for name, patched in found:
        near = [start for start in starts[name] if start and (not patched or 0 <= patched - start <= _PATCHED_WITHIN)]
        if not near or (not patched and len(near) > 1):
            return ()
        places.append(max(near))
    return tuple(places)


def _known_functions() -> Iterator[tuple[str, int, str]]:
    """(name, address or 0, module) of the functions that can be probed, as far as the kernel tells."""
    barred = set(_blacklist())
    for file in ("available_filter_functions_addrs", "available_filter_functions"):
        try:
            with open(f"{TRACING}/{file}") as lines:
                for line in lines:
                    words = line.split()
                    address = int(words.pop(0), 16) if file.endswith("addrs") else 0
                    if words[0] not in barred and not words[0].startswith("__ftrace_invalid_address"):
                        yield words[0], address, words[1].strip("[]") if len(words) > 1 else ""
                return
        except OSError:
            continue
    with open(KALLSYMS) as lines:
        for line in lines:
            words = line.split()
            module = words[3].strip("[]") if len(words) > 3 else ""
            made_meanwhile = module == "bpf" or module.startswith("__builtin__")  # programs and trampolines: no functions
            if words[1] in "tT" and words[2] not in barred and not made_meanwhile:
                yield words[2], 0, module


def _blacklist() -> Iterator[str]:
    try:
        with open(BLACKLIST) as lines:
            yield from (words[1] for line in lines if len(words := line.split()) > 1)
    except OSError:
        return


def _near(wanted: str, known: Iterable[str]) -> str:
    import difflib

    plain = wanted.replace("*", "")
    begins = [name for name in known if name.startswith(plain[:2])]  # functions are many
    near = difflib.get_close_matches(plain, begins, 3, 0.7)
    return did_you_mean(near)


class Chosen(NamedTuple):
    """How a wildcard is attached: with one link for all (``multi``) or one for each. ``first``: number of its first name in the
    table of names and thereby its first cookie, 0 where the program asks for no names."""

    match: Match
    multi: bool
    first: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        return self.match.names


class Remark(NamedTuple):
    """Of something that was attached; ``always``: also to be said without --verbose."""

    text: str
    always: bool = False


def remarks(program: Program, chosen: Chosen, refused: Mapping[str, list[str]]) -> list[Remark]:
    """How many places a wildcard was attached to, and what was left out; ``refused``: by the kernel, by the reason."""
    match = chosen.match
    number = len(chosen.names) - sum(map(len, refused.values()))
    links = "a link for each" if number > 1 and not chosen.multi else "one link"
    what = "tracepoint" if program.kind == "tracepoint" else "function"
    said = [Remark(f"{program.text}: {number} {what}{'s' if number != 1 else ''}, {links}")]
    left_out = dict(refused)
    if match.left_out and not chosen.multi:
        left_out["the kernel has several functions of that name"] = list(match.left_out)
    for why, names in left_out.items():
        shown = " ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
        said.append(Remark(f"{program.text}: left out: {shown}: {why}", True))
    return said
