"""Lowering: one typed program in, the lines of one C function out.

Expressions become C text; what can't be said in one expression (look-ups, reads of strings) becomes lines before it. Nothing of
the spec's text is pasted: names were checked to be identifiers, and literals go through :func:`c_string`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from . import btf, cnames, ir, kernel_style
from .bodies import walk
from .cdecl import OTHER, TypeDeclarations
from .fieldtypes import LONGEST_STRING, FieldType
from .layout import Slot, StructLayout, lay_out
from .typer import c_int

LONG_TEXT = "long_text"
LONGEST_CHAIN = 8
"""Pointers that libbpf's BPF_CORE_READ follows in one call."""
STACK = 512
"""Bytes of a BPF program's stack."""
STACK_VALUE = 128
"""Bytes of a map value built on the stack; larger ones are built in a per-CPU scratch map."""
STACK_SHARED = STACK - 192
"""Bytes on the stack that the statements of a program may need together; with more, each keeps its own in a block of its own,
where the next one can have them. What is left is for what clang keeps there."""
LARGEST_MEMSET = 1024
"""Bytes that clang can set or copy for BPF without a function of C's library."""
COPIED_TEXT = 128
"""Bytes of text in a map that are copied whole; clang turns longer copies into long code."""
Store = Callable[[str, FieldType], None]
"""Writes a prepared value to a C lvalue."""


class Counters:
    """Indices of the counters map, given out as they are needed: (kind, of) → index."""

    def __init__(self) -> None:
        self.slots: dict[tuple[str, str], int] = {}
        self._names: dict[tuple[str, str], str] = {}

    def name(self, kind: str, of: str) -> str:
        """The C name of a counter; creates it at first use."""
        slot = (kind, of)
        if slot not in self.slots:
            self.slots[slot] = len(self.slots)
            self._names[slot] = cnames.free(f"{kind}_{of.replace('.', '_')}".upper(), self._names.values())
        return self._names[slot]


def c_string(text: bytes) -> str:
    """A C string literal of any bytes. Escapes are octal and three digits long, so that no digit behind one joins it."""
    plain = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\?()' else f"\\{b:03o}" for b in text)
    return f'"{plain}"'


def c_comment(text: str) -> str:
    """Text that can stand inside a C comment."""
    return text.replace("\\", "/").replace("*/", "* /").replace("/*", "/ *")


def is_plain(layout: StructLayout) -> bool:
    """A key or value that is one number: it needs no struct."""
    return len(layout.slots) == 1 and layout.fields[0].type is not None and layout.fields[0].type.shape in ("int", "bool")


def c_of(layout: StructLayout) -> str:
    first = layout.fields[0].type
    return first.c_type if is_plain(layout) and first else f"struct {layout.name}"


def scratch_name(layout: StructLayout) -> str:
    return f"{layout.name}_scratch"


def record_names(checked: ir.CheckedSpec) -> set[str]:
    """The names of all structs that the spec's records may have."""
    layouts = [e.layout for e in checked.events.values()]
    layouts += [part for m in checked.maps.values() for part in (m.key, m.value)]
    layouts += [part for s in checked.spans.values() for part in (s.key, s.value)]
    names = {layout.name for layout in layouts} | {f"{checked.spec.name}_config", LONG_TEXT}
    return names | {f"{m}_{part}" for m in checked.metrics for part in ("key", "value")}


@dataclass(slots=True)
class _Known:
    """What the current block knows: C text of values computed before."""

    values: dict[object, str]
    entries: dict[object, tuple[str, bool]]  # look-up → (variable, known to be there)
    changed: set[str] = field(default_factory=set)  # maps that a statement of the block writes to


class Lowerer:
    """Lowers the programs of one spec; ``types``, ``counters`` and ``helpers`` collect what they need of the rest of the file."""

    def __init__(self, checked: ir.CheckedSpec, types: btf.Btf) -> None:
        self.checked = checked
        self.names = checked.names
        self.btf = types
        self.types = TypeDeclarations(types, record_names(checked))
        self.counters = Counters()
        self.helpers: set[str] = set()
        self.scratch: dict[str, StructLayout] = {}

    def program(self, program: ir.Program) -> list[str]:
        """The body of the program's function, without its braces."""
        function = _Function(self, program)
        lines = function.lower()
        if function.stack > STACK_SHARED:
            lines = _Function(self, program, apart=True).lower()
        return kernel_style.lay_out(lines)


