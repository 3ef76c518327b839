"""What of a program's body means the same on another kernel: its members, constants, and which fields it chooses.

Receives a program typed against the kernel that it is built for, that kernel and another one; returns what the other lacks and
what is chosen there. Pure. CO-RE finds members by their names, wherever they lie (libbpf's relo_core.c): what it does not find
makes the verifier refuse the program, unless a condition that is constant on that kernel keeps it from being reached. What the
values of constants are is not asked again on the other kernel, so that is compared here; of arguments :mod:`.called` speaks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ebpfgen import btf, ir, model
from ebpfgen.kernel import Kernel
from ebpfgen.lower.trees import telling
from ebpfgen.problems import Mark
from ebpfgen.records import record

from .lack import Lack, Seek, like


@record()
class Chosen:
    """A choice between fields: which option this kernel takes."""

    written: model.Choice
    option: int


@record()
class Carried:
    lacks: tuple[Lack, ...]
    choices: tuple[Chosen, ...]


def carry(program: ir.Program, built: Kernel, kernel: Kernel, params: Mapping[str, object] | None) -> Carried:
    """``params``: the values that parameters have; None for one, or for all (and for the common filters), stands for any: then
    what is reached with some values only counts, too."""
    walk = _Walk(program, built, kernel, params)
    walk.statements(program.body)
    return Carried(tuple(dict.fromkeys(walk.lacks)), tuple(dict.fromkeys(walk.choices)))


class _Walk:
    """Goes through what is reached on ``kernel``."""

    def __init__(self, program: ir.Program, built: Kernel, kernel: Kernel, params: Mapping[str, object] | None) -> None:
        self.program, self.built, self.kernel, self.params = program, built, kernel, params
        self.lacks: list[Lack] = []
        self.choices: list[Chosen] = []
        self.locals: dict[str, int | None] = {}

    # Statements

    def statements(self, body: tuple[ir.Statement, ...]) -> bool:
        """False when what follows is never reached."""
        return all(self.statement(each) for each in body)

    def statement(self, s: ir.Statement) -> bool:
        match s:
            case ir.Let(name=name, value=value):
                self.visit(value)
                self.locals[name] = self.number(value)
            case ir.Where(condition=condition):
                self.visit(condition)
                return self.number(condition) != 0
            case ir.Stop():
                return False
            case ir.Filter(task=task):
                if self.params is None:  # without --pid and its like nothing is filtered
                    self.visit(task)
            case ir.If(condition=condition, then=then, otherwise=otherwise):
                self.visit(condition)
                truth = self.number(condition)
                yes = truth == 0 or self.statements(then)
                no = bool(truth) or self.statements(otherwise)
                return {None: yes or no, 0: no}.get(truth, yes)
            case ir.SpanEnd(keys=keys, body=body):
                self.visit(keys)
                self.statements(body)
            case _:
                self.visit_below(s)
        return True

    # Expressions

    def visit(self, node: object) -> None:
        match node:
            case tuple():
                for item in node:
                    self.visit(item)
            case ir.FieldChoice():
                option = self.option(node)
                if node.written:
                    self.choices.append(Chosen(node.written, option))
                self.visit(node.options[option])
            case ir.Exists():
                pass
            case ir.Conditional(condition=condition, yes=yes, no=no):
                self.visit(condition)
                truth = self.number(condition)
                self.visit(() if truth == 0 else yes)
                self.visit(() if truth else no)
            case ir.Binary(op=op, left=left, right=right) if op in ("&&", "||"):
                self.visit(left)
                decided = self.number(left)
                if decided is None or bool(decided) == (op == "&&"):
                    self.visit(right)
            case ir.Load(base=base, steps=steps):
                self.visit(base)
                self.visit(tuple(step.index for step in steps if step.index))
                self.lacks += self.path(node)
            case ir.Input():
                self.input(node)
            case ir.Const(name=name, value=value) if name:
                self.constant(name, value, node.at or self.program.at.mark)
            case _:
                self.visit_below(node)

    def visit_below(self, node: object) -> None:
        if type(node).__module__.startswith(f"{ir.__name__}."):
            for name in node.__match_args__:  # type: ignore[attr-defined]  # all are records
                if name != "type":
                    self.visit(getattr(node, name))

    # Values that are constant once loaded

    def number(self, node: ir.Expr) -> int | None:
        match node:
            case ir.Const(value=value):
                return value
            case ir.Local(name=name):
                return self.locals.get(name)
            case ir.ParamValue(name=name) if self.params is not None:
                given = self.params[name]
                return int(given) if isinstance(given, (bool, int)) else None
            case ir.Builtin(name="filtered") if self.params is not None:
                return 0
            case ir.Builtin(name="wanted") if self.params is not None:
                return 1
            case ir.Exists(fields=fields, any_kind=any_kind):
                return int(all(self.has(struct, member, any_kind) for struct, member in fields))
            case ir.FieldChoice():
                return self.number(node.options[self.option(node)])
            case ir.Unary(op="!", operand=operand):
                denied = self.number(operand)
                return None if denied is None else int(not denied)
            case ir.Conditional(condition=condition, yes=yes, no=no):
                truth = self.number(condition)
                return None if truth is None else self.number(yes if truth else no)
            case ir.Binary():
                return self.binary(node)
        return None

    def binary(self, node: ir.Binary) -> int | None:
        left, right = self.number(node.left), self.number(node.right)
        if node.op in ("&&", "||"):
            ends = 0 if node.op == "&&" else 1
            known = [None if v is None else int(bool(v)) for v in (left, right)]
            return ends if ends in known else None if None in known else 1 - ends
        if left is None or right is None or node.op not in ("==", "!="):
            return None
        return int((left == right) == (node.op == "=="))

    def option(self, choice: ir.FieldChoice) -> int:
        """The one that the program takes: each but the last is tested for what only some of the options need."""
        for i, fields in enumerate(telling(choice)):
            if all(self.has(struct, member, False) for struct, member in fields):
                return i
        return len(choice.options) - 1

    # Members

    def has(self, struct: btf.Struct, member: btf.Member, any_kind: bool) -> bool:
        if not struct.name:
            return True  # a part of the struct before it in the path, and there with it
        there = self.kernel.btf.find(struct.name, btf.Struct)
        found = self.kernel.btf.resolve(there) if there is not None else None
        named = self.kernel.btf.member(found, member.name) if isinstance(found, btf.Struct) else None
        return named is not None and (any_kind or self.same_kind(member.type_id, named.type_id))

    def same_kind(self, here: int, there: int) -> bool:
        """As libbpf compares members of the same name. 0: what the member is like is not known here."""
        if not here:
            return True
        a, b = self.built.btf.resolve(here), self.kernel.btf.resolve(there)
        if isinstance(a, btf.Array) and isinstance(b, btf.Array):
            return self.same_kind(a.element, b.element)
        return type(a) is type(b)

    def path(self, load: ir.Load) -> Iterator[Lack]:
        """What is missing on the way of a read, followed by names as libbpf does."""
        owner, types = load.steps[0].owner, self.kernel.btf
        if owner is None or not owner.name:
            return
        there = types.find(owner.name, btf.Struct)
        if there is None:
            lost = owner.name
            yield Lack(
                "no_struct",
                f"struct {lost}",
                f"no struct {lost}",
                lambda: like(lost, types.struct_names()),
                load.at,
            )
            return
        here, name = types.resolve(there), owner.name
        for step in load.steps:
            if step.member is None:
                here = types.resolve(here.element) if isinstance(here, btf.Array) else here
                continue
            found = types.member(here, step.member.name) if isinstance(here, btf.Struct) else None
            thing = f"{name}.{step.member.name}"
            if found is None:
                yield Lack("no_member", thing, f"no {thing}", self.members_like(step.member.name, here), load.at)
                return
            if not self.same_kind(step.member.type_id, found.type_id):
                yield Lack("other_kind", thing, f"{thing} is of type {types.c_name(found.type_id)}", at=load.at)
                return
            here, name = types.resolve(found.type_id), thing
            if step is load.steps[-1]:
                yield from self.size(load, step, found, thing)

    def members_like(self, name: str, struct: btf.CType) -> Seek:
        """Members of a struct whose names are like this one."""
        return lambda: like(name, self.kernel.btf.member_names(struct)) if isinstance(struct, btf.Struct) else ()

    def size(self, load: ir.Load, step: ir.Step, found: btf.Member, thing: str) -> Iterator[Lack]:
        """Of the kernel's memory numbers are read in the size that they have there; of a process's memory, as many bytes as the
        field had where the program was built."""
        assert step.member
        if step.missing or step.member.bit_size or found.bit_size:
            return
        if not isinstance(load.base.type, ir.PtrT) or load.base.type.space != "user":
            return
        here, there = self.built.btf.resolve(step.member.type_id), self.kernel.btf.resolve(found.type_id)
        if not isinstance(here, (btf.Int, btf.Enum)) or not isinstance(there, (btf.Int, btf.Enum)):
            return
        if here.size != there.size:
            why = f"{thing} has {there.size} bytes here, {here.size} where the artefact is built"
            yield Lack("other_size", thing, why, at=load.at, silent=True)

    # Inputs and constants

    def input(self, node: ir.Input) -> None:
        at = node.at or self.program.at.mark
        for struct, member in node.uses:
            if not self.has(struct, member, False):
                there = self.kernel.btf.find(struct.name, btf.Struct)
                seek = self.members_like(member.name, self.kernel.btf.resolve(there or 0))
                why = f"no {node.name} (field {member.name} of {struct.name})"
                self.lacks.append(Lack("no_member", f"{struct.name}.{member.name}", why, seek, at))

    def constant(self, name: str, value: int, at: Mark) -> None:
        here, there = self.built.constant(name), self.kernel.constant(name)
        if here and there and here[0] == value and there[0] != value:
            why = f"{name} is {there[0]} here, {value} where the artefact is built"
            self.lacks.append(Lack("other_value", name, why, at=at, silent=True))


def defaults(params: Mapping[str, ir.ParamInfo]) -> dict[str, object]:
    return {name: param.default for name, param in params.items()}
