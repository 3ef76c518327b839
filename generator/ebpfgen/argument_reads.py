"""Where a compiled program reads its arguments, so that another kernel's places can be put in at load.

Clang notes each read of a struct that is to be relocated. libbpf finds members of the kernel's structs by these notes; the
structs of arguments (:class:`~ebpfgen.ir.Signature`) are no kernel's, so their notes are put where libbpf does not look, behind
the others, and the runtime moves those reads itself. What clang wrote into the instructions holds on the kernel built for.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from . import btf_ext, elf
from .btf import Btf, Struct
from .btf_ext import NOTE, RELOCATIONS, Note
from .ir.signature import PREFIX

_OFFSET_OF_FIELD = 0  # BPF_CORE_FIELD_BYTE_OFFSET
_LOAD = 1  # BPF_LDX


class Read(NamedTuple):
    """``at``: where in the object's file the instruction is; ``place``: the offset into the context that it has."""

    struct: str
    member: str
    at: int
    place: int


def set_apart(data: bytes) -> bytes:
    """The object, with the notes about arguments behind those that libbpf reads."""
    object = elf.Object(data)
    types, more = object.section(".BTF"), object.section(".BTF.ext")
    assert types and more, "compiled with -g"
    order, known = object.order, Btf(types.data)
    begin, length = _extent(more.data, order)
    notes = list(btf_ext.notes(more.data, order, RELOCATIONS))
    assert not notes or struct.unpack_from(f"{order}I", more.data, begin) == (NOTE,)
    apart = [note for note in notes if _struct(known, note.a).startswith(PREFIX)]
    if not apart:
        return data
    assert all(note.c == _OFFSET_OF_FIELD for note in apart), "arguments are read, and nothing else"
    sections = dict.fromkeys(note.section for note in notes)
    kept = b"".join(_section(order, name, [n for n in notes if n.section == name and n not in apart]) for name in sections)
    head = struct.pack(f"{order}I", NOTE) if kept else b""
    behind = b"".join(struct.pack(f"{order}IIII", n.at, n.a, n.b, n.section) for n in apart)
    whole = head + kept + behind
    assert len(whole) <= length, "an object is never made longer"
    changed = bytearray(data)
    changed[more.at + begin : more.at + begin + length] = whole.ljust(length, b"\0")
    struct.pack_into(f"{order}I", changed, more.at + RELOCATIONS + 4, len(head + kept))
    return bytes(changed)


def reads(data: bytes) -> list[Read]:
    """Of an object whose notes were set apart."""
    object = elf.Object(data)
    types, more = object.section(".BTF"), object.section(".BTF.ext")
    assert types and more, "compiled with -g"
    begin, length = _extent(more.data, object.order)
    head, strings_at = struct.unpack_from(f"{object.order}4xI8xI", types.data)
    strings = types.data[head + strings_at :]
    known, found = Btf(types.data), []
    for at, type, access, section in struct.iter_unpack(f"{object.order}IIII", _whole(more.data[begin + length :])):
        if not type:
            break
        code = object.section(elf.text(strings, section))
        assert code
        name = _struct(known, type)
        kind, _, place, _ = struct.unpack_from(f"{object.order}BBhi", code.data, at)
        index = int(elf.text(strings, access).split(":")[1])
        assert kind & 7 == _LOAD, f"{name}: the address of an argument is taken"
        struct_ = known.resolve(type)
        assert isinstance(struct_, Struct)
        found.append(Read(name, known.members(struct_)[index].name, code.at + at, place))
    return found


def _whole(data: bytes) -> bytes:
    return data[: len(data) - len(data) % NOTE]


def _extent(data: bytes, order: str) -> tuple[int, int]:
    found = btf_ext.extent(data, order, RELOCATIONS)
    assert found, "clang writes relocations"
    return found


def _section(order: str, name: int, notes: list[Note]) -> bytes:
    if not notes:
        return b""
    head = struct.pack(f"{order}II", name, len(notes))
    return head + b"".join(struct.pack(f"{order}IIII", *n[1:]) for n in notes)


def _struct(types: Btf, type: int) -> str:
    found = types.resolve(type)
    return found.name if isinstance(found, Struct) else ""
