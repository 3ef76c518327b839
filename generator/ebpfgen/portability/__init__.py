"""What a built spec would do on a kernel that is not here.

Receives a spec checked against the kernel that its artefact is built for, that kernel's description and another one's; returns an
:class:`Outcome`. Pure. The same artefact runs on all kernels: the object has every alternative, and the runtime chooses. So the
question is what the runtime will do there, not what a build for that kernel would be like.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from ebpfgen import ir, model
from ebpfgen.kernel import Kernel
from ebpfgen.records import record, replace

from . import called, carried, hooks
from .carried import Chosen
from .lack import Lack
from .plan import choose, programs

State = Literal["attached", "spare", "passed", "absent", "failed"]
"""``attached``; ``spare``: could be, a better alternative is; ``passed``: can't be, another alternative is; ``absent``: can't be,
and need not be; ``failed``: can't be, and must be."""


@record()
class Point:
    """One attach point of a spec on one kernel. ``program``: its index, None when the artefact has none for it. ``lacks``: why it
    is not attached, or (silent ones) what it reads wrong; ``otherwise``: what goes wrong with some options of the runtime.
    ``in_file``: it depends on what is in a file of that machine, too."""

    probe: str
    text: str
    at: model.At
    program: int | None
    state: State
    lacks: tuple[Lack, ...] = ()
    otherwise: tuple[Lack, ...] = ()
    choices: tuple[Chosen, ...] = ()
    in_file: bool = False

    @property
    def taken(self) -> bool:
        return self.state == "attached"


@record()
class Outcome:
    """``lacks``: what the kernel lacks for the spec as a whole; ``remarks``: what is otherwise there, and to be known."""

    points: tuple[Point, ...]
    lacks: tuple[Lack, ...]
    remarks: tuple[Lack, ...] = ()

    @property
    def attaches(self) -> bool:
        """Whether the runtime starts: whatever must be attached can be."""
        return not self.lacks and all(point.state != "failed" for point in self.points)

    @property
    def wrong(self) -> tuple[Lack, ...]:
        """What the kernel takes, and reads otherwise than the spec means."""
        return tuple(lack for point in self.points if point.taken for lack in point.lacks)

    @property
    def runs(self) -> bool:
        """Whether it does there what the spec says: some of it at least, and nothing wrong."""
        return self.attaches and not self.wrong and any(point.taken for point in self.points)


@record()
class _Verdict:
    """What is with one program, whatever becomes of the others."""

    lacks: tuple[Lack, ...]
    otherwise: tuple[Lack, ...]
    choices: tuple[Chosen, ...]

    @property
    def possible(self) -> bool:
        return all(lack.silent for lack in self.lacks)


def predict(checked: ir.CheckedSpec, built: Kernel, kernel: Kernel) -> Outcome:
    """What happens where ``kernel`` runs, with every option at its default."""
    params = carried.defaults(checked.params)
    verdicts = [_verdict(program, built, kernel, params) for program in checked.programs]
    points: list[Point] = []
    for attach in checked.attach:
        states = _states(attach.plan, lambda i: verdicts[i].possible)
        found = [_point(checked.programs[i], i, states[i], verdicts[i]) for i in programs(attach.plan)]
        found += _left_out(checked, attach.probe, choose(attach.plan, lambda i: verdicts[i].possible) is not None)
        points += sorted(found, key=lambda point: point.at.mark)
    return Outcome(tuple(points), tuple(hooks.whole(checked, kernel)), tuple(hooks.renumbered(checked, built, kernel)))


def _verdict(program: ir.Program, built: Kernel, kernel: Kernel, params: dict[str, object]) -> _Verdict:
    lack = hooks.why_not(program, kernel)
    lacks = (lack,) if lack is not None else (*called.lacking(program, kernel), *called.laid_out(program, kernel))
    if lacks:
        return _Verdict(lacks, (), ())
    usual, any_values = (carried.carry(program, built, kernel, values) for values in (params, None))
    otherwise = [lack for lack in any_values.lacks if lack not in usual.lacks]
    if otherwise:
        asked = {name: carried.carry(program, built, kernel, params | {name: None}).lacks for name in params}
        otherwise = [_with_options(lack, [name for name, lacks in asked.items() if lack in lacks]) for lack in otherwise]
    return _Verdict(usual.lacks, tuple(otherwise), usual.choices)


def _with_options(lack: Lack, names: list[str]) -> Lack:
    """``names``: the parameters of which each alone brings it about."""
    options = " or ".join(f"--{name.replace('_', '-')}" for name in names)
    return replace(lack, why=f"with {options or 'some options'}: {lack.why}")


def _point(program: ir.Program, index: int, state: State, verdict: _Verdict) -> Point:
    in_file = program.kind in hooks.IN_FILES
    return Point(
        program.probe, program.text, program.at, index, state, verdict.lacks, verdict.otherwise, verdict.choices, in_file
    )


def _left_out(checked: ir.CheckedSpec, probe: str, attached: bool) -> list[Point]:
    """Alternatives that the kernel built for lacks, so that there is no program for them."""
    state: State = "passed" if attached else "failed"
    return [
        Point(probe, left.text, left.at, None, state, (Lack("left_out", left.text, f"not in the artefact: {left.why}"),))
        for left in checked.left_out
        if left.probe == probe
    ]


def _states(plan: ir.Plan, possible: Callable[[int], bool]) -> dict[int, State]:
    if plan.kind == "program":
        missing: State = "absent" if plan.optional else "failed"
        return {plan.program: "attached" if possible(plan.program) else missing}
    parts = [_states(part, possible) for part in plan.of]
    if plan.kind == "all":
        return {program: state for part in parts for program, state in part.items()}
    winner = next((i for i, part in enumerate(plan.of) if choose(part, possible)), None)
    found: dict[int, State] = {}
    for i, part in enumerate(parts):
        found |= part if i == winner else {program: _not_taken(state, winner is not None) for program, state in part.items()}
    return found


def _not_taken(state: State, other: bool) -> State:
    """Of an alternative that is not taken, when another one is, or none."""
    if not other:
        return state
    return "spare" if state in ("attached", "spare") else "passed"


__all__ = ["Chosen", "Lack", "Outcome", "Point", "State", "predict"]
