"""The checker: a spec as written and a kernel description in, a :class:`~ebpfgen.ir.CheckedSpec` or every problem out.

Pure: reads nothing but its arguments. Order: declarations, then programs (one per attach point), then what only the whole shows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from . import btf, cnames, declare, expr, inputs, ir, model
from .bodies import VERBS, Bodies, Declared, key_layout, storage, walk, without_unused
from .cnames import FileNames
from .expr import ExpressionError
from .fieldtypes import FieldType
from .inputs import Absent, Attachment
from .kernel import Kernel
from .layout import lay_out
from .problems import Problem, SpecError, near_misses
from .typer import Scope, Typer
from .wording import article, of_type, of_value

DEFAULT_SPAN_ENTRIES = 10240


def check(spec: model.Spec, kernel: Kernel) -> ir.CheckedSpec:
    """``spec`` typed against ``kernel``; raises :class:`SpecError` with every problem found."""
    return _Checker(spec, kernel).run()


@dataclass(slots=True)
class _Site:
    """One attach point that could be resolved, with what its probe may see. ``absent``: why the kernel described does not have
    it, though the rest can be checked; it is ``left_out`` when its probe needs to know more of it."""

    point: model.AttachPoint
    found: Attachment
    scope: Scope
    absent: str = ""
    left_out: bool = False
    lets: list[ir.Statement] = field(default_factory=list)


class _Checker:
    def __init__(self, spec: model.Spec, kernel: Kernel) -> None:
        self.spec, self.kernel = spec, kernel
        self.typer = Typer(kernel)
        self.problems: list[Problem] = []
        self.programs: list[ir.Program] = []
        self.attach: list[ir.AttachInfo] = []
        self.left_out: list[ir.LeftOut] = []
        self.spans: dict[str, ir.SpanInfo] = {}
        self.names = FileNames.of((*spec.maps, *spec.metrics), spec.spans)

    def run(self) -> ir.CheckedSpec:
        spec = self.spec
        ring = self._ring()
        params = declare.params(spec, self.problems)
        maps = declare.maps(spec, self.problems)
        events = declare.events(spec, ring, self.problems)
        metrics = declare.metrics(spec, self._verbs(), self.problems)
        declared = Declared(events, metrics, maps, params)
        broken = {
            n for group, ok in ((spec.events, events), (spec.metrics, metrics), (spec.maps, maps)) for n in group if n not in ok
        }
        self.broken = {
            prefix + n: ExpressionError(next(p for p in self.problems if f"{p.path}.".startswith(f"{written.at.path}.")))
            for prefix, group, ok in (("", spec.maps, maps), ("$", spec.params, params))
            for n, written in group.items()
            if n not in ok
        }
        self.bodies = Bodies(self.typer, declared, broken, self.problems)
        self.declared = declared
        for probe in spec.probes:
            self._probe(probe)
        for span in spec.spans.values():
            self._span(span)
        tables = declare.tables(list(self._field_types()), self.kernel, self.problems)
        self._unused()
        if self.problems:
            raise SpecError(self.problems)
        return ir.CheckedSpec(
            spec,
            self.names,
            params,
            maps,
            events,
            metrics,
            self.spans,
            tuple(self.programs),
            tuple(self.attach),
            tuple(self.left_out),
            ring,
            tables,
        )

    # The whole

    def _ring(self) -> int:
        if self.spec.ring is None:
            return declare.DEFAULT_RING
        size = declare.number(self.spec.ring, self.problems, "ring", declare.FEWEST_RING, declare.LARGEST_RING, "bytes")
        if size is not None and size & (size - 1):
            self.problems.append(self.spec.ring.at.problem(f"ring must be a power of two, this is {size}"))
        return size or declare.DEFAULT_RING

    def _verbs(self) -> dict[str, str]:
        """The verb used for each metric; a second, different one is a problem for gauges."""
        verbs: dict[str, str] = {}
        for s in _all_statements(self.spec):
            name = s.target.text if s.target else ""
            metric = self.spec.metrics.get(name)
            if metric is None or s.verb not in VERBS[metric.kind]:
                continue
            first = verbs.setdefault(name, s.verb)
            if metric.kind == "gauge" and {first, s.verb} not in ({first}, {"set", "add"}):
                at = s.target.at if s.target else s.at
                self.problems.append(at.problem(f"gauge {name} is used with '{first}' elsewhere; it can't take '{s.verb}' too"))
        return verbs

    def _field_types(self) -> Iterator[tuple[FieldType, model.At]]:
        for event in self.declared.events.values():
            written = self.spec.events[event.name]
            for slot in event.layout.fields:
                if slot.type:
                    yield slot.type, written.fields.fields[slot.name].at if slot.name in written.fields.fields else written.at
        for metric in self.declared.metrics.values():
            labels = self.spec.metrics[metric.name].labels
            for slot in metric.key.fields if metric.key else ():
                if slot.type and labels:
                    yield slot.type, labels.fields[slot.name].at if slot.name in labels.fields else labels.at

    def _unused(self) -> None:
        """What is declared and never used is a mistake or an unused map in the kernel: both unwanted."""
        if self.problems:
            return
        used = {n.event for p in self.programs for n in walk(p.body) if isinstance(n, ir.Emit)}
        for event in self.declared.events.values():
            if event.name not in used:
                self.problems.append(self.spec.events[event.name].at.problem(f"event {event.name} is never emitted"))
        touched = {
            n.map
            for p in self.programs
            for n in walk(p.body)
            if isinstance(n, (ir.Lookup, ir.InMap, ir.MapSet, ir.MapAdd, ir.MapDelete))
        }
        for name, info in self.declared.maps.items():
            if name not in touched:
                self.problems.append(info.at.problem(f"map {name} is never used"))
        read = {n.name for p in self.programs for n in walk((p.body, p.task)) if isinstance(n, ir.ParamValue)}
        read |= {str(p.target.get("param")) for p in self.programs}
        for name in self.declared.params:
            if name not in read:
                self.problems.append(
                    self.spec.params[name].at.problem(f"parameter {name} is never used: write ${name} in an expression")
                )

    # Attach points

    def _resolve(self, attach: model.Attach, probe: str, tolerant: bool = False) -> tuple[list[_Site], _Tree | None]:
        """The sites below an ``on``, and the plan over them. ``tolerant``: inside ``first``, where what is missing may be."""
        if isinstance(attach, model.AttachPoint):
            site = self._site(attach, probe, tolerant or attach.optional)
            return ([site], _Tree("program", site, attach.optional)) if site else ([], None)
        sites: list[_Site] = []
        trees: list[_Tree] = []
        first = isinstance(attach, model.First)
        for part in attach.of:
            below, tree = self._resolve(part, probe, tolerant or first)
            sites += below
            if tree:
                trees.append(tree)
        if not trees and not any(p.path.startswith(attach.at.path) for p in self.problems):
            self._none(attach.at, probe)
        return sites, _Tree("first" if first else "all", None, False, tuple(trees)) if trees else None

    def _none(self, at: model.At, probe: str) -> None:
        why = "; ".join(left.why for left in self.left_out if left.probe == probe)
        self.problems.append(at.problem(f"this kernel has none of these attach points ({why})"))

    def _site(self, point: model.AttachPoint, probe: str, tolerant: bool) -> _Site | None:
        absent = ""
        found = inputs.resolve(point.text, self.typer, self.declared.params)
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        if isinstance(found, Absent):
            if not tolerant:
                hint = "write '?' before it if kernels without it are fine"
                self.problems.append(point.text.at.problem(found.why, found.near, "" if found.near else hint))
                return None
            if found.partial is None:
                self.left_out.append(ir.LeftOut(probe, point.text.text, point.at, found.why))
                return None
            absent = found.why
            found = found.partial
        scope = Scope(
            args=found.args,
            no_args=found.no_args,
            numbered=found.numbered,
            retval=found.retval,
            no_retval=found.no_retval,
            space=found.space,
            record=found.struct,
            params=self.declared.params,
            maps=self.declared.maps,
            target=found.label,
            failed=dict(self.broken),
        )
        return _Site(point, found, scope, absent)

    def _task(self, site: _Site, task: model.Text | None) -> None:
        """Sets whose pid, comm … the site's names are."""
        if task is None or task.text == "current":
            return
        if task.text == "none":
            site.scope.task = "none"
            return
        try:
            value = self.typer.value(task, site.scope)
        except ExpressionError as e:
            near = near_misses(task.text, ("current", "none"))
            self.problems.append(replace(e.problem, near=e.problem.near or near))
            return
        struct = self.typer.btf.resolve(value.type.target) if isinstance(value.type, ir.PtrT) and value.type.target else None
        if not isinstance(struct, btf.Struct) or struct.name != "task_struct":
            self.problems.append(task.at.problem(f"task is a struct task_struct *, current or none; this is {of_value(value)}"))
            return
        site.scope.task = value

    def _bind(self, site: _Site, lets: dict[str, model.Expr], strict: bool) -> None:
        """Types ``lets`` in the site's scope; what can't be typed is remembered as failed (an error when it is used)."""
        for name, written in lets.items():
            if name in site.scope.names:  # the attach point's own comes first
                continue
            try:
                site.lets.extend(self.bodies.let(name, self.typer.value(written, site.scope), site.scope))
            except ExpressionError as e:
                site.scope.failed[name] = e
                if strict:
                    self.problems.append(e.problem)

    def _where(self, written: model.Expr | None, scope: Scope) -> list[ir.Statement]:
        if written is None:
            return []
        try:
            return [ir.Where(c) for c in self.typer.conjuncts(written, scope)]
        except ExpressionError as e:
            self.problems.append(e.problem)
            return []

    def _program(self, site: _Site, probe: str, name: str, body: list[ir.Statement], filtered: bool) -> None:
        task = site.scope.task if not isinstance(site.scope.task, str) else None
        own = any(isinstance(n, ir.Builtin) and n.name == "wanted" for n in walk((*site.lets, *body)))
        filtered = filtered and site.scope.task != "none" and not own
        whole = [ir.Filter(task), *body] if filtered else body
        of_task = {n.name for n in walk(task) if isinstance(n, ir.Local)}
        ordered = without_unused(tuple(_lets_where_needed(site.lets, whole, of_task)), of_task)
        self.programs.append(
            ir.Program(
                self._unique(name),
                probe,
                site.found.section,
                site.found.kind,
                site.found.target,
                site.found.context,
                site.point.text.text,
                site.point.at,
                ordered,
                filtered,
                task,
                site.found.record,
            )
        )

    def _unique(self, wanted: str) -> str:
        return cnames.program(re.sub(r"\W", "_", wanted), self.names.all | {p.name for p in self.programs})

    def _plan(self, probe: str, attach: model.Attach, at: model.At, tree: _Tree | None, indices: dict[int, int]) -> None:
        if tree is None:
            return
        plan = tree.plan(indices)
        if plan is None:
            self._none(attach.at, probe)
        else:
            self.attach.append(ir.AttachInfo(probe, at, plan))

    # Probes

    def _probe(self, probe: model.Probe) -> None:
        name = probe.name or _default_name(probe.on)
        sites, tree = self._resolve(probe.on, name)
        indices = {}
        with self._each(sites, name) as each:
            for site in each:
                self._bind(site, site.point.let, strict=True)
                self._bind(site, probe.let, strict=True)
                self._task(site, probe.task)
                body = self._where(site.point.where, site.scope) + self._where(probe.where, site.scope)
                body += self.bodies.statements(probe.do, site.scope)
                indices[id(site)] = len(self.programs)
                label = site.found.label
                self._program(site, name, f"{name}_{label}" if label != name else name, body, filtered=True)
        indices = {i: index for i, index in indices.items() if i not in {id(s) for s in sites if s.left_out}}
        self._plan(name, probe.on, probe.at, tree, indices)

    @contextmanager
    def _each(self, sites: list[_Site], probe: str) -> Iterator[Iterator[_Site]]:
        """The attach points that share a body. Problems that come up inside are said once; those of some of the attach points
        with their names. An absent one that has problems is left out."""
        before, found = self.problems[:], list[tuple[_Site, list[Problem]]]()

        def each() -> Iterator[_Site]:
            for site in sites:
                del self.problems[:]
                programs = len(self.programs)
                yield site
                if site.absent and self.problems:
                    del self.programs[programs:]
                    site.left_out = True
                    self.left_out.append(ir.LeftOut(probe, site.point.text.text, site.point.at, site.absent))
                else:
                    found.append((site, self.problems[:]))

        yield each()
        self.problems[:] = before
        places: dict[Problem, list[_Site]] = {}
        for site, problems in found:
            for p in dict.fromkeys(problems):
                places.setdefault(p, []).append(site)
        for p, where in places.items():
            at = ", ".join(site.point.text.text for site in where)
            plain = len(where) == len(found) or p.path.startswith(where[0].point.at.path.removesuffix(".on"))
            self.problems.append(p if plain else replace(p, message=f"{p.message} [at {at}]"))

    # Spans

    def _span(self, span: model.Span) -> None:
        starts, start_tree = self._resolve(span.start, f"{span.name}.start")
        ends, end_tree = self._resolve(span.end, f"{span.name}.end")
        for sites, end in ((starts, "start"), (ends, "end")):
            with self._each(sites, f"{span.name}.{end}") as each:
                for site in each:
                    self._bind(site, site.point.let, strict=True)
                    self._task(site, span.task)
                    self._bind(site, span.let, strict=False)
                    if site.absent and span.key:
                        self._typed(span.key, site.scope)
        starts, ends = ([s for s in sites if not s.left_out] for sites in (starts, ends))
        info = self._span_info(span, starts, ends)
        if info is None:
            return
        early, late = self._place_where(span, starts)
        indices: dict[int, int] = {}
        with self._each(starts, f"{span.name}.start") as each:
            for site in each:
                self._span_start(span, info, site, early, indices)
        counted = not early and not any(s.point.where for s in starts)
        with self._each(ends, f"{span.name}.end") as each:
            for site in each:
                self._span_end(span, info, site, late, indices, counted)
        for name in span.let:
            if (starts or ends) and all(name in s.scope.failed for s in (*starts, *ends)):
                self.problems.append((ends or starts)[0].scope.failed[name].problem)
        indices = {i: index for i, index in indices.items() if i not in {id(s) for s in (*starts, *ends) if s.left_out}}
        self._plan(f"{span.name}.start", span.start, span.start.at, start_tree, indices)
        self._plan(f"{span.name}.end", span.end, span.end.at, end_tree, indices)

    def _typed(self, written: Iterable[model.Expr], scope: Scope) -> None:
        """Adds what is wrong with some expressions to the problems."""
        for one in written:
            try:
                self.typer.value(one, scope)
            except ExpressionError as e:
                self.problems.append(e.problem)

    def _keys(self, span: model.Span, site: _Site) -> list[ir.Expr]:
        written = span.key or (model.Text("tid", span.at, columns_exact=False),)
        return [self.typer.value(k, site.scope) for k in written]

    def _span_info(self, span: model.Span, starts: list[_Site], ends: list[_Site]) -> ir.SpanInfo | None:
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
        value = lay_out(f"{span.name}_span", [("__started", FieldType("timestamp", "", "int", "__u64", 8, 8)), *stored])
        if why := declare.too_large(key, value):
            self.problems.append(span.at.problem(f"{why} (the value: what is kept)" if key.size <= declare.LARGEST_KEY else why))
            return None
        info = ir.SpanInfo(span.name, entries, key, value, kept)
        self.spans[span.name] = info
        return info

    def _as_stored(self, value: ir.Expr) -> ir.Expr:
        from .typer import text_at

        return text_at(value) if self.typer.is_text(value.type) else value

    def _place_where(self, span: model.Span, starts: list[_Site]) -> tuple[list[_Part], list[_Part]]:
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
                done.append(ir.Where(self.typer.conjunct(part.whole, part.index, scope)))
            except ExpressionError as e:
                self.problems.append(e.problem)
        return done

    def _span_start(self, span: model.Span, info: ir.SpanInfo, site: _Site, early: list[_Part], indices: dict[int, int]) -> None:
        body = self._where(site.point.where, site.scope) + self._conditions(early, site.scope)
        kept: list[tuple[str, ir.Expr]] = []
        for name, first in info.kept_types.items():
            kind = info.value.slot(name).type
            assert kind
            try:
                kept.append((name, self._fit_kept(span.keep[name], name, first, kind, site.scope)))
            except ExpressionError as e:
                self.problems.append(e.problem)
        try:
            body.append(ir.SpanStart(span.name, self._fit_keys(span, info, self._keys(span, site)), tuple(kept)))
        except ExpressionError as e:
            self.problems.append(e.problem)
        indices[id(site)] = len(self.programs)
        self._program(site, f"{span.name}.start", f"{span.name}_{site.found.label}", body, filtered=True)

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
        site: _Site,
        late: list[_Part],
        indices: dict[int, int],
        count_unpaired: bool,
    ) -> None:
        prologue = self._where(site.point.where, site.scope)
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
            self._bind(site, {name: span.let[name]}, strict=False)
        inner = self._conditions(late, scope) + list(self.bodies.statements(span.do, scope))
        body = tuple(_lets_where_needed(lets + site.lets, inner))
        key_lets = [s for s in lets if isinstance(s, ir.Let)]
        site.lets = [*key_lets]
        indices[id(site)] = len(self.programs)
        in_keys = {
            n.name
            for n in walk((keys, tuple(prologue), scope.task if not isinstance(scope.task, str) else ()))
            if isinstance(n, ir.Local)
        }
        early = _closure(key_lets, in_keys)
        body = tuple(s for s in body if not (isinstance(s, ir.Let) and s.name in early))
        site.lets = [*(s for s in key_lets if s.name in early)]
        end = ir.SpanEnd(span.name, keys, body, count_unpaired)
        # Paired by thread, both ends belong to the same task: what the start filtered out needs no look-up here.
        self._program(site, f"{span.name}.end", f"{span.name}_{site.found.label}", [*prologue, end], filtered=not span.key)


