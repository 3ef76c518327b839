"""What the kernel's verifier said about a program, taken apart.

Receives libbpf's words about a load that failed, returns a :class:`Verdict`. Reads the log as kernels from 5.10 on write it, and
the report that newer ones add to it (Linux 7.3). Knows nothing of specs; what the words mean is told by
:mod:`ebpfrun.meanings`.
"""

from __future__ import annotations

import re

from .lean import NamedTuple

_BEGIN, _END = "-- BEGIN PROG LOAD LOG --", "-- END PROG LOAD LOG --"  # libbpf's words around the verifier's
_INSTRUCTION = re.compile(r"(\d+): (?:\([0-9a-f]{2}\) |<)")
_SOURCE = re.compile(r"; (.*?)(?: @ (\S+):(\d+))?$")
_SECTION = re.compile(r"(Reason|At|Causal path|Suggestion|[A-Z][a-z ]+):$")
_REPORT = "Verification failed: "
_NOISE = re.compile(
    r";|\d+: R\d+|R\d+(?:_\w+)?=|from \d+ to \d+|(?:cur|old) state:|frame\d|processed \d+ insns|verification time|stack depth"
    r"|insns processed|caller:|callee:|returning from callee:|to caller at|mark_precise|regs=|parent |last_idx|func#\d+ @"
    r"|arg#\d+ (?:reference type|type is not)|Unrecognized arg#|\d+: (?:safe|R)|live regs|Live regs|max_states"
)
_NUMBERED = (r"alloc_insn=(\d+)", r"insn #?(\d+)", r"instruction (\d+)")
_NOWHERE = ("combined stack size", "the call stack of", "too many")  # said of a program as a whole, wherever the verifier is then
_MOST = 4


class Report(NamedTuple):
    """What Linux 7.3 adds: the same in words. ``line`` is that of the C source, 0 where it is not told."""

    title: str
    reason: str
    suggestion: str
    line: int


class Verdict(NamedTuple):
    """``said``: the verifier's last words, at most four lines; ``instruction``: of which it speaks, None when it is of the whole
    program; ``path``: the instructions it looked at, in its order, up to that one; ``source``: the last line of C in the log;
    ``code``: the instruction's own text."""

    said: tuple[str, ...]
    instruction: int | None
    path: tuple[int, ...]
    source: str
    code: str
    report: Report | None


def is_verdict(log: str) -> bool:
    return _END in log


def whole(log: str) -> str:
    """The verifier's own words, without libbpf's."""
    return log.rpartition(_BEGIN)[2].partition(_END)[0].lstrip("\n")


def parse(log: str) -> Verdict:
    """``log`` has the verifier's words, see :func:`is_verdict`."""
    lines = [line.rstrip() for line in whole(log).split("\n") if line.strip()]
    lines, report = _without_report(lines)
    at = [i for i, line in enumerate(lines) if _INSTRUCTION.match(line)]
    said = _said(lines[at[-1] + 1 :] if at else lines) or _said(lines)
    path = [int(found[1]) for i in at if (found := _INSTRUCTION.match(lines[i]))]
    instruction = _instruction(said, path)
    if instruction in path:
        last = len(path) - 1 - path[::-1].index(instruction)
        del path[last + 1 :], at[last + 1 :]
    code = lines[at[-1]] if at and path[-1] == instruction else ""
    sources = [found[1] for line in lines[: at[-1] if at else 0] if (found := _SOURCE.match(line))]
    return Verdict(tuple(said[-_MOST:]), instruction, tuple(path), sources[-1] if sources else "", _bare(code), report)


def _said(lines: list[str]) -> list[str]:
    return [line.strip() for line in lines if not _INSTRUCTION.match(line) and not _NOISE.match(line.lstrip())]


def _instruction(said: list[str], path: list[int]) -> int | None:
    words = "\n".join(said)
    if any(word in words for word in _NOWHERE):
        return None
    for pattern in _NUMBERED:
        if found := re.search(pattern, words):
            return int(found[1])
    return path[-1] if path else None


def _bare(code: str) -> str:
    """An instruction without what newer kernels write of the registers behind it."""
    return re.sub(r"\s*;( R\d.*| refs=.*| frame\d.*)?$", "", code)


def _without_report(lines: list[str]) -> tuple[list[str], Report | None]:
    start = next((i for i, line in enumerate(lines) if line.startswith(_REPORT)), None)
    if start is None:
        return lines, None
    end = start + 1
    sections: dict[str, list[str]] = {}
    name = ""
    while end < len(lines) and (lines[end].startswith(" ") or _SECTION.match(lines[end])):
        if found := _SECTION.match(lines[end]):
            name = found[1]
        else:
            sections.setdefault(name, []).append(lines[end].strip())
        end += 1
    place = re.match(r".* @ \S+?:(\d+)", next(iter(sections.get("At", [])), ""))
    told = {name: " ".join(words) for name, words in sections.items()}
    title = lines[start].removeprefix(_REPORT)
    report = Report(title, told.get("Reason", ""), told.get("Suggestion", ""), int(place[1]) if place else 0)
    return lines[:start] + lines[end:], report
