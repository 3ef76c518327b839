"""Spans: a start and an end in, the programs that pair them and what is kept between them out."""

from __future__ import annotations

from collections.abc import Iterable

from ebpfgen import declare, expr, ir, model
from ebpfgen.bodies import key_layout, storage
from ebpfgen.expr import ExpressionError
from ebpfgen.fieldtypes import FieldType
from ebpfgen.layout import MOST_MARKS, lay_out, with_marks
from ebpfgen.records import record, replace
from ebpfgen.typer import Scope
from ebpfgen.typer.trees import text_at
from ebpfgen.wording import article, of_type, of_value

from .order import closure, lets_where_needed
from .sites import Site, Sites

DEFAULT_SPAN_ENTRIES = 10240


@record()
class _Part:
    """Conjunct ``index`` of a ``where``."""

    whole: model.Text
    index: int


class Programs(Sites):
    """Adds spans to the programs of one spec."""

    def span(self, span: model.Span) -> None:
        starts, start_tree = self.resolve(span.start, f"{span.name}.start")
        ends, end_tree = self.resolve(span.end, f"{span.name}.end")
        for sites, end in ((starts, "start"), (ends, "end")):
            with self.each(sites, f"{span.name}.{end}") as each:
                for site in each:
                    self.bind(site, site.point.let, strict=True)
                    self.task(site, span.task)
                    self.bind(site, span.let, strict=False)
                    if site.absent and span.key:
                        self._typed(span.key, site.scope)
        starts, ends = ([s for s in sites if not s.left_out] for sites in (starts, ends))
        info = self._span_info(span, starts, ends)
        if info is None:
            return
        early, late = self._place_where(span, starts)
        indices: dict[int, int] = {}
        with self.each(starts, f"{span.name}.start") as each:
            for site in each:
                self._span_start(span, info, site, early, indices)
        counted = not early and not any(s.point.where for s in starts)
        with self.each(ends, f"{span.name}.end") as each:
            for site in each:
                self._span_end(span, info, site, late, indices, counted)
        for name in span.let:
            if (starts or ends) and all(name in s.scope.failed for s in (*starts, *ends)):
                self.problems.append((ends or starts)[0].scope.failed[name].problem)
        indices = {i: index for i, index in indices.items() if i not in {id(s) for s in (*starts, *ends) if s.left_out}}
        self.plan(f"{span.name}.start", span.start, span.start.at, start_tree, indices)
        self.plan(f"{span.name}.end", span.end, span.end.at, end_tree, indices)

    def _typed(self, written: Iterable[model.Expr], scope: Scope) -> None:
        """Adds what is wrong with some expressions to the problems."""
        for one in written:
            try:
                self.typer.value(one, scope)
            except ExpressionError as e:
                self.problems.append(e.problem)

    def _keys(self, span: model.Span, site: Site) -> list[ir.Expr]:
        written = span.key or (model.Text("tid", span.at, columns_exact=False),)
        return [self.typer.value(k, site.scope) for k in written]

    def _span_info(self, span: model.Span, starts: list[Site], ends: list[Site]) -> ir.SpanInfo | None:
        """The layouts of a span's map, from its first start. What can't be kept is not known at the ends."""
        entries = (
            declare.number(span.max_entries, self.problems, "max_entries", 1, declare.LARGEST_MAP)
            if span.max_entries
            else DEFAULT_SPAN_ENTRIES
        )
        if not starts or entries is None:
            return None
        try:
            key = key_layout(f"{span.name}_pair", self._keys(span, starts[0]), span.at)
        except ExpressionError as e:
            self.problems.append(e.problem)
            return None
        kept: dict[str, ir.Type] = {}
        stored: list[tuple[str, FieldType]] = []
        for name, written in span.keep.items():
            try:
                kind = self._as_stored(self.typer.value(written, starts[0].scope))
                stored.append((name, storage(kind, written.at)))
                kept[name] = _untrusted(kind.type)
            except ExpressionError as e:
                self.problems.append(e.problem)
                for end in ends:
                    end.scope.failed[name] = e
        started = ("__started", FieldType("timestamp", "", "int", "__u64", 8, 8))
        value = lay_out(f"{span.name}_span", with_marks([started, *stored]))
        if len(value.marks) > MOST_MARKS:
            self.problems.append(span.at.problem(f"a span keeps at most {MOST_MARKS} strings, this has {len(value.marks)}"))
            return None
        if why := declare.too_large(key, value):
            self.problems.append(span.at.problem(f"{why} (the value: what is kept)" if key.size <= declare.LARGEST_KEY else why))
            return None
        info = ir.SpanInfo(span.name, entries, key, value, kept)
        self.spans[span.name] = info
        return info

    def _as_stored(self, value: ir.Expr) -> ir.Expr:
        return text_at(value) if self.typer.is_text(value.type) else value

    def _place_where(self, span: model.Span, starts: list[Site]) -> tuple[list[_Part], list[_Part]]:
        """The parts of ``where`` that the start can test, and those that wait for the end."""
        if span.where is None:
            return [], []
        if isinstance(span.where, model.Choice):
            self.problems.append(span.where.at.problem("a condition is expected here, not a choice of fields"))
            return [], []
        try:
            parts = expr.conjuncts(expr.parse(span.where))
        except ExpressionError as e:
            self.problems.append(e.problem)
            return [], []
        early: list[_Part] = []
        late: list[_Part] = []
        for i in range(len(parts)):
            part = _Part(span.where, i)
            (early if all(self._types(part, s.scope) for s in starts) else late).append(part)
        return early, late

    def _types(self, part: _Part, scope: Scope) -> bool:
        try:
            self.typer.conjunct(part.whole, part.index, scope)
        except ExpressionError:
            return False
        return True

    def _conditions(self, parts: list[_Part], scope: Scope) -> list[ir.Statement]:
        done: list[ir.Statement] = []
        for part in parts:
            try:
                condition = self.typer.conjunct(part.whole, part.index, scope)
                done.append(ir.Where(condition, at=condition.at))
            except ExpressionError as e:
                self.problems.append(e.problem)
        return done

    def _span_start(self, span: model.Span, info: ir.SpanInfo, site: Site, early: list[_Part], indices: dict[int, int]) -> None:
        body = self.where(site.point.where, site.scope) + self._conditions(early, site.scope)
        kept: list[tuple[str, ir.Expr]] = []
        for name, first in info.kept_types.items():
            kind = info.value.slot(name).type
            assert kind
            try:
                kept.append((name, self._fit_kept(span.keep[name], name, first, kind, site.scope)))
            except ExpressionError as e:
                self.problems.append(e.problem)
        try:
            keys = self._fit_keys(span, info, self._keys(span, site))
            body.append(ir.SpanStart(span.name, keys, tuple(kept), at=site.point.at.mark))
        except ExpressionError as e:
            self.problems.append(e.problem)
        indices[id(site)] = len(self.programs)
        self.program(site, f"{span.name}.start", f"{span.name}_{site.found.label}", body, filtered=True)

    def _fit_kept(self, written: model.Expr, name: str, first: ir.Type, kind: FieldType, scope: Scope) -> ir.Expr:
        value = self.typer.value(written, scope)
        alike = isinstance(first, ir.PtrT) == isinstance(value.type, ir.PtrT)
        fitted = self.typer.fit(value, kind) if alike else f"{of_type(first)} at the first start, {of_value(value)} here"
        if isinstance(fitted, str):
            raise ExpressionError(written.at.problem(f"'{name}' differs between the starts: {fitted}"))
        return fitted

    def _fit_keys(self, span: model.Span, info: ir.SpanInfo, values: list[ir.Expr]) -> tuple[ir.Expr, ...]:
        """Numbers pair by their bits: signed ones with unsigned ones, pointers with addresses."""
        fitted = []
        for i, (value, slot) in enumerate(zip(values, info.key.fields, strict=True)):
            assert slot.type
            bits = value.type.bits if isinstance(value.type, ir.IntT) else 64 if isinstance(value.type, ir.PtrT) else 0
            same = slot.type.shape == "int" and (bits == slot.type.bits or isinstance(value, ir.Const))
            ok = value if same else self.typer.fit(value, slot.type)
            if isinstance(ok, str):
                at = span.key[i].at if span.key else span.at
                if not bits or slot.type.shape != "int":
                    kind = "a pointer" if slot.type.word == "hex" else article(str(slot.type))
                    ok = f"{kind} at the start, {of_value(value)} here"
                raise ExpressionError(at.problem(f"the key differs between start and end: {ok}"))
            fitted.append(ok)
        return tuple(fitted)

    def _span_end(
        self,
        span: model.Span,
        info: ir.SpanInfo,
        site: Site,
        late: list[_Part],
        indices: dict[int, int],
        count_unpaired: bool,
    ) -> None:
        prologue = self.where(site.point.where, site.scope)
        try:
            keys = self._fit_keys(span, info, self._keys(span, site))
        except ExpressionError as e:
            self.problems.append(e.problem)
            keys = ()
        lets, site.lets = site.lets, []
        scope = site.scope
        scope.names |= {name: ir.Kept(kind, name) for name, kind in info.kept_types.items()}
        scope.names["elapsed"] = ir.Builtin(ir.IntT(64, False, "duration"), "elapsed")
        scope.names["started"] = ir.Builtin(ir.IntT(64, False, "timestamp"), "started")
        again = [n for n in span.let if n in scope.failed]
        for name in again:  # what needs a kept value is known from here on
            scope.failed.pop(name)
            self.bind(site, {name: span.let[name]}, strict=False)
        inner = self._conditions(late, scope) + list(self.bodies.statements(span.do, scope))
        body = tuple(lets_where_needed(lets + site.lets, inner))
        key_lets = [s for s in lets if isinstance(s, ir.Let)]
        site.lets = [*key_lets]
        indices[id(site)] = len(self.programs)
        in_keys = {
            n.name
            for n in ir.walk((keys, tuple(prologue), scope.task if not isinstance(scope.task, str) else ()))
            if isinstance(n, ir.Local)
        }
        early = closure(key_lets, in_keys)
        body = tuple(s for s in body if not (isinstance(s, ir.Let) and s.name in early))
        site.lets = [*(s for s in key_lets if s.name in early)]
        end = ir.SpanEnd(span.name, keys, body, count_unpaired, at=site.point.at.mark)
        # Paired by thread, both ends belong to the same task: what the start filtered out needs no look-up here.
        self.program(site, f"{span.name}.end", f"{span.name}_{site.found.label}", [*prologue, end], filtered=not span.key)


def _untrusted(kind: ir.Type) -> ir.Type:
    return replace(kind, trusted=False) if isinstance(kind, ir.PtrT) else kind
