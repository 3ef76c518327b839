"""Specs that are nearly right: valid ones with nodes dropped, doubled, exchanged, and expressions replaced.

The tree is that of YAML's own mappings, lists and text; what comes out is well-formed YAML.
"""

from __future__ import annotations

import copy
import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

GOLDEN = Path(__file__).parents[1] / "codegen" / "golden"
EXPRESSIONS = (
    "0", "1", "-1", "true", '"text"', "10ms", "4KiB", "pid", "tid", "comm", "nsecs", "cpu", "cgroup", "ppid", "curtask", "probe", "retval",
    "elapsed", "started", "wanted", "args", "args.x", "arg0", "arg5", "TCP_CLOSE", "S_IFMT", "EPERM", "nosuch", "$nosuch", "$rate", "$program",
    "comm == \"x\"", "pid == 1", "not pid", "pid and tid", "pid or tid", "pid in (1, 2)", "curtask.pid", "curtask.comm", "curtask.cred",
    "curtask.nosuch", "curtask.cred.uid.val", "(struct task_struct *)arg0", "(struct nosuch *)arg0", "(u8)pid", "(i64)pid", "(u64 *)curtask",
    "*(u64 *)curtask", "((u32 *)arg0)[3]", "str(curtask.comm)", "str(arg0)", "str(arg0, 8)", "str(args.filename)", "strlen(comm)",
    "startswith(comm, \"k\")", "ip(pid)", "mac(curtask)", "buf(arg0, 4)", "argv(args.argv)", "uptr(arg0)", "kptr(arg0)", "ntohs(pid)",
    "ntohl(pid)", "abs(retval)", "min(pid, tid)", "max(1, pid)", "dev(1, 2)", "exists(curtask.nosuch)", "exists(curtask.pid)", "pid / tid",
    "pid / 0", "pid % 7", "retval / 10", "pid << 70", "1 << pid", "~pid", "-pid", "pid ? tid : uid", "pid ? comm : \"x\"", "a[1]", "a[pid]",
    "a[1] ?? 2", "seen[pid, comm].times", "seen[pid, comm]", "seen[1]", "1 in a", "pid in seen", "(pid, comm) in seen", "a", "n", "rq", "disk",
    "rq.q.disk", "disk.first_minor", "filename", "pid +", "(", "]", "a.b.c", "x = 1", "pid == comm", "retval < pid", "18446744073709551615",
    "9223372036854775808", "pid < -1", "pid == 5000000000", "args.newstate", "args.saddr", "args.file.f_path.dentry.d_name.name", "'a'",
    "func", "probe", 'startswith(probe, "tcp")', 'func == "tcp_connect"', "strlen(func)", "args.task.pid", "args.fd", "arg7", "args.p.comm",
    "args.sk_common.skc_state", "(i32)arg11", "str(arg1)", "args.task",
)  # fmt: skip
POINTS = (
    "tracepoint:sched:sched_switch", "tracepoint:syscalls:sys_enter_read", "tracepoint:syscalls:sys_exit_read", "tracepoint:no:such",
    "?tracepoint:no:such", "raw_tracepoint:sched_switch", "tp_btf:block_rq_issue", "tp_btf:nosuch", "kprobe:tcp_connect", "kprobe:nosuch",
    "kretprobe:vfs_read", "fentry:vfs_read", "fexit:vfs_read", "fexit:tcp_close", "uprobe:/bin/x:main", "uretprobe:libc.so.6:malloc",
    "uprobe:/bin/x:0", "profile:hz:99", "profile:hz:$rate", "interval:s:1", "interval:s:0", "software:cpu-clock:1000000", "kprobe:",
    "usdt:libc.so.6:libc:setjmp", "usdt:x:y", "usdt::", "iter:task_file", "iter:tcp", "iter:tsk", "lsm:file_open", "lsm:x",
    "hardware:cycles:99", "hardware:x", "kprobe:tcp_*", "kretprobe:*", "kprobe:nosuch*", "uprobe:libc.so.6:mem*", "kprobe:made_static",
    "tracepoint:syscalls:sys_enter_*", "tracepoint:sched:sched_*", "kprobe:mod:tcp_connect", "fentry:tcp_*",
    "tracepoint:thermal:thermal_trip", "raw_tracepoint:net_dev_queue", "kprobe:written_in_assembly", "fentry:many_arguments",
)  # fmt: skip
TYPES = ("u8", "u16", "u32", "u64", "i8", "i32", "i64", "bool", "hex", "timestamp", "duration", "bytes", "pid", "comm", "string(8)", "string(4096)",
         "argv(64)", "ip", "mac", "port", "errno", "result", "syscall", "enum:req_op", "enum:nosuch", "flags:open", "dev_t", "nosuch")  # fmt: skip
NAMES = (
    "count",
    "key",
    "events",
    "value",
    "main",
    "malloc",
    "n",
    "a",
    "seen",
    "io",
    "x_",
    "ctx",
    "span",
    "linux",
    "index",
    "bpf_htons",
)

Node = Any


def seeds() -> list[tuple[str, Node]]:
    """Name and tree of each valid spec."""
    paths = sorted(GOLDEN.glob("*/*.yaml"))
    return [(path.stem, yaml.load(path.read_text(), yaml.BaseLoader)) for path in paths]


def mutated(tree: Node, choose: random.Random, others: list[Node]) -> Node:
    tree = copy.deepcopy(tree)
    for _ in range(choose.choice((1, 1, 1, 2, 3))):
        _change(tree, choose, others)
    return tree


def text(tree: Node) -> str:
    """As YAML, which JSON is too; numbers and truths without quotes."""
    return re.sub(r'"(-?[0-9]+|true|false)"(?!:)', r"\1", json.dumps(tree, ensure_ascii=False, indent=1))


def _change(tree: Node, choose: random.Random, others: list[Node]) -> None:
    places = list(_places(tree))
    holder, key = choose.choice(places)
    kind = choose.randrange(8)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == 2:
        other, at = choose.choice(places)
        holder[key], other[at] = copy.deepcopy(other[at]), copy.deepcopy(holder[key])
    elif kind == 3 and isinstance(holder, dict):
        name = choose.choice((*NAMES, *(str(k) for h, k in places if isinstance(h, dict))))
        holder[name] = holder.pop(key)
    elif kind == 4:
        other, at = choose.choice(list(_places(choose.choice(others))))
        holder[key] = copy.deepcopy(other[at])
    elif kind == 5:
        holder[key] = choose.choice((*POINTS, *TYPES))
    else:
        scalars = [(h, k) for h, k in places if isinstance(h[k], str)]
        holder, key = choose.choice(scalars or places)
        holder[key] = choose.choice(EXPRESSIONS)


def _places(tree: Node) -> Iterator[tuple[Any, Any]]:
    """Every place of a node in its mapping or list."""
    if isinstance(tree, dict):
        for key in list(tree):
            yield tree, key
            yield from _places(tree[key])
    elif isinstance(tree, list):
        for i in range(len(tree)):
            yield tree, i
            yield from _places(tree[i])
