"""Records: what the standard ``dataclasses`` give, as far as this package needs it, without compiling code for each at import.

A build begins with the import of some 130 such classes, and compiling their methods took as long as clang takes for a spec. All
have slots; they compare, hash, print, match, pickle and copy as one expects.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")
_MISSING: Any = object()


class _Field:
    __slots__ = ("compare", "default", "default_factory", "kw_only")

    def __init__(
        self, default: Any, default_factory: Callable[[], Any] | None = None, compare: bool = True, kw_only: bool = False
    ) -> None:
        self.default, self.default_factory, self.compare, self.kw_only = default, default_factory, compare, kw_only


def field(
    *,
    default: Any = _MISSING,
    default_factory: Callable[[], Any] | None = None,
    compare: bool = True,
    kw_only: bool = False,
) -> Any:
    """A field whose default is made for each record, or that has no part in comparisons; ``kw_only``: it stands behind all
    others, those of derived classes too."""
    return _Field(default, default_factory, compare, kw_only)


@dataclass_transform(field_specifiers=(field,))
def record(*, frozen: bool = True, eq: bool = True, order: bool = False) -> Callable[[type[T]], type[T]]:
    """A class of records, from its annotations. ``eq=False``: each is equal to itself only."""
    return lambda cls: _made(cls, frozen, eq, order)


def replace(old: T, **changes: Any) -> T:
    """A copy with some fields changed."""
    values = [changes.pop(name) if name in changes else getattr(old, name) for name in _names(old)]
    return type(old)(*values, **changes)  # what is left is refused there


def values(of: object) -> dict[str, Any]:
    """The fields of a record, by name, in order."""
    return {name: getattr(of, name) for name in _names(of)}


def _names(of: object) -> tuple[str, ...]:
    names: tuple[str, ...] = of.__match_args__  # type: ignore[attr-defined]
    return names


def _made(cls: type[T], frozen: bool, eq: bool, order: bool) -> type[T]:
    space = dict(cls.__dict__)
    own = [name for name in space.get("__annotations__", ()) if not str(space["__annotations__"][name]).startswith("ClassVar")]
    fields = dict(next((base.__fields__ for base in cls.__mro__[1:] if hasattr(base, "__fields__")), {}))
    for name in own:
        given = space.pop(name, _MISSING)
        fields[name] = given if isinstance(given, _Field) else _Field(given)
    fields = dict(sorted(fields.items(), key=lambda each: each[1].kw_only))
    for name in ("__dict__", "__weakref__"):
        space.pop(name, None)
    space |= {"__slots__": tuple(own), "__fields__": fields, "__match_args__": tuple(fields)}
    made: Any = type(cls.__name__, cls.__bases__, space)
    methods = {"__init__": _init(made, fields), "__repr__": _repr, "__reduce__": _reduce}
    if eq:
        methods |= _comparisons([name for name, f in fields.items() if f.compare], frozen, order)
    for name, method in methods.items():
        if name not in space or method is None:
            setattr(made, name, method)
    if frozen:
        made.__setattr__ = made.__delattr__ = _refuse
    result: type[T] = made
    return result


def _init(cls: Any, fields: dict[str, _Field]) -> Callable[..., None]:
    names = tuple(fields)
    setters = tuple(getattr(cls, name).__set__ for name in names)  # of the slots: they know of no frozen class
    count = len(names)

    def init(self: Any, *args: Any, **given: Any) -> None:
        for set_, value in zip(setters, args):  # noqa: B905 - too few are completed below, too many refused
            set_(self, value)
        at = len(args)
        if at == count and not given:
            return
        for name, set_ in zip(names[at:], setters[at:], strict=True):
            set_(self, given.pop(name) if name in given else _default(cls, name, fields[name]))
        if given or at > count:
            wrong = f"no field {next(iter(given))!r}, or it is given twice" if given else f"{count} fields, {at} values are given"
            raise TypeError(f"{cls.__qualname__} has {wrong}")

    return init


def _default(cls: Any, name: str, of: _Field) -> Any:
    if of.default_factory:
        return of.default_factory()
    if of.default is _MISSING:
        raise TypeError(f"{cls.__qualname__} needs a value for its field {name!r}")
    return of.default


def _comparisons(compared: list[str], frozen: bool, order: bool) -> dict[str, Any]:
    key: Callable[[Any], Any] = operator.attrgetter(*compared) if compared else lambda self: ()

    def same(self: Any, other: Any) -> Any:
        return key(self) == key(other) if other.__class__ is self.__class__ else NotImplemented

    def less(self: Any, other: Any) -> Any:
        return key(self) < key(other) if other.__class__ is self.__class__ else NotImplemented

    ordered = {"__lt__": less} if order else {}
    return {"__eq__": same, "__hash__": (lambda self: hash(key(self))) if frozen else None, **ordered}


def _repr(self: Any) -> str:
    return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in values(self).items())})"


def _reduce(self: Any) -> tuple[Any, ...]:
    return type(self), tuple(values(self).values())


def _refuse(self: Any, name: str, *value: Any) -> None:
    raise AttributeError(f"{type(self).__qualname__} can't be changed: {name}")