@dataclass(frozen=True, slots=True)
class _Part:
    """Conjunct ``index`` of a ``where``."""

    whole: model.Text
    index: int


@dataclass(frozen=True, slots=True)
class _Tree:
    kind: str
    site: _Site | None
    optional: bool
    of: tuple[_Tree, ...] = ()

    def plan(self, indices: dict[int, int]) -> ir.Plan | None:
        """None when every attach point below is left out."""
        if self.site is not None:
            return ir.Plan("program", indices[id(self.site)], self.optional) if id(self.site) in indices else None
        below = tuple(plan for t in self.of if (plan := t.plan(indices)) is not None)
        return ir.Plan("first" if self.kind == "first" else "all", of=below) if below else None


def _closure(lets: list[ir.Let], wanted: set[str]) -> set[str]:
    """``wanted`` and every variable that their values need."""
    found = set(wanted)
    for let in reversed(lets):
        if let.name in found:
            found |= {n.name for n in walk(let.value) if isinstance(n, ir.Local)}
    return found


def _lets_where_needed(lets: Iterable[ir.Statement], body: list[ir.Statement], first: Iterable[str] = ()) -> list[ir.Statement]:
    """Each variable right before the first statement that needs it, so that conditions come as early as they can; but before a
    statement that changes a map from which it is read. ``first``: those that everything needs."""
    pending = [s for s in lets if isinstance(s, ir.Let)]
    leading = _closure(pending, set(first))
    done: list[ir.Statement] = [s for s in pending if s.name in leading]
    pending = [s for s in pending if s.name not in leading]
    for statement in body:
        changed = {n.map for n in walk(statement) if isinstance(n, (ir.MapSet, ir.MapAdd, ir.MapDelete))}
        stale = {s.name for s in pending if any(isinstance(n, (ir.Lookup, ir.InMap)) and n.map in changed for n in walk(s.value))}
        needed = _closure(pending, stale | {n.name for n in walk(statement) if isinstance(n, ir.Local)})
        done += [s for s in pending if s.name in needed]
        pending = [s for s in pending if s.name not in needed]
        done.append(statement)
    return done


def _untrusted(kind: ir.Type) -> ir.Type:
    return replace(kind, trusted=False) if isinstance(kind, ir.PtrT) else kind


def _default_name(attach: model.Attach) -> str:
    """A name for a probe from its first attach point: the last word of it."""
    while not isinstance(attach, model.AttachPoint):
        attach = attach.of[0]
    parts = attach.text.text.split(":")
    return re.sub(
        r"\W",
        "_",
        parts[0] if parts[0] in ("profile", "interval") else parts[1] if parts[0] == "software" and len(parts) > 1 else parts[-1],
    )


def _all_statements(spec: model.Spec) -> Iterator[model.Statement]:
    def below(statements: tuple[model.Statement, ...]) -> Iterator[model.Statement]:
        for s in statements:
            yield s
            yield from below(s.then)
            yield from below(s.otherwise)

    for probe in spec.probes:
        yield from below(probe.do)
    for span in spec.spans.values():
        yield from below(span.do)
