"""What is used of the standard ``typing`` at run time, without importing it.

A start imports some forty modules. ``typing``, and the named tuples that it makes (it compiles each of their annotations), took a
quarter of that time. Type checkers see the real ones.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any as Any
    from typing import BinaryIO as BinaryIO
    from typing import NamedTuple as NamedTuple
    from typing import NoReturn as NoReturn
    from typing import Protocol as Protocol
    from typing import Self as Self
    from typing import TextIO as TextIO
    from typing import TypeVar as TypeVar
else:
    from _collections import _tuplegetter

    Any = BinaryIO = NoReturn = Self = TextIO = object

    def TypeVar(name):
        return object

    class Protocol:
        __slots__ = ()

    class _Fields(type):
        """Makes a class's annotations the fields of its tuples."""

        def __new__(meta, name, bases, space):
            if bases == (NamedTuple,):
                fields = tuple(space.get("__annotations__", ()))
                space["_field_defaults"] = {field: space[field] for field in fields if field in space}
                space |= {field: _tuplegetter(i, "") for i, field in enumerate(fields)}
                space |= {"_fields": fields, "__match_args__": fields, "__slots__": ()}
            return type.__new__(meta, name, bases, space)

    class _Tuple(tuple):
        """What all named tuples do."""

        __slots__ = ()

        def __new__(cls, *args, **given):
            if given or len(args) != len(cls._fields):
                args = cls._completed(args, given)
            return tuple.__new__(cls, args)

        @classmethod
        def _completed(cls, args, given):
            values = dict(zip(cls._fields, args)) | given  # noqa: B905 - too many are told below
            if len(args) > len(cls._fields) or len(values) != len(args) + len(given) or values.keys() - {*cls._fields}:
                raise TypeError(f"{cls.__name__} has the fields {' '.join(cls._fields)}")
            values = cls._field_defaults | values
            if missing := [field for field in cls._fields if field not in values]:
                raise TypeError(f"{cls.__name__} needs {' '.join(missing)}")
            return [values[field] for field in cls._fields]

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{field}={value!r}' for field, value in self._asdict().items())})"

        def __getnewargs__(self):
            return tuple(self)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes):
            return type(self)(**self._asdict() | changes)

    NamedTuple = ()
    NamedTuple = _Fields("NamedTuple", (_Tuple,), {"__slots__": (), "_fields": (), "_field_defaults": {}})
