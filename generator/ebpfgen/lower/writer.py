"""The lines of one function: blocks, variables, and what is known at each place of values computed before.

The lowest layer of lowering. The layers above add what they can turn into C (:mod:`~ebpfgen.lower.memory`,
:mod:`~ebpfgen.lower.builtins`, :mod:`~ebpfgen.lower.entries`, :mod:`~ebpfgen.lower.texts`, :mod:`~ebpfgen.lower.stores`,
:mod:`~ebpfgen.lower.values`, :mod:`~ebpfgen.lower.statements`); each calls those below, and above only what is abstract here.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ebpfgen import ir
from ebpfgen.cline import Line, indented, like
from ebpfgen.fieldtypes import FieldType
from ebpfgen.problems import Mark
from ebpfgen.records import field, record

from .collected import Collected
from .ctext import is_simple
from .trees import conjuncts, reads

Store = Callable[[str, FieldType], None]
"""Writes a prepared value to a C lvalue."""


@record(frozen=False)
class Known:
    """What the current block knows: C text of values computed before."""

    values: dict[object, str]
    entries: dict[object, tuple[str, bool]]  # look-up → (variable, known to be there)
    changed: set[str] = field(default_factory=set)  # maps that a statement of the block writes to


class Writer(ABC):
    """Writes one function."""

    def __init__(self, whole: Collected, program: ir.Program, apart: bool = False) -> None:
        """``apart``: statements share nothing that is on the stack."""
        self.whole, self.program, self.apart = whole, program, apart
        self.stack = 0
        self.checked = whole.checked
        self.lines: list[str] = []
        self.known = Known({}, {})
        self.taken: dict[str, int] = {}
        self.root = self.lines
        self.inputs_read: dict[str, str] = {}  # inputs that have a variable: C text → its name
        lets = [n for n in reversed(program.body) if isinstance(n, ir.Let)]
        self.inputs_named = {n.value.c: self.variable(n.name) for n in lets if isinstance(n.value, ir.Input)}  # by the spec
        nodes = list(ir.walk((program.body, program.task, program.task)))
        inputs = Counter(n.c for n in nodes if isinstance(n, ir.Input))
        builtins = Counter(n.name for n in nodes if isinstance(n, ir.Builtin))
        self.often = {what for what, times in (inputs | builtins).items() if times > 1}
        self.others = set(whole.names.all) | {self.variable(n.name) for n in ir.walk(program.body) if isinstance(n, ir.Let)}
        self.exit = "return 0;"
        self.span: ir.SpanInfo | None = None
        self.record = ""  # what is written before the members of the event or value that is filled: "e->"
        self.marks: dict[str, int] = {}  # of that
        self.length = ""  # the variable that gets the bytes of the text that is stored, where a record ends with it
        self.weight = ""  # the variable that says whether and how this run counts, once it is there
        self.skips = False  # whether a run that does not count has ended already
        self.place: Mark | None = None  # in the spec, of what is being written

    @abstractmethod
    def value(self, v: ir.Expr) -> str:
        """C text of a number, condition or pointer; lines that it needs are emitted first."""

    @abstractmethod
    def condition(self, v: ir.Expr) -> str:
        """C text that is tested for being 0 only: where :meth:`value` gives 0 or 1, this may give any number or a pointer."""

    @abstractmethod
    def prepare(self, v: ir.Expr, event: ir.EventInfo | None, name: str) -> Store:
        """Computes all that may need lines of its own now; what is returned only writes."""

    def emit(self, line: str) -> None:
        self.lines.append(self._placed(line))

    def _placed(self, line: str) -> Line:
        return line if isinstance(line, Line) else Line(line, self.place)

    @contextmanager
    def at(self, node: ir.Node) -> Iterator[None]:
        """What is written inside comes from where the node stands, if that is known."""
        before = self.place
        self.place = node.at or before
        try:
            yield
        finally:
            self.place = before

    @contextmanager
    def captured(self) -> Iterator[list[str]]:
        """Lines written inside go to the list; what was learnt inside is forgotten after, and so is what it made untrue."""
        before, known = self.lines, self.known
        self.lines, self.known = [], Known(dict(known.values), dict(known.entries))
        try:
            yield self.lines
        finally:
            changed = self.known.changed
            self.lines, self.known = before, known
            for name in changed:
                self.forget(name)

    def block(self, head: str, lines: list[str], otherwise: list[str] | None = None) -> None:
        """``if (x) … else …`` with its lines, without braces where both sides are one simple line."""
        lines = [self._placed(line) for line in lines]
        otherwise = [self._placed(line) for line in otherwise or ()]
        if all(len(side) == 1 and is_simple(side[0]) for side in (lines, otherwise or lines)):
            self.emit(head)
            self.lines.append(indented(lines[0]))
            if otherwise:
                self.lines += ["else", indented(otherwise[0])]
            return
        self.emit(f"{head} {{")
        self.lines += map(indented, lines)
        if otherwise and otherwise[0].startswith("if (") and all(line.startswith(("\t", "}")) for line in otherwise[1:]):
            self.lines += [like(otherwise[0], f"}} else {otherwise[0]}"), *otherwise[1:]]
            return
        if otherwise:
            self.lines += ["} else {", *map(indented, otherwise)]
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

    def learn(self, condition: ir.Expr) -> None:
        """Behind ``key in map`` the entry is known to be there."""
        for part in conjuncts(condition):
            if isinstance(part, ir.InMap) and (known := self.known.entries.get((part.map, part.keys))):
                self.known.entries[part.map, part.keys] = (known[0], True)

    def forget(self, name: str) -> None:
        """Behind a change of a map: its entries may be others, and so may all that was computed from them."""
        self.known.changed.add(name)
        self.known.entries = {k: v for k, v in self.known.entries.items() if k[0] != name and not reads(k, name)}  # type: ignore[index]
        self.known.values = {k: v for k, v in self.known.values.items() if not reads(k, name)}
