"""The proof of the layout: what the manifest says of each record, held against the types that the compiler put into the object.

Receives the manifest's records and the object's BTF. A difference is our bug, never a spec's: nothing may be read by a layout
that the kernel's program does not have.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from .btf import Btf, Struct


class Described(NamedTuple):
    """A struct of the program, and what the manifest says of it: its ``size``, and ``fields`` with offset and size; ``members``
    are their names in C."""

    struct: str
    told: dict[str, Any]
    members: tuple[str, ...]


def prove(records: Iterable[Described], types: Btf) -> None:
    """Raises AssertionError for a record that the object has otherwise, or not at all."""
    for name, told, names in records:
        found = types.find(name, Struct)
        assert found is not None, f"struct {name} is not in the object's BTF"
        struct = types.resolve(found)
        assert isinstance(struct, Struct)
        assert struct.size == told["size"], f"struct {name} has {struct.size} bytes, the manifest says {told['size']}"
        places = {m.name: (m.bit_offset, 8 * types.size(m.type_id)) for m in types.members(struct)}
        for member, field in zip(names, told["fields"], strict=True):
            place, said = places.get(member), (8 * field["offset"], 8 * field["size"])
            assert place == said, f"struct {name} has {member} at bit {place}, the manifest says {said}"
