"""Names: variables, builtins, inputs, constants of the kernel and of its headers, parameters."""

from __future__ import annotations

from ebpfgen import btf, expr, ir
from ebpfgen.constants import header_constant, header_constants
from ebpfgen.expr import ExpressionError
from ebpfgen.problems import near_misses

from .expression import Expression
from .scope import BUILTINS, OF_TASK, PROBE_NAME, TARGETS, type_of_field


class Named(Expression):
    """Adds names."""

    def name(self, node: expr.Name) -> ir.Expr:
        name, scope = node.name, self.scope
        if name in scope.names:
            return scope.names[name]
        if name in scope.failed:
            raise scope.failed[name]
        if name in BUILTINS:
            if name in OF_TASK and scope.task == "none":
                raise self.fail(node, f"'{name}' is not known here: the probe says 'task: none'")
            return ir.Builtin(BUILTINS[name], name)
        if name == "curtask":
            return ir.Builtin(self.task_pointer(node), name)
        if name in TARGETS:
            return self.target(node)
        if name == "retval":
            if scope.retval is None:
                raise self.fail(node, f"there is no retval here: {scope.no_retval}")
            return scope.retval
        if name.startswith("arg") and name[3:].isdigit():
            if int(name[3:]) < len(scope.numbered):
                return scope.numbered[int(name[3:])]
            raise self.fail(node, f"'{name}' is not known here: {self.inputs()}")
        if (known_constant := self.typer.kernel.constant(name)) is not None:
            number, _ = known_constant
            if len(values := {value for value, _ in self.btf.find_constants(name)}) > 1:
                several = " and ".join(str(v) for v in sorted(values))
                raise self.fail(node, f"'{name}' is {several} in different enums of this kernel", hint="write the number")
            return ir.Const(ir.IntT(64, number < 0), number, name)
        if (of_a_header := header_constant(name)) is not None:
            return ir.Const(ir.IntT(64, False), of_a_header, name)
        if name.startswith("SYS_"):
            return self.syscall_number(node)
        raise self.unknown(node)

    def target(self, node: expr.Name) -> ir.Expr:
        """The name of what is being traced: known here, or behind a wildcard known to the runtime."""
        scope = self.scope
        if node.name == "func" and not scope.function:
            raise self.fail(node, "there is no func here: this attach point is at no function", hint="probe is its name")
        if not scope.wildcard:
            return ir.Text(ir.StringT(len(scope.target.encode()) + 1), scope.target.encode())
        pointer = ir.Builtin(ir.PtrT("kernel", 0, ir.IntT(8, True), spelled="const char *"), "probe")
        return ir.StringAt(ir.StringT(PROBE_NAME), pointer, "kernel")

    def inputs(self) -> str:
        """What the attach point gives."""
        match len(self.scope.numbered):
            case 0 if not self.scope.args:
                return self.scope.no_args
            case 0:
                return f"this attach point gives {', '.join(f'args.{a}' for a in self.scope.args)}"
            case 1:
                return "this attach point gives arg0 only"
        return f"this attach point gives arg0 … arg{len(self.scope.numbered) - 1}"

    def syscall_number(self, node: expr.Name) -> ir.Const:
        wanted = node.name.removeprefix("SYS_")
        numbers = {name: number for number, name in self.typer.kernel.syscalls().items()}
        if wanted not in numbers:
            near = tuple(f"SYS_{name}" for name in near_misses(wanted, numbers))
            raise self.fail(node, f"{self.typer.kernel.machine} has no system call '{wanted}'", near)
        return ir.Const(ir.IntT(64, False), numbers[wanted], node.name)

    def unknown(self, node: expr.Name) -> ExpressionError:
        name = node.name
        if name == "args":
            return self.fail(node, "args is not a value: write args.NAME", near_misses("args", self.scope.args))
        if name in self.scope.maps:
            return self.fail(node, f"'{name}' is a map: write {name}[key], or 'key in {name}'")
        if name in ("elapsed", "started"):
            return self.fail(node, f"'{name}' is known at the end of a span only")
        if name in self.scope.params:
            return self.fail(node, f"'{name}' is a parameter: write ${name}")
        if name.lower() in ("null", "nullptr", "none", "nil"):
            return self.fail(node, f"there is no '{name}': write 0")
        if name in self.scope.args:
            return self.fail(node, f"'{name}' is not known here", (f"args.{name}",))
        known = [*self.scope.names, *BUILTINS, *TARGETS, "curtask", "retval", *(f"args.{a}" for a in self.scope.args)]
        near = near_misses(name, known)
        if not near and name.isupper():
            near = near_misses(name, [*self.typer.kernel.constants(), *header_constants()])
        return self.fail(node, f"'{name}' is not known here", near)

    def task_pointer(self, node: expr.Node) -> ir.PtrT:
        task = self.btf.find("task_struct", btf.Struct)
        if task is None:
            raise self.fail(node, "this kernel's types have no struct task_struct")
        return self.typer.pointer_to(task, "kernel", trusted=False)

    def param(self, node: expr.Node, name: str) -> ir.Expr:
        param = self.scope.params.get(name)
        if param is None and f"${name}" in self.scope.failed:
            raise self.scope.failed[f"${name}"]
        if param is None:
            near = tuple(f"${p}" for p in near_misses(name, self.scope.params))
            known = ", ".join(f"${p}" for p in self.scope.params)
            hint = "" if near else f"there are {known}" if known else "this spec has no params"
            raise self.fail(node, f"parameter ${name} is not declared", near, hint)
        return ir.ParamValue(type_of_field(param.type), name)

    def is_known(self, name: str) -> bool:
        """Whether it is a value's name, be it one that can't be indexed."""
        scope = self.scope
        numbered = name.startswith("arg") and name[3:].isdigit()
        return numbered or name in scope.names or name in scope.failed or name in (*BUILTINS, "curtask", "retval", "args")
