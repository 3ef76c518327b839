"""Whatever happens to a spec that was right, it is checked and generated, or it gets a SpecError with places in the file.

Seeds are the specs of the golden C, right for the kernel made by hand; pieces to put in come from all specs of the tests.
"""

from __future__ import annotations

import copy
import functools
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fake_kernel
from ebpfgen import data
from ebpfgen.check import check
from ebpfgen.emit import Emitted, Emitter
from ebpfgen.loader import load
from ebpfgen.problems import MachineError, SpecError

TESTS = Path(__file__).parents[1]
SEEDS = sorted((TESTS / "codegen" / "golden").glob("*/*.yaml"))
PIECES = [*SEEDS, *sorted((TESTS / "bad_specs_checked").glob("*.yaml")), *sorted((TESTS.parent / "specs").glob("*.yaml"))]
Place = tuple[yaml.CollectionNode, int]  # a child: an entry of a mapping or an item of a sequence


@functools.cache
def emitter() -> Emitter:
    return Emitter(data.templates())


def generated(text: bytes, file: str) -> Emitted:
    kernel = fake_kernel.kernel()
    return emitter().emit(check(load(text, file), kernel), kernel.btf)


@functools.cache
def tree(path: Path) -> yaml.MappingNode:
    return yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)  # type: ignore[return-value]


def places(node: yaml.Node) -> list[Place]:
    """Every child below, those of the file's head left out."""
    found: list[Place] = []
    if isinstance(node, yaml.MappingNode):
        found = [(node, i) for i, (key, _) in enumerate(node.value) if key.value not in ("ebpfgen", "name", "summary", "help")]
        children = [node.value[i][1] for _, i in found]
    elif isinstance(node, yaml.SequenceNode):
        found = [(node, i) for i in range(len(node.value))]
        children = list(node.value)
    else:
        return []
    return found + [place for child in children for place in places(child)]


def child(place: Place) -> yaml.Node:
    owner, i = place
    found: yaml.Node = owner.value[i][1] if isinstance(owner, yaml.MappingNode) else owner.value[i]
    return found


def put(place: Place, node: yaml.Node) -> None:
    owner, i = place
    owner.value[i] = (owner.value[i][0], node) if isinstance(owner, yaml.MappingNode) else node


def kind(place: Place) -> tuple[type, str]:
    """What stands there: a text, a mapping or a list, under which key."""
    owner, i = place
    return type(child(place)), owner.value[i][0].value if isinstance(owner, yaml.MappingNode) else ""


@functools.cache
def pieces() -> dict[tuple[type, str], list[yaml.Node]]:
    """By kind, and under the key "" all of a type."""
    found: dict[tuple[type, str], list[yaml.Node]] = {}
    for path in PIECES:
        for place in places(tree(path)):
            for key in {kind(place), (kind(place)[0], "")}:
                found.setdefault(key, []).append(child(place))
    return found


def change(draw: st.DrawFn, root: yaml.Node) -> None:
    """Drops, replaces, doubles or swaps something below ``root``."""
    known = places(root)
    place = draw(st.sampled_from(known))
    owner, i = place
    match draw(st.sampled_from(("drop", "replace", "replace", "exchange", "double", "swap"))):
        case "drop":
            del owner.value[i]
        case "replace":
            put(place, copy.deepcopy(draw(st.sampled_from(pieces()[kind(place)]))))
        case "exchange":
            put(place, copy.deepcopy(draw(st.sampled_from(pieces()[kind(place)[0], ""]))))
        case "double":
            owner.value.append(copy.deepcopy(owner.value[i]))
        case "swap":
            other = draw(st.sampled_from([p for p in known if kind(p) == kind(place)]))
            first, second = copy.deepcopy(child(place)), copy.deepcopy(child(other))
            put(place, second)
            put(other, first)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[bytes, str]:
    path = draw(st.sampled_from(SEEDS))
    root = copy.deepcopy(tree(path))
    for _ in range(draw(st.sampled_from((1, 1, 2, 3)))):
        if places(root):
            change(draw, root)
    text: str = yaml.serialize(root, Dumper=yaml.SafeDumper, allow_unicode=True, width=1000)
    return text.encode(), path.name


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(mutated())
def test_a_changed_spec_is_right_or_wrong(spec: tuple[bytes, str]) -> None:
    text, file = spec
    try:
        made = generated(text, file)
    except MachineError:
        return
    except SpecError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.mark.file == file
            assert 1 <= problem.mark.line <= text.count(b"\n") + 1
            assert str(problem).isprintable()
        return
    assert made.bpf_c.endswith("}\n")


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: path.stem)
def test_the_seeds_are_right(path: Path) -> None:
    """Written anew as the mutated ones are, nothing changed."""
    text = yaml.serialize(tree(path), Dumper=yaml.SafeDumper, allow_unicode=True, width=1000)
    assert generated(text.encode(), path.name)
