"""Records are what dataclasses would be."""

from __future__ import annotations

import copy
import pickle

import pytest

from ebpfgen.records import field, record, replace, values


@record()
class Base:
    at: int


@record()
class Point(Base):
    x: int
    y: int = 2
    note: str = field(default="", compare=False)
    tags: list[str] = field(default_factory=list)

    def doubled(self) -> int:
        return 2 * self.x


@record()
class Nothing:
    pass


@record(frozen=False)
class Open:
    x: int = 0


@record(eq=False)
class Own:
    x: int


@record(order=True)
class Version:
    major: int
    minor: int = 0


def test_making() -> None:
    point = Point(0, 1, note="n")
    assert (point.at, point.x, point.y, point.note, point.tags, point.doubled()) == (0, 1, 2, "n", [], 2)
    assert Point(0, 1, 3).y == Point(at=0, x=1, y=3).y == 3
    assert Point(0, 1).tags is not Point(0, 1).tags
    assert repr(point) == "Point(at=0, x=1, y=2, note='n', tags=[])"
    assert values(point) == {"at": 0, "x": 1, "y": 2, "note": "n", "tags": []}
    assert repr(Nothing()) == "Nothing()"


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Point(0), "Point needs a value for its field 'x'"),  # type: ignore[call-arg]
        (lambda: Point(0, 1, 2, "", [], 6), "Point has 5 fields, 6 values are given"),  # type: ignore[call-arg]
        (lambda: Point(0, 1, z=3), "Point has no field 'z', or it is given twice"),  # type: ignore[call-arg]
        (lambda: Point(0, 1, x=3), "Point has no field 'x', or it is given twice"),  # type: ignore[misc]
        (lambda: replace(Point(0, 1), z=3), "Point has no field 'z', or it is given twice"),
    ],
)
def test_what_can_not_be_made(make: object, words: str) -> None:
    assert callable(make)
    with pytest.raises(TypeError) as told:
        make()
    assert str(told.value) == words


def test_comparing() -> None:
    assert Point(0, 1, note="a") == Point(0, 1, note="b")
    assert Point(0, 1) != Point(0, 2)
    assert Base(0) != Point(0, 1)
    assert Nothing() == Nothing()
    assert len({Base(0), Base(0), Base(1), Nothing(), Nothing()}) == 3
    assert Own(1) != Own(1)
    assert len({Own(1), Own(1)}) == 2
    with pytest.raises(TypeError):
        hash(Open())
    assert Version(1, 2) < Version(1, 3)
    assert sorted([Version(2), Version(1, 9)])[0] == Version(1, 9)


def test_changing() -> None:
    point = Point(0, 1)
    assert replace(point, x=5) == Point(0, 5)
    for name in ("x", "z"):
        with pytest.raises(AttributeError, match=f"Point can't be changed: {name}"):
            setattr(point, name, 2)
    with pytest.raises(AttributeError):
        del point.x
    changed = Open()
    changed.x = 3
    assert changed == Open(3)
    with pytest.raises(AttributeError):
        changed.z = 3  # type: ignore[attr-defined]


def test_matching_and_keeping() -> None:
    match Point(0, 1):
        case Point(at, x, y=y):
            assert (at, x, y) == (0, 1, 2)
    for again in (copy.deepcopy(Point(0, 1)), pickle.loads(pickle.dumps(Point(0, 1)))):
        assert again == Point(0, 1)


def test_a_field_by_keyword_only_stands_behind_those_of_derived_classes() -> None:
    @record()
    class Base:
        at: int = field(default=0, compare=False, kw_only=True)

    @record()
    class Derived(Base):
        name: str

    assert Derived("x", at=3).at == 3
    assert Derived("x", at=3) == Derived("x")
    assert replace(Derived("x", at=3), name="y").at == 3
