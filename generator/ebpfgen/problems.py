"""What can go wrong, as data, and whose fault it is.

Receives nothing from other stages; every stage reports through it. Three roots, three exit statuses:

* the spec is wrong: :class:`SpecError`, a list of :class:`Problem`, exit status 1;
* the machine can't (toolchain, kernel, privilege, disk): :class:`MachineError`, exit status 3;
* we have a bug: anything else that escapes, exit status 70 (EX_SOFTWARE).

A wrong command line is argparse's own or a :class:`UsageError`, exit status 2.
"""

from __future__ import annotations

from collections.abc import Iterable

from .records import record

EXIT_SPEC = 1
EXIT_USAGE = 2
EXIT_MACHINE = 3
EXIT_BUG = 70

TRACEBACK = "EBPFGEN_TRACEBACK"  # in the environment: bugs show where they are


@record(order=True)
class Mark:
    """A place in a spec: ``line`` and ``column`` count from 1; ``column`` in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@record()
class Problem:
    """One mistake. ``path`` names the node (``events.open.fields.path``), ``message`` says what is wrong and what was
    expected, ``near`` holds at most three names that were perhaps meant, ``hint`` a way out."""

    mark: Mark
    path: str
    message: str
    near: tuple[str, ...] = ()
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.mark}: {self.path}: " if self.path else f"{self.mark}: "
        return f"{where}{self.words}"

    @property
    def words(self) -> str:
        """All but the place."""
        near = f"; did you mean {' or '.join(self.near)}?" if self.near else ""
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.message}{near}{hint}"

    def as_dict(self) -> dict[str, object]:
        return {
            "file": self.mark.file,
            "line": self.mark.line,
            "column": self.mark.column,
            "path": self.path,
            "message": self.message,
            "near": list(self.near),
            "hint": self.hint,
        }


class EbpfgenError(Exception):
    """The root of what ebpfgen reports without a traceback."""

    exit_status = EXIT_BUG


class SpecError(EbpfgenError):
    """The spec is wrong; ``problems`` are sorted by place."""

    exit_status = EXIT_SPEC

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (p.mark, p.path, p.message))
        super().__init__("\n".join(map(str, self.problems)))


class UsageError(EbpfgenError):
    """The command line asks for what cannot be."""

    exit_status = EXIT_USAGE


class MachineError(EbpfgenError):
    """The machine can't: a tool is missing, the kernel refuses, a privilege lacks, the disk is full."""

    exit_status = EXIT_MACHINE


class OwnError(EbpfgenError):
    """We have a bug: what should not have been raised, and where."""

    def __init__(self, where: str, error: Exception) -> None:
        self.__cause__ = error
        what = f"{where}a mistake in ebpfgen itself: {type(error).__name__}: {error}"
        super().__init__(f"{what}; please report it with what {TRACEBACK}=1 in the environment makes it print")


def near_misses(name: str, known: Iterable[str], most: int = 3) -> tuple[str, ...]:
    """The names among ``known`` that ``name`` may have been meant for, best first."""
    import difflib

    known = list(known)
    letters = sorted(name.lower())
    same = [other for other in known if sorted(other.lower()) == letters and other != name]  # in another case, or order
    return tuple(dict.fromkeys([*same, *difflib.get_close_matches(name, known, n=most, cutoff=0.7)]))[:most]
