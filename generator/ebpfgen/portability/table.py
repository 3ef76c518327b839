"""The portability table as text: spec line × kernel, for people, at most 100 columns wide.

Receives surveys of specs, returns lines. A spec's own line says whether it runs; below it are the lines of the spec that are not
the same on all kernels, or all of them. Why something is not there is told once, by number.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from ebpfgen.wording import counted

from .survey import Cell, Named, Reason, Row, Survey

WIDEST = 100
_NARROWEST = 36
"""Characters left for the lines of specs, at least; more kernels than that allows make another table below."""
_WORDS = {
    "attached": "used", "spare": "-", "passed": "no", "absent": "no", "failed": "FAILS", "wrong": "WRONG", "unused": "-",
}  # fmt: skip
_LEGEND = {
    "used": "used: attached there",
    "if there": "if there: attached, if the file on that machine has it",
    "-": "-: not needed, as a better one is used",
    "no": "no: not there, and not needed",
    "FAILS": "FAILS: not there, and needed",
    "WRONG": "WRONG: attached, but it would read something else",
    "1st": "1st, 2nd: which of the fields is read",
}
_ORDINALS = ("1st", "2nd", "3rd")


def render(surveys: Sequence[Survey], kernels: Sequence[Named], verbose: bool) -> Iterator[str]:
    """The table, its notes, and a line of summary."""
    yield from _heads(kernels)
    numbers: dict[str, int] = {}
    used: dict[str, None] = {}
    for some in _columns_at_a_time(kernels):
        yield ""
        yield from _table(surveys, kernels, some, verbose, numbers, used)
    if used:
        yield ""
        yield from textwrap.wrap("; ".join(words for word, words in _LEGEND.items() if word in used), WIDEST)
    for why, number in numbers.items():
        yield from textwrap.wrap(why, WIDEST, initial_indent=f"{number:>3}  ", subsequent_indent="     ")
    yield ""
    yield summary(surveys, kernels)


def _heads(kernels: Sequence[Named]) -> Iterator[str]:
    width = max(len(named.label) for named in kernels)
    for i, named in enumerate(kernels):
        file = named.file or "the running kernel"
        what = f"{named.label:{width}}  Linux {named.kernel.release}, {named.kernel.machine}, {file}"
        yield what + ("; artefacts are built for this one" if i == 0 else "")


def _columns_at_a_time(kernels: Sequence[Named]) -> Iterator[range]:
    room = (WIDEST - _NARROWEST) // _width(kernels)
    for begin in range(0, len(kernels), room):
        yield range(begin, min(begin + room, len(kernels)))


def _width(kernels: Sequence[Named]) -> int:
    return max(10, *(len(named.label) + 2 for named in kernels))


def _table(
    surveys: Sequence[Survey],
    kernels: Sequence[Named],
    columns: range,
    verbose: bool,
    numbers: dict[str, int],
    used: dict[str, None],
) -> Iterator[str]:
    width = _width(kernels)
    room = WIDEST - width * len(columns)
    yield _line(
        "spec, and its lines that differ" if not verbose else "spec, and its lines",
        [kernels[i].label for i in columns],
        width,
        room,
    )
    for survey in surveys:
        totals = [_with_notes(_total(survey, i), survey.lacks[i], _remarks(survey, i), numbers) for i in columns]
        yield _line(survey.name, totals, width, room)
        probe = ""
        for row in survey.rows:
            if not verbose and not _differs(row):
                continue
            words = [_word(row.cells[i]) for i in columns]
            used.update(dict.fromkeys(_LEGEND_OF.get(word, word) for word in words))
            cells = [_with_notes(word, _told(row.cells[i]), (), numbers) for word, i in zip(words, columns, strict=True)]
            text = row.text if row.probe == probe else f"{row.probe}: {row.text}"
            probe = row.probe
            yield _line(f"{row.at.mark.line:5}  {text}", cells, width, room)


_LEGEND_OF = dict.fromkeys(_ORDINALS, "1st") | {"else": "if there"}


def _line(text: str, cells: Sequence[str], width: int, room: int) -> str:
    text = text if len(text) < room else f"{text[: room - 2]}…"
    return (f"{text:{room}}" + "".join(f"{cell:{width}}" for cell in cells)).rstrip()


def _total(survey: Survey, i: int) -> str:
    outcome = survey.outcomes[i]
    if outcome.runs:
        return "runs"
    if not outcome.attaches:
        return "FAILS"
    return "WRONG" if outcome.wrong else "NOTHING"


def _remarks(survey: Survey, i: int) -> tuple[Reason, ...]:
    return survey.remarks[i] + tuple(reason for row in survey.rows for reason in row.cells[i].otherwise)


def _word(cell: Cell) -> str:
    if cell.state == "option":
        return _ORDINALS[cell.option] if cell.option < len(_ORDINALS) else f"{cell.option + 1}th"
    if cell.in_file and cell.state in ("attached", "spare"):
        return "if there" if cell.state == "attached" else "else"
    return _WORDS[cell.state]


def _told(cell: Cell) -> tuple[Reason, ...]:
    return () if cell.state == "spare" else cell.reasons


def _with_notes(word: str, reasons: Sequence[Reason], remarks: Sequence[Reason], numbers: dict[str, int]) -> str:
    notes = [_note(reason, near=word == "FAILS") for reason in reasons]
    notes += [_note(reason, near=False) for reason in remarks]
    found = [str(numbers.setdefault(note, len(numbers) + 1)) for note in dict.fromkeys(notes)]
    return f"{word} {','.join(found)}" if found else word


def _note(reason: Reason, near: bool) -> str:
    like = reason.lack.seek()[:2] if near else ()
    return f"{reason.words}; perhaps renamed to {' or '.join(like)}" if like else reason.words


def _differs(row: Row) -> bool:
    words = {_word(cell) for cell in row.cells}
    return len(words) > 1 or not words.isdisjoint({"FAILS", "WRONG"})


def summary(surveys: Sequence[Survey], kernels: Sequence[Named]) -> str:
    """Which specs do not run everywhere, in one line."""
    where = "this kernel" if len(kernels) == 1 else f"all {len(kernels)} kernels"
    lacking = []
    for survey in surveys:
        not_on = [named.label for named, outcome in zip(kernels, survey.outcomes, strict=True) if not outcome.runs]
        if not_on:
            lacking.append(f"{survey.name} (not on {', '.join(not_on)})")
    if not lacking:
        return f"{counted(len(surveys), 'spec')} run{'s' * (len(surveys) == 1)} on {where}"
    return f"{len(surveys) - len(lacking)} of {counted(len(surveys), 'spec')} run on {where}; not: {'; '.join(lacking)}"
