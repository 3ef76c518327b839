"""Where this kernel has the arguments that programs name: not every kernel calls its tracepoints and functions alike.

Receives the signatures that an artefact was built with and those of this kernel, returns what a program lacks and which reads to
move. An argument is found by its name; one of another type is another one. Costs nothing on the very kernel built for.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence

from . import formats
from .errors import did_you_mean
from .manifest import Manifest, Parameter, Program, Signature
from .refusal import Refusal

RESULT = "="
"""The name of what a function returned, which lies behind its arguments."""
SLOT = 8
_OFFSET_AT = 2  # in an instruction: 16 bits
KPROBE = "kprobe"
"""The kind whose arguments lie in registers: which ones is settled when it is built."""

Takes = Sequence[Parameter]
Asked = Callable[[str, str], Takes | None]


class Arguments:
    """``asked`` gives the signature of a tracepoint or function (kind, name) of this kernel, ``into`` where a member of a struct
    is; None on the kernel built for."""

    def __init__(self, manifest: Manifest, asked: Asked | None = None, into: formats.Into | None = None) -> None:
        self._manifest, self._asked, self._into = manifest, asked, into
        self._known: dict[int, Takes | None] = {}

    def why_not(self, program: Program) -> Refusal | None:
        """Why the program would read something else than it names, at the place in the spec that names it."""
        if program.record:
            return formats.why_not(program, self._into)
        signature, there = self._signatures(program)
        if signature is None or there is None:
            return None
        for named in program.arguments:
            what = found(named.name, signature.takes, there)
            if not isinstance(what, str) and program.kind == KPROBE and what != place(named.name, signature.takes):
                what = f"is argument {what} here, {place(named.name, signature.takes)} where it was built; a fentry would find it"
            if isinstance(what, str):
                at = f"{program.file}:{named.line}:{named.column}"
                return Refusal(f"{spelled(named.name)} of {program.text} {what}{_near(named.name, there)}", at)
        return None

    def moved(self, object: bytes, programs: Iterable[Program]) -> bytes:
        """The compiled object, its reads of what lies elsewhere than where it was built at their new places."""
        moves: dict[int, int] = {}
        for program in programs:
            signature, there = self._signatures(program)
            if signature is None or there is None:
                continue
            for named in program.arguments:
                moves.update(self._moves(named.name, signature, there))
        if not moves:
            return object
        changed = bytearray(object)
        for at, offset in moves.items():
            changed[at + _OFFSET_AT : at + _OFFSET_AT + 2] = offset.to_bytes(2, sys.byteorder)
        return bytes(changed)

    def _moves(self, name: str, signature: Signature, there: Takes) -> dict[int, int]:
        now, before = found(name, signature.takes, there), place(name, signature.takes)
        if isinstance(now, str) or now == before:
            return {}
        return {at: offset + (now - before) * SLOT for at, offset in signature.reads.get(name, ())}

    def remarks(self, programs: Iterable[Program]) -> list[str]:
        """What lies elsewhere, and what could not be compared."""
        lines = []
        for program in programs:
            signature, there = self._signatures(program)
            if signature is None:
                continue
            if there is None:
                lines.append(f"{program.text}: this kernel does not tell with what it calls it; its arguments are taken as built")
                continue
            for named in program.arguments:
                now, before = found(named.name, signature.takes, there), place(named.name, signature.takes)
                if now != before:
                    lines.append(f"{program.text}: {spelled(named.name)} is argument {now} here, {before} where it was built")
        return lines

    def _signatures(self, program: Program) -> tuple[Signature | None, Takes | None]:
        """What the program is called with: where it was built, and here."""
        if program.signature is None:
            return None, None
        signature = self._manifest.signatures[program.signature]
        if program.signature not in self._known:
            self._known[program.signature] = self._asked(signature.kind, signature.name) if self._asked else signature.takes
        return signature, self._known[program.signature]


def spelled(name: str) -> str:
    return "retval" if name == RESULT else f"args.{name}"


def _near(name: str, there: Takes) -> str:
    """What was perhaps meant, where this kernel has no such argument."""
    names = [p.name for p in there if p.name != RESULT]
    if name in names or name == RESULT:
        return ""
    import difflib

    return did_you_mean([spelled(near) for near in difflib.get_close_matches(name, names, 3, 0.7)])


def place(name: str, takes: Takes) -> int:
    """The number of its slot: a struct by value may take several."""
    index = [p.name for p in takes].index(name)
    return sum(max(1, -(-p.size // SLOT)) for p in takes[:index])


def found(name: str, here: Takes, there: Takes) -> int | str:
    """The place ``there`` of what is ``name`` in ``here``, or what is with it. Renamed, of the same type and at the same place,
    it is the same. As ebpfgen.portability.called."""
    named = {p.name: p for p in there}
    at = [p.name for p in here].index(name)
    own = here[at]
    beside = there[at] if name not in named and name != RESULT and at < len(there) else None
    if beside and beside.name not in {RESULT, *(p.name for p in here)} and beside[1:] == own[1:]:
        named[name] = beside
    other = named.get(name)
    if other is None:
        return "is not there: this kernel calls it without" if name != RESULT else "is not there: here it returns nothing"
    if (other.type, other.size) != (own.type, own.size):
        return f"is a {_kind(other)} here, a {_kind(own)} where it was built"
    return place(other.name, there)


def _kind(p: Parameter) -> str:
    return f"number of {p.size} bytes" if p.type == "number" else p.type
