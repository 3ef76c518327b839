"""Events: where a record is built, how it is filled and how it is sent.

Receives an event and the values of its fields. Most records are reserved in the ring, at their full size, and filled there. One
that ends with a text is as long as that text is, which is known only when it has been read, and the ring reserves constant
sizes only: it is built elsewhere and copied into the ring. That costs the same: the ring is asked once instead of twice.
"""

from __future__ import annotations

from ebpfgen import btf, ir
from ebpfgen.cdecl import KERNEL
from ebpfgen.layout import Slot

from .nesting import one_at_a_time
from .values import Values
from .writer import Store

Stores = list[tuple[Slot, ir.Expr, Store]]
"""Of the fields of an event: what goes there, and what writes it."""

WORTH_CUTTING = 32
"""Bytes of a text from which on a record that ends with it is cut to what it holds: less than that leaves little to spare."""
STACK_RECORD = 384
"""Bytes of the stack for a record, and for the values of what precedes its text, which clang keeps until they are stored."""


class Events(Values):
    """Adds events."""

    def emit_event(self, s: ir.Emit) -> None:
        event = self.checked.events[s.event]
        e = self.fresh("e")
        stores = [(event.layout.slot(name), value, self.prepare(value, event, name)) for name, value in s.values]
        self.emit(self.count("produced", event.name))
        if event.tail is None or event.tail.size < WORTH_CUTTING:
            self._reserved(event, e, stores)
        elif self._fits_the_stack(event):
            self._on_the_stack(event, e, stores)
        elif one_at_a_time(self.program):
            self._in_scratch(event, e, stores)
        else:
            self._in_taken(event, e, stores)
        if self.program.kind == "iter":
            self._pace()

    def _reserved(self, event: ir.EventInfo, e: str, stores: Stores) -> None:
        """In the ring itself."""
        ring = self.checked.rings[event.name]
        self.whole.helpers.add("submit")
        reserve = f"bpf_ringbuf_reserve(&{ring}, sizeof(*{e}), 0)"
        self.emit(f"struct {event.layout.name} *{e} = {self.weight} ? {reserve} : NULL;")
        with self.captured() as filled:
            self._fill(event, f"{e}->", stores)
            self.emit(f"submit({_ring_argument(ring)}{e}, sizeof(*{e}));")
        self.block(f"if ({e})", filled, [self._not_sent(event)])

    def _not_sent(self, event: ir.EventInfo) -> str:
        """Of what was to be reserved."""
        full, sampled = (self.whole.counters.name(kind, event.name) for kind in ("ring_full", "sampled"))
        return f"count({self.weight} ? {full} : {sampled});"

    def _fits_the_stack(self, event: ir.EventInfo) -> bool:
        """Nor can an argv be built there: it is written at places that the verifier does not know, which Linux 5.10 refuses."""
        assert event.tail
        shapes = [slot.type.shape for slot in event.layout.fields if slot.type]
        return "argv" not in shapes and event.layout.size + event.tail.offset <= STACK_RECORD

    def _on_the_stack(self, event: ir.EventInfo, e: str, stores: Stores) -> None:
        self.stack += event.layout.size
        with self.captured() as filled:
            self.emit(f"struct {event.layout.name} {e};")
            self._fill_and_output(event, f"{e}.", stores, f"&{e}", f"sizeof({e})")
        self.block(f"if ({self.weight})", filled, [self.count("sampled", event.name)])

    def _in_scratch(self, event: ir.EventInfo, e: str, stores: Stores) -> None:
        """In memory of this CPU."""
        name = self.scratch_map(event.layout)
        zero = self.fresh("zero")
        self.emit(f"__u32 {zero} = 0;")
        self.emit(f"struct {event.layout.name} *{e} = {self.weight} ? bpf_map_lookup_elem(&{name}, &{zero}) : NULL;")
        with self.captured() as filled:
            self._fill_and_output(event, f"{e}->", stores, e, f"sizeof(*{e})")
        self.block(f"if ({e})", filled, [self.count("sampled", event.name)])

    def _in_taken(self, event: ir.EventInfo, e: str, stores: Stores) -> None:
        """In memory of this CPU that no other program has; where there is none left, in the ring, at full size."""
        ring = self.checked.rings[event.name]
        self.whole.helpers.add("submit")
        taken, length = self.fresh("taken"), self.fresh("length")
        self.emit(f"struct {event.layout.name} *{taken} = {self.weight} ? take(&{self.taken_map(event.layout)}) : NULL;")
        self.emit(f"struct {event.layout.name} *{e} = {taken};")
        self.block(f"if ({self.weight} && !{taken})", [f"{e} = bpf_ringbuf_reserve(&{ring}, sizeof(*{e}), 0);"])
        with self.captured() as filled:
            self.emit(f"__u32 {length};")
            self._fill(event, f"{e}->", stores, length)
            with self.captured() as sent:
                self._output(event, e, length, f"sizeof(*{e})")
                self.emit(f"give_back({taken});")
            self.block(f"if ({taken})", sent, [f"submit({_ring_argument(ring)}{e}, sizeof(*{e}));"])
        self.block(f"if ({e})", filled, [self._not_sent(event)])

    def _fill_and_output(self, event: ir.EventInfo, record: str, stores: Stores, address: str, size: str) -> None:
        length = self.fresh("length")
        self.emit(f"__u32 {length};")
        self._fill(event, record, stores, length)
        self._output(event, address, length, size)

    def _output(self, event: ir.EventInfo, address: str, length: str, size: str) -> None:
        assert event.tail
        self.whole.cut.add(event.name)
        self.whole.helpers.add("output")
        ring = _ring_argument(self.checked.rings[event.name])
        used = f"offsetof(struct {event.layout.name}, {event.tail.name}) + {length}"
        full = self.whole.counters.name("ring_full", event.name)
        self.emit(f"output({ring}{address}, {used}, {size}, {full});")

    def _fill(self, event: ir.EventInfo, record: str, stores: Stores, length: str = "") -> None:
        """``record`` is written before each member. ``length``: the variable that gets the bytes of the text at the end."""
        self.record, self.marks = record, event.layout.marks
        self.emit(f"{record}__id = {event.id};")
        self.emit(f"{record}__weight = {self.weight};")
        self.emit(f"{record}__marks = 0;")
        for slot, value, store in stores:
            assert slot.type
            to = f"{record}{slot.name}"
            if slot is event.tail:
                self.length = length
            elif record.endswith(".") and slot.type.shape == "string" and not isinstance(value, ir.Builtin):
                self.emit(f"__builtin_memset({to}, 0, sizeof({to}));")  # else what was on the stack goes out behind the text
            store(to, slot.type)
            self.length = ""
        for pad in event.layout.padding:
            self.emit(f"__builtin_memset({record}{pad.name}, 0, sizeof({record}{pad.name}));")

    def _pace(self) -> None:
        """What an iterator's program writes for a record: the reader, who reads no more than there is room for, sets the pace."""
        record = self.whole.btf.find(self.program.context.removeprefix("struct ").removesuffix(KERNEL), btf.Struct) or 0
        for name in ("meta", "seq"):
            struct = self.whole.btf.resolve(record)
            assert isinstance(struct, btf.Struct)
            member = self.whole.btf.member(struct, name)
            assert member
            self.whole.types.member(struct, member)
            pointer = self.whole.btf.resolve(member.type_id)
            assert isinstance(pointer, btf.Ptr)
            record = pointer.target
        self.whole.types.pointer(record)
        self.whole.helpers.add("pace")
        self.emit("pace(ctx->meta->seq);")


def _ring_argument(ring: str) -> str:
    """Of the functions that send: where there is one ring only, they know it."""
    return "" if ring == "events" else f"&{ring}, "
