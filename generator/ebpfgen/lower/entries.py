"""Entries of maps: keys and values as variables, look-ups, and memory for what is too large for the stack.

Receives layouts and the values of their fields. A look-up is written once where its entry can be known from before.
"""

from __future__ import annotations

import re

from ebpfgen import ir
from ebpfgen.layout import Slot, StructLayout

from .builtins import Builtins
from .collected import c_of, is_plain, scratch_name, taken_name
from .ctext import NUMBERS, operand_of
from .nesting import one_at_a_time
from .writer import Store

STACK_VALUE = 128
"""Bytes of a map value built on the stack; larger ones are built in a per-CPU scratch map."""
LARGEST_MEMSET = 1024
"""Bytes that clang can set or copy for BPF without a function of C's library."""


class Entries(Builtins):
    """Adds keys, values and look-ups."""

    def key(self, layout: StructLayout, keys: tuple[ir.Expr, ...]) -> str:
        """The address of a key built from ``keys``."""
        cached = ("key", layout.name, keys)
        if cached in self.known.values:
            return self.known.values[cached]
        if is_plain(layout):
            name = self.fresh("key")
            kind = layout.fields[0].type
            assert kind
            self.stack += 8
            self.emit(f"{kind.c_type} {name} = {self.number(keys[0])};")
        else:
            name = self._struct(layout, list(zip(layout.fields, keys, strict=True)), "key")
        self.known.values[cached] = f"&{name}"
        return f"&{name}"

    def number(self, value: ir.Expr) -> str:
        text = self.value(value)
        if not isinstance(value.type, ir.PtrT):
            return text
        bare = re.sub(r"^\((const )?(struct \w+|void|char) \*\)", "", text)  # what the context gives is cast once, not twice
        return bare if bare != text and NUMBERS.fullmatch(bare) else f"(__u64){operand_of(bare)}"

    def _struct(self, layout: StructLayout, values: list[tuple[Slot, ir.Expr]], base: str) -> str:
        """A variable of that layout: numbers in the initialiser (which zeroes the rest), the others stored after it."""
        simple, complex_ = [], []
        for slot, value in values:
            if isinstance(value.type, (ir.IntT, ir.BoolT, ir.PtrT)):
                simple.append(f".{slot.name} = {self.number(value)}")
            else:
                complex_.append((slot, self.prepare(value, None, slot.name)))
        name = self.fresh(base)
        self.stack += layout.size + 7 & ~7
        self.emit(f"struct {layout.name} {name} = {{{' ' + ', '.join(simple) + ' ' if simple else ''}}};")
        self.record, self.marks = f"{name}.", layout.marks
        for slot, store in complex_:
            assert slot.type
            store(f"{name}.{slot.name}", slot.type)
        return name

    def set_entry(
        self, of: str, into: str, key: str, layout: StructLayout, values: list[tuple[Slot, ir.Expr]], base: str
    ) -> None:
        """Stores an entry in the map ``into``; what can't be is counted as ``of``'s. The value is built on the stack or, where it
        is too large for that, in memory of this CPU."""
        if layout.size <= STACK_VALUE:
            self.update(of, into, key, f"&{self._struct(layout, values, base)}")
            return
        stores = [(slot, self.prepare(value, None, slot.name)) for slot, value in values]
        if one_at_a_time(self.program):
            name = self.scratch(layout, base)
            self._write(name, layout, stores)
            self.update(of, into, key, name)
            return
        name = self.fresh(base)
        self.emit(f"struct {layout.name} *{name} = take(&{self.taken_map(layout)});")
        with self.captured() as filled:
            self._write(name, layout, stores)
            self.update(of, into, key, name)
            self.emit(f"give_back({name});")
        self.block(f"if ({name})", filled, [self.count("nested", of)])

    def _write(self, name: str, layout: StructLayout, stores: list[tuple[Slot, Store]]) -> None:
        self.clear(name, f"*{name}", layout.size)
        self.record, self.marks = f"{name}->", layout.marks
        for slot, store in stores:
            assert slot.type
            store(f"{name}->{slot.name}", slot.type)

    def update(self, of: str, into: str, key: str, address: str) -> None:
        self.block(f"if (bpf_map_update_elem(&{into}, {key}, {address}, BPF_ANY))", [self.count("map_full", of)])

    def clear(self, to: str, what: str, size: int) -> None:
        if size <= LARGEST_MEMSET:
            self.emit(f"__builtin_memset({to}, 0, sizeof({what}));")
            return
        self.whole.helpers.add("clear")
        self.emit(f"clear({to}, sizeof({what}));")

    def scratch(self, layout: StructLayout, base: str) -> str:
        """A pointer to memory for a record that is too large for the stack, with what was there before. What is written there
        stays only in programs of kinds that are one at a time."""
        scratch = self.scratch_map(layout)
        name, zero = self.fresh(base), self.fresh("zero")
        self.emit(f"__u32 {zero} = 0;")
        self.emit(f"struct {layout.name} *{name} = bpf_map_lookup_elem(&{scratch}, &{zero});")
        self.block(f"if (!{name})", [self.exit])
        return name

    def scratch_map(self, layout: StructLayout) -> str:
        """The name of the map with one such record for each CPU."""
        name = scratch_name(layout.name)
        self.whole.scratch[name] = layout
        return name

    def taken_map(self, layout: StructLayout) -> str:
        """The same for programs that can interrupt one another: an entry is one program's, from ``take`` to ``give_back``."""
        name = taken_name(layout.name)
        self.whole.taken[name] = layout
        return name

    def entry(self, name: str, keys: tuple[ir.Expr, ...]) -> str:
        """The variable that points to an entry, or is NULL."""
        info = self.checked.maps[name]
        known = self.known.entries.get((name, keys))
        if known is None:
            key = self.key(info.key, keys)
            variable = self.fresh(f"{name}_entry")
            self.emit(f"{c_of(info.value)} *{variable} = bpf_map_lookup_elem(&{self.map(name)}, {key});")
            known = self.known.entries[name, keys] = (variable, False)
        return known[0]

    def sure_entry(self, name: str, keys: tuple[ir.Expr, ...]) -> str:
        """The same, known to be there: without one the program ends, and that is counted."""
        entry = self.entry(name, keys)
        if not self.known.entries[name, keys][1]:
            self.block(f"if (!{entry})", [self.count("absent", name), self.exit])
            self.known.entries[name, keys] = (entry, True)
        return entry
