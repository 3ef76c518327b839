"""What the generated programs compute is what the language says: expressions in the kernel against the same in Python."""

from __future__ import annotations

import random

import pytest

from codegen.expressions import KINDS, Made, Maker, Numbers
from codegen.running import Lab, each

FIELDS = 16  # of an event
EVENTS = 12
EDGES = (
    0,
    1,
    2,
    7,
    8,
    63,
    64,
    127,
    128,
    255,
    256,
    1 << 15,
    0xFFFF,
    1 << 31,
    0xFFFFFFFF,
    1 << 32,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
)

# The same four numbers seen as every kind; by the call's arguments they are unsigned long.
LET = "\n".join(f"      {kind}x: ({kind}){argument}" for kind, argument in zip(
    KINDS, ("args.arg2", "(args.arg2 >> 8)", "args.arg3", "(args.arg3 >> 16)", "args.arg4", "(args.arg4 >> 32)", "args.arg5",
            "(args.arg2 ^ args.arg5)"), strict=True))  # fmt: skip


def variables(call: tuple[int, ...]) -> Numbers:
    a, b, c, d = call
    sources = (a, a >> 8, b, b >> 16, c, c >> 32, d, a ^ d)
    return {f"{kind}x": kind.wrap(source) for kind, source in zip(KINDS, sources, strict=True)}


def spec(made: list[Made]) -> str:
    """Events of many fields, each sent by a program of its own: the verifier walks every path through a program."""
    events, probes = ["events:"], ["probes:"]
    for i in range(0, len(made), FIELDS):
        part = made[i : i + FIELDS]
        name = f"e{i // FIELDS}"
        kinds = ", ".join(f"f{k}: {one.kind or 'bool'}" for k, one in enumerate(part))
        events.append(f"  {name}: {{fields: {{{kinds}}}}}")
        probes += ["  - on: tracepoint:syscalls:sys_enter_prctl", f"    name: {name}", "    where: args.option == 0x7f00"]
        probes += ["    let:", LET, f"    emit: {name}", "    with:"]
        probes += [f'      f{k}: "{one.text}"' for k, one in enumerate(part)]
    return "\n".join([*events, *probes, ""])


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.parametrize("seed", range(2))
def test_the_kernel_computes_what_the_language_says(lab: Lab, seed: int) -> None:
    choose = random.Random(seed)
    calls = [tuple(choose.choice((choose.choice(EDGES), choose.getrandbits(64))) for _ in range(4)) for _ in range(30)]
    maker = Maker(seed)
    made = [maker.any(depth=1 + i % 4) for i in range(FIELDS * EVENTS)]
    traced = lab.run(spec(made), lambda: each(*zip(*calls, strict=True)))
    for i in range(0, len(made), FIELDS):
        rows = traced.events(f"e{i // FIELDS}")
        for row, call in zip(rows, calls, strict=True):
            numbers = variables(call)
            for k, one in enumerate(made[i : i + FIELDS]):
                assert row[f"f{k}"] == one.worth(numbers), (one.text, numbers)
