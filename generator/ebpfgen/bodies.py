"""Statements: as written plus a scope in, typed :mod:`ebpfgen.ir` statements out. One problem per wrong expression."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from . import cnames, declare, expr, ir, model
from .characters import quote
from .expr import ExpressionError
from .fieldtypes import FieldType
from .layout import StructLayout, lay_out
from .problems import Problem, near_misses
from .records import field, record, replace
from .typer import ALIASES, BUILTINS, TARGETS, Scope, Typer
from .wording import article, listed, of_type, of_value

VERBS = {"counter": ("count", "sum"), "gauge": ("set", "add", "min", "max"), "histogram": ("observe",)}


@record(frozen=False)
class Declared:
    """What statements may refer to."""

    events: dict[str, ir.EventInfo]
    metrics: dict[str, ir.MetricInfo]
    maps: dict[str, ir.MapInfo]
    params: dict[str, ir.ParamInfo]


@record(frozen=False)
class Bodies:
    """Types statements; adds to ``problems``. ``broken`` names what was declared but wrongly, so that its uses are not
    reported again."""

    typer: Typer
    declared: Declared
    broken: set[str]
    problems: list[Problem] = field(default_factory=list)

    def statements(self, written: tuple[model.Statement, ...], scope: Scope) -> tuple[ir.Statement, ...]:
        done: list[ir.Statement] = []
        for statement in written:
            try:
                done.extend(ir.located(typed, statement.at.mark) for typed in self._statement(statement, scope))
            except ExpressionError as e:
                self.problems.append(e.problem)
        return tuple(done)

    def _statement(self, s: model.Statement, scope: Scope) -> Iterator[ir.Statement]:
        if s.verb == "if":
            assert s.condition is not None
            condition = self._try(s.condition, scope)
            then, otherwise = self.statements(s.then, scope.inner()), self.statements(s.otherwise, scope.inner())
            if condition is not None:
                yield ir.If(condition, then, otherwise)
            return
        if s.condition is None:
            yield from self._plain(s, scope)
            return
        condition = self._try(s.condition, scope)
        if s.verb == "let":
            problem = s.at.problem("'let' can't be conditional: the name would be unknown after it", hint="use c ? a : b")
            scope.failed |= dict.fromkeys(s.fields or {}, ExpressionError(problem))
            raise ExpressionError(problem)
        plain = tuple(ir.located(typed, s.at.mark) for typed in self._plain(s, scope))
        if condition is not None:
            yield ir.If(condition, plain)

    def _try(self, written: model.Expr, scope: Scope) -> ir.Expr | None:
        try:
            return self.typer.condition(written, scope)
        except ExpressionError as e:
            self.problems.append(e.problem)
            return None

    def _plain(self, s: model.Statement, scope: Scope) -> Iterator[ir.Statement]:
        match s.verb:
            case "let":
                for name, written in (s.fields or {}).items():
                    yield from self._let(name, written, scope)
            case "emit":
                yield from self._emit(s, scope)
            case "stop":
                yield ir.Stop()
            case "delete":
                found, keys, _ = self._map_target(s, scope, whole=True)
                if found.type.endswith("array"):
                    assert s.target
                    raise ExpressionError(s.target.at.problem(f"an entry of an array is always there: set {s.target.text} to 0"))
                yield ir.MapDelete(found.name, keys)
            case "set" | "add" if self._names_map(s):
                yield self._store(s, scope)
            case _:
                yield from self._measure(s, scope)

    def _let(self, name: str, written: model.Expr, scope: Scope) -> Iterator[ir.Let]:
        try:
            yield from self.let(name, self.typer.value(written, scope), scope)
        except ExpressionError as e:
            scope.names.pop(name, None)
            scope.failed[name] = e
            self.problems.append(e.problem)

    @staticmethod
    def let(name: str, value: ir.Expr, scope: Scope) -> Iterator[ir.Let]:
        """Gives ``value`` a name: a variable where it is a number or a pointer, else another name for the expression. A name
        given again is a new variable: what was computed from the old one stays."""
        if isinstance(value.type, (ir.IntT, ir.BoolT, ir.PtrT)) and not isinstance(value, (ir.Const, ir.Local, ir.Kept)):
            variable = cnames.free(name, scope.variables)
            scope.variables.add(variable)
            scope.names[name] = ir.Local(value.type, variable)
            yield ir.Let(variable, value, at=value.at)
        else:
            scope.names[name] = value

    # Events

    def _emit(self, s: model.Statement, scope: Scope) -> Iterator[ir.Statement]:
        assert s.target
        event = self.declared.events.get(s.target.text)
        if event is None:
            if s.target.text in self.broken:
                return
            raise ExpressionError(self._unknown(s.target, "event", s.verb, self.declared.events))
        given = s.fields or {}
        slots = {slot.name: slot.type for slot in event.layout.fields if slot.type and not slot.name.startswith("__")}
        for name, written in given.items():
            if name not in slots:
                self.problems.append(written.at.problem(f"event {event.name} has no field '{name}'", near_misses(name, slots)))
        values = []
        for name, kind in slots.items():
            value = self._field(s.at, f"field '{name}' of event {event.name}", name, kind, given, scope, "with")
            if value is not None:
                values.append((name, value))
        if len(values) == len(slots):
            yield ir.Emit(event.name, tuple(values))

    def _field(
        self, at: model.At, what: str, name: str, kind: FieldType, given: dict[str, model.Expr], scope: Scope, word: str
    ) -> ir.Expr | None:
        try:
            if name in given:
                place = given[name].at
                value = self.typer.value(given[name], scope)
            else:
                place = at
                value = self._implied(at, what, name, scope, word)
        except ExpressionError as e:
            self.problems.append(e.problem)
            return None
        fitted = self.typer.fit(value, kind)
        if isinstance(fitted, str):
            self.problems.append(place.problem(f"{what}: {fitted}"))
            return None
        return fitted

    def _implied(self, at: model.At, what: str, name: str, scope: Scope, word: str) -> ir.Expr:
        """A field not mentioned takes the variable of its name, else the builtin of its name."""
        known = ALIASES.get(name, name)
        if name in scope.names or known in (*BUILTINS, *TARGETS) or name in scope.failed:
            return self.typer.value(
                model.Text(name if name in scope.names or name in scope.failed else known, at, columns_exact=False), scope
            )
        near = (
            ()
            if name in scope.args
            else near_misses(name, [*scope.names, *BUILTINS, *TARGETS, *(f"args.{a}" for a in scope.args)])
        )
        hint = f"give it: {word}: {{{name}: {f'args.{name}' if name in scope.args else '…'}}}"
        raise ExpressionError(at.problem(f"{what} gets no value: there is no variable and no builtin '{name}'", near, hint))

    def _unknown(self, text: model.Text, what: str, verb: str, known: Mapping[str, object]) -> Problem:
        """That ``text``, behind ``verb``, is no event or no metric."""
        kinds: dict[str, Mapping[str, object]] = {
            "an event": self.declared.events,
            "a metric": self.declared.metrics,
            "a map": self.declared.maps,
        }
        other = next((kind for kind, names in kinds.items() if text.text in names), "")
        if other:
            return text.at.problem(f"'{text.text}' is {other}; '{verb}' needs {article(what)}")
        near = near_misses(text.text, known)
        hint = "" if near else (f"there are {', '.join(known)}" if known else f"the spec declares no {what}s")
        return text.at.problem(f"there is no {what} '{text.text}'", near, hint)

    # Metrics

    def _measure(self, s: model.Statement, scope: Scope) -> Iterator[ir.Statement]:
        assert s.target
        metric = self.declared.metrics.get(s.target.text)
        if metric is None:
            if s.target.text in self.broken:
                return
            raise ExpressionError(self._unknown(s.target, "metric", s.verb, self.declared.metrics))
        if s.verb not in VERBS[metric.kind]:
            words = listed(VERBS[metric.kind])
            raise ExpressionError(s.target.at.problem(f"metric {metric.name} is a {metric.kind}: it takes {words}, not {s.verb}"))
        keys = self._labels(s, metric, scope)
        value = self._measured(s, metric, scope)
        if keys is not None:
            yield ir.Measure(metric.name, s.verb, keys, value)

    def _labels(self, s: model.Statement, metric: ir.MetricInfo, scope: Scope) -> tuple[ir.Expr, ...] | None:
        by = s.fields or {}
        slots = {slot.name: slot.type for slot in metric.key.fields if slot.type} if metric.key else {}
        for name, written in by.items():
            if name not in slots:
                self.problems.append(written.at.problem(f"metric {metric.name} has no label '{name}'", near_misses(name, slots)))
        keys = []
        for name, kind in slots.items():
            value = self._field(s.at, f"label '{name}' of metric {metric.name}", name, kind, by, scope, "by")
            if value is not None:
                keys.append(value)
        return tuple(keys) if len(keys) == len(slots) else None

    def _measured(self, s: model.Statement, metric: ir.MetricInfo, scope: Scope) -> ir.Expr | None:
        if s.verb == "count":
            return None
        if s.value is None:
            raise ExpressionError(s.at.problem(f"metric {metric.name} takes one number: to: …, with the labels under by"))
        value = self.typer.value(s.value, scope)
        kind = (
            FieldType("i64", "", "int", "__s64", 8, 8, True)
            if metric.kind == "gauge"
            else FieldType("u64", "", "int", "__u64", 8, 8)
        )
        if not isinstance(value.type, ir.IntT):
            raise ExpressionError(s.value.at.problem(f"metric {metric.name} takes a number, this is {of_value(value)}"))
        if metric.kind == "gauge" and not value.type.signed and not isinstance(value, ir.Const):
            value = ir.Cast(ir.IntT(64, True, value.type.meaning), value, "__s64")
        fitted = self.typer.fit(value, kind)
        if isinstance(fitted, str):
            raise ExpressionError(s.value.at.problem(f"metric {metric.name}: {fitted}"))
        divisor = declare.unit_divisor(metric.unit, fitted)
        if divisor is None:
            why = f"metric {metric.name} is in {quote(metric.unit)}, this is a duration: its unit can be ns us ms s"
            raise ExpressionError(s.value.at.problem(why))
        return ir.Binary(ir.U64, "/", fitted, ir.Const(ir.U64, divisor)) if divisor > 1 else fitted

    # Maps

    def _names_map(self, s: model.Statement) -> bool:
        return s.target is not None and s.target.text not in self.declared.metrics and s.target.text not in self.broken

    def _map_target(self, s: model.Statement, scope: Scope, whole: bool) -> tuple[ir.MapInfo, tuple[ir.Expr, ...], str | None]:
        """``map[key]`` or ``map[key].field``."""
        assert s.target
        tree = expr.parse(s.target)
        if not isinstance(tree, (expr.Index, expr.Member)):
            raise ExpressionError(self._no_entry(s.target, s.verb))
        value = self.typer.value(s.target, scope)
        if not isinstance(value, ir.Lookup) or value.default is not None:
            raise ExpressionError(s.target.at.problem("an entry of a map is expected: map[key]"))
        found = self.declared.maps[value.map]
        field_ = None if found.scalar_value else value.field
        if whole and field_ is not None:
            raise ExpressionError(s.target.at.problem(f"a whole entry is expected: {found.name}[key], without .{field_}"))
        return found, value.keys, field_

    def _no_entry(self, text: model.Text, verb: str) -> Problem:
        if text.text in self.declared.maps:
            return text.at.problem(f"'{text.text}' is a map: say which entry, {text.text}[key]")
        wanted = "map[key]" if verb == "delete" else "a gauge or map[key]"
        known = [*(f"{name}[key]" for name in self.declared.maps), *(self.declared.metrics if verb != "delete" else ())]
        return text.at.problem(f"{wanted} is expected, this is '{text.text}'", near_misses(text.text, known))

    def _store(self, s: model.Statement, scope: Scope) -> ir.Statement:
        found, keys, field_ = self._map_target(s, scope, whole=False)
        if s.fields is not None and s.value is not None:
            raise ExpressionError(s.at.problem(f"labels (by) are for metrics; {found.name} is a map, whose keys stand in [ ]"))
        if s.verb == "add":
            return self._add(s, found, keys, field_, scope)
        slots = {slot.name: slot.type for slot in found.fields if slot.type}
        if s.fields is not None:
            return self._store_fields(s, found, keys, field_, slots, scope)
        assert s.value is not None
        if field_ is None and not found.scalar_value:
            raise ExpressionError(
                s.at.problem(f"a value of map {found.name} has fields: to: {{{', '.join(f'{n}: …' for n in slots)}}}")
            )
        name = field_ or "value"
        value = self._stored(found, name, slots[name], s.value, scope)
        return ir.MapSet(found.name, keys, field_, ((name, value),))

    def _store_fields(self, s: model.Statement, found: ir.MapInfo, keys: tuple[ir.Expr, ...], field_: str | None,
                      slots: dict[str, FieldType], scope: Scope) -> ir.Statement:  # fmt: skip
        assert s.fields is not None
        if field_ is not None or found.scalar_value:
            raise ExpressionError(s.at.problem(f"one value is expected: {s.target.text if s.target else ''} has no fields"))
        values = []
        for name, written in s.fields.items():
            try:
                if name not in slots:
                    raise ExpressionError(written.at.problem(f"map {found.name} has no field '{name}'", near_misses(name, slots)))
                values.append((name, self._stored(found, name, slots[name], written, scope)))
            except ExpressionError as e:
                self.problems.append(e.problem)
        return ir.MapSet(found.name, keys, None, tuple(values))

    def _stored(self, found: ir.MapInfo, name: str, kind: FieldType, written: model.Expr, scope: Scope) -> ir.Expr:
        value = self.typer.fit(self.typer.value(written, scope), kind)
        if isinstance(value, str):
            raise ExpressionError(written.at.problem(f"{found.name}.{name}: {value}"))
        return value

    def _add(
        self, s: model.Statement, found: ir.MapInfo, keys: tuple[ir.Expr, ...], field_: str | None, scope: Scope
    ) -> ir.Statement:
        assert s.value is not None
        name = field_ or "value"
        kinds = {slot.name: slot.type for slot in found.value.fields}
        kind = kinds.get(name)
        if kind is None:
            raise ExpressionError(s.at.problem(f"say which field: {found.name}[key].FIELD", hint=f"there are {', '.join(kinds)}"))
        if kind.shape != "int" or kind.size < 4:
            raise ExpressionError(
                s.at.problem(f"'add' needs a number of 32 or 64 bits, {found.name}.{name} is {article(str(kind))}")
            )
        value = self.typer.value(s.value, scope)
        if not isinstance(value.type, ir.IntT):
            raise ExpressionError(s.value.at.problem(f"a number is expected, this is {of_value(value)}"))
        return ir.MapAdd(found.name, keys, field_, value)


def storage(value: ir.Expr, at: model.At) -> FieldType:
    """The field type that can hold a value between two probes (a span's key or kept value)."""
    match value.type:
        case ir.IntT(bits=bits, signed=signed):
            return FieldType(
                f"{'i' if signed else 'u'}{bits}", "", "int", f"__{'s' if signed else 'u'}{bits}", bits // 8, bits // 8, signed
            )
        case ir.PtrT():
            return FieldType("hex", "", "int", "__u64", 8, 8)
        case ir.BoolT():
            return FieldType("bool", "", "bool", "__u8", 1, 1)
        case ir.StringT(size=size) if size:
            return FieldType("string", str(size), "string", "char", size, 1)
        case ir.BytesT(word=word, size=size):
            return FieldType(word, "", "bytes", "__u8", size, 1)
        case ir.StringT():
            raise ExpressionError(
                at.problem("text that is kept needs a length: str(p, 256)", hint="or keep the pointer and read it at the end")
            )
    raise ExpressionError(at.problem(f"{of_type(value.type)} can't be kept"))


def key_layout(name: str, values: list[ir.Expr], at: model.At) -> StructLayout:
    return lay_out(name, [(f"key{i}" if len(values) > 1 else "key", storage(v, at)) for i, v in enumerate(values)])


def without_unused(body: tuple[ir.Statement, ...], needed: set[str]) -> tuple[ir.Statement, ...]:
    """The same program without variables that nothing reads. ``needed``: those that are read elsewhere."""
    while True:
        used = needed | {n.name for n in ir.walk(body) if isinstance(n, ir.Local)}
        kept = _drop(body, used)
        if kept == body:
            return body
        body = kept


def _drop(body: tuple[ir.Statement, ...], used: set[str]) -> tuple[ir.Statement, ...]:
    done: list[ir.Statement] = []
    for s in body:
        if isinstance(s, ir.Let) and s.name not in used:
            continue
        if isinstance(s, ir.If):
            s = replace(s, then=_drop(s.then, used), otherwise=_drop(s.otherwise, used))
        if isinstance(s, ir.SpanEnd):
            s = replace(s, body=_drop(s.body, used))
        done.append(s)
    return tuple(done)
