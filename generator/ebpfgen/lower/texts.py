"""Text: where it lies, how long it is, and whether it is what a spec asks for.

Texts are compared in memory of the program: read there first, with one byte more than can be equal.
"""

from __future__ import annotations

from collections.abc import Callable

from ebpfgen import cnames, ir
from ebpfgen.fieldtypes import LONGEST_STRING, FieldType
from ebpfgen.layout import lay_out

from .collected import LONG_TEXT
from .ctext import c_string, operand_of
from .entries import Entries


class Texts(Entries):
    """Adds sources of text, their length and their comparison."""

    def text_source(self, text: ir.Expr) -> tuple[str, ir.Space]:
        """Where a text lies, and in whose memory."""
        match text:
            case ir.StringAt(pointer=pointer, space=space):
                return (self.address(pointer) if isinstance(pointer.type, ir.PlaceT) else self.pointer_value(pointer)), space
            case ir.Kept(name=name):
                return f"span->{name}", "kernel"
            case ir.Lookup(map=name, keys=keys, field=field):
                return f"{self.sure_entry(name, keys)}->{field}", "kernel"
            case ir.ParamValue(name=name):
                return f"(const char *)config.{cnames.parameter(name)}", "kernel"
            case ir.Builtin(name="comm"):
                buffer = self.fresh("comm")
                self.emit(f"char {buffer}[16];")
                self.store_comm(buffer)
                return buffer, "kernel"
        raise AssertionError(text)

    def pointer_value(self, v: ir.Expr) -> str:
        text = self.value(v)
        return text if isinstance(v.type, ir.PtrT) else f"(void *){operand_of(text)}"

    def prepare_length(self, text: ir.Expr) -> Callable[[str, int], str]:
        address, space = self.text_source(text)
        return lambda to, size: f"bpf_probe_read_{space}_str({to}, {size}, {address})"

    def string_length(self, text: ir.Expr) -> str:
        """Reads the text to find its end: onto the stack where it is short, else into scratch memory, which nobody reads."""
        size = text.type.size if isinstance(text.type, ir.StringT) and text.type.size else LONGEST_STRING
        name = self.fresh("text")
        if size <= 64:
            self.emit(f"char {name}[{size}];")
        else:
            layout = lay_out(LONG_TEXT, [("text", FieldType("string", str(LONGEST_STRING), "string", "char", LONGEST_STRING, 1))])
            name = f"{self.scratch(layout, 'text')}->text"
        length = self.fresh("length")
        read = self.prepare_length(text)(name, size)
        self.emit(f"long {length} = {read};")
        return f"({length} > 0 ? {length} - 1 : 0)"

    def string_test(self, v: ir.StringTest) -> str:
        wanted = v.right if v.prefix else v.right + b"\0"
        if not wanted:
            return "true"
        size = v.left.type.size if isinstance(v.left.type, ir.StringT) else 0
        if size and len(wanted) > size:
            return "false"
        if isinstance(v.left, ir.ParamValue):
            return self._param_is(v.left.name, wanted)
        if isinstance(v.left, (ir.Kept, ir.Lookup)) and len(wanted) <= 64:
            where, _ = self.text_source(v.left)
        elif isinstance(v.left, ir.Builtin):
            where = self.comm()
        else:
            where = self.fresh("text")
            room = len(wanted) + 1  # one more than wanted: text that goes on is another
            room = min(room, size) if size else room
            self.stack += room + 7 & ~7
            self.emit(f"char {where}[{room}] = {{}};")
            self.emit(f"{self.prepare_length(v.left)(where, room)};")
        self.whole.helpers.add("is_text")
        return f"is_text({where}, {c_string(v.right)}, {len(wanted)})"

    def _param_is(self, name: str, wanted: bytes) -> str:
        """A parameter's text is compared byte by byte: as plain memory, clang would take it for the empty text of the source."""
        if wanted == b"\0":
            return f"!config.{cnames.parameter(name)}[0]"
        self.whole.helpers |= {"same_text", "put_text"}
        literal = self.fresh("literal")
        text = c_string(wanted.removesuffix(b"\0"))
        self.emit(f"char {literal}[{len(wanted)}];")
        self.emit(f"put_text({literal}, {text}, {len(wanted)});")
        return f"same_text({literal}, config.{cnames.parameter(name)}, {len(wanted)})"

    def string_is_param(self, v: ir.StringIsParam) -> str:
        self.whole.helpers.add("same_text")
        assert isinstance(v.param.type, ir.StringT) and isinstance(v.left.type, ir.StringT)
        size = v.param.type.size
        if isinstance(v.left, (ir.Kept, ir.Lookup, ir.Builtin)):
            where, _ = self.text_source(v.left)
            return f"same_text({where}, config.{cnames.parameter(v.param.name)}, {min(size, v.left.type.size)})"
        where = self.fresh("text")  # of one byte more than the parameter can have: what is cut is not the same
        self.emit(f"char {where}[{size + 1}] = {{}};")
        self.emit(f"{self.prepare_length(v.left)(where, size + 1)};")
        return f"same_text({where}, config.{cnames.parameter(v.param.name)}, {size})"
