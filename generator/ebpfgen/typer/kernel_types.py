"""The kernel's types as types of expressions, and what can be stored where. Receives type ids of one kernel description."""

from __future__ import annotations

from ebpfgen import btf, ir
from ebpfgen.constants import header_constant
from ebpfgen.fieldtypes import FieldType
from ebpfgen.kernel import Kernel
from ebpfgen.wording import of_value

from .numbers import fit_number
from .trees import text_at


class KernelTypes:
    """Types against one kernel. Holds no state but the kernel."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.btf = kernel.btf

    def type_of(self, type_id: int, space: ir.Space = "kernel", trusted: bool = False) -> ir.Type:
        found = self.btf.resolve(type_id)
        match found:
            case btf.Int(bool=True):
                return ir.BoolT()
            case btf.Int(size=size, signed=signed):
                return ir.IntT(size * 8, signed)
            case btf.Enum(size=size, signed=signed):
                return ir.IntT(size * 8, signed)
            case btf.Ptr(target=target):
                return self.pointer_to(target, space, trusted)
            case btf.Array(element=element, length=length):
                return ir.PlaceT(type_id, self.btf.c_name(type_id), None, (element, length))
            case btf.Struct():
                return ir.PlaceT(type_id, self.btf.c_name(type_id), found, None)
        return ir.PlaceT(type_id, self.btf.c_name(type_id), None, None)

    def pointer_to(self, target: int, space: ir.Space, trusted: bool = False) -> ir.PtrT:
        spelled = f"{self.btf.c_name(target)} *" if target else "void *"
        behind = self.btf.resolve(target)
        if isinstance(behind, btf.Int):
            return ir.PtrT(space, 0, ir.IntT(behind.size * 8, behind.signed), False, spelled)
        if isinstance(behind, btf.Fwd) and (full := self.btf.find(behind.name, btf.Struct)):
            target = full
        return ir.PtrT(space, target, None, trusted, spelled)

    def size_of(self, type_id: int) -> int:
        return self.btf.size(type_id)

    def is_text(self, kind: ir.Type) -> bool:
        """An array of characters in memory."""
        if not isinstance(kind, ir.PlaceT) or not kind.array:
            return False
        element = self.btf.resolve(kind.array[0])
        return isinstance(element, btf.Int) and element.size == 1

    def fit(self, value: ir.Expr, kind: FieldType) -> ir.Expr | str:
        """``value`` as it can be stored in a field of that type, or why it can't."""
        given = value
        if self.is_text(value.type):
            value = text_at(value)
        match kind.shape, value.type:
            case "int", ir.IntT():
                return fit_number(value, kind)
            case "int", ir.PtrT() if kind.word in ("hex", "u64"):
                return value
            case "bool", ir.BoolT():
                return value
            case "bool", ir.IntT() if isinstance(value, ir.Const) and value.value in (0, 1):
                return value
            case "string", ir.StringT(size=size):
                if isinstance(value, ir.Text) and size > kind.size:
                    return f"the text takes {size} bytes with its NUL, {kind} holds {kind.size}"
                return value
            case "bytes", ir.BytesT(word=word) if word == kind.word:
                return value
            case "argv", ir.ArgvT():
                return value
            case "string", ir.ArgvT() if isinstance(value, ir.BufferAt):
                return value
        return f"{kind} is expected, this is {of_value(given)}{self._how_to_make(kind, given)}"

    def _how_to_make(self, kind: FieldType, value: ir.Expr) -> str:
        address = isinstance(value.type, ir.PtrT) or (isinstance(value.type, ir.IntT) and value.type.bits == 64)
        if kind.shape == "string" and address and not isinstance(value, ir.Const):
            return ": read the text with str(…)"
        if kind.word == "ip":
            return ": make one with ip(…)"
        if kind.word == "mac":
            return ": make one with mac(…)"
        if kind.shape == "argv":
            return ": make one with argv(…) or buf(…)"
        if kind.shape == "bool" and isinstance(value.type, ir.IntT):
            return ": true or false are possible" if isinstance(value, ir.Const) else ": write x != 0"
        if kind.shape == "int" and isinstance(value.type, ir.BoolT):
            return ": write x ? 1 : 0"
        if kind.shape == "int" and (hint := self.unquoted(value)):
            return f": {hint}"
        return ""

    def unquoted(self, value: ir.Expr) -> str:
        """What to do where a constant's name is given as text."""
        name = value.value.decode(errors="replace") if isinstance(value, ir.Text) else ""
        return f"write {name} without quotes" if header_constant(name) is not None or self.kernel.constant(name) else ""
