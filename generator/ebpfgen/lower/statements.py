"""Statements: one typed program in, the lines of one C function out.

What can't be said in one expression (look-ups, reads of text) becomes lines before the statement that needs it.
"""

from __future__ import annotations

import itertools

from ebpfgen import ir, kernel_style
from ebpfgen.cline import indented
from ebpfgen.records import replace

from .collected import Collected, c_of, is_plain
from .events import Events
from .trees import conjuncts

STACK = 512
"""Bytes of a BPF program's stack."""
STACK_SHARED = STACK - 160
"""Bytes on the stack that the statements of a program may need together; with more, each keeps its own in a block of its own,
where the next one can have them. What is left is for what clang keeps there."""


class Lowerer(Collected):
    """Lowers the programs of one spec."""

    def program(self, program: ir.Program) -> list[str]:
        """The body of the program's function, without its braces."""
        function = _Function(self, program)
        lines = function.lower()
        if function.stack > STACK_SHARED:
            lines = _Function(self, program, apart=True).lower()
        return kernel_style.lay_out(lines)


class _Function(Events):
    """The whole of one function."""

    def lower(self) -> list[str]:
        self.statements(self.program.body)
        if not self.lines or self.lines[-1] != "return 0;":
            self.emit("return 0;")
        return self.lines

    def statements(self, body: tuple[ir.Statement, ...]) -> None:
        i = 0
        while i < len(body):
            if not self.weight and self._sampling_begins(body[i:]):
                self._sample(body[i:])
            group = self._measures(body[i:])
            if group and not self.skips:
                with self.captured() as lines:
                    self._each(group)
                self.block(f"if ({self.weight})", lines)
            else:
                self._each(group := body[i : i + 1])
            i += len(group)

    def _each(self, body: tuple[ir.Statement, ...]) -> None:
        for s in body:
            if not self.apart or not isinstance(s, (ir.If, ir.Emit, ir.Measure, ir.MapSet, ir.MapAdd, ir.MapDelete)):
                self.statement(s)
                continue
            with self.captured() as lines:
                self.statement(s)
            self.lines += ["{", *map(indented, lines), "}"]

    def is_sampled(self, s: ir.Statement) -> bool:
        """Whether some of it is left out when ebpfrun samples: events, counters and histograms; never what keeps state."""
        if isinstance(s, ir.If):
            return any(map(self.is_sampled, (*s.then, *s.otherwise)))
        return isinstance(s, ir.Emit) or (isinstance(s, ir.Measure) and self.checked.metrics[s.metric].kind != "gauge")

    def _sampling_begins(self, rest: tuple[ir.Statement, ...]) -> bool:
        """Before the first statement that is sampled; before values that nothing else needs, too."""
        if isinstance(rest[0], ir.Let):
            return all(map(self._ends_with_sampling, rest)) and any(map(self.is_sampled, rest))
        return self.is_sampled(rest[0])

    def _measures(self, body: tuple[ir.Statement, ...]) -> tuple[ir.Statement, ...]:
        """The sampled metrics that it begins with."""
        group = itertools.takewhile(lambda s: isinstance(s, ir.Measure) and self.is_sampled(s), body)
        return tuple(group)

    def _sample(self, rest: tuple[ir.Statement, ...]) -> None:
        """Decides for all that follows. Where no more than metrics do, a run that is passed over ends here."""
        self.whole.helpers.add("sample")
        self.weight = self.fresh("weight")
        self.emit(f"__u16 {self.weight} = sample();")
        self.skips = all(map(self._ends_with_sampling, rest))
        if self.skips:
            self.block(f"if (!{self.weight})", [self.exit])

    def _ends_with_sampling(self, s: ir.Statement) -> bool:
        if isinstance(s, ir.If):
            return all(map(self._ends_with_sampling, (*s.then, *s.otherwise)))
        return isinstance(s, (ir.Let, ir.Stop, ir.Where)) or (isinstance(s, ir.Measure) and self.is_sampled(s))

    def statement(self, s: ir.Statement) -> None:
        with self.at(s):
            self._statement(s)

    def _statement(self, s: ir.Statement) -> None:
        match s:
            case ir.Let(name=name, value=value):
                self._let(name, value)
            case ir.Filter():
                self.block(f"if (config.filter_on && !{self.wanted()})", [self.exit])
            case ir.Where(condition=condition):
                self._where(condition)
            case ir.If():
                self._if(s)
            case ir.Stop():
                self.emit(self.exit)
            case ir.Emit():
                self.emit_event(s)
            case ir.Measure():
                self._measure(s)
            case ir.MapSet():
                self._map_set(s)
            case ir.MapAdd():
                self._map_add(s)
            case ir.MapDelete(map=name, keys=keys):
                self.emit(f"bpf_map_delete_elem(&{self.map(name)}, {self.key(self.checked.maps[name].key, keys)});")
                self.forget(name)
            case ir.SpanStart():
                self._span_start(s)
            case ir.SpanEnd():
                self._span_end(s)

    def _let(self, name: str, value: ir.Expr) -> None:
        if isinstance(value, ir.Input) and value.c in self.often and value.c not in self.inputs_read and self.lines is self.root:
            self.read(value, self.variable(name))
            return
        if isinstance(value, ir.Input) and self.inputs_read.get(value.c) == self.variable(name):
            return
        self.emit(f"{self.declare(value.type, self.variable(name))} = {self.value(value)};")

    def _where(self, condition: ir.Expr) -> None:
        for part in conjuncts(condition):
            with self.at(part):
                test = f"!{self.condition(part)}" if isinstance(part, ir.InMap) else self.negated(part)
                self.block(f"if ({test})", [self.exit])
            self.learn(part)

    def _if(self, s: ir.If) -> None:
        self.place = s.condition.at or self.place
        parts = conjuncts(s.condition)
        if s.otherwise or len(parts) == 1 or self._plain(parts[1:]):
            test = self.condition(s.condition)
            with self.captured() as then:
                self.learn(s.condition)
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
            self.learn(parts[0])
            self._if(replace(s, condition=rest))
        self.block(f"if ({test})", then)

    def _plain(self, conditions: list[ir.Expr]) -> bool:
        """Whether they can be said without lines before them."""
        taken = dict(self.taken)
        with self.captured() as lines:
            for condition in conditions:
                self.condition(condition)
        self.taken = taken
        return not lines

    def _measure(self, s: ir.Measure) -> None:
        metric = self.checked.metrics[s.metric]
        value = "1" if s.value is None else self.value(s.value)
        args = [value] if metric.key is None else [self.key(metric.key, s.keys), value]
        if self.is_sampled(s):
            args.append(self.weight)
        verb = {"count": "add_to", "sum": "add_to", "add": "add_to", "observe": "observe"}.get(s.verb, s.verb)
        self.whole.helpers.add(f"{verb}_{metric.name}")
        self.emit(f"{verb}_{metric.name}({', '.join(args)});")

    def _map_set(self, s: ir.MapSet) -> None:
        info = self.checked.maps[s.map]
        if s.field is not None:
            stores = [(name, self.prepare(value, None, name)) for name, value in s.values]
            entry = self.entry(s.map, s.keys)
            with self.captured() as there:
                self.record, self.marks = f"{entry}->", info.value.marks
                for name, store in stores:
                    kind = info.value.slot(name).type
                    assert kind
                    if name in self.marks:
                        self.emit(f"{entry}->__marks &= ~{3 << 2 * self.marks[name]};")
                    store(f"*{entry}" if is_plain(info.value) else f"{entry}->{name}", kind)
            if self.known.entries[s.map, s.keys][1]:
                self.lines += there
            else:
                self.block(f"if ({entry})", there, [self.count("absent", s.map)])
            return
        key = self.key(info.key, s.keys)
        if is_plain(info.value):
            kind = info.value.fields[0].type
            assert kind
            name = self.fresh("value")
            self.emit(f"{kind.c_type} {name} = {self.number(s.values[0][1]) if s.values else '0'};")
            self.update(s.map, self.map(s.map), key, f"&{name}")
        else:
            self.set_entry(s.map, self.map(s.map), key, info.value, [(info.value.slot(n), v) for n, v in s.values], "value")
        self.forget(s.map)

    def _map_add(self, s: ir.MapAdd) -> None:
        info = self.checked.maps[s.map]
        value = self.value(s.value)
        self.whole.helpers.add(f"at_{s.map}")
        name = self.fresh("value")
        self.emit(f"{c_of(info.value)} *{name} = at_{s.map}({self.key(info.key, s.keys)});")
        where = name if is_plain(info.value) else f"&{name}->{s.field}"
        self.block(f"if ({name})", [f"__sync_fetch_and_add({where}, {value});"])
        self.forget(s.map)

    def _span_start(self, s: ir.SpanStart) -> None:
        info = self.checked.spans[s.span]
        key = self.key(info.key, s.keys)
        started = ir.Builtin(ir.U64, "nsecs")
        into = f"{s.span}_in_flight"
        if is_plain(info.value):
            self.update(s.span, into, key, f"&{self.started()}")
        else:
            slots = [(info.value.slot("__started"), started), *((info.value.slot(n), v) for n, v in s.kept)]
            self.set_entry(s.span, into, key, info.value, slots, "span")

    def _span_end(self, s: ir.SpanEnd) -> None:
        self.span = info = self.checked.spans[s.span]
        key = self.key(info.key, s.keys)
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
