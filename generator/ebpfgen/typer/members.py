"""Members of structs, fields of map entries, elements of arrays, look-ups."""

from __future__ import annotations

from ebpfgen import btf, expr, ir
from ebpfgen.expr import ExpressionError
from ebpfgen.problems import near_misses
from ebpfgen.records import replace
from ebpfgen.wording import counted, of_type, of_value

from .named import Named
from .scope import type_of_field
from .trees import space_of


class MissingMember(ExpressionError):
    """A struct that the kernel has, or a tracepoint's record, without the member."""


class Members(Named):
    """Adds what is inside of something."""

    def member(self, node: expr.Member) -> ir.Expr:
        if isinstance(node.base, expr.Name) and node.base.name == "args" and "args" not in self.scope.names:
            return self.arg(node)
        base = self.value(node.base)
        if isinstance(base, ir.Lookup):
            return self.entry_field(node, base)
        struct, pointer, steps, spelled = self.into(node, base)
        member = self.btf.member(struct, node.name)
        if member is None:
            return self.missing_member(node, struct, pointer, steps, spelled)
        space = space_of(pointer)
        trusted = isinstance(pointer.type, ir.PtrT) and pointer.type.trusted
        kind = self.typer.type_of(member.type_id, space, trusted)
        if member.bit_size and isinstance(kind, ir.IntT):
            kind = ir.IntT(kind.bits, kind.signed)
        return ir.Load(kind, pointer, (*steps, ir.Step(struct, member)), spelled)

    def into(self, node: expr.Member, base: ir.Expr) -> tuple[btf.Struct, ir.Expr, tuple[ir.Step, ...], str]:
        """The struct that ``base`` is or points to, the pointer to start from and the steps so far."""
        match base.type:
            case ir.PtrT(target=target) if target:
                found = self.btf.resolve(target)
                if isinstance(found, btf.Struct):
                    return found, base, (), self.btf.c_name(found.id)
                raise self.untyped(node, base)
            case ir.PlaceT(struct=struct) if struct and isinstance(base, ir.Load):
                return struct, base.base, base.steps, base.spelled_base
            case ir.PtrT() | ir.IntT(bits=64):
                raise self.untyped(node, base)
        raise self.fail(node, f"'{node.name}' asked of {of_value(base)}, which has no members")

    def untyped(self, node: expr.Member, base: ir.Expr) -> ExpressionError:
        hint = f"say what it points to, for example ((struct sock *)x).{node.name}"
        return self.fail(node, f"'{node.name}' asked of {of_value(base)}, whose members are not known", hint=hint)

    def missing_member(
        self, node: expr.Member, struct: btf.Struct, pointer: ir.Expr, steps: tuple[ir.Step, ...], spelled: str
    ) -> ir.Expr:
        if self.missing is None:
            near = near_misses(node.name, self.btf.member_names(struct))
            error = self.fail(node, f"{self.btf.c_name(struct.id)} has no member '{node.name}'", near)
            raise MissingMember(error.problem) if struct.name and not struct.union else error
        member = btf.Member(node.name, 0, 0, 0)
        return ir.Load(self.missing, pointer, (*steps, ir.Step(struct, member, missing=True)), spelled)

    def arg(self, node: expr.Member) -> ir.Expr:
        if node.name in self.scope.args:
            return self.scope.args[node.name]
        if self.missing is not None and self.scope.record:
            step = ir.Step(self.scope.record, btf.Member(node.name, 0, 0, 0), missing=True)
            return ir.Load(self.missing, ir.Input(ir.PtrT("kernel", self.scope.record.id), "ctx", "args"), (step,), "args")
        if not self.scope.args:
            raise self.fail(node, f"args.{node.name}: {self.scope.no_args}")
        near = near_misses(node.name, self.scope.args)
        hint = "" if near else "there are " + ", ".join(self.scope.args)
        error = self.fail(node, f"{self.scope.target} has no argument '{node.name}'", near, hint)
        raise MissingMember(error.problem) if self.scope.record else error

    def entry_field(self, node: expr.Member, entry: ir.Lookup) -> ir.Expr:
        found = self.scope.maps[entry.map]
        if found.scalar_value or entry.field is not None:
            raise self.fail(node, f"'{node.name}' asked of a value of map {entry.map}, which is {of_type(entry.type)}")
        names = [s.name for s in found.fields]
        if node.name not in names:
            raise self.fail(
                node,
                f"map {entry.map} has no field '{node.name}'",
                near := near_misses(node.name, names),
                "" if near else f"there are {', '.join(names)}",
            )
        kind = found.value.slot(node.name).type
        assert kind
        return replace(entry, type=type_of_field(kind), field=node.name)

    def index(self, node: expr.Index) -> ir.Expr:
        if isinstance(node.base, expr.Name) and not self.is_known(node.base.name):
            if node.base.name in self.scope.maps:
                return self.lookup(node, self.scope.maps[node.base.name])
            near = near_misses(node.base.name, self.scope.maps)
            raise self.fail(node, f"'{node.base.name}' is neither a map nor a variable", near)
        if len(node.keys) != 1:
            raise self.fail(node, "one index is expected")
        base, at = self.value(node.base), self.number(node.keys[0], "an index")
        if isinstance(base.type, ir.PtrT) and base.type.element:
            return ir.Follow(base.type.element, base, at)
        if not isinstance(base.type, ir.PlaceT) or not base.type.array:
            raise self.fail(node, f"{of_value(base)} can't be indexed")
        element, length = base.type.array
        if not isinstance(at, ir.Const):
            raise self.fail(node.keys[0], "an index into an array must be a constant")
        if not 0 <= at.value < length:
            raise self.fail(node.keys[0], f"index {at.value} is outside {base.type.spelled}")
        if isinstance(base, ir.Input):
            return ir.Input(self.typer.type_of(element), f"{base.c}[{at.value}]", base.name, base.uses)
        if isinstance(base, ir.Load):
            kind = self.typer.type_of(element, space_of(base.base))
            return replace(base, type=kind, steps=(*base.steps, ir.Step(None, None, at)))
        raise self.fail(node, f"{of_value(base)} can't be indexed here")

    def keys(self, at: expr.Node, nodes: tuple[expr.Node, ...], found: ir.MapInfo) -> tuple[ir.Expr, ...]:
        slots = found.key.fields
        if len(nodes) != len(slots):
            shape = ", ".join(f"{s.name}: {s.type}" for s in slots)
            raise self.fail(at, f"the key of map {found.name} has {counted(len(slots), 'part')} ({shape}), {len(nodes)} given")
        values = []
        for slot, node in zip(slots, nodes, strict=True):
            assert slot.type
            value = self.typer.fit(self.value(node), slot.type)
            if isinstance(value, str):
                raise self.fail(node, f"key of map {found.name}: {value}")
            if found.type.endswith("array") and isinstance(value, ir.Const) and value.value >= found.max_entries:
                raise self.fail(node, f"map {found.name} has entries 0 to {found.max_entries - 1}")
            values.append(value)
        return tuple(values)

    def lookup(self, node: expr.Index, found: ir.MapInfo) -> ir.Expr:
        keys = self.keys(node, node.keys, found)
        if found.scalar_value:
            kind = found.value.fields[0].type
            assert kind
            return ir.Lookup(type_of_field(kind), found.name, keys, "value")
        return ir.Lookup(ir.EntryT(found.name), found.name, keys, None)