class _Function:
    def __init__(self, whole: Lowerer, program: ir.Program, apart: bool = False) -> None:
        """``apart``: statements share nothing that is on the stack."""
        self.whole, self.program, self.apart = whole, program, apart
        self.stack = 0
        self.checked = whole.checked
        self.lines: list[str] = []
        self.known = _Known({}, {})
        self.taken: dict[str, int] = {}
        self.root = self.lines
        self.read: dict[str, str] = {}  # inputs that have a variable: C text → its name
        nodes = list(walk((program.body, program.task, program.task)))
        inputs = Counter(n.c for n in nodes if isinstance(n, ir.Input))
        builtins = Counter(n.name for n in nodes if isinstance(n, ir.Builtin))
        self.often = {what for what, times in (inputs | builtins).items() if times > 1}
        self.others = set(whole.names.all) | {self.variable(n.name) for n in walk(program.body) if isinstance(n, ir.Let)}
        self.exit = "return 0;"
        self.span: ir.SpanInfo | None = None
        self.event_variable = "e"

    # Text

    def lower(self) -> list[str]:
        self.statements(self.program.body)
        if not self.lines or self.lines[-1] != "return 0;":
            self.emit("return 0;")
        return self.lines

    def emit(self, line: str) -> None:
        self.lines.append(line)

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """Lines written inside go to the list; what was learnt inside is forgotten after, and so is what it made untrue."""
        before, known = self.lines, self.known
        self.lines, self.known = [], _Known(dict(known.values), dict(known.entries))
        try:
            yield self.lines
        finally:
            changed = self.known.changed
            self.lines, self.known = before, known
            for name in changed:
                self._forget(name)

    def block(self, head: str, lines: list[str], otherwise: list[str] | None = None) -> None:
        """``if (x) … else …`` with its lines, without braces where both sides are one simple line."""
        if all(len(side) == 1 and _is_simple(side[0]) for side in (lines, otherwise or lines)):
            self.lines += [head, f"\t{lines[0]}"]
            if otherwise:
                self.lines += ["else", f"\t{otherwise[0]}"]
            return
        self.lines += [f"{head} {{", *(f"\t{line}" for line in lines)]
        if otherwise and otherwise[0].startswith("if (") and all(line.startswith(("\t", "}")) for line in otherwise[1:]):
            self.lines += [f"}} else {otherwise[0]}", *otherwise[1:]]
            return
        if otherwise:
            self.lines += ["} else {", *(f"\t{line}" for line in otherwise)]
        self.lines.append("}")

    def fresh(self, base: str) -> str:
        """A new variable's name: ``base``, or that with a number."""
        while True:
            self.taken[base] = n = self.taken.get(base, 0) + 1
            name = base if n == 1 else f"{base}{n}"
            if name not in self.others:
                return name

    def variable(self, name: str) -> str:
        return self.whole.names.variable(name)

    def map(self, name: str) -> str:
        """The C name of a map of the spec."""
        return self.whole.names.maps[name]

    def once(self, key: object, c_type: str, name: str, value: str) -> str:
        """A variable holding ``value``, made at the first use in this block or one around it."""
        if key not in self.known.values:
            variable = self.fresh(name)
            self.emit(f"{c_type}{'' if c_type.endswith('*') else ' '}{variable} = {value};")
            self.known.values[key] = variable
        return self.known.values[key]

    def count(self, kind: str, of: str) -> str:
        return f"count({self.whole.counters.name(kind, of)});"

    def _wanted(self) -> str:
        """Whether the common filters want the task."""
        for path in (["cgroups", "dfl_cgrp", "kn", "id"], ["cgroups", "dfl_cgrp", "level"]):
            self._core_path(path)
        self.whole.types.others.setdefault("cgroup", {}).update({"ancestors[1]": "struct cgroup *", "ancestor_ids[1]": "__u64 "})
        if self.program.task is None:
            self.whole.helpers.add("wanted")
            return "wanted()"
        self.whole.helpers.add("wanted_task")
        for path in (["tgid"], ["pid"], ["cred", "uid.val"], ["comm"]):
            self._core_path(path)
        return f"wanted_task({self._task()})"

    # Statements

    def statements(self, body: tuple[ir.Statement, ...]) -> None:
        for s in body:
            if not self.apart or not isinstance(s, (ir.If, ir.Emit, ir.Measure, ir.MapSet, ir.MapAdd, ir.MapDelete)):
                self.statement(s)
                continue
            with self.captured() as lines:
                self.statement(s)
            self.lines += ["{", *(f"\t{line}" for line in lines), "}"]

    def statement(self, s: ir.Statement) -> None:
        match s:
            case ir.Let(name=name, value=value):
                self._let(name, value)
            case ir.Filter():
                self.block(f"if (config.filter_on && !{self._wanted()})", [self.exit])
            case ir.Where(condition=condition):
                self._where(condition)
            case ir.If():
                self._if(s)
            case ir.Stop():
                self.emit(self.exit)
            case ir.Emit():
                self._emit_event(s)
            case ir.Measure():
                self._measure(s)
            case ir.MapSet():
                self._map_set(s)
            case ir.MapAdd():
                self._map_add(s)
            case ir.MapDelete(map=name, keys=keys):
                self.emit(f"bpf_map_delete_elem(&{self.map(name)}, {self._key(self.checked.maps[name].key, keys)});")
                self._forget(name)
            case ir.SpanStart():
                self._span_start(s)
            case ir.SpanEnd():
                self._span_end(s)

    def _let(self, name: str, value: ir.Expr) -> None:
        if isinstance(value, ir.Input) and value.c in self.often and value.c not in self.read and self.lines is self.root:
            self._read(value, self.variable(name))
            return
        self.emit(f"{self.declare(value.type, self.variable(name))} = {self.value(value)};")

    def _where(self, condition: ir.Expr) -> None:
        for part in _conjuncts(condition):
            test = f"!{self.condition(part)}" if isinstance(part, ir.InMap) else self.negated(part)
            self.block(f"if ({test})", [self.exit])
            self._learn(part)

    def _if(self, s: ir.If) -> None:
        parts = _conjuncts(s.condition)
        if s.otherwise or len(parts) == 1 or self._plain(parts[1:]):
            test = self.condition(s.condition)
            with self.captured() as then:
                self._learn(s.condition)
                self.statements(s.then)
            with self.captured() as otherwise:
                self.statements(s.otherwise)
            self.block(f"if ({test})", then, otherwise)
            return
        # Nested, so that each part is computed only where those before it hold.
        test = self.condition(parts[0])
        rest = parts[1]
        for part in parts[2:]:
            rest = ir.Binary(ir.BoolT(), "&&", rest, part)
        with self.captured() as then:
            self._learn(parts[0])
            self._if(ir.If(rest, s.then))
        self.block(f"if ({test})", then)

    def _plain(self, conditions: list[ir.Expr]) -> bool:
        """Whether they can be said without lines before them."""
        taken = dict(self.taken)
        with self.captured() as lines:
            for condition in conditions:
                self.condition(condition)
        self.taken = taken
        return not lines

    def _learn(self, condition: ir.Expr) -> None:
        """Behind ``key in map`` the entry is known to be there."""
        for part in _conjuncts(condition):
            if isinstance(part, ir.InMap) and (known := self.known.entries.get((part.map, part.keys))):
                self.known.entries[part.map, part.keys] = (known[0], True)

    def _forget(self, name: str) -> None:
        """Behind a change of a map: its entries may be others, and so may all that was computed from them."""
        self.known.changed.add(name)
        self.known.entries = {k: v for k, v in self.known.entries.items() if k[0] != name and not _reads(k, name)}  # type: ignore[index]
        self.known.values = {k: v for k, v in self.known.values.items() if not _reads(k, name)}

    # Events

    def _emit_event(self, s: ir.Emit) -> None:
        event = self.checked.events[s.event]
        self.whole.helpers.add("submit")
        e = self.event_variable = self.fresh("e")
        stores = [(name, self.prepare(value, event, name)) for name, value in s.values]
        self.emit(self.count("produced", event.name))
        self.emit(f"struct {event.layout.name} *{e} = bpf_ringbuf_reserve(&events, sizeof(*{e}), 0);")
        with self.captured() as filled:
            self.emit(f"{e}->__id = {event.id};")
            self.emit(f"{e}->__marks = 0;")
            for name, store in stores:
                slot = event.layout.slot(name)
                assert slot.type
                store(f"{e}->{name}", slot.type)
            for pad in event.layout.padding:
                self.emit(f"__builtin_memset({e}->{pad.name}, 0, sizeof({e}->{pad.name}));")
            self.emit(f"submit({e}, sizeof(*{e}));")
        self.block(f"if ({e})", filled, [self.count("ring_full", event.name)])

    # Metrics

    def _measure(self, s: ir.Measure) -> None:
        metric = self.checked.metrics[s.metric]
        value = "1" if s.value is None else self.value(s.value)
        args = [value] if metric.key is None else [self._key(metric.key, s.keys), value]
        verb = {"count": "add_to", "sum": "add_to", "add": "add_to", "observe": "observe"}.get(s.verb, s.verb)
        self.whole.helpers.add(f"{verb}_{metric.name}")
        self.emit(f"{verb}_{metric.name}({', '.join(args)});")

    # Maps

    def _key(self, layout: StructLayout, keys: tuple[ir.Expr, ...]) -> str:
        """The address of a key built from ``keys``."""
        cached = ("key", layout.name, keys)
        if cached in self.known.values:
            return self.known.values[cached]
        if is_plain(layout):
            name = self.fresh("key")
            kind = layout.fields[0].type
            assert kind
            self.stack += 8
            self.emit(f"{kind.c_type} {name} = {self._number(keys[0])};")
        else:
            name = self._struct(layout, list(zip(layout.fields, keys, strict=True)), "key")
        self.known.values[cached] = f"&{name}"
        return f"&{name}"

    def _number(self, value: ir.Expr) -> str:
        text = self.value(value)
        if not isinstance(value.type, ir.PtrT):
            return text
        bare = re.sub(r"^\((const )?(struct \w+|void|char) \*\)", "", text)  # what the context gives is cast once, not twice
        return bare if _NUMBERS.fullmatch(bare) else f"(__u64){_operand(bare)}"

    def _struct(self, layout: StructLayout, values: list[tuple[Slot, ir.Expr]], base: str) -> str:
        """A variable of that layout: numbers in the initialiser (which zeroes the rest), the others stored after it."""
        simple, complex_ = [], []
        for slot, value in values:
            if isinstance(value.type, (ir.IntT, ir.BoolT, ir.PtrT)):
                simple.append(f".{slot.name} = {self._number(value)}")
            else:
                complex_.append((slot, self.prepare(value, None, slot.name)))
        name = self.fresh(base)
        self.stack += layout.size + 7 & ~7
        self.emit(f"struct {layout.name} {name} = {{{' ' + ', '.join(simple) + ' ' if simple else ''}}};")
        for slot, store in complex_:
            assert slot.type
            store(f"{name}.{slot.name}", slot.type)
        return name

    def _built(self, layout: StructLayout, values: list[tuple[Slot, ir.Expr]], base: str) -> str:
        """The address of a map value: on the stack, or in scratch memory where it is too large for that."""
        if layout.size <= STACK_VALUE:
            return f"&{self._struct(layout, values, base)}"
        stores = [(slot, self.prepare(value, None, slot.name)) for slot, value in values]
        name = self._scratch(layout, base)
        self._clear(name, f"*{name}", layout.size)
        for slot, store in stores:
            assert slot.type
            store(f"{name}->{slot.name}", slot.type)
        return name

    def _clear(self, to: str, what: str, size: int) -> None:
        if size <= LARGEST_MEMSET:
            self.emit(f"__builtin_memset({to}, 0, sizeof({what}));")
            return
        self.whole.helpers.add("clear")
        self.emit(f"clear({to}, sizeof({what}));")

    def _scratch(self, layout: StructLayout, base: str) -> str:
        """A pointer to memory for a record that is too large for the stack, with what was there before."""
        self.whole.scratch[layout.name] = layout
        name, zero = self.fresh(base), self.fresh("zero")
        self.emit(f"__u32 {zero} = 0;")
        self.emit(f"struct {layout.name} *{name} = bpf_map_lookup_elem(&{scratch_name(layout)}, &{zero});")
        self.block(f"if (!{name})", [self.exit])
        return name

    def _map_set(self, s: ir.MapSet) -> None:
        info = self.checked.maps[s.map]
        if s.field is not None:
            stores = [(name, self.prepare(value, None, name)) for name, value in s.values]
            entry = self._entry(s.map, s.keys)
            with self.captured() as there:
                for name, store in stores:
                    kind = info.value.slot(name).type
                    assert kind
                    store(f"*{entry}" if is_plain(info.value) else f"{entry}->{name}", kind)
            if self.known.entries[s.map, s.keys][1]:
                self.lines += there
            else:
                self.block(f"if ({entry})", there, [self.count("absent", s.map)])
            return
        key = self._key(info.key, s.keys)
        if is_plain(info.value):
            kind = info.value.fields[0].type
            assert kind
            name = self.fresh("value")
            self.emit(f"{kind.c_type} {name} = {self._number(s.values[0][1])};")
            address = f"&{name}"
        else:
            address = self._built(info.value, [(info.value.slot(n), v) for n, v in s.values], "value")
        self.block(f"if (bpf_map_update_elem(&{self.map(s.map)}, {key}, {address}, BPF_ANY))", [self.count("map_full", s.map)])
        self._forget(s.map)

    def _map_add(self, s: ir.MapAdd) -> None:
        info = self.checked.maps[s.map]
        value = self.value(s.value)
        self.whole.helpers.add(f"at_{s.map}")
        name = self.fresh("value")
        self.emit(f"{c_of(info.value)} *{name} = at_{s.map}({self._key(info.key, s.keys)});")
        where = name if is_plain(info.value) else f"&{name}->{s.field}"
        self.block(f"if ({name})", [f"__sync_fetch_and_add({where}, {value});"])
        self._forget(s.map)

    def _entry(self, name: str, keys: tuple[ir.Expr, ...]) -> str:
        """The variable that points to an entry, or is NULL."""
        info = self.checked.maps[name]
        known = self.known.entries.get((name, keys))
        if known is None:
            key = self._key(info.key, keys)
            variable = self.fresh(f"{name}_entry")
            self.emit(f"{c_of(info.value)} *{variable} = bpf_map_lookup_elem(&{self.map(name)}, {key});")
            known = self.known.entries[name, keys] = (variable, False)
        return known[0]

    def _sure_entry(self, name: str, keys: tuple[ir.Expr, ...]) -> str:
        """The same, known to be there: without one the program ends, and that is counted."""
        entry = self._entry(name, keys)
        if not self.known.entries[name, keys][1]:
            self.block(f"if (!{entry})", [self.count("absent", name), self.exit])
            self.known.entries[name, keys] = (entry, True)
        return entry

    # Spans

    def _span_start(self, s: ir.SpanStart) -> None:
        info = self.checked.spans[s.span]
        key = self._key(info.key, s.keys)
        started = ir.Builtin(ir.U64, "nsecs")
        if is_plain(info.value):
            value = f"&{self._started()}"
        else:
            slots = [(info.value.slot("__started"), started), *((info.value.slot(n), v) for n, v in s.kept)]
            value = self._built(info.value, slots, "span")
        self.block(f"if (bpf_map_update_elem(&{s.span}_in_flight, {key}, {value}, BPF_ANY))", [self.count("map_full", s.span)])

    def _started(self) -> str:
        return self.once(("builtin", "nsecs"), "__u64", "now", "bpf_ktime_get_ns()")

    def _span_end(self, s: ir.SpanEnd) -> None:
        self.span = info = self.checked.spans[s.span]
        key = self._key(info.key, s.keys)
        self.emit(f"{c_of(info.value)} *span = bpf_map_lookup_elem(&{s.span}_in_flight, {key});")
        if s.count_unpaired:
            counted = self.count("unpaired", s.span)
            lines = [counted] if self.program.filtered else ["if (!config.filter_on)", f"\t{counted}"]
            self.block("if (!span)", [*lines, "return 0;"])
        else:
            self.block("if (!span)", ["return 0;"])
        self.exit = "goto done;"
        self.statements(s.body)
        self.exit = "return 0;"
        if any("goto done;" in line for line in self.lines):
            self.emit("done:")
        self.emit(f"bpf_map_delete_elem(&{s.span}_in_flight, {key});")

    # Values

    def declare(self, kind: ir.Type, name: str) -> str:
        """``kind name`` as C declares it."""
        match kind:
            case ir.IntT(bits=bits, signed=signed):
                return f"{c_int(bits, signed)} {name}"
            case ir.BoolT():
                return f"bool {name}"
            case ir.PtrT():
                return f"{self.pointer_type(kind)}{name}"
        raise AssertionError(kind)

    def pointer_type(self, kind: ir.PtrT) -> str:
        if kind.element:
            return (
                "const char *" if kind.element == ir.IntT(8, True) else f"const {c_int(kind.element.bits, kind.element.signed)} *"
            )
        return self.whole.types.pointer(kind.target)

    def value(self, v: ir.Expr) -> str:
        """C text of a number, condition or pointer; lines that it needs are emitted first."""
        match v:
            case ir.Const():
                return _constant(v)
            case ir.Local(name=name):
                return self.variable(name)
            case ir.Input():
                return self._input(v)
            case ir.ParamValue(name=name):
                return f"config.{cnames.parameter(name)}"
            case ir.Kept(type=kind, name=name):
                return self._stored(kind, f"span->{name}")
            case ir.Builtin():
                return self._builtin(v)
            case ir.Load():
                return self._load(v)
            case ir.Follow():
                return self._follow(v)
            case ir.Unary(op="!", operand=operand):
                return self.negated(operand)
            case ir.Unary(type=ir.IntT() as kind, op=op, operand=operand):
                return f"{op}{_operand(self._as(operand, kind))}"
            case ir.Binary():
                return self._binary(v)
            case ir.Conditional():
                return self._conditional(v)
            case ir.Cast(type=kind, operand=operand, c_type=c_type):
                narrow = operand.type if isinstance(kind, ir.PtrT) else kind
                if isinstance(kind, ir.PtrT):
                    c_type = self.pointer_type(kind)
                if (
                    isinstance(kind, ir.PtrT) != isinstance(operand.type, ir.PtrT)
                    and isinstance(narrow, ir.IntT)
                    and narrow.bits < 64
                ):
                    c_type += ")(__u64"  # C converts between pointers and numbers of their size only
                return f"({c_type}){_operand(self.value(operand))}"
            case ir.Lookup():
                return self._lookup(v)
            case ir.InMap(map=name, keys=keys):
                return self._there(self._entry(name, keys))
            case ir.OneOf(values=tests):
                return " || ".join(_side(self.condition(t)) for t in tests)
            case ir.FieldChoice():
                return self.value(_first_that_exists(v))
            case ir.Exists():
                return self._exists(v)
            case ir.Call():
                return self._call(v)
            case ir.StringTest():
                return self._string_test(v)
            case ir.StringIsParam():
                return self._string_is_param(v)
        raise AssertionError(f"{type(v).__name__} is no scalar")

    def condition(self, v: ir.Expr) -> str:
        """C text that is tested for being 0 only: where :meth:`value` gives 0 or 1, this may give any number or a pointer."""
        match v:
            case ir.InMap(map=name, keys=keys):
                return self._entry(name, keys)
            case ir.Binary(op="!=", left=left, right=ir.Const(value=0, name="")) if not isinstance(left, ir.Const):
                text = self.value(left)
                return text if isinstance(left.type, ir.PtrT) or _is_atom(text) else f"{_operand(text)} != 0"
        return self.value(v)

    def side(self, v: ir.Expr) -> str:
        """C text of one of two conditions joined by or."""
        match v:
            case ir.InMap():
                return self.value(v)
            case ir.Binary(op="==" | "!=" as op, left=left, right=right) if isinstance(left.type, ir.PtrT) and left.type.trusted:
                if _is_zero(right):
                    return f"{'!' if op == '==' else ''}{self._there(self.value(left))}"
        return self.condition(v)

    def _there(self, pointer: str) -> str:
        """Whether the pointer is one, as a number of which clang does not know where it comes from: it would join several such
        tests to one of the pointers' bits, and the verifier refuses that."""
        self.whole.helpers.add("there")
        return f"there({pointer})"

    def negated(self, v: ir.Expr) -> str:
        if isinstance(v, ir.Binary) and v.op == "!=" and isinstance(v.left.type, ir.PtrT) and _is_zero(v.right):
            return f"!{_operand(self.value(v.left))}"
        if isinstance(v, ir.Binary) and v.op in _OPPOSITE:
            return self._binary(replace(v, op=_OPPOSITE[v.op]))
        if isinstance(v, ir.Unary) and v.op == "!":
            return self.value(v.operand)
        if isinstance(v, ir.Builtin) and v.name == "filtered":
            return "!config.filter_on"
        if isinstance(v, ir.StringTest):
            text = self.value(v)
            return text[1:] if text.startswith("!") else f"!{text}"
        if isinstance(v, ir.Binary) and v.op == "||":
            return self._logical(replace(v, op="&&", left=ir.Unary(v.type, "!", v.left), right=ir.Unary(v.type, "!", v.right)))
        return f"!{_operand(self.value(v))}"

    def _input(self, v: ir.Input) -> str:
        """Something of the context. What is asked for in several places is read once: clang would keep its address for all of
        them, and the verifier refuses any address within the context but those in the reading instruction itself."""
        if v.c not in self.often or isinstance(v.type, ir.PlaceT):
            return self._spelled(v)
        if v.c not in self.read:
            name = self.fresh(self.variable(v.name.rpartition(".")[2]))
            self.others.add(name)
            self._read(v, name)
        return self.read[v.c]

    def _spelled(self, v: ir.Input) -> str:
        for struct, member in v.uses:
            self.whole.types.member(struct, member)
        if isinstance(v.type, ir.PtrT) and v.type.target:
            self.whole.types.pointer(v.type.target)
        return self.whole.types.respelled(v.c, v.type)

    def _read(self, v: ir.Input, name: str) -> None:
        """Makes the variable ``name`` that holds it from here on."""
        self.read[v.c] = name
        self.root.append(f"{self.declare(v.type, name)} = {self._spelled(v)};")

    def _stored(self, kind: ir.Type, c: str) -> str:
        return f"({self.pointer_type(kind)}){c}" if isinstance(kind, ir.PtrT) else c

    def _binary(self, v: ir.Binary) -> str:
        if v.op in ("&&", "||"):
            return self._logical(v)
        if isinstance(v.type, ir.PtrT):
            return f"(void *){_operand(self.value(v.left))} {v.op} {_operand(self.value(v.right))}"
        if isinstance(v.type, ir.BoolT):
            return self._comparison(v)
        assert isinstance(v.type, ir.IntT)
        if v.op in ("<<", ">>"):
            return f"{_operand(self._as(v.left, v.type))} {v.op} {self._shift_count(v.right)}"
        left, right = self._sides(v, v.type)
        if v.op in ("/", "%") and not isinstance(v.right, ir.Const):
            divisor = right if right.isidentifier() else self.once(("divisor", v.right), "__u64", "divisor", right)
            return f"{divisor} ? {_operand(left)} {v.op} {divisor} : 0"
        if v.op in ("/", "%") and v.type.signed:
            # BPF before v4 has no signed division: divide the magnitude.
            signed = self.once(("signed", v.left), "__s64", "signed_value", left)
            return f"{signed} < 0 ? -(__s64)(-(__u64){signed} {v.op} {right}) : (__s64)((__u64){signed} {v.op} {right})"
        return f"{_operand(left)} {v.op} {_operand(right)}"

    def _sides(self, v: ir.Binary, kind: ir.IntT) -> tuple[str, str]:
        """Both sides such that C computes in 64 bits and with the sign of ``kind``, the type of the result."""
        left = (
            self.value(v.left) if isinstance(v.left, ir.Const) and not isinstance(v.right, ir.Const) else self._as(v.left, kind)
        )
        other = isinstance(v.right.type, ir.IntT) and v.right.type.bits == 64 and v.right.type.signed != kind.signed
        if isinstance(v.right, ir.Const) or not (isinstance(v.left, ir.Const) or other):
            return left, self.value(v.right)
        return left, self._as(v.right, kind)

    def _shift_count(self, count: ir.Expr) -> str:
        """C leaves open what a shift by 64 bits or more does; the processors take the count modulo 64."""
        text = _operand(self.value(count))
        masked = isinstance(count, ir.Binary) and count.op == "&" and isinstance(count.right, ir.Const) and count.right.value < 64
        return text if masked or isinstance(count, ir.Const) else f"({text} & 63)"

    def _comparison(self, v: ir.Binary) -> str:
        left, right = self.value(v.left), self.value(v.right)
        a, b = v.left.type, v.right.type
        if isinstance(a, ir.PtrT) and _is_zero(v.right):
            return f"!{_operand(left)}" if v.op == "==" else f"{_operand(left)} != NULL"
        if isinstance(a, ir.PtrT) or isinstance(b, ir.PtrT):
            if not (isinstance(a, ir.PtrT) and isinstance(b, ir.PtrT)) or self.declare(a, "") != self.declare(b, ""):
                left, right = f"(__u64){_operand(left)}", f"(__u64){_operand(right)}"
        elif isinstance(a, ir.IntT) and isinstance(b, ir.IntT) and a.signed != b.signed and not _has_const(v):
            # The unsigned one is the narrower, or has at most 32 bits: so C would compare without sign.
            left, right = (f"(__s64){_operand(t)}" if not k.signed and k.bits == 32 else t for t, k in ((left, a), (right, b)))
        return f"{_operand(left)} {v.op} {_operand(right)}"

    def _as(self, v: ir.Expr, kind: ir.IntT) -> str:
        """A number in 64 bits, with the sign of ``kind``: the spec's arithmetic happens there."""
        text = self.value(v)
        exact = (
            v.type == kind and not isinstance(v, (ir.Const, ir.Conditional, ir.FieldChoice)) and not getattr(v, "default", None)
        )
        return text if exact else f"({c_int(kind.bits, kind.signed)}){_operand(text)}"

    def _logical(self, v: ir.Binary) -> str:
        part = self.condition if v.op == "&&" else self.side
        left = part(v.left)
        with self.captured() as lines:
            if v.op == "&&":
                self._learn(v.left)
            right = part(v.right)
        if not lines:
            return f"{_side(left)} {v.op} {_side(right)}"
        name = self.fresh("both" if v.op == "&&" else "either")
        self.emit(f"bool {name} = {left};")
        self.block(f"if ({name})" if v.op == "&&" else f"if (!{name})", [*lines, f"{name} = {right};"])
        return name

    def _conditional(self, v: ir.Conditional) -> str:
        reads = any(isinstance(n, ir.Lookup) for n in walk(v.yes))
        condition = self.condition(v.condition) if reads else self.side(v.condition)
        for part in walk((v.yes, v.no)):
            if isinstance(part, ir.Builtin) and part.name == "curtask":
                self.value(part)  # once, for both sides and what follows
        with self.captured() as yes_lines:
            self._learn(v.condition)
            yes = self._arm(v.yes, v.type)
        with self.captured() as no_lines:
            no = self._arm(v.no, v.type)
        if not yes_lines and not no_lines:
            return f"{_side(condition)} ? {_operand(yes)} : {_operand(no)}"
        name = self.fresh("chosen")
        self.emit(f"{self.declare(v.type, name)};")
        self.block(f"if ({condition})", [*yes_lines, f"{name} = {yes};"], [*no_lines, f"{name} = {no};"])
        return name

    def _arm(self, v: ir.Expr, kind: ir.Type) -> str:
        """One of several values for the same place. C would give numbers of different types a third one."""
        text = self.value(v)
        if isinstance(kind, ir.IntT) and v.type != kind and not isinstance(v, ir.Const):
            return f"({c_int(kind.bits, kind.signed)}){_operand(text)}"
        return text

    def _lookup(self, v: ir.Lookup) -> str:
        info = self.checked.maps[v.map]
        plain = is_plain(info.value)
        if v.default is not None:
            entry = self._entry(v.map, v.keys)
            stored = f"*{entry}" if plain else f"{entry}->{v.field}"
            with self.captured() as lines:
                if any(isinstance(n, (ir.Lookup, ir.InMap)) for n in walk(v.default)):
                    self.emit("barrier();")  # or clang joins both tests, see _there
                default = self._arm(v.default, v.type)
            if not lines:
                return f"{entry} ? {stored} : {_operand(default)}"
            name = self.fresh("chosen")
            self.emit(f"{self.declare(v.type, name)};")
            self.block(f"if ({entry})", [f"{name} = {stored};"], [*lines, f"{name} = {default};"])
            return name
        entry = self._sure_entry(v.map, v.keys)
        return f"*{entry}" if plain else self._stored(v.type, f"{entry}->{v.field}")

    # Memory

    def _load(self, v: ir.Load) -> str:
        """A number or pointer behind a chain of pointers."""
        for step in v.steps:
            if step.missing:
                return self._load_other(v)
        self.whole.types.steps(v.steps)
        if isinstance(v.type, ir.PtrT) and v.type.target:
            self.whole.types.pointer(v.type.target)
        pointer = v.base.type
        assert isinstance(pointer, ir.PtrT)
        if any(s.member and s.member.bit_size for s in v.steps):
            # Not by name alone: where the bits lie depends on the members that are not declared here.
            macro = "BPF_CORE_READ_BITFIELD" + ("" if pointer.trusted else "_PROBED")
            cast = f"({self.declare(v.type, '').strip()})" if isinstance(v.type, ir.IntT) and v.type.signed else ""
            return f"{cast}{macro}({self._based(v)}, {_path(v.steps)})"
        if pointer.trusted:
            return f"{_primary(self.value(v.base))}->{_path(v.steps)}"
        root, segments = self._chain(v)
        macro = "BPF_CORE_READ_USER" if pointer.space == "user" else "BPF_CORE_READ"
        return f"{macro}({root}, {', '.join(segments)})"

    def _based(self, v: ir.Load) -> str:
        """A variable for the macros that read bit fields, whose own variables are called p and val."""
        text = self.value(v.base)
        if text.isidentifier() and text not in ("p", "val"):
            return text
        return self.once(("pointer", v.base), self.declare(v.base.type, "").rstrip(), "base", text)

    def _chain(self, v: ir.Load) -> tuple[str, list[str]]:
        """The root pointer and the segments that BPF_CORE_READ follows."""
        base = v.base
        if isinstance(base, ir.Load) and isinstance(base.base.type, ir.PtrT) and not base.base.type.trusted:
            same_space = base.base.type.space == base.type.space if isinstance(base.type, ir.PtrT) else False
            if same_space and not any(s.missing or (s.member and s.member.bit_size) for s in base.steps):
                self.whole.types.steps(base.steps)
                root, segments = self._chain(base)
                if len(segments) < LONGEST_CHAIN:
                    return root, [*segments, _path(v.steps)]
                return self.once(("pointer", base), self.declare(base.type, ""), "base", self.value(base)), [_path(v.steps)]
        return self.value(base), [_path(v.steps)]

    def _load_other(self, v: ir.Load) -> str:
        """A member that only other kernels' struct has."""
        c_type = f"{self.pointer_type(v.type)}" if isinstance(v.type, ir.PtrT) else f"{self.declare(v.type, '').strip()} "
        return f"BPF_CORE_READ({self._other(v, c_type)}, {v.steps[-1].member.name if v.steps[-1].member else ''})"

    def _other(self, v: ir.Load, c_type: str, length: str = "") -> str:
        """A pointer to the struct as other kernels have it, whose member is declared so."""
        step = v.steps[-1]
        assert step.owner and step.member
        self.whole.types.other(step.owner, step.member.name + length, c_type)
        outer = v.steps[:-1]
        struct = f"struct {step.owner.name}{OTHER} *"
        return f"({struct}){self._variable(v.base) if not outer else self._address(replace(v, steps=outer))}"

    def _variable(self, pointer: ir.Expr) -> str:
        """A pointer that can stand in one of CO-RE's macros, which can't stand in one another."""
        text = self.value(pointer)
        if "BPF_CORE_READ" not in text:
            return _operand(text)
        return self.once(("pointer", pointer), self.declare(pointer.type, "").rstrip(), "base", text)

    def _address(self, v: ir.Expr) -> str:
        """The address of a place in memory."""
        if isinstance(v, ir.Input):
            return self.value(v)
        assert isinstance(v, ir.Load), v
        last = v.steps[-1]
        if last.missing and last.member:
            assert isinstance(v.type, ir.PlaceT)
            length = f"[{v.type.array[1]}]" if v.type.array else ""
            pointer = self._other(v, self.whole.types.place(v.type.array[0] if v.type.array else v.type.type_id), length)
            return f"{'' if length else '&'}({pointer})->{last.member.name}"
        self.whole.types.steps(v.steps)
        base = self.value(v.base)
        array = isinstance(v.type, ir.PlaceT) and v.type.array
        return f"{'' if array else '&'}{_primary(base)}->{_path(v.steps)}"

    def _follow(self, v: ir.Follow) -> str:
        pointer = self.value(v.pointer)
        assert isinstance(v.pointer.type, ir.PtrT)
        index = self.value(v.index)
        name = self.fresh("behind")
        self.emit(f"{self.declare(v.type, name)} = 0;")
        where = pointer if index == "0" else f"{_operand(pointer)} + {_operand(index)}"
        self.emit(f"bpf_probe_read_{v.pointer.type.space}(&{name}, sizeof({name}), {where});")
        return name

    def _exists(self, v: ir.Exists) -> str:
        tests = []
        for struct, member in v.fields:
            if not struct.name:
                continue  # a part of the struct before it in the path, and there with it
            if self.whole.btf.member(struct, member.name) is not None:
                self.whole.types.member(struct, member)
                tests.append(f"bpf_core_field_exists({self.whole.types.spelled(struct)}, {member.name})")
            elif v.any_kind:
                self.whole.types.asked(struct, member.name)
                tests.append(f"HAS_MEMBER({struct.name}, {member.name})")
            else:
                self.whole.types.other_exists(struct, member.name)
                tests.append(f"bpf_core_field_exists(struct {struct.name}{OTHER}, {member.name})")
        return " && ".join(dict.fromkeys(tests))

    # Builtins and functions

    def _task(self) -> str:
        """A pointer to the task that pid, comm … speak of."""
        if self.program.task is not None:
            return self.value(self.program.task)
        return self.once("curtask", "struct task_struct *", "task", "(struct task_struct *)bpf_get_current_task()")

    def _core_path(self, path: list[str]) -> str:
        """Declares the members of a path that begins in struct task_struct."""
        type_id = self.whole.btf.find("task_struct", btf.Struct) or 0
        for segment in path:
            steps = []
            for name in segment.split("."):
                struct = self.whole.btf.resolve(type_id)
                if isinstance(struct, btf.Fwd):
                    struct = self.whole.btf.resolve(self.whole.btf.find(struct.name, btf.Struct) or 0)
                assert isinstance(struct, btf.Struct), path
                member = self.whole.btf.member(struct, name)
                assert member, path
                steps.append(ir.Step(struct, member))
                type_id = member.type_id
            self.whole.types.steps(steps)
            behind = self.whole.btf.resolve(type_id)
            if isinstance(behind, btf.Ptr):
                type_id = behind.target
        return ", ".join(path)

    def _builtin(self, v: ir.Builtin) -> str:
        match v.name:
            case "nsecs":
                return self._started()
            case "elapsed":
                return f"{self._started()} - {self._span_started()}"
            case "started":
                return self._span_started()
            case "cpu" if "cpu" in self.often:
                return self.once(("builtin", "cpu"), "__u32", "cpu", "bpf_get_smp_processor_id()")
            case "cpu":
                return "bpf_get_smp_processor_id()"
            case "wanted":
                return self._wanted()
            case "filtered":
                return "config.filter_on != 0"
            case "curtask":
                self.whole.types.pointer(self.whole.btf.find("task_struct", btf.Struct) or 0)
                return self.once("curtask", "struct task_struct *", "task", "(struct task_struct *)bpf_get_current_task()")
            case "ppid":
                return f"BPF_CORE_READ({self._task()}, {self._core_path(['real_parent', 'tgid'])})"
        if self.program.task is not None:
            path = {"pid": ["tgid"], "tid": ["pid"], "uid": ["cred", "uid.val"], "gid": ["cred", "gid.val"],
                    "cgroup": ["cgroups", "dfl_cgrp", "kn", "id"]}[v.name]  # fmt: skip
            return f"BPF_CORE_READ({self._task()}, {self._core_path(path)})"
        match v.name:
            case "pid" | "tid":
                both = self.once("pid_tgid", "__u64", "pid_tgid", "bpf_get_current_pid_tgid()")
                return f"{both} >> 32" if v.name == "pid" else f"(__u32){both}"
            case "uid" | "gid":
                both = self.once("uid_gid", "__u64", "uid_gid", "bpf_get_current_uid_gid()")
                return f"{both} >> 32" if v.name == "gid" else f"(__u32){both}"
            case "cgroup":
                return "bpf_get_current_cgroup_id()"
        raise AssertionError(v.name)

    def _span_started(self) -> str:
        assert self.span
        return "*span" if is_plain(self.span.value) else "span->__started"

    def _call(self, v: ir.Call) -> str:
        match v.function:
            case "dev":
                major, minor = (_operand(self.value(a)) for a in v.args)
                return f"((__u32){major} << 20 | (__u32){minor})"
            case "strlen":
                return self._string_length(v.args[0])
        macro = {
            "ntohs": "bpf_ntohs",
            "ntohl": "bpf_ntohl",
            "ntohll": "bpf_be64_to_cpu",
            "htons": "bpf_htons",
            "htonl": "bpf_htonl",
        }
        return f"{macro[v.function]}({self.value(v.args[0])})"

    # Text

    def _string_length(self, text: ir.Expr) -> str:
        """Reads the text to find its end: onto the stack where it is short, else into scratch memory."""
        size = text.type.size if isinstance(text.type, ir.StringT) and text.type.size else LONGEST_STRING
        name = self.fresh("text")
        if size <= 64:
            self.emit(f"char {name}[{size}];")
        else:
            layout = lay_out(LONG_TEXT, [("text", FieldType("string", str(LONGEST_STRING), "string", "char", LONGEST_STRING, 1))])
            name = f"{self._scratch(layout, 'text')}->text"
        length = self.fresh("length")
        read = self.prepare_length(text)(name, size)
        self.emit(f"long {length} = {read};")
        return f"({length} > 0 ? {length} - 1 : 0)"

    def prepare_length(self, text: ir.Expr) -> Callable[[str, int], str]:
        address, space = self._text_source(text)
        return lambda to, size: f"bpf_probe_read_{space}_str({to}, {size}, {address})"

    def _text_source(self, text: ir.Expr) -> tuple[str, ir.Space]:
        """Where a text lies, and in whose memory."""
        match text:
            case ir.StringAt(pointer=pointer, space=space):
                return (self._address(pointer) if isinstance(pointer.type, ir.PlaceT) else self._pointer_value(pointer)), space
            case ir.Kept(name=name):
                return f"span->{name}", "kernel"
            case ir.Lookup(map=name, keys=keys, field=field):
                return f"{self._sure_entry(name, keys)}->{field}", "kernel"
            case ir.ParamValue(name=name):
                return f"(const char *)config.{cnames.parameter(name)}", "kernel"
            case ir.Builtin(name="comm"):
                buffer = self.fresh("comm")
                self.emit(f"char {buffer}[16];")
                self._store_comm(buffer)
                return buffer, "kernel"
        raise AssertionError(text)

    def _pointer_value(self, v: ir.Expr) -> str:
        text = self.value(v)
        return text if isinstance(v.type, ir.PtrT) else f"(void *){_operand(text)}"

    def _string_test(self, v: ir.StringTest) -> str:
        wanted = v.right if v.prefix else v.right + b"\0"
        if not wanted:
            return "true"
        size = v.left.type.size if isinstance(v.left.type, ir.StringT) else 0
        if size and len(wanted) > size:
            return "false"
        if isinstance(v.left, ir.ParamValue):
            return self._param_is(v.left.name, wanted)
        if isinstance(v.left, (ir.Kept, ir.Lookup)) and len(wanted) <= 64:
            where, _ = self._text_source(v.left)
        elif isinstance(v.left, ir.Builtin):
            where = self._comm()
        else:
            where = self.fresh("text")
            room = len(wanted) + 1  # one more than wanted: text that goes on is another
            room = min(room, size) if size else room
            self.stack += room + 7 & ~7
            self.emit(f"char {where}[{room}] = {{}};")
            self.emit(f"{self.prepare_length(v.left)(where, room)};")
        return f"!__builtin_memcmp({where}, {c_string(v.right)}, {len(wanted)})"

    def _param_is(self, name: str, wanted: bytes) -> str:
        """A parameter's text is compared byte by byte: as plain memory, clang would take it for the empty text of the source."""
        if wanted == b"\0":
            return f"!config.{cnames.parameter(name)}[0]"
        self.whole.helpers.add("same_text")
        literal = self.fresh("literal")
        text = c_string(wanted.removesuffix(b"\0"))
        self.emit(f"char {literal}[{len(wanted)}] = {text};")
        return f"same_text({literal}, config.{cnames.parameter(name)}, {len(wanted)})"

    def _string_is_param(self, v: ir.StringIsParam) -> str:
        self.whole.helpers.add("same_text")
        assert isinstance(v.param.type, ir.StringT) and isinstance(v.left.type, ir.StringT)
        size = v.param.type.size
        if isinstance(v.left, (ir.Kept, ir.Lookup, ir.Builtin)):
            where, _ = self._text_source(v.left)
            return f"same_text({where}, config.{cnames.parameter(v.param.name)}, {min(size, v.left.type.size)})"
        where = self.fresh("text")  # of one byte more than the parameter can have: what is cut is not the same
        self.emit(f"char {where}[{size + 1}] = {{}};")
        self.emit(f"{self.prepare_length(v.left)(where, size + 1)};")
        return f"same_text({where}, config.{cnames.parameter(v.param.name)}, {size})"

    def _comm(self) -> str:
        """The task's name in a variable."""
        key = ("comm", self.program.task)
        if key not in self.known.values:
            name = self.known.values[key] = self.fresh("comm")
            self.stack += 16
            self.emit(f"char {name}[16] = {{}};")
            self._store_comm(name)
        return self.known.values[key]

    def _store_comm(self, to: str) -> None:
        if self.program.task is None:
            self.emit(f"bpf_get_current_comm({to}, sizeof({to}));")
        else:
            self._core_path(["comm"])
            self.emit(f"bpf_probe_read_kernel({to}, sizeof({to}), {_primary(self._task())}->comm);")

    # Stores

    def prepare(self, v: ir.Expr, event: ir.EventInfo | None, name: str) -> Store:
        """Computes all that may need lines of its own now; what is returned only writes."""
        match v:
            case ir.Conditional() if not isinstance(v.type, (ir.IntT, ir.BoolT, ir.PtrT)):
                return self._prepare_either(v, event, name)
            case ir.FieldChoice() if not isinstance(v.type, (ir.IntT, ir.BoolT, ir.PtrT)):
                return self.prepare(_first_that_exists(v), event, name)
            case ir.Text(value=text):
                return lambda to, kind: self.emit(f"__builtin_memcpy({to}, {c_string(text)}, {len(text) + 1});")
            case ir.Builtin(name="comm"):
                if self.program.task is not None:
                    self._task()
                return lambda to, kind: self._store_comm(to)
            case ir.IpOf():
                return self._prepare_ip(v)
            case ir.MacOf(source=source):
                where, space = self._source(source)
                return lambda to, kind: self.emit(f"bpf_probe_read_{space}({to}, sizeof({to}), {where});")
            case ir.BufferAt() | ir.ArgvAt():
                return self._prepare_bytes(v, event, name)
        if isinstance(v.type, ir.StringT):
            return self._prepare_text(v, event, name)
        if isinstance(v.type, ir.BytesT):
            where = f"span->{v.name}" if isinstance(v, ir.Kept) else self._lookup(v) if isinstance(v, ir.Lookup) else ""
            return lambda to, kind: self.emit(f"__builtin_memcpy({to}, {where}, sizeof({to}));")
        text_ = self._number(v)
        return lambda to, kind: self.emit(f"{to} = {text_};")

    def _prepare_either(self, v: ir.Conditional, event: ir.EventInfo | None, name: str) -> Store:
        condition = self.condition(v.condition)
        if not isinstance(v.condition, ir.Local):
            told, condition = condition, self.fresh("first")
            self.emit(f"bool {condition} = {told};")
        yes, no = self.prepare(v.yes, event, name), self.prepare(v.no, event, name)

        def store(to: str, kind: FieldType) -> None:
            with self.captured() as yes_lines:
                yes(to, kind)
            with self.captured() as no_lines:
                no(to, kind)
            self.block(f"if ({condition})", yes_lines, no_lines)

        return store

    def _source(self, v: ir.Expr) -> tuple[str, ir.Space]:
        if isinstance(v.type, ir.PlaceT):
            space = v.base.type.space if isinstance(v, ir.Load) and isinstance(v.base.type, ir.PtrT) else "kernel"
            return self._address(v), space
        assert isinstance(v.type, ir.PtrT)
        return self.value(v), v.type.space

    def _prepare_ip(self, v: ir.IpOf) -> Store:
        if isinstance(v.source.type, ir.IntT):
            self.whole.helpers.add("ip_of_v4")
            number = self.value(v.source)
            return lambda to, kind: self.emit(f"ip_of_v4({to}, {number});")
        where, space = self._source(v.source)
        if v.width == 16:
            return lambda to, kind: self.emit(f"bpf_probe_read_{space}({to}, 16, {where});")
        self.whole.helpers.add("ip_of_v4")
        name = self.fresh("v4")
        self.emit(f"__u32 {name} = 0;")
        self.emit(f"bpf_probe_read_{space}(&{name}, sizeof({name}), {where});")
        return lambda to, kind: self.emit(f"ip_of_v4({to}, {name});")

    def _mark(self, event: ir.EventInfo | None, name: str, call: str) -> str:
        """A read of text, with its outcome noted in the event's marks."""
        if event is None or name not in event.marks:
            return f"{call};"
        bit = 2 * event.marks[name]
        return f"{self.event_variable}->__marks |= {call}{f' << {bit}' if bit else ''};"

    def _owner(self, event: ir.EventInfo | None, name: str) -> str:
        if event is not None:
            return f"{event.name}.{name}"
        return f"{self.program.probe.split('.')[0]}.{name}"

    def _prepare_text(self, v: ir.Expr, event: ir.EventInfo | None, name: str) -> Store:
        where, space = self._text_source(v)
        assert isinstance(v.type, ir.StringT)
        length = v.type.size

        def store(to: str, kind: FieldType) -> None:
            if isinstance(v, (ir.Kept, ir.Lookup)) and length <= min(kind.size, COPIED_TEXT):
                self.emit(f"__builtin_memcpy({to}, {where}, {length});")
                return
            helper = f"read_{space}_string"
            self.whole.helpers.add(helper)
            faulted = self.whole.counters.name("faulted", self._owner(event, name))
            truncated = self.whole.counters.name("truncated", self._owner(event, name))
            size = str(length) if isinstance(v, ir.StringAt) and 0 < length < kind.size else f"sizeof({to})"
            self.emit(self._mark(event, name, f"{helper}({to}, {size}, {where}, {truncated}, {faulted})"))

        return store

    def _prepare_bytes(self, v: ir.BufferAt | ir.ArgvAt, event: ir.EventInfo | None, name: str) -> Store:
        owner = self._owner(event, name)
        truncated, faulted = self.whole.counters.name("truncated", owner), self.whole.counters.name("faulted", owner)
        where = self._pointer_value(v.pointer)
        if isinstance(v, ir.ArgvAt):
            self.whole.helpers.add("read_argv")
            return lambda to, kind: self.emit(
                self._mark(event, name, f"read_argv({to}.data, sizeof({to}.data), &{to}.length, {where}, {truncated}, {faulted})")
            )
        length, helper = self.value(v.length), f"read_{v.space}_bytes"
        self.whole.helpers.add(helper)

        def store(to: str, kind: FieldType) -> None:
            data, size, got = f"{to}.data", f"sizeof({to}.data)", f"&{to}.length"
            if kind.shape == "string":
                read = self.fresh("read")
                self.emit(f"__u32 {read};")
                self._clear(to, to, kind.size)
                data, size, got = to, f"sizeof({to}) - 1", f"&{read}"
            self.emit(self._mark(event, name, f"{helper}({data}, {size}, {got}, {where}, {length}, {truncated}, {faulted})"))

        return store


_OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


def _first_that_exists(v: ir.FieldChoice) -> ir.Expr:
    """The choice as conditions: what only one of the options needs tells whether it can be taken."""
    common = set(v.fields[0]).intersection(*map(set, v.fields[1:]))
    chosen = v.options[-1]
    for option, fields in reversed(list(zip(v.options[:-1], v.fields[:-1], strict=True))):
        telling = tuple(f for f in fields if f not in common)
        chosen = ir.Conditional(v.type, ir.Exists(ir.BoolT(), telling or fields), option, chosen)
    return chosen


def _conjuncts(v: ir.Expr) -> list[ir.Expr]:
    if isinstance(v, ir.Binary) and v.op == "&&":
        return _conjuncts(v.left) + _conjuncts(v.right)
    return [v]


def _is_zero(v: ir.Expr) -> bool:
    return isinstance(v, ir.Const) and v.value == 0


def _has_const(v: ir.Binary) -> bool:
    return isinstance(v.left, ir.Const) or isinstance(v.right, ir.Const)


def _reads(key: object, name: str) -> bool:
    """Whether the value that a key of :class:`_Known` stands for depends on the map."""
    return any(isinstance(n, (ir.Lookup, ir.InMap)) and n.map == name for n in walk(key))


def _constant(v: ir.Const) -> str:
    if isinstance(v.type, ir.BoolT):
        return "true" if v.value else "false"
    if v.name:
        return f"{v.value} /* {v.name} */"
    if v.value >= 2**63:
        return f"{v.value:#x}ULL"
    if v.value == -(2**63):
        return "(-9223372036854775807LL - 1)"  # the number alone, before its sign, fits no signed type
    return str(v.value) if abs(v.value) < 2**31 else f"{v.value}LL"


