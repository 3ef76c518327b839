"""``ebpfgen new NAME``: a commented starter spec, which checks, builds and runs as it is.

Receives a name and perhaps a path. Writes one new file, or nothing; never touches a file that is there.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .atomic import create
from .problems import MachineError, SpecError

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SCHEMA = Path(__file__).resolve().with_name("spec.schema.json")
FOLDER = Path("specs")
SPELLING = re.compile(r"[a-z][a-z0-9_]{0,39}")

# Uses nothing but system call tracepoints: kernels without kprobes have them too.
STARTER = """\
# yaml-language-server: $schema={schema}
#
# Check it:  ebpfgen check {path}
# Run it:    ebpfrun {path}            (as root; builds it first if it changed)
# What else can be traced:  ebpfgen find 'sys_enter_open*'    ebpfgen describe tracepoint:syscalls:sys_enter_openat
ebpfgen: 1
name: {name}
summary: Files that processes open, what came of it and how long it took.

# Parameters become options of ebpfrun: --slower 1ms
params:
  slower: {{type: duration, default: 0, help: only opens that took at least this long}}

# An event is a row. Fields called like a builtin (time, pid, comm …) fill themselves.
events:
  opened:
    summary: a file was opened, or could not be
    fields:
      time: timestamp
      pid: pid
      comm: comm
      path: string(128)
      result: result        # a file descriptor, or the error's name
      took: duration

# A metric is counted in the kernel and printed at each interval; `top` is the number of rows shown.
metrics:
  opens: {{kind: counter, help: files opened, labels: {{comm: comm}}, top: 10}}

# A span pairs a start with its end in the same thread. What only the start knows is kept for the end.
spans:
  opened:
    start: tracepoint:syscalls:sys_enter_openat
    end: tracepoint:syscalls:sys_exit_openat
    keep: {{filename: args.filename}}
    where: elapsed >= $slower
    do:
      - {{count: opens}}
      - {{emit: opened, with: {{path: str(filename), result: args.ret, took: elapsed}}}}
"""


def add_parser(subparsers: Subparsers) -> None:
    """Adds the command; ``run`` of the parsed arguments is :func:`run`."""
    parser = subparsers.add_parser(
        "new",
        help="write a commented starter spec",
        description="Writes specs/NAME.yaml: a commented starter spec that checks, builds and runs as it is.",
    )
    parser.add_argument("name", metavar="NAME", type=tracer_name, help="the tracer's name; the file is called NAME.yaml")
    parser.add_argument("--out", metavar="PATH", type=Path, help="the file or folder to write to (default: specs/NAME.yaml)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Writes the spec and says what to do with it. Returns the exit status."""
    path = destination(args.name, args.out)
    write(path, args.name)
    print(f"{path} is written; run it: ebpfrun {path}", file=sys.stderr)
    return 0


def tracer_name(text: str) -> str:
    """``text``, if a spec may be called so; ArgumentTypeError with the reason if not."""
    from . import loader
    from .characters import quote

    if not SPELLING.fullmatch(text):
        near = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_0123456789")[:40]
        hint = f"; did you mean {near}?" if near else ""
        expected = "a name of small letters, digits and _, beginning with a letter, at most 40 characters"
        raise argparse.ArgumentTypeError(f"expected {expected}; got {quote(text)}{hint}")
    file = Path(f"{text}.yaml")
    try:
        loader.load(starter(text, file).encode(), str(file))
    except SpecError as error:  # a word that is taken
        raise argparse.ArgumentTypeError(error.problems[0].message) from None
    return text


def starter(name: str, path: Path) -> str:
    """The text of the starter spec that will stand at ``path``."""
    return STARTER.format(name=name, path=path, schema=schema_reference(path))


def schema_reference(path: Path) -> str:
    """How an editor that reads the spec at ``path`` finds the schema: in the same checkout relatively, so that the spec can
    be committed, else by the schema's place on this machine."""
    checkout = SCHEMA.parent.parent.parent
    folder = path.absolute().parent
    if (checkout / "pyproject.toml").is_file() and folder.is_relative_to(checkout):
        return os.path.relpath(SCHEMA, folder)
    return str(SCHEMA)


def destination(name: str, out: Path | None) -> Path:
    """The file to write. MachineError when ``out`` is a file that the tracer cannot have."""
    file = f"{name}.yaml"
    if out is None:
        return FOLDER / file
    if out.is_dir():
        return out / file
    if out.name != file:
        raise MachineError(f"{out}: a spec called {name} must be in a file called {file}")
    return out


def write(path: Path, name: str) -> None:
    """Writes the starter spec; MachineError when there is such a file already or it cannot be written."""
    try:
        if path.parent == FOLDER:
            FOLDER.mkdir(exist_ok=True)
        create(path, starter(name, path).encode())
    except FileExistsError:
        raise MachineError(f"{path} is there already; nothing was written") from None
    except OSError as error:
        raise MachineError(f"{path} cannot be written: {error.strerror}") from None
