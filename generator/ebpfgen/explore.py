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
    find.add_argument(
        "pattern", metavar="PATTERN", help="for example 'tcp*', 'sched:*', 'fentry:vfs_*', 'struct:*sock*', 'usdt:libstdc++.so.6'"
    )
    find.set_defaults(run=run_find)
    words = "show what a spec may use of an attach point or a type"
    describe = subparsers.add_parser("describe", help=words, description=_DESCRIBE)
    describe.add_argument(
        "thing", metavar="THING", help="for example tracepoint:sched:sched_switch, kprobe:tcp_connect or struct:sock"
    )
    describe.set_defaults(run=run_describe)
    for command in (find, describe):
        command.add_argument("--kernel", metavar="FILE", type=Path, help="a captured kernel instead of the running one")
        command.add_argument("--format", choices=("text", "json"), default="text", help="how to print (default: text)")
    group = subparsers.add_parser("kernel", help="descriptions of kernels", description="Descriptions of kernels.")
    actions = group.add_subparsers(metavar="ACTION", required=True)
    capture = actions.add_parser("capture", help="write the running kernel's description to a file", description=_CAPTURE)
    capture.add_argument("file", metavar="FILE", type=Path, help="the file to write, about 2 MB")
    capture.set_defaults(run=run_capture)


_FIND = """List attach points whose names match PATTERN: a glob over names, over CATEGORY:NAME, or over either behind a kind and
a colon. Without *, ? and [ the pattern is looked for anywhere in the name. Kernel functions are listed as kprobes; kretprobe,
fentry and fexit take the same. usdt:BINARY, or usdt:BINARY:GLOB, lists the probes in a binary of this machine."""
_DESCRIBE = """Print the inputs of an attach point, the members of a struct (struct:NAME) or the constants of an enum (enum:NAME):
names, types of the kernel, and the field type of a spec that takes them."""
_CAPTURE = """Write types, tracepoints and functions of the running kernel to FILE, so that specs can be checked and built for it
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

    account = describe(_kernel(args.kernel), args.thing)
    print(json.dumps(as_data(account), indent=2) if args.format == "json" else as_text(account))
    return 0


def run_capture(args: argparse.Namespace) -> int:
    from .kernel_capture import capture

    running = kernel.running()
    size = capture(running.source, args.file)
    print(f"ebpfgen: {args.file}: Linux {running.release} on {running.machine}, {size / 1e6:.1f} MB", file=sys.stderr)
    return 0


def _kernel(file: Path | None) -> Description:
    return kernel.running() if file is None else kernel.from_file(file)