_NUMBERS = re.compile(r"ctx\[\d+\]|ctx->args\[\d+\]|PT_REGS_\w+\(ctx\)")
"""What the context gives as 64 bits without sign."""


def _is_simple(line: str) -> bool:
    """One statement that needs no braces and declares nothing."""
    return line.endswith(";") and not re.match(r"\t|if |\}|(struct|char|bool|long|const|__[us]\d+) ", line)


def _side(text: str) -> str:
    """``text`` as a side of && or ||: in parentheses only where it holds another of them, or a choice."""
    bare = text
    while (shorter := re.sub(r"\([^()]*\)", "", bare)) != bare:
        bare = shorter
    return f"({text})" if re.search(r"&&|\|\||\?", bare) else text


def _is_atom(text: str) -> bool:
    return text.replace("_", "").replace("->", "").replace(".", "").isalnum()


def _operand(text: str) -> str:
    """``text`` in parentheses unless it binds tighter than any operator next to it could."""
    if _is_atom(text.lstrip("!~")) or (text.endswith("*/") and text.split(" ")[0].lstrip("-").isdigit()):
        return text
    depth = 0
    for i, c in enumerate(text):
        depth += c in "([{"
        depth -= c in ")]}"
        if depth == 0 and c in " <>=!&|+-*/%^?~" and not text.startswith("->", i) and not (c == ">" and text[i - 1 : i] == "-"):
            return f"({text})"
    return text


def _primary(text: str) -> str:
    """``text`` in parentheses unless -> can stand behind it."""
    depth = 0
    for i, c in enumerate(text):
        depth += c in "([{"
        depth -= c in ")]}"
        if depth == 0 and text[0] == "(" and i + 1 < len(text) and not text.startswith(("->", ".", "["), i + 1):
            return f"({text})"  # a cast
    return _operand(text)


def _path(steps: tuple[ir.Step, ...]) -> str:
    text = ""
    for step in steps:
        if step.member is not None:
            text += ("." if text else "") + step.member.name
        elif isinstance(step.index, ir.Const):
            text += f"[{step.index.value}]"
    return text
