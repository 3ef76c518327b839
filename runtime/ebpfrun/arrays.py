"""Arrays of Arrow from Python's values, by their buffers.

``pyarrow.array`` would do, but it imports pandas wherever that is installed: half a second and 90 MB, for nothing here. None is
null, in any type.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from . import extras
from .lean import Any


def array(values: Sequence[Any], type: Any) -> Any:
    """Of the types that :mod:`ebpfrun.arrow` uses: numbers, times, bool, utf8, lists, structs, dictionaries of utf8."""
    pa = extras.need("pyarrow", "parquet", "tables")
    count, valid = len(values), _bits([value is not None for value in values]) if None in values else None
    if pa.types.is_dictionary(type):
        known = {text: i for i, text in enumerate(dict.fromkeys(v for v in values if v is not None))}
        numbers = array([None if v is None else known[v] for v in values], type.index_type)
        return pa.DictionaryArray.from_arrays(numbers, array(list(known), type.value_type))
    if pa.types.is_string(type):
        parts = [b"" if value is None else value.encode() for value in values]
        return pa.Array.from_buffers(type, count, [valid, _ends(map(len, parts)), pa.py_buffer(b"".join(parts))])
    if pa.types.is_list(type):
        items = array([item for value in values if value is not None for item in value], type.value_type)
        ends = _ends(0 if value is None else len(value) for value in values)
        return pa.Array.from_buffers(type, count, [valid, ends], children=[items])
    if pa.types.is_struct(type):
        children = [array([value[field.name] for value in values], field.type) for field in type]
        return pa.StructArray.from_arrays(children, fields=list(type))
    if pa.types.is_boolean(type):
        return pa.Array.from_buffers(type, count, [valid, _bits([bool(value) for value in values])])
    return pa.Array.from_buffers(type, count, [valid, _numbers(values, _kind(type))])


def bools(column: Any) -> Any:
    """Of an array of bytes of numpy."""
    pa = extras.need("pyarrow", "parquet", "tables")
    return pa.Array.from_buffers(pa.bool_(), len(column), [None, _bits(column != 0)])


def _kind(type: Any) -> str:
    """numpy's name of a type of numbers or times, which are numbers of ns."""
    pa = extras.need("pyarrow", "parquet", "tables")
    return "int64" if pa.types.is_temporal(type) else {"double": "float64"}.get(str(type), str(type))


def _numbers(values: Sequence[Any], kind: str) -> Any:
    numpy, pa = extras.need("numpy", "numpy", "columns"), extras.need("pyarrow", "parquet", "tables")
    return pa.py_buffer(numpy.array([0 if value is None else value for value in values], kind))


def _bits(flags: Any) -> Any:
    numpy, pa = extras.need("numpy", "numpy", "columns"), extras.need("pyarrow", "parquet", "tables")
    return pa.py_buffer(numpy.packbits(numpy.asarray(flags, "?"), bitorder="little"))


def _ends(lengths: Any) -> Any:
    return _numbers(list(itertools.accumulate(lengths, initial=0)), "int32")
