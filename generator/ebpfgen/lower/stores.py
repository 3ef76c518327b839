"""Stores: values of any type into fields of events, of map values and of spans.

Two steps: what a value needs is computed where the statement stands, then the store is written where the field is. Reads of text
and bytes note what was cut or could not be read, in counters and in the event's marks.
"""

from __future__ import annotations

from ebpfgen import ir
from ebpfgen.fieldtypes import FieldType

from .ctext import c_string
from .texts import Texts
from .trees import first_that_exists
from .writer import Store

COPIED_TEXT = 128
"""Bytes of text in a map that are copied whole; clang turns longer copies into long code."""


class Stores(Texts):
    """Adds stores."""

    def prepare(self, v: ir.Expr, event: ir.EventInfo | None, name: str) -> Store:
        """Computes all that may need lines of its own now; what is returned only writes."""
        with self.at(v):
            store = self._prepare(v, event, name)

        def placed(to: str, kind: FieldType) -> None:
            with self.at(v):
                store(to, kind)

        return placed

    def _prepare(self, v: ir.Expr, event: ir.EventInfo | None, name: str) -> Store:
        match v:
            case ir.Conditional() if not isinstance(v.type, (ir.IntT, ir.BoolT, ir.PtrT)):
                return self._prepare_either(v, event, name)
            case ir.FieldChoice() if not isinstance(v.type, (ir.IntT, ir.BoolT, ir.PtrT)):
                return self.prepare(first_that_exists(v), event, name)
            case ir.Text(value=text):

                def store(to: str, kind: FieldType) -> None:
                    self.whole.helpers.add("put_text")
                    self.emit(f"put_text({to}, {c_string(text)}, {len(text) + 1});")
                    self._measured(len(text) + 1)

                return store
            case ir.Builtin(name="comm"):
                if self.program.task is not None:
                    self.task()

                def store_comm(to: str, kind: FieldType) -> None:
                    self.store_comm(to)
                    self._measured(f"sizeof({to})")

                return store_comm
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
            where = f"span->{v.name}" if isinstance(v, ir.Kept) else self.value(v) if isinstance(v, ir.Lookup) else ""
            return lambda to, kind: self.emit(f"__builtin_memcpy({to}, {where}, sizeof({to}));")
        text_ = self.number(v)
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
            return self.address(v), space
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

    def _mark(self, name: str, call: str) -> str:
        """A read of text, with its outcome noted in the marks of what is filled."""
        if name not in self.marks:
            return f"{call};"
        bit = 2 * self.marks[name]
        return f"{self.record}__marks |= {call}{f' << {bit}' if bit else ''};"

    def _marked_before(self, v: ir.Expr, where: str, name: str) -> str:
        """The same of a text that was cut or unreadable when it was kept; "" of any other."""
        match v:
            case ir.Kept(name=kept) if self.span:
                layout = self.span.value
            case ir.Lookup(map=map, field=str(kept)):
                layout = self.checked.maps[map].value
            case _:
                return ""
        if kept not in layout.marks or name not in self.marks:
            return ""
        old, new = 2 * layout.marks[kept], 2 * self.marks[name]
        marks = f"{where.removesuffix(kept)}__marks"
        if old == new:
            return f"{self.record}__marks |= {marks} & {3 << old};"
        moved = f"{marks} >> {old} & 3" if old else f"{marks} & 3"
        return f"{self.record}__marks |= {f'({moved}) << {new}' if new else moved};"

    def _owner(self, event: ir.EventInfo | None, name: str) -> str:
        if event is not None:
            return f"{event.name}.{name}"
        return f"{self.program.probe.split('.')[0]}.{name}"

    def _prepare_text(self, v: ir.Expr, event: ir.EventInfo | None, name: str) -> Store:
        where, space = self.text_source(v)
        assert isinstance(v.type, ir.StringT)
        length = v.type.size

        def store(to: str, kind: FieldType) -> None:
            if marked := self._marked_before(v, where, name):
                self.emit(marked)
            if isinstance(v, (ir.Kept, ir.Lookup)) and length <= min(kind.size, COPIED_TEXT) and not self.length:
                self.emit(f"__builtin_memcpy({to}, {where}, {length});")
                return
            helper = f"read_{space}_{'tail' if self.length else 'string'}"
            self.whole.helpers.add(helper)
            faulted = self.whole.counters.name("faulted", self._owner(event, name))
            truncated = self.whole.counters.name("truncated", self._owner(event, name))
            size = str(length) if isinstance(v, ir.StringAt) and 0 < length < kind.size else f"sizeof({to})"
            got = f"&{self.length}, " if self.length else ""
            self.emit(self._mark(name, f"{helper}({to}, {size}, {got}{where}, {truncated}, {faulted})"))

        return store

    def _measured(self, size: object) -> None:
        """What the text at the end of a record takes, where that is not known from reading it."""
        if self.length:
            self.emit(f"{self.length} = {size};")

    def _prepare_bytes(self, v: ir.BufferAt | ir.ArgvAt, event: ir.EventInfo | None, name: str) -> Store:
        owner = self._owner(event, name)
        truncated, faulted = self.whole.counters.name("truncated", owner), self.whole.counters.name("faulted", owner)
        where = self.pointer_value(v.pointer)
        if isinstance(v, ir.ArgvAt):
            self.whole.helpers.add("read_argv")

            def store_argv(to: str, kind: FieldType) -> None:
                got = f"read_argv({to}.data, sizeof({to}.data), &{to}.length, {where}, {truncated}, {faulted})"
                self.emit(self._mark(name, got))
                self._measured(f"sizeof({to}.length) + {to}.length")

            return store_argv
        length, helper = self.value(v.length), f"read_{v.space}_bytes"
        self.whole.helpers.add(helper)

        def store(to: str, kind: FieldType) -> None:
            data, size, got = f"{to}.data", f"sizeof({to}.data)", f"&{to}.length"
            if kind.shape == "string":
                read = self.fresh("read")
                self.emit(f"__u32 {read};")
                self.clear(to, to, kind.size)
                data, size, got = to, f"sizeof({to}) - 1", f"&{read}"
            self.emit(self._mark(name, f"{helper}({data}, {size}, {got}, {where}, {length}, {truncated}, {faulted})"))
            self._measured(f"{read} + 1" if kind.shape == "string" else f"sizeof({to}.length) + {to}.length")

        return store
