"""What a spec may use of one thing: the inputs of an attach point, the members of a struct, the constants of an enum.

Receives a kernel description and a thing's name, returns an :class:`Account`. What an attach point gives is asked of
:mod:`ebpfgen.inputs`, as the checker asks, so that the two cannot disagree. Prints nothing.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Iterator, Sequence

from . import fits, inputs, ir, model
from .btf import Enum, FuncProto, Fwd, Struct
from .fits import Value
from .kernel_description import Description
from .problems import EXIT_SPEC, EbpfgenError, Mark, Problem, near_misses
from .records import record, replace
from .typer import BUILTINS, Typer

_AT = model.At(Mark("", 1, 1), "")
_FIRES = {
    "tracepoint": "a tracepoint of the kernel; args.x are the fields of its record",
    "raw_tracepoint": "a tracepoint of the kernel; args.x are what the kernel calls it with",
    "tp_btf": "a tracepoint of the kernel; args.x are what the kernel calls it with, typed",
    "kprobe": "the entry of a kernel function",
    "kretprobe": "the return of a kernel function",
    "fentry": "the entry of a kernel function, by trampoline; args.x are typed",
    "fexit": "the return of a kernel function, by trampoline; args.x are typed",
    "uprobe": "the entry of a function of a program or library",
    "uretprobe": "the return of a function of a program or library",
    "lsm": "a hook of the kernel's security modules; the program only looks",
    "usdt": "a probe that a program or library has in itself",
    "profile": "a timer on every processor",
    "interval": "a timer on one processor",
    "software": "an event of the kernel's own, once in PERIOD",
    "hardware": "an event that the processor counts, once in PERIOD",
    "iter": "each object of a kind that there is, when the tracer starts and at each interval",
}
_FUNCTIONS = ("kprobe", "kretprobe", "fentry", "fexit")
THINGS = (*inputs.KINDS.values(), "struct:NAME", "enum:NAME")


class UnknownThing(EbpfgenError):
    """The kernel has nothing of that name."""

    exit_status = EXIT_SPEC

    def __init__(self, message: str, near: Iterable[str] = (), hint: str = "") -> None:
        names = " or ".join(near)
        super().__init__(message + (f"; did you mean {names}?" if names else "") + (f" ({hint})" if hint else ""))


@record()
class Row:
    """``word`` as a spec writes it. ``fits``: the field type that takes it, "" when none does; ``write``: the expression to give
    it, "" when that is the word. ``more``: where it lies, what to describe next."""

    word: str
    type: str
    fits: str = ""
    write: str = ""
    more: str = ""


@record()
class Account:
    thing: str
    about: tuple[str, ...]
    heads: tuple[str, str]  # over the words, over the types
    rows: tuple[Row, ...]
    builtins: tuple[str, ...] = ()


def describe(kernel: Description, thing: str) -> Account:
    """Raises UnknownThing with what was perhaps meant."""
    if not thing.isprintable():
        raise UnknownThing(f"{thing!r} is no name")
    kind, _, name = thing.partition(":")
    if kind in ("struct", "union"):
        return _struct(kernel, name)
    if kind == "enum":
        return _enum(kernel, name)
    if kind in inputs.KINDS:
        return _attach_point(kernel, thing)
    found = [candidate for candidate in _called(kernel, thing) if candidate != thing]
    if len(found) == 1:
        return describe(kernel, found[0])
    if found:
        raise UnknownThing(f"{thing!r} may be one of several: {' '.join(found)}")
    near = near_misses(kind, [*inputs.KINDS, "struct", "enum"]) if name else _like(kernel, thing)
    raise UnknownThing(f"{thing!r} is nothing that can be described", near, "" if near else "things are " + ", ".join(THINGS))


def _like(kernel: Description, name: str) -> tuple[str, ...]:
    """Things with a name like it. Functions are left out: they are many, and ``find`` is for them."""
    raw = {n: f"tp_btf:{n}" for n in kernel.raw_tracepoints()}
    structs = {n: f"struct:{n}" for n in kernel.btf.struct_names()}
    return tuple((structs | raw)[near] for near in near_misses(name, [*raw, *structs]))


def _called(kernel: Description, name: str) -> Iterator[str]:
    """Things of that bare name (or CATEGORY:NAME, as perf has it)."""
    if ":" in name:
        if name in (f"{c}:{n}" for c, n in kernel.tracepoints()):
            yield f"tracepoint:{name}"
        return
    yield from (f"tracepoint:{c}:{n}" for c, n in kernel.tracepoints() if n == name)
    if kernel.raw_tracepoint(name):
        yield f"tp_btf:{name}"
    if kernel.function(name):
        yield f"kprobe:{name}"
    if kernel.btf.find(name, Struct) is not None:
        yield f"struct:{name}"
    if kernel.btf.find(name, Enum) is not None or kernel.constant(name):
        yield f"enum:{name}"


def _attach_point(kernel: Description, thing: str) -> Account:
    found = inputs.resolve(model.Text(thing, _AT), Typer(kernel), {})
    notes: list[str] = []
    if isinstance(found, Problem):
        raise UnknownThing(found.message, found.near, found.hint)
    if isinstance(found, inputs.Absent):
        signature = found.partial and found.partial.kind in _FUNCTIONS and kernel.function(str(found.partial.target["function"]))
        if not found.partial or not signature:
            raise UnknownThing(found.why, found.near)
        notes, found = [found.why], found.partial
    fires = _FIRES[found.kind] + (", of each that matches" if found.wildcard else "")
    about = [fires, *_more_about(kernel, found), *notes]
    return Account(
        thing,
        tuple(about),
        ("input", "type"),
        tuple(_inputs(kernel, found)),
        (*BUILTINS, "curtask", "probe", *(("func",) if found.function else ())),
    )


def _more_about(kernel: Description, found: inputs.Attachment) -> Iterator[str]:
    if found.matches:
        shown = " ".join(found.matches[:5]) + (" …" if len(found.matches) > 5 else "")
        yield f"{len(found.matches)} of this kernel match: {shown}"
    name = str(found.target.get("function", found.target.get("name", "")))
    if found.kind in _FUNCTIONS:
        type_id = kernel.btf.find_function(name)
        if type_id is not None:
            yield kernel.btf.declaration(type_id, name)
        if found.kind in ("kprobe", "kretprobe") and kernel.config.get("CONFIG_KPROBES") == "n":
            yield f"Linux {kernel.release} was built without CONFIG_KPROBES: it can't attach this"
    if found.kind in ("uprobe", "uretprobe"):
        yield from _in_the_binary(str(found.target["binary"]), str(found.target["symbol"]))
    if found.kind == "tracepoint" and kernel.raw_tracepoint(name):
        yield f"see also tp_btf:{name}, with the kernel's own structs"
    if found.kind in ("raw_tracepoint", "tp_btf"):
        yield from (f"see also tracepoint:{c}:{n}" for c, n in _tracepoints(kernel) if n == name)


def _in_the_binary(binary: str, symbol: str) -> Iterator[str]:
    """What this machine's file says against it; another machine's may be otherwise."""
    from .binaries import NoBinaryError, functions

    try:
        known = functions(binary)
    except NoBinaryError as error:
        yield f"on this machine: {error}"
        return
    if "*" in symbol:
        yield f"{len(fnmatch.filter(known, symbol))} of {binary} on this machine match"
    elif symbol not in known:
        yield str(UnknownThing(f"on this machine {binary} has no function {symbol}", near_misses(symbol, known)))


def _tracepoints(kernel: Description) -> Iterable[tuple[str, str]]:
    return kernel.tracepoints() if kernel.sees_tracepoints else ()


def _inputs(kernel: Description, found: inputs.Attachment) -> Iterator[Row]:
    values, result = _values(kernel, found)
    known = _known_types(kernel, found)
    for name, argument in found.args.items():
        if found.retval is not None and found.kind == "tracepoint" and name == "ret":
            continue  # the same as retval
        value = values.get(name) or fits.from_text(name, str(argument.type), 8, False)
        row = _row(f"args.{name}", _as_the_checker_has_it(value, argument))
        yield replace(row, fits=known[name], write="") if name in known else row
    if found.kind == "usdt":
        yield from _usdt_arguments(found)
        return
    if found.numbered and found.kind not in ("tp_btf", "fentry", "fexit", "lsm"):
        yield Row(f"arg0 … arg{len(found.numbered) - 1}", "u64", "u64", "", "strings: str(arg0)" if found.space == "user" else "")
    if found.retval is not None:
        unknown = Row("retval", str(found.retval.type), "result" if found.kind == "tracepoint" else "i64")
        yield _row("retval", result) if result else unknown


def _usdt_arguments(found: inputs.Attachment) -> Iterator[Row]:
    """As the binary of this machine has them, of which the kernel knows nothing."""
    from .usdt import probes

    binary, provider, name = (found.target[key] for key in ("binary", "provider", "name"))
    known = probes(str(binary))
    matching = [p for p in known if p.name == name and provider in (None, p.provider)]
    if not matching:
        near = near_misses(str(name), [p.name for p in known])
        raise UnknownThing(f"{binary} has no USDT probe {name}", near, "" if known else "it has none at all")
    for i, kind in enumerate(matching[0].args):
        plain = kind == "u64"
        yield Row(f"arg{i}", kind, kind, "" if plain else f"({kind})arg{i}", f"texts: str(arg{i})" if kind.endswith("64") else "")


def _as_the_checker_has_it(value: Value, argument: ir.Expr) -> Value:
    """System call arguments come in slots of 8 bytes; the checker knows how much of it counts."""
    if value.kind == "int" and isinstance(argument.type, ir.IntT):
        return Value(value.name, value.type, argument.type.bits // 8, argument.type.signed, "int")
    return value


def _values(kernel: Description, found: inputs.Attachment) -> tuple[dict[str, Value], Value | None]:
    """The arguments by name, and the result when its type is known."""
    if found.kind == "tracepoint":
        tracepoint = kernel.tracepoint(str(found.target["category"]), str(found.target["name"]))
        fields = tracepoint.fields if tracepoint else ()
        return {f.name: fits.from_text(f.name, f.c_type, f.size, f.signed) for f in fields}, None
    proto: FuncProto | None = None
    if found.kind in ("raw_tracepoint", "tp_btf"):
        proto = kernel.raw_tracepoint(str(found.target["name"]))
    elif found.kind in _FUNCTIONS:
        proto = kernel.function(str(found.target["function"]))
    if proto is None:
        return {}, None
    values = {name: fits.from_btf(kernel.btf, name, type_id) for name, type_id in proto.params if name != "..."}
    return values, fits.from_btf(kernel.btf, "retval", proto.result) if proto.result else None


def _known_types(kernel: Description, found: inputs.Attachment) -> dict[str, str]:
    """Field types of inputs whose name and type do not tell: system call numbers, and what the kernel prints by the names of
    an enum (``enum:T``, T its name or a constant of it)."""
    name = found.target.get("name")
    if name in ("sys_enter", "sys_exit"):
        return {"id": "syscall"}
    if found.kind != "tracepoint":
        return {}
    text = kernel.source.format(str(found.target["category"]), str(name)) or ""
    types = {}
    for field, number, constant in re.findall(r'__print_symbolic\(REC->(\w+), \{ (\d+), "(\w+)" \}', text):
        known = kernel.constant(constant)
        if known and known[0] == int(number):
            types[field] = f"enum:{known[1].name or constant}"
    return types


def _row(word: str, value: Value) -> Row:
    fit = fits.fit(value)
    pointee = re.fullmatch(r"(?:const )?(?:struct|union) (\w+)(?: \*)?", value.type)
    more = f"struct:{pointee[1]}" if pointee else ""
    return Row(word, value.type, fit.type, f"{fit.call}({word})" if fit.call else "", more)


def _struct(kernel: Description, name: str) -> Account:
    btf = kernel.btf
    found = btf.find(name, Struct)
    if found is None:
        raise _no_struct(kernel, name)
    struct = btf.resolve(found)
    assert isinstance(struct, Struct)
    rows = []
    for member in btf.flat_members(struct):
        row = _row(member.name, fits.from_btf(btf, member.name, member.type_id))
        byte, bit = divmod(member.bit_offset, 8)
        where = f"offset {byte}" + (f", bits {bit} to {bit + member.bit_size - 1}" if member.bit_size else "")
        rows.append(Row(row.word, row.type, row.fits, row.write, f"{where}; {row.more}" if row.more else where))
    kind = "union" if struct.union else "struct"
    return Account(f"struct:{name}", (f"{kind} {name}, {struct.size} bytes",), ("member", "type"), tuple(rows))


def _no_struct(kernel: Description, name: str) -> UnknownThing:
    typedef = kernel.btf.find_typedef(name)
    if typedef is not None:
        return UnknownThing(f"{name} is a typedef in this kernel, no struct: it stands for {_behind(kernel, typedef)}")
    if kernel.btf.find(name, Fwd) is not None:
        return UnknownThing(f"this kernel's types name struct {name}, but do not say what is in it")
    return UnknownThing(f"this kernel has no struct {name}", near_misses(name, kernel.btf.struct_names()))


def _behind(kernel: Description, type_id: int) -> str:
    """What a typedef stands for, in words."""
    found = kernel.btf.resolve(type_id)
    if isinstance(found, Struct):
        kind = "union" if found.union else "struct"
        members = ", ".join(kernel.btf.member_names(found)[:6])
        return f"{kind} {found.name}" if found.name else f"a {kind} without a name, of {members}"
    if isinstance(found, Enum):
        return f"enum {found.name}" if found.name else "an enum without a name"
    return getattr(found, "name", "") or f"a {type(found).__name__.lower()}"


def _enum(kernel: Description, name: str) -> Account:
    enum = kernel.enum(name)
    if enum is None:
        named = kernel.constant(name)
        hint = f"{name} is a constant of enum {named[1].name}" if named else ""
        raise UnknownThing(f"this kernel has no enum {name}", near_misses(name, [*kernel.enums(), *kernel.constants()]), hint)
    what = f"enum {enum.name}" if enum.name else f"the enum without a name that has {name}"
    rows = tuple(Row(constant, str(value)) for constant, value in enum.values)
    about = f"{what}, {enum.size} bytes; as a field type: enum:{name}"
    return Account(f"enum:{name}", (about,), ("constant", "value"), rows)


def as_text(account: Account) -> str:
    """Columns for people."""
    advice = ("field type", "written as") if any(r.fits for r in account.rows) else ("", "")
    table = [(*account.heads, *advice, "")]
    table += [(r.word, r.type, r.fits, r.write, r.more) for r in account.rows]
    lines = [account.thing, *(f"  {line}" for line in account.about)]
    if account.rows:
        lines += ["", *columns(table, "  ")]
    if account.builtins:
        lines += ["", f"  everywhere: {' '.join(account.builtins)}"]
    return "\n".join(lines)


def columns(table: Sequence[tuple[str, ...]], indent: str = "", widest: int = 48) -> list[str]:
    """Rows with their columns aligned; a cell wider than ``widest`` pushes its own row only."""
    widths = [max((len(cell) for cell in column if len(cell) <= widest), default=0) for column in zip(*table, strict=True)]
    return [(indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))).rstrip() for row in table]


def as_data(account: Account) -> dict[str, object]:
    rows = [
        {"word": r.word, "type": r.type, "field_type": r.fits, "write": r.write or r.word, "more": r.more} for r in account.rows
    ]
    return {"thing": account.thing, "about": list(account.about), "rows": rows, "builtins": list(account.builtins)}
