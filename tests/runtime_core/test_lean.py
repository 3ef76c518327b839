"""What stands in for typing at run time does what typing's does."""

from __future__ import annotations

import copy
import pickle
import typing
from typing import Any

import pytest

from ebpfrun import lean


class Lean(lean.NamedTuple):
    """Three fields."""

    one: int
    two: str = "2"
    three: float = 3.0

    @property
    def twice(self) -> int:
        return 2 * self.one


class Usual(typing.NamedTuple):
    one: int
    two: str = "2"
    three: float = 3.0


@pytest.mark.parametrize(
    ("args", "given"), [((1,), {}), ((1, "b", 2.0), {}), ((), {"three": 1.0, "one": 5}), ((1,), {"two": "c"}), ((), {"one": 1})]
)
def test_it_is_made_as_usual(args: tuple[Any, ...], given: dict[str, Any]) -> None:
    made, usual = Lean(*args, **given), Usual(*args, **given)
    assert tuple(made) == tuple(usual)
    assert hash(made) == hash(usual)
    assert repr(made) == repr(usual).replace("Usual", "Lean")
    assert made._asdict() == usual._asdict()
    assert tuple(made._replace(two="other")) == tuple(usual._replace(two="other"))
    assert (made.one, made.two, made.three) == tuple(made)
    assert made.twice == 2 * usual.one


@pytest.mark.parametrize(("args", "given"), [((), {}), ((1, "2", 3.0, 4), {}), ((1,), {"one": 1}), ((1,), {"four": 4})])
def test_wrong_fields(args: tuple[Any, ...], given: dict[str, Any]) -> None:
    for kind in (Lean, Usual):
        with pytest.raises(TypeError):
            kind(*args, **given)


def test_it_does_not_change() -> None:
    made: Any = Lean(1)
    for name in ("one", "four"):
        with pytest.raises(AttributeError):
            setattr(made, name, 1)
    with pytest.raises(TypeError):
        made._replace(four=4)


def test_copies_and_patterns() -> None:
    made = Lean(1)
    assert pickle.loads(pickle.dumps(made)) == copy.deepcopy(made) == copy.copy(made) == made
    match made:
        case Lean(one, two=two):
            assert (one, two) == (1, "2")
