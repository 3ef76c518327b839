"""Attach points of a probe or of one end of a span: which there are, what each gives, and the program for each.

Receives what a spec says behind ``on``, ``start`` and ``end``; collects programs, attach plans, what this kernel lacks, and
problems. What a program does comes from :mod:`ebpfgen.bodies`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from ebpfgen import btf, cnames, inputs, ir, model
from ebpfgen.bodies import Bodies, Declared, without_unused
from ebpfgen.cnames import FileNames
from ebpfgen.expr import ExpressionError
from ebpfgen.inputs import Absent, Attachment, label_of
from ebpfgen.problems import Problem, near_misses
from ebpfgen.records import field, record, replace
from ebpfgen.typer import Scope, Typer
from ebpfgen.wording import of_value

from .order import lets_where_needed


@record(frozen=False)
class Site:
    """One attach point that could be resolved, with what its probe may see. ``absent``: why the kernel described does not have
    it, though the rest can be checked; it is ``left_out`` when its probe needs to know more of it."""

    point: model.AttachPoint
    found: Attachment
    scope: Scope
    absent: str = ""
    left_out: bool = False
    lets: list[ir.Statement] = field(default_factory=list)


@record()
class Tree:
    kind: str
    site: Site | None
    optional: bool
    of: tuple[Tree, ...] = ()

    def plan(self, indices: dict[int, int]) -> ir.Plan | None:
        """None when every attach point below is left out."""
        if self.site is not None:
            return ir.Plan("program", indices[id(self.site)], self.optional) if id(self.site) in indices else None
        below = tuple(plan for t in self.of if (plan := t.plan(indices)) is not None)
        return ir.Plan("first" if self.kind == "first" else "all", of=below) if below else None


class Sites:
    """Collects the programs of one spec. ``broken``: names whose declaration is wrong, and how."""

    def __init__(
        self, spec: model.Spec, typer: Typer, declared: Declared, broken: dict[str, ExpressionError], bodies: Bodies
    ) -> None:
        self.spec, self.typer, self.declared, self.broken, self.bodies = spec, typer, declared, broken, bodies
        self.problems: list[Problem] = bodies.problems
        self.names = FileNames.of((*spec.maps, *spec.metrics), spec.spans, spec.events)
        self.programs: list[ir.Program] = []
        self.attach: list[ir.AttachInfo] = []
        self.left_out: list[ir.LeftOut] = []
        self.spans: dict[str, ir.SpanInfo] = {}

    def resolve(self, attach: model.Attach, probe: str, tolerant: bool = False) -> tuple[list[Site], Tree | None]:
        """The sites below an ``on``, and the plan over them. ``tolerant``: inside ``first``, where what is missing may be."""
        if isinstance(attach, model.AttachPoint):
            site = self._site(attach, probe, tolerant or attach.optional)
            return ([site], Tree("program", site, attach.optional)) if site else ([], None)
        sites: list[Site] = []
        trees: list[Tree] = []
        first = isinstance(attach, model.First)
        for part in attach.of:
            below, tree = self.resolve(part, probe, tolerant or first)
            sites += below
            if tree:
                trees.append(tree)
        if not trees and not any(p.path.startswith(attach.at.path) for p in self.problems):
            self._none(attach.at, probe)
        return sites, Tree("first" if first else "all", None, False, tuple(trees)) if trees else None

    def _none(self, at: model.At, probe: str) -> None:
        why = "; ".join(left.why for left in self.left_out if left.probe == probe)
        self.problems.append(at.problem(f"this kernel has none of these attach points ({why})"))

    def _site(self, point: model.AttachPoint, probe: str, tolerant: bool) -> Site | None:
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
            target=found.target_name,
            function=found.function,
            wildcard=found.wildcard,
            task=found.task,
            failed=dict(self.broken),
        )
        return Site(point, found, scope, absent)

    def task(self, site: Site, task: model.Text | None) -> None:
        """Sets whose pid, comm … the site's names are."""
        if task is None:
            return
        if task.text == "current":
            site.scope.task = "current"
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

    def bind(self, site: Site, lets: dict[str, model.Expr], strict: bool) -> None:
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

    def where(self, written: model.Expr | None, scope: Scope) -> list[ir.Statement]:
        if written is None:
            return []
        try:
            return [ir.Where(c, at=c.at) for c in self.typer.conjuncts(written, scope)]
        except ExpressionError as e:
            self.problems.append(e.problem)
            return []

    def program(self, site: Site, probe: str, name: str, body: list[ir.Statement], filtered: bool) -> None:
        task = site.scope.task if not isinstance(site.scope.task, str) else None
        own = any(isinstance(n, ir.Builtin) and n.name == "wanted" for n in ir.walk((*site.lets, *body)))
        filtered = filtered and site.scope.task != "none" and not own
        whole = [ir.Filter(task), *body] if filtered else body
        whole = [*self._there(site, (*site.lets, *whole)), *whole]
        of_task = {n.name for n in ir.walk(task) if isinstance(n, ir.Local)}
        ordered = without_unused(tuple(lets_where_needed(site.lets, whole, of_task)), of_task)
        named = any(isinstance(n, ir.Input) and "ctx->" in n.c for n in ir.walk((ordered, task)))
        numbers = site.found.signature is not None and site.found.context != "struct pt_regs" and not named
        self.programs.append(
            ir.Program(
                self._unique(name),
                probe,
                site.found.section,
                site.found.kind,
                site.found.target,
                "__u64" if numbers else site.found.context,
                site.point.text.text,
                site.point.at,
                ordered,
                filtered,
                task,
                site.found.record,
                site.found.matches,
                site.found.signature,
                site.found.format,
            )
        )

    def _there(self, site: Site, program: tuple[ir.Statement, ...]) -> list[ir.Statement]:
        """An iterator's program runs once more when there are no more objects: then it gets none."""
        if site.found.kind != "iter":
            return []
        used = {n.name for n in ir.walk(program) if isinstance(n, ir.Input)}
        objects = [a for a in site.found.args.values() if isinstance(a, ir.Input) and isinstance(a.type, ir.PtrT)]
        needed = [a for i, a in enumerate(objects) if i == 0 or a.name in used]
        return [ir.Where(ir.Binary(ir.BoolT(), "!=", a, ir.Const(ir.U64, 0))) for a in needed]

    def _unique(self, wanted: str) -> str:
        return cnames.program(re.sub(r"\W", "_", wanted), self.names.all | {p.name for p in self.programs})

    def plan(self, probe: str, attach: model.Attach, at: model.At, tree: Tree | None, indices: dict[int, int]) -> None:
        if tree is None:
            return
        plan = tree.plan(indices)
        if plan is None:
            self._none(attach.at, probe)
        else:
            self.attach.append(ir.AttachInfo(probe, at, plan))

    def probe(self, probe: model.Probe) -> None:
        name = probe.name or _default_name(probe.on)
        sites, tree = self.resolve(probe.on, name)
        indices = {}
        with self.each(sites, name) as each:
            for site in each:
                self.bind(site, site.point.let, strict=True)
                self.bind(site, probe.let, strict=True)
                self.task(site, probe.task)
                body = self.where(site.point.where, site.scope) + self.where(probe.where, site.scope)
                body += self.bodies.statements(probe.do, site.scope)
                indices[id(site)] = len(self.programs)
                self.program(site, name, _program_name(probe.name, site), body, filtered=True)
        indices = {i: index for i, index in indices.items() if i not in {id(s) for s in sites if s.left_out}}
        self.plan(name, probe.on, probe.at, tree, indices)

    @contextmanager
    def each(self, sites: list[Site], probe: str) -> Iterator[Iterator[Site]]:
        """The attach points that share a body. Problems that come up inside are said once; those of some of the attach points
        with their names. An absent one that has problems is left out."""
        before, found = self.problems[:], list[tuple[Site, list[Problem]]]()

        def each() -> Iterator[Site]:
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
        places: dict[Problem, list[Site]] = {}
        for site, problems in found:
            for p in dict.fromkeys(problems):
                places.setdefault(p, []).append(site)
        for p, where in places.items():
            at = ", ".join(site.point.text.text for site in where)
            plain = len(where) == len(found) or p.path.startswith(where[0].point.at.path.removesuffix(".on"))
            self.problems.append(p if plain else replace(p, message=f"{p.message} [at {at}]"))


def _program_name(probe: str | None, site: Site) -> str:
    """Of a probe that has no name, what the attach point is called."""
    if not probe:
        return _default_name(site.point)
    return probe if probe == site.found.label else f"{probe}_{site.found.label}"


def _default_name(attach: model.Attach) -> str:
    """A name for a probe from its first attach point: the last word of it."""
    while not isinstance(attach, model.AttachPoint):
        attach = attach.of[0]
    parts = attach.text.text.split(":")
    if "*" in parts[-1]:
        return label_of(parts[-1])
    return re.sub(
        r"\W",
        "_",
        parts[0]
        if parts[0] in ("profile", "interval")
        else parts[1]
        if parts[0] in ("software", "hardware") and len(parts) > 1
        else parts[-1],
    )
