"""Kernel types as the generated C declares them: only the structs and members that are used.

Receives uses (struct, member) while programs are lowered; returns declarations with ``preserve_access_index``, each struct before
the first that contains it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from . import btf
from .ir import Step, Type

OTHER = "___other"
"""Flavour (libbpf drops what follows three underscores) for members that the described kernel's struct lacks."""


@dataclass(slots=True)
class _Body:
    """Members used of one struct; ``nested`` holds those of members whose type has no name."""

    struct: btf.Struct
    members: dict[str, btf.Member] = field(default_factory=dict)
    nested: dict[str, _Body] = field(default_factory=dict)


class TypeDeclarations:
    def __init__(self, types: btf.Btf) -> None:
        self.btf = types
        self.bodies: dict[str, _Body] = {}
        self.forwards: set[str] = set()
        self.others: dict[str, dict[str, str]] = {}

    # Uses

    def member(self, struct: btf.Struct, member: btf.Member) -> None:
        self._add(self._body(struct), member)

    def steps(self, steps: Sequence[Step]) -> None:
        """The members on a path that begins in a named struct and enters unnamed ones."""
        body: _Body | None = None
        for step in steps:
            if step.owner is None or step.member is None or step.missing:
                continue
            if step.owner.name or body is None:
                body = self._body(step.owner)
            self._add(body, step.member)
            body = body.nested.get(step.member.name, body)

    def other(self, struct: btf.Struct, member: str, kind: Type, c_type: str) -> None:
        """A member that only other kernels have."""
        self.others.setdefault(struct.name, {})[member] = c_type

    def pointer(self, type_id: int) -> str:
        """The C spelling of a pointer to that type; declares the struct's name."""
        target = self.btf.resolve(type_id) if type_id else None
        if isinstance(target, (btf.Struct, btf.Fwd)) and target.name:
            word = "union" if target.union else "struct"
            self.forwards.add(f"{word} {target.name}")
            return f"{word} {target.name} *"
        return "void *"

    def _body(self, struct: btf.Struct) -> _Body:
        return self.bodies.setdefault(struct.name, _Body(struct))

    def _add(self, body: _Body, member: btf.Member) -> None:
        body.members.setdefault(member.name, member)
        kind = self.btf.resolve(member.type_id)
        while isinstance(kind, btf.Array):
            kind = self.btf.resolve(kind.element)
        if isinstance(kind, btf.Struct):
            if kind.name:
                self._body(kind)
            else:
                body.nested.setdefault(member.name, _Body(kind))

    # Text

    def render(self) -> list[str]:
        """The declarations, in an order that C accepts, alphabetical where it has the choice."""
        definitions = list(self._ordered())
        defined = {d.split(" {")[0] for d in definitions}
        forwards = [f"{name};" for name in sorted(self.forwards) if name not in defined]
        others = [self._other(name) for name in sorted(self.others)]
        return ["\n".join(forwards)] * bool(forwards) + definitions + others

    def _ordered(self) -> Iterator[str]:
        done: set[str] = set()

        def emit(body: _Body) -> Iterator[str]:
            if body.struct.name in done:
                return
            done.add(body.struct.name)
            for name in self._contained(body):
                yield from emit(self.bodies[name])
            word = "union" if body.struct.union else "struct"
            inside = "".join(f"\t{line}\n" for line in self._members(body))
            yield f"{word} {body.struct.name} {{\n{inside}}} __attribute__((preserve_access_index));"

        for name in sorted(self.bodies):
            yield from emit(self.bodies[name])

    def _contained(self, body: _Body) -> Iterator[str]:
        for name, member in sorted(body.members.items()):
            kind = self.btf.resolve(member.type_id)
            while isinstance(kind, btf.Array):
                kind = self.btf.resolve(kind.element)
            if isinstance(kind, btf.Struct) and kind.name:
                yield kind.name
            elif name in body.nested:
                yield from self._contained(body.nested[name])

    def _members(self, body: _Body) -> Iterator[str]:
        for name in sorted(body.members, key=lambda n: body.members[n].bit_offset):
            if name in body.nested:
                inner = body.nested[name]
                word = "union" if inner.struct.union else "struct"
                yield f"{word} {{ {' '.join(self._members(inner))} }} {name};"
            else:
                member = body.members[name]
                width = f" : {member.bit_size}" if member.bit_size else ""
                yield self._declare(member.type_id, name + width) + ";"

    def _declare(self, type_id: int, name: str) -> str:
        kind = self.btf.resolve(type_id)
        match kind:
            case btf.Array(element=element, length=length):
                return self._declare(element, f"{name}[{length}]")
            case btf.Int(bool=True):
                return f"_Bool {name}"
            case btf.Int(char=True) | btf.Int(name="char"):
                return f"char {name}"
            case btf.Int(size=size, signed=signed):
                return f"__{'s' if signed else 'u'}{size * 8} {name}"
            case btf.Enum(name=enum, values=values) if enum:
                return f"enum {enum} {{ {values[0][0]} = {values[0][1]} }} {name}" if values else f"int {name}"
            case btf.Enum(signed=signed):
                return f"{'int' if signed else 'unsigned int'} {name}"
            case btf.Ptr(target=target):
                return f"{self.pointer(target)}{name}"
            case btf.Struct(name=struct, union=union):
                return f"{'union' if union else 'struct'} {struct} {name}"
        return f"void *{name}"

    def _other(self, name: str) -> str:
        inside = "".join(f"\t{c_type}{member};\n" for member, c_type in sorted(self.others[name].items()))
        return (
            f"struct {name}{OTHER} {{ /* {name} as other kernels have it */\n{inside}}} __attribute__((preserve_access_index));"
        )
