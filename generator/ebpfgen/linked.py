"""Programs as libbpf will hand them to the kernel: each with the functions that it calls behind it.

Receives a compiled object; returns for each program its instructions' number, the lines of C that they come from, and the stack
that it needs. The kernel's messages count instructions in this very order.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from . import btf_ext, elf

STACK = 512
"""Bytes of stack that the kernel grants a program and the functions that it calls, together."""
FRAME = 32
"""What a function takes of it is rounded up to a multiple of this (of 16 by newer kernels)."""
_CALL = (0x85, 1)  # BPF_JMP | BPF_CALL, BPF_PSEUDO_CALL
_R10 = 10


class Instruction(NamedTuple):
    code: int
    to: int
    source: int
    offset: int
    number: int


class Function(NamedTuple):
    """``calls``: place of the call → name of the function called. ``lines``: (place, line of C), where the line changes."""

    name: str
    instructions: tuple[Instruction, ...]
    calls: dict[int, str]
    lines: tuple[tuple[int, int], ...]


class Linked(NamedTuple):
    """``lines``: (number of the instruction, line of C or 0), where that changes. ``stack``: bytes along the deepest chain of
    calls, ``chain`` its functions with what each of them needs."""

    instructions: int
    lines: tuple[tuple[int, int], ...]
    stack: int
    chain: tuple[tuple[str, int], ...]


def read(data: bytes, source: str) -> dict[str, Linked]:
    """The programs of the object compiled from the file ``source``, by name."""
    functions, programs = _functions(elf.Object(data), source)
    return {name: _link(functions, name) for name in programs}


def _functions(object: elf.Object, source: str) -> tuple[dict[str, Function], list[str]]:
    symbols = object.symbols()
    lines = _lines(object, source)
    of_kind = [s for s in symbols if s.kind == elf.FUNCTION]
    names = {(s.section, s.value): s.name for s in of_kind}
    found, programs = {}, []
    for symbol in of_kind:
        section = object.sections[symbol.section]
        relocations = object.relocations(section.name)
        code = section.data[symbol.value : symbol.value + symbol.size]
        instructions = tuple(_instruction(*each) for each in struct.iter_unpack(f"{object.order}BBhi", code))
        calls = {}
        for i, each in enumerate(instructions):
            if (each.code, each.source) == _CALL:
                at = symbol.value + 8 * i
                callee = symbols[relocations[at]] if at in relocations else None
                if callee and not callee.section:
                    continue  # a function of the kernel
                # Static functions are called relative to their section, others by their symbol, those beside from here.
                place = callee.value + 8 * (each.number + 1) if callee else at + 8 * (each.number + 1)
                calls[i] = names[callee.section if callee else symbol.section, place]
        begin, end = symbol.value // 8, (symbol.value + symbol.size) // 8
        own = tuple((at - begin, line) for at, line in lines.get(section.name, ()) if begin <= at < end)
        found[symbol.name] = Function(symbol.name, instructions, calls, own)
        if section.name != ".text":
            programs.append(symbol.name)
    return found, programs


def _instruction(code: int, registers: int, offset: int, number: int) -> Instruction:
    return Instruction(code, registers & 15, registers >> 4, offset, number)


def _lines(object: elf.Object, source: str) -> dict[str, list[tuple[int, int]]]:
    """Of each section the places (in instructions) at which another line begins, by .BTF.ext; 0 for lines of other files."""
    types, more = object.section(".BTF"), object.section(".BTF.ext")
    assert types and more, "compiled with -g"
    head, strings_at = struct.unpack_from(f"{object.order}4xI8xI", types.data)
    strings = types.data[head + strings_at :]
    found: dict[str, list[tuple[int, int]]] = {}
    for section, at, file, _, line in btf_ext.notes(more.data, object.order, btf_ext.LINES):
        here = elf.text(strings, file).rpartition("/")[2] == source
        found.setdefault(elf.text(strings, section), []).append((at // 8, line >> 10 if here else 0))
    return found


def _link(functions: dict[str, Function], program: str) -> Linked:
    order = list(_appended(functions, program, set()))
    start, lines = 0, list[tuple[int, int]]()
    for function in order:
        lines += [(start + at, line) for at, line in function.lines]
        start += len(function.instructions)
    changes = tuple(each for i, each in enumerate(lines) if not i or lines[i - 1][1] != each[1])
    chain = _deepest(functions, program)
    return Linked(start, changes, sum(map(_frame, (depth for _, depth in chain))), chain)


def _appended(functions: dict[str, Function], name: str, done: set[str]) -> Iterator[Function]:
    """The function and those behind it, in libbpf's order: each where it is first called, with its own behind it."""
    done.add(name)
    yield functions[name]
    for callee in functions[name].calls.values():
        if callee not in done:
            yield from _appended(functions, callee, done)


def _deepest(functions: dict[str, Function], name: str) -> tuple[tuple[str, int], ...]:
    """The chain of calls that needs most stack; there is no recursion in BPF."""
    further = [_deepest(functions, callee) for callee in sorted(set(functions[name].calls.values()))]
    behind = max(further, key=lambda chain: sum(_frame(depth) for _, depth in chain), default=())
    return ((name, depth_of(functions[name].instructions)), *behind)


def _frame(depth: int) -> int:
    return -(-max(depth, 1) // FRAME) * FRAME


def depth_of(instructions: tuple[Instruction, ...]) -> int:
    """Bytes below the frame's end that are used: through r10 itself, or through a register that was made from it."""
    depth, made = 0, set[int]()
    for code, to, source, offset, number in instructions:
        kind, base = code & 7, to if code & 7 in (2, 3) else source  # BPF_ST, BPF_STX write; BPF_LDX reads
        if kind in (1, 2, 3) and base == _R10:
            depth = max(depth, -offset)
        if code == 0x07 and to in made:  # rX = r10, then rX += number
            depth = max(depth, -number)
        made.discard(to)
        if code == 0xBF and source == _R10:
            made.add(to)
    return depth
