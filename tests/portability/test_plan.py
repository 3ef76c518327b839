"""The table's choice between attach points is the runtime's: both are asked about plans at random."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ebpfgen import ir
from ebpfgen.portability import _states
from ebpfgen.portability.plan import choose, programs
from ebpfrun import manifest
from ebpfrun.choose import Chooser, _NoWayError
from ebpfrun.refusal import Refusal
from properties import examples

MOST = 8


@st.composite
def plans(draw: st.DrawFn) -> ir.Plan:
    """A plan over programs 0, 1 …, each once."""
    numbers = iter(range(MOST))

    def plan(depth: int) -> ir.Plan | None:
        if depth == 0 or draw(st.booleans()):
            number = next(numbers, None)
            return None if number is None else ir.Plan("program", number, draw(st.booleans()))
        parts = [part for _ in range(draw(st.integers(1, 3))) if (part := plan(depth - 1)) is not None]
        return ir.Plan(draw(st.sampled_from(("all", "first"))), of=tuple(parts)) if parts else None

    return plan(3) or ir.Plan("program", 0)


def optional(plan: ir.Plan) -> frozenset[int]:
    if plan.kind == "program":
        return frozenset({plan.program}) if plan.optional else frozenset()
    return frozenset().union(*map(optional, plan.of))


def as_manifest(plan: ir.Plan) -> manifest.Plan:
    if plan.kind == "program":
        return manifest.One(plan.program, plan.optional)
    parts = tuple(map(as_manifest, plan.of))
    return manifest.All(parts) if plan.kind == "all" else manifest.First(parts)


class _Told(Chooser):
    """A chooser that knows what is possible, and asks no kernel."""

    def __init__(self, possible: frozenset[int]) -> None:
        self.possible = possible
        self._refused = {}
        names = [manifest.Program(str(i), "", "tp_btf", {"name": str(i)}, "", i, str(i)) for i in range(MOST)]
        self.manifest = _Programs(tuple(names))  # type: ignore[assignment]

    def _why_not(self, program: manifest.Program) -> Refusal | None:
        return None if int(program.name) in self.possible else Refusal("no")


class _Programs:
    def __init__(self, programs: tuple[manifest.Program, ...]) -> None:
        self.programs = programs


@examples(200)
@given(plans(), st.frozensets(st.integers(0, MOST - 1)))
def test_the_table_chooses_as_the_runtime_does(plan: ir.Plan, possible: frozenset[int]) -> None:
    try:
        theirs: tuple[int, ...] | None = tuple(_Told(possible)._choose(as_manifest(plan))[0])
    except _NoWayError:
        theirs = None
    assert choose(plan, possible.__contains__) == theirs


@examples(200)
@given(plans(), st.frozensets(st.integers(0, MOST - 1)))
def test_each_program_has_the_state_that_the_choice_gives_it(plan: ir.Plan, possible: frozenset[int]) -> None:
    chosen, states = choose(plan, possible.__contains__), _states(plan, possible.__contains__)
    assert sorted(states) == sorted(programs(plan))
    for program, state in states.items():
        if state in ("attached", "spare"):
            assert program in possible
        if state == "absent":
            assert program in optional(plan) - possible
        if state == "failed":
            assert program not in possible
    if chosen is None:
        assert "failed" in states.values()
    else:
        assert {program for program, state in states.items() if state == "attached"} == set(chosen)
        assert "failed" not in states.values()
