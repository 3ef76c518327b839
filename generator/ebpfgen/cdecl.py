"""Kernel types as the generated C declares them: only the structs and members that are used.

Receives uses (struct, member) while programs are lowered; returns declarations with ``preserve_access_index``, each struct before
the first that contains it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from . import btf
from .ir import PtrT, Step, Type
from .records import field, record

HEADERS = frozenset({"pt_regs", "__sk_buff", "xdp_md", "sk_msg_md", "sk_reuseport_md"})
"""Structs that the headers of the generated C define, besides those whose names begin with bpf_ or btf_."""
KERNEL = "___kernel"
"""Flavour for a kernel's struct when the file has another of that name."""
OTHER = "___other"
"""Flavour (libbpf drops what follows three underscores) for members that the described kernel's struct lacks."""


KINDS = (
    ("number", "__u64 ", ""), ("pointer", "void *", ""), ("record", "struct {{ char c; }} ", ""),
    ("choice", "enum {{ CHOICE_{} }} ", ""),
    ("numbers", "__u64 ", "[1]"), ("pointers", "void *", "[1]"),
    ("records", "struct {{ char c; }} ", "[1]"),
)  # fmt: skip
"""Kinds of members: flavour, and how C declares one ({} is the member's name)."""
_RELOCATED = "__attribute__((preserve_access_index))"


@record(frozen=False)
class _Body:
    """Members used of one struct; ``nested`` holds those of members whose type has no name."""

    struct: btf.Struct
    members: dict[str, btf.Member] = field(default_factory=dict)
    nested: dict[str, _Body] = field(default_factory=dict)


