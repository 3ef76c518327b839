"""The command line of a run, in two steps: which tracer, then its options, parameters included.

Receives the words after ``ebpfrun``; returns the tracer's name, then :class:`Options`. A wrong word ends in a
:class:`~ebpfrun.errors.UsageError` with the near miss. Reads no artefact: the manifest is given.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from . import __version__, config, report, values
from .config import FILTERS, Value
from .errors import ArtefactError, UsageError
from .lean import Any, NamedTuple, NoReturn
from .manifest import Manifest, Param

_USAGE = "ebpfrun SPEC_OR_ARTEFACT [options]"
_COMMANDS = """
commands:
    doctor              what this machine can trace, what is missing and how to get it
    list                the specs and artefacts that can be run here

`ebpfrun SPEC --help` shows the options that a spec adds. Events go to the standard output, everything else to the standard
error. Exit status: 0 ended as asked (by --duration, --count, a signal, a closed pipe; with -c the command's own), 1 the spec is
wrong, 2 the command line is, 3 this machine can't, 70 a bug of ebpfrun; after -c, 126 the command
can't be run, 127 there is none.
"""


class Options(NamedTuple):
    """``params`` and ``filters`` hold what was given, by name; ``most`` is --count."""

    duration: float | None
    interval: float | None
    most: int | None
    sinks: list[str]
    filters: dict[str, Value]
    params: dict[str, Value]
    command: str | None
    ring: int | None
    latency: float | None
    order: float | None
    quiet: bool
    verbose: bool
    verifier_log: str | None = None
    check: bool = False
    record: str | None = None
    budget: float | None = None
    stats: bool = False


class Replay(NamedTuple):
    """The command line of a replay; ``most`` is --count."""

    path: str
    sinks: list[str]
    most: int | None
    quiet: bool


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message} (see {self.prog} --help)")

    def _print_message(self, message: str, file: Any = None) -> None:
        """Help and version; argparse itself would not say that they can't be written."""
        report.put(message, end="")


class _Once(argparse.Action):
    """What chooses events: of two values one would be passed over, and somebody might believe in both."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        if getattr(namespace, self.dest, None) is not None:
            raise argparse.ArgumentError(self, "can be given once only")
        setattr(namespace, self.dest, values)


def _formatter(prog: str) -> argparse.HelpFormatter:
    """Help as wide as the terminal. Told the width, argparse does without shutil, 3 ms of import: it makes a formatter for each
    option that is added."""
    try:
        columns = int(os.environ.get("COLUMNS") or os.get_terminal_size(sys.__stdout__.fileno() if sys.__stdout__ else 1).columns)
    except (OSError, ValueError):
        columns = 80
    return argparse.RawDescriptionHelpFormatter(prog, width=max(columns, 40) - 2)


def _typed(convert: Callable[[str], Any]) -> Callable[[str], Any]:
    """argparse shows the text of this error only."""

    def typed(text: str) -> Any:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return typed


def _ring(text: str) -> int:
    value = values.size(text)
    if not config.is_ring(value):
        raise ValueError(f"expected {config.RING}, not {text!r}")
    return value


def _latency(text: str) -> float:
    value = 0.0 if text == "0" else values.seconds(text)
    if value > config.LONGEST_LATENCY:
        raise ValueError(f"expected at most 1s, not {text!r}")
    return value


def _window(text: str) -> float:
    value = values.seconds(text)
    if value > config.LONGEST_WINDOW:
        raise ValueError(f"expected at most 10s, not {text!r}")
    return value


def _number(type: str, least: int | None = None) -> Callable[[str], int]:
    return lambda text: values.number(text, type, least)


def _add_common(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("how long, and what for")
    run.add_argument("--duration", metavar="S", type=_typed(values.seconds), help="end after S seconds (or 500ms, 2m)")
    run.add_argument("--count", metavar="N", type=_typed(_number("u64", 1)), help="end after N events")
    run.add_argument(
        "-c", metavar="COMMAND", dest="command", action=_Once, help="run COMMAND, trace it (not what it starts in turn), end "
        "when it ends, with its exit status; no shell reads it: -c \"sh -c 'a | b'\" has one"
    )  # fmt: skip
    out = parser.add_argument_group("what comes out")
    out.add_argument(
        "--sink", metavar="NAME[:TARGET][,KEY=VALUE]", action="append", default=[], help="table, text, jsonl, csv, parquet, "
        "arrow, sqlite or duckdb; TARGET is a path, or -; keys are policy, queue, flush, retry, and for files rotate, compress "
        "(may be given more than once; default: a table on a terminal, text elsewhere; docs/sinks.md)",
    )  # fmt: skip
    out.add_argument("--record", metavar="FILE", help="keep all that comes, for --replay; without --sink nothing else comes out")
    out.add_argument(
        "--interval", metavar="S", type=_typed(values.seconds), help="print metrics every S seconds, not only at the end"
    )
    out.add_argument(
        "--latency", metavar="S", type=_typed(_latency),
        help="how long an event may wait for others, in place of the spec's (50ms where it names none; at most 1s)",
    )
    out.add_argument(
        "--order", metavar="WINDOW", type=_typed(_window), help="events in the order of their times, waiting so long for late "
        "ones (100ms; at most 10s)",
    )  # fmt: skip
    out.add_argument("--quiet", "-q", action="store_true", help="no remarks and no summary")
    out.add_argument("--verbose", "-v", action="store_true", help="say what is attached, what is not and why")
    out.add_argument("--check", action="store_true", help="load the programs, attach nothing, say what the kernel makes of them")
    out.add_argument("--verifier-log", metavar="FILE", help="keep all that the kernel says of programs that it refuses")
    cost = parser.add_argument_group("what it may cost")
    cost.add_argument(
        "--budget", metavar="P%", type=_typed(values.percent), help="hold the run to P%% of one core: sample, or end, where it "
        "would use more (off: not even the spec's budget)"
    )  # fmt: skip
    cost.add_argument(
        "--stats", action="store_true", help="show what each program costs, every --interval (default 1s) and at the end"
    )
    only = parser.add_argument_group("only the events of")
    only.add_argument("--pid", metavar="N", action=_Once, type=_typed(values.process), help="a process")
    only.add_argument("--tid", metavar="N", action=_Once, type=_typed(values.thread), help="a thread")
    only.add_argument("--uid", metavar="N", action=_Once, type=_typed(_number("uid")), help="a user, by number or name")
    only.add_argument("--comm", metavar="NAME", action=_Once, help="tasks of this name")
    only.add_argument("--cgroup", metavar="PATH", action=_Once, help="a folder of cgroup v2, with all below it")
    other = parser.add_argument_group("where things are")
    other.add_argument("--build", metavar="DIR", help="the folder of artefacts (default: build)")
    other.add_argument("--ring", metavar="SIZE", type=_typed(_ring), help="size of the event ring buffer, in place of the spec's")


def _common() -> _Parser:
    parser = _Parser(
        prog="ebpfrun",
        usage=f"{_USAGE}\n       ebpfrun doctor | list",
        description="Runs a tracer: a spec (specs/net.yaml, or net), or what ebpfgen built from it (build/net).",
        epilog=_COMMANDS,
        formatter_class=_formatter,
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument("--help", "-h", action="store_true", help="this, or a tracer's own help after its name")
    parser.add_argument("--replay", metavar="FILE", help="give a recording to sinks again; needs neither root nor the tracer")
    parser.add_argument("--version", action="version", version=f"ebpfrun {__version__}")
    _add_common(parser)
    return parser


class Target(NamedTuple):
    """The first step's result: what to run, and where artefacts are. ``word`` is None where only help was asked for."""

    word: str | None
    build: str | None
    help: bool
    rest: list[str]


def target(argv: Sequence[str]) -> Target:
    """Finds the tracer: the first word that is neither an option nor a common option's value. A tracer's own options come after
    it, because before it nobody knows whether they take a value."""
    parser = _common()
    takes_value = {o for a in parser._actions if a.nargs != 0 for o in a.option_strings}
    rest = list(argv)
    i = 0
    while i < len(rest) and rest[i].startswith("-"):
        i += 2 if rest[i] in takes_value else 1
    word = rest.pop(i) if i < len(rest) else None
    known, _ = parser.parse_known_args(rest)
    if word is None and known.help:
        parser.print_help()
    elif word is None:
        raise UsageError(f"what shall be run? usage: {_USAGE} (see ebpfrun --help)")
    return Target(word, known.build, known.help, rest)


def parse(target: Target, manifest: Manifest) -> Options:
    """The second step. Exits, as argparse does, after printing help that was asked for."""
    parser = _Parser(
        prog=f"ebpfrun {target.word}",
        description="\n\n".join(filter(None, (manifest.summary, manifest.description))),
        formatter_class=_formatter,
        allow_abbrev=False,
    )
    own = parser.add_argument_group(f"parameters of {manifest.name}") if manifest.params else parser
    _add_common(parser)
    for param in manifest.params:
        _add_param(own, param)
    args, unknown = parser.parse_known_args(target.rest)
    if unknown:
        parser.error(_unknown(unknown[0], [o for a in parser._actions for o in a.option_strings], manifest))
    if args.ring is not None:
        try:
            config.insist_on_ring(manifest, args.ring)
        except UsageError as error:
            raise UsageError(f"argument --{error}") from None
    given = {p.name: getattr(args, f"param.{p.name}") for p in manifest.params}
    return Options(
        duration=args.duration,
        interval=args.interval,
        most=args.count,
        sinks=args.sink,
        filters={f: getattr(args, f) for f in FILTERS if getattr(args, f) is not None},
        params={name: value for name, value in given.items() if value is not None},
        command=args.command,
        ring=args.ring,
        latency=args.latency,
        order=args.order,
        quiet=args.quiet,
        verbose=args.verbose,
        verifier_log=args.verifier_log,
        check=args.check,
        record=args.record,
        budget=args.budget,
        stats=args.stats,
    )


_OF_A_REPLAY = ("replay", "sink", "most", "count", "quiet", "verbose", "help")


def replay(argv: Sequence[str]) -> Replay | None:
    """The command line of a replay; None after printing help that was asked for."""
    parser = _common()
    args, rest = parser.parse_known_args(argv)
    if args.help:
        parser.print_help()
        return None
    if rest:
        parser.error(f"--replay {args.replay} needs no tracer and has no {rest[0]}")
    for name, value in vars(args).items():
        if name not in _OF_A_REPLAY and value != parser.get_default(name):
            option = "-c" if name == "command" else f"--{name}"
            parser.error(f"{option} can't be chosen for a replay: the recording holds what was chosen when it was made")
    return Replay(args.replay, args.sink, args.count, args.quiet)


def _add_param(group: argparse._ActionsContainer, param: Param) -> None:
    flags = list(dict.fromkeys(f"--{name}" for name in (param.name.replace("_", "-"), param.name)))
    if isinstance(param.default, bool):
        keywords: dict[str, Any] = {"action": argparse.BooleanOptionalAction, "help": param.help}
    else:
        keywords = {"action": _Once, "type": _typed(_converter(param)), "metavar": _metavar(param), "help": _help(param)}
    try:
        group.add_argument(*flags, dest=f"param.{param.name}", default=None, **keywords)
    except argparse.ArgumentError:
        raise ArtefactError(
            f"parameter {param.name} has the name of an option that ebpfrun has itself; rename it in the spec"
        ) from None


def _converter(param: Param) -> Callable[[str], Value]:
    if param.type.startswith("string"):
        return str
    return lambda text: values.number(text, param.type, param.min, param.max)


def _metavar(param: Param) -> str:
    return {"duration": "DURATION", "bytes": "SIZE", "port": "PORT", "pid": "PID", "uid": "USER"}.get(
        param.type, "TEXT" if param.type.startswith("string") else "N"
    )


def _help(param: Param) -> str:
    default, least, most = (values.spelled(value, param.type) for value in (param.default, param.min, param.max))
    parts = [
        f"default {default}" if param.default else "",
        f"at least {least}" if param.min is not None else "",
        f"at most {most}" if param.max is not None else "",
    ]
    said = ", ".join(filter(None, parts))
    return (f"{param.help} ({said})" if said else param.help).replace("%", "%%")


def _unknown(word: str, known: list[str], manifest: Manifest) -> str:
    import difflib

    if not word.startswith("-"):
        return f"one tracer at a time: what is {word!r}?"
    near = difflib.get_close_matches(word.partition("=")[0], known, 1, 0.6)
    return f"{manifest.name} has no option {word}{f'; did you mean {near[0]}?' if near else ''}"
