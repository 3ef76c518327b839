"""Builtins: the task and its ids, the clock, the CPU, the common filters.

Writes each helper call once for a block and what is inside it. Of the task that the program speaks of, which may be another
than the current one, it reads members instead.
"""

from __future__ import annotations

from ebpfgen import btf, ir

from .collected import is_plain
from .ctext import primary_of
from .memory import Memory


class Builtins(Memory):
    """Adds pid, comm, nsecs … and the question whether a task is wanted."""

    def task(self) -> str:
        """A pointer to the task that pid, comm … speak of."""
        if self.program.task is not None:
            return self.value(self.program.task)
        return self.once("curtask", "struct task_struct *", "task", "(struct task_struct *)bpf_get_current_task()")

    def _core_path(self, path: list[str]) -> str:
        """Declares the members of a path that begins in struct task_struct."""
        type_id = self.whole.btf.find("task_struct", btf.Struct) or 0
        for segment in path:
            steps = []
            for name in segment.split("."):
                struct = self.whole.btf.resolve(type_id)
                if isinstance(struct, btf.Fwd):
                    struct = self.whole.btf.resolve(self.whole.btf.find(struct.name, btf.Struct) or 0)
                assert isinstance(struct, btf.Struct), path
                member = self.whole.btf.member(struct, name)
                assert member, path
                steps.append(ir.Step(struct, member))
                type_id = member.type_id
            self.whole.types.steps(steps)
            behind = self.whole.btf.resolve(type_id)
            if isinstance(behind, btf.Ptr):
                type_id = behind.target
        return ", ".join(path)

    def wanted(self) -> str:
        """Whether the common filters want the task."""
        for path in (["cgroups", "dfl_cgrp", "kn", "id"], ["cgroups", "dfl_cgrp", "level"]):
            self._core_path(path)
        self.whole.types.others.setdefault("cgroup", {}).update({"ancestors[1]": "struct cgroup *", "ancestor_ids[1]": "__u64 "})
        if self.program.task is None:
            self.whole.helpers.add("wanted")
            return "wanted()"
        self.whole.helpers.add("wanted_task")
        for path in (["tgid"], ["pid"], ["cred", "uid.val"], ["comm"]):
            self._core_path(path)
        return f"wanted_task({self.task()})"

    def builtin(self, v: ir.Builtin) -> str:
        match v.name:
            case "nsecs":
                return self.started()
            case "elapsed":
                return f"{self.started()} - {self._span_started()}"
            case "started":
                return self._span_started()
            case "cpu" if "cpu" in self.often:
                return self.once(("builtin", "cpu"), "__u32", "cpu", "bpf_get_smp_processor_id()")
            case "cpu":
                return "bpf_get_smp_processor_id()"
            case "wanted":
                return self.wanted()
            case "probe":
                return self._probe_name()
            case "filtered":
                return "config.filter_on != 0"
            case "curtask":
                self.whole.types.pointer(self.whole.btf.find("task_struct", btf.Struct) or 0)
                return self.once("curtask", "struct task_struct *", "task", "(struct task_struct *)bpf_get_current_task()")
            case "ppid":
                return f"BPF_CORE_READ({self.task()}, {self._core_path(['real_parent', 'tgid'])})"
        if self.program.task is not None:
            path = {"pid": ["tgid"], "tid": ["pid"], "uid": ["cred", "uid.val"], "gid": ["cred", "gid.val"],
                    "cgroup": ["cgroups", "dfl_cgrp", "kn", "id"]}[v.name]  # fmt: skip
            return f"BPF_CORE_READ({self.task()}, {self._core_path(path)})"
        match v.name:
            case "pid" | "tid":
                both = self.once("pid_tgid", "__u64", "pid_tgid", "bpf_get_current_pid_tgid()")
                return f"{both} >> 32" if v.name == "pid" else f"(__u32){both}"
            case "uid" | "gid":
                both = self.once("uid_gid", "__u64", "uid_gid", "bpf_get_current_uid_gid()")
                return f"{both} >> 32" if v.name == "gid" else f"(__u32){both}"
            case "cgroup":
                return "bpf_get_current_cgroup_id()"
        raise AssertionError(v.name)

    def _probe_name(self) -> str:
        """The name of what a wildcard matched; the table has one for every cookie, which the verifier can't know."""
        self.whole.helpers.add("probe_name")
        key = ("builtin", "probe")
        if key in self.known.values:
            return self.known.values[key]
        name = self.once(key, "const char *", "name", "probe_name(ctx)")
        self.block(f"if (!{name})", [self.exit])
        return name

    def started(self) -> str:
        return self.once(("builtin", "nsecs"), "__u64", "now", "bpf_ktime_get_ns()")

    def _span_started(self) -> str:
        assert self.span
        return "*span" if is_plain(self.span.value) else "span->__started"

    def comm(self) -> str:
        """The task's name in a variable."""
        key = ("comm", self.program.task)
        if key not in self.known.values:
            name = self.known.values[key] = self.fresh("comm")
            self.stack += 16
            self.emit(f"char {name}[16] = {{}};")
            self.store_comm(name)
        return self.known.values[key]

    def store_comm(self, to: str) -> None:
        if self.program.task is None:
            self.emit(f"bpf_get_current_comm({to}, sizeof({to}));")
        else:
            self._core_path(["comm"])
            self.emit(f"bpf_probe_read_kernel({to}, sizeof({to}), {primary_of(self.task())}->comm);")
