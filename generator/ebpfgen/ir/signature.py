"""What a tracepoint or a function of the kernel is called with, as far as two kernels can be compared by it."""

from __future__ import annotations

import re

from ebpfgen.records import record

RESULT = "="
"""The name of a function's result, which lies behind its arguments."""
PREFIX = "args_of_"
"""How the C structs of arguments begin."""
SLOT = 8
"""Bytes of one place in what a program at a raw tracepoint or a trampoline is given."""


@record()
class Parameter:
    """``type``: "number", "pointer", "struct sock *", "struct sockptr_t" …, whatever the typedefs; ``size``: in bytes."""

    name: str
    type: str
    size: int

    @property
    def slots(self) -> int:
        return max(1, -(-self.size // SLOT))

    def __str__(self) -> str:
        return f"number of {self.size} bytes" if self.type == "number" else self.type


@record()
class Signature:
    """``kind``: "tracepoint" or "function"; ``takes``: in order, a function's result last."""

    kind: str
    name: str
    takes: tuple[Parameter, ...]

    @property
    def struct(self) -> str:
        """The C struct of its arguments, one place of 64 bits for each."""
        name = re.sub(r"\W", "_", self.name)
        return f"{PREFIX}{self.kind}_{name}"

    @property
    def slots(self) -> int:
        """Of the arguments, without the result."""
        return sum(p.slots for p in self.takes if p.name != RESULT)

    def member(self, name: str) -> str:
        """What the struct calls the parameter ``name``."""
        if name != RESULT:
            return name
        return "retval_" if any(p.name == "retval" for p in self.takes) else "retval"

    def place(self, name: str) -> int:
        """The number of its slot, the first one where it takes several."""
        names = [p.name for p in self.takes]
        return sum(p.slots for p in self.takes[: names.index(name)])
