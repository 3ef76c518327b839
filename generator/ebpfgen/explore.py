"""The commands that look at a kernel: ``find``, ``describe``, ``kernel capture``.

Receives parsed flags, prints, returns the exit status; errors go up as :class:`~ebpfgen.problems.EbpfgenError`. Finding and
describing is done elsewhere.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from . import kernel
from .records import values

if TYPE_CHECKING:
    import argparse

    from .kernel_description import Description

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parsers(subparsers: Subparsers) -> None:
    """Registers the commands; each sets ``run``, a function of the parsed flags that returns the exit status."""
    find = subparsers.add_parser("find", help="list tracepoints and functions by name", description=_FIND)
    example = "for example 'tcp*', 'sched:*', 'fentry:vfs_*', 'struct:*sock*', 'uprobe:libc.so.6:mall*', 'usdt:libstdc++.so.6'"
    find.add_argument("pattern", metavar="PATTERN", help=example)
    find.set_defaults(run=run_find)
    words = "show what a spec may use of an attach point or a type"
    describe = subparsers.add_parser("describe", help=words, description=_DESCRIBE)
    describe.add_argument(
        "thing", metavar="THING", help="for example tracepoint:sched:sched_switch, kprobe:tcp_connect or struct:sock"
    )
    describe.set_defaults(run=run_describe)
    one = "a captured kernel instead of the running one"
    find.add_argument("--kernel", metavar="FILE", type=Path, help=one)
    describe.add_argument(
        "--kernel", metavar="FILE", type=Path, action="append", default=[], help=f"{one}; given again, says in what they differ"
    )
    for command in (find, describe):
        command.add_argument("--format", choices=("text", "json"), default="text", help="how to print (default: text)")
    group = subparsers.add_parser("kernel", help="descriptions of kernels", description="Descriptions of kernels.")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    capture = actions.add_parser("capture", help="write the running kernel's description to a file", description=_CAPTURE)
    capture.add_argument("file", metavar="FILE", type=Path, help="the file to write, about 2 MB")
    capture.set_defaults(run=run_capture)


_FIND = """Lists attach points whose names match PATTERN: a glob over names, over CATEGORY:NAME, or over either behind a kind and
a colon. Without *, ? and [ the pattern is looked for anywhere in the name. Kernel functions are listed as kprobes; kretprobe,
fentry and fexit take the same. usdt:BINARY and uprobe:BINARY, with or without :GLOB behind them, list the probes and the
functions in a binary of this machine."""
_DESCRIBE = """Prints the inputs of an attach point, the members of a struct (struct:NAME) or the constants of an enum
(enum:NAME): names, types of the kernel, and the field type of a spec that takes them. With several kernels: in what they differ
there; then a member may stand behind a struct, struct:task_struct.on_cpu."""
_CAPTURE = """Writes types, tracepoints and functions of the running kernel to FILE, so that specs can be checked and built for it
elsewhere (--kernel FILE). Needs root, to see the tracepoints."""


def run_find(args: argparse.Namespace) -> int:
    from .describe import columns
    from .find import find

    found = find(_kernel(args.kernel), args.pattern)
    if args.format == "json":
        print(json.dumps([values(row) for row in found.rows], indent=2))
    else:
        table = [(row.name, row.signature, f"can't be attached: {row.note}" if row.note else "") for row in found.rows]
        print("\n".join(columns(table, widest=64)))
    for note in found.notes:
        print(f"ebpfgen: {note}", file=sys.stderr)
    return 0


def run_describe(args: argparse.Namespace) -> int:
    from .describe import as_data, as_text, describe

    if len(args.kernel) > 1:
        return _compare(args)
    account = describe(_kernel(args.kernel[0] if args.kernel else None), args.thing)
    print(json.dumps(as_data(account), indent=2) if args.format == "json" else as_text(account))
    return 0


def _compare(args: argparse.Namespace) -> int:
    from .portability.survey import labels
    from .portability.things import as_data, as_text, compare

    kernels = [_kernel(file) for file in args.kernel]
    named = labels([(str(file), one.release) for file, one in zip(args.kernel, kernels, strict=True)])
    found = compare(list(zip(named, kernels, strict=True)), args.thing)
    print(json.dumps(as_data(found), indent=2) if args.format == "json" else as_text(found))
    return 0


def run_capture(args: argparse.Namespace) -> int:
    from .kernel_capture import capture

    running = kernel.running()
    size = capture(running.source, args.file)
    print(f"ebpfgen: {args.file}: Linux {running.release} on {running.machine}, {size / 1e6:.1f} MB", file=sys.stderr)
    return 0


def _kernel(file: Path | None) -> Description:
    return kernel.running() if file is None else kernel.from_file(file)
