"""What names mean at one place of a spec: builtins, inputs, variables, parameters, maps. Data; decides nothing."""

from __future__ import annotations

from collections.abc import Mapping

from ebpfgen import btf, ir
from ebpfgen.expr import ExpressionError
from ebpfgen.fieldtypes import FieldType
from ebpfgen.records import field, record, replace

BUILTINS: dict[str, ir.Type] = {
    "nsecs": ir.IntT(64, False, "timestamp"),
    "pid": ir.IntT(32, False, "pid"),
    "tid": ir.IntT(32, False, "tid"),
    "uid": ir.IntT(32, False, "uid"),
    "gid": ir.IntT(32, False, "gid"),
    "ppid": ir.IntT(32, False, "pid"),
    "comm": ir.StringT(16),
    "cpu": ir.IntT(32, False, "cpu"),
    "cgroup": ir.IntT(64, False, "cgroup"),
    "wanted": ir.BoolT(),
    "filtered": ir.BoolT(),
}
OF_TASK = ("pid", "tid", "uid", "gid", "ppid", "comm", "cgroup", "wanted")
ALIASES = {"time": "nsecs"}
TARGETS = ("probe", "func")
"""Builtins that name what is traced."""
PROBE_NAME = 128
"""Bytes of the longest name that a wildcard may match, with its NUL: KSYM_NAME_LEN up to Linux 6.0; no kernel has used more."""


@record(frozen=False)
class Scope:
    """What names mean at one place. ``names``: variables; ``args``: inputs by name, or why there are none; ``numbered``:
    arg0, arg1 …; ``space``: where plain numbers used as pointers point to; ``record``: the struct whose members the args are, for
    which other kernels may have others; ``task``: "current", "none" or an expression."""

    names: dict[str, ir.Expr] = field(default_factory=dict)
    args: Mapping[str, ir.Expr] = field(default_factory=dict)
    no_args: str = "this attach point gives no args"
    numbered: tuple[ir.Expr, ...] = ()
    retval: ir.Expr | None = None
    no_retval: str = ""
    space: ir.Space = "kernel"
    record: btf.Struct | None = None
    task: ir.Expr | str = "current"
    params: Mapping[str, ir.ParamInfo] = field(default_factory=dict)
    maps: Mapping[str, ir.MapInfo] = field(default_factory=dict)
    target: str = ""
    function: bool = False  # ``target`` is a function's name
    wildcard: bool = False  # there are several targets: which one it is shows when the program runs
    failed: dict[str, ExpressionError] = field(default_factory=dict)  # names whose value is not known here, and why
    variables: set[str] = field(default_factory=set)  # of the whole program, each given once

    def inner(self) -> Scope:
        return replace(self, names=dict(self.names), failed=dict(self.failed))


def type_of_field(kind: FieldType) -> ir.Type:
    """The type of a stored field, read back."""
    match kind.shape:
        case "bool":
            return ir.BoolT()
        case "string":
            return ir.StringT(kind.size)
        case "bytes":
            return ir.BytesT(kind.word, kind.size)
        case "argv":
            return ir.ArgvT()
    return ir.IntT(kind.bits, kind.signed, kind.word)