class TypeDeclarations:
    def __init__(self, types: btf.Btf, taken: set[str]) -> None:
        """``taken``: names of structs that are none of the kernel's."""
        self.btf = types
        self.taken = taken
        self.bodies: dict[str, _Body] = {}
        self.enums: dict[str, btf.Enum] = {}
        self.forwards: set[str] = set()
        self.others: dict[str, dict[str, str]] = {}
        self.questions: dict[str, set[str]] = {}

    # Names

    def spelled(self, kind: btf.Struct | btf.Fwd | btf.Enum) -> str:
        """``struct NAME``; with a flavour where the file has another type of that name."""
        word = "enum" if isinstance(kind, btf.Enum) else "union" if kind.union else "struct"
        other = kind.name in self.taken or kind.name in HEADERS or kind.name.startswith(("bpf_", "btf_"))
        return f"{word} {kind.name}{KERNEL if other else ''}"

    def respelled(self, c: str, kind: Type) -> str:
        """The C text of an input of type ``kind``, with the struct's name as it is spelled here."""
        target = self.btf.resolve(kind.target) if isinstance(kind, PtrT) and kind.target else None
        if not isinstance(target, (btf.Struct, btf.Fwd)) or not target.name:
            return c
        return c.replace(f"{'union' if target.union else 'struct'} {target.name} *", f"{self.spelled(target)} *")

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

    def other(self, struct: btf.Struct, member: str, c_type: str) -> None:
        """A member that only other kernels have; ``member`` with its length where it is an array."""
        known = self.others.setdefault(struct.name, {})
        for other in [k for k in known if k.partition("[")[0] == member.partition("[")[0]]:
            del known[other]
        known[member] = c_type

    def other_exists(self, struct: btf.Struct, member: str) -> None:
        """A member of which is only asked whether other kernels have it."""
        if all(known.partition("[")[0] != member for known in self.others.get(struct.name, {})):
            self.other(struct, member, "__u64 ")

    def asked(self, struct: btf.Struct, member: str) -> None:
        """A member of which is asked whether other kernels have it, of whatever type."""
        self.questions.setdefault(struct.name, set()).add(member)

    def place(self, type_id: int) -> str:
        """The C spelling, before a name, of something that lies in a struct; declares it where it is one itself."""
        kind = self.btf.resolve(type_id)
        if isinstance(kind, btf.Struct):
            self._body(kind)
        return self._declare(type_id, "")

    def pointer(self, type_id: int) -> str:
        """The C spelling of a pointer to that type; declares the struct's name."""
        target = self.btf.resolve(type_id) if type_id else None
        if isinstance(target, (btf.Struct, btf.Fwd)) and target.name:
            self.forwards.add(self.spelled(target))
            return f"{self.spelled(target)} *"
        return "void *"

    def _body(self, struct: btf.Struct) -> _Body:
        return self.bodies.setdefault(struct.name, _Body(struct))

    def _add(self, body: _Body, member: btf.Member) -> None:
        body.members.setdefault(member.name, member)
        kind = self.btf.resolve(member.type_id)
        while isinstance(kind, btf.Array):
            kind = self.btf.resolve(kind.element)
        if isinstance(kind, btf.Enum) and kind.name:
            self.enums.setdefault(kind.name, kind)
        if isinstance(kind, btf.Struct):
            if kind.name:
                self._body(kind)
            else:
                body.nested.setdefault(member.name, _Body(kind))

    # Text

    def render(self) -> list[str]:
        """The declarations, in an order that C accepts, alphabetical where it has the choice."""
        definitions = [*(self._enum(self.enums[name]) for name in sorted(self.enums)), *self._ordered()]
        defined = {d.split(" {")[0] for d in definitions}
        forwards = [f"{name};" for name in sorted(self.forwards) if name not in defined]
        others = [self._other(name) for name in sorted(self.others)]
        return ["\n".join(forwards)] * bool(forwards) + definitions + others + list(self._asked())

    def _ordered(self) -> Iterator[str]:
        done: set[str] = set()

        def emit(body: _Body) -> Iterator[str]:
            if body.struct.name in done:
                return
            done.add(body.struct.name)
            for name in self._contained(body):
                yield from emit(self.bodies[name])
            inside = "".join(f"\t{line}\n" for line in self._members(body))
            yield f"{self.spelled(body.struct)} {{\n{inside}}} __attribute__((preserve_access_index));"

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
            case btf.Enum(name=enum) if enum:
                return f"{self.spelled(kind)} {name}"
            case btf.Enum(signed=signed):
                return f"{'int' if signed else 'unsigned int'} {name}"
            case btf.Ptr(target=target):
                return f"{self.pointer(target)}{name}"
            case btf.Struct():
                return f"{self.spelled(kind)} {name}"
        return f"void *{name}"

    def _enum(self, kind: btf.Enum) -> str:
        """An enum of the size and sign that the kernel's has; its constants are numbers in the program."""
        number = (1 << (8 * kind.size - 1)) - 1
        packed = "" if kind.size == 4 else "__attribute__((packed)) "
        constants = f"{kind.name}{KERNEL}_most = {number:#x}" + (f", {kind.name}{KERNEL}_least = -1" if kind.signed else "")
        return f"{self.spelled(kind)} {{ {constants} }} {packed}".rstrip() + ";"

    def _asked(self) -> Iterator[str]:
        """libbpf finds a member only where it is of the kind that it is declared with: so once for each kind."""
        if not self.questions:
            return
        for name, members in sorted(self.questions.items()):
            lines = []
            for flavour, c_type, length in KINDS:
                inside = " ".join(f"{c_type.format(name + '_' + m)}{m}{length};" for m in sorted(members))
                lines.append(f"struct {name}___{flavour} {{ {inside} }} {_RELOCATED};")
            yield "\n".join(lines)
        tests = " || \\\n\t ".join(f"bpf_core_field_exists(struct type##___{flavour}, member)" for flavour, _, _ in KINDS)
        comment = "/* Whether the kernel's struct has the member, of whatever kind. */"
        yield f"{comment}\n#define HAS_MEMBER(type, member) \\\n\t({tests})"

    def _other(self, name: str) -> str:
        inside = "".join(f"\t{c_type}{member};\n" for member, c_type in sorted(self.others[name].items()))
        return (
            f"struct {name}{OTHER} {{ /* {name} as other kernels have it */\n{inside}}} __attribute__((preserve_access_index));"
        )
