"""The command ``ebpfgen``: reads the command line, calls one stage, prints, returns the exit status. Decides nothing else."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from . import __version__
from .problems import EXIT_BUG, EXIT_MACHINE, EXIT_SPEC, EbpfgenError, MachineError, SpecError

if TYPE_CHECKING:
    from .kernel import Kernel
    from .progress import Progress

EPILOG = """exit status: 0 done; 1 a spec is wrong; 2 the command line is wrong; 3 this machine can't (a tool, the kernel,
a privilege or room on the disk is missing); 70 a mistake in ebpfgen itself"""


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="ebpfgen", description="Turns YAML specs into eBPF tracers.", epilog=EPILOG)
    top.add_argument("--version", action="version", version=f"ebpfgen {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND", title="commands")
    _add_build(commands)
    _add_check(commands)
    from . import completion, explore, new

    new.add_parser(commands)
    explore.add_parsers(commands)
    schema = commands.add_parser(
        "schema", help="print the JSON Schema of specs", description="Prints the JSON Schema of specs, for editors."
    )
    schema.set_defaults(run=_schema)
    completion.add_parser(commands)
    return top


def _add_build(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    build = commands.add_parser(
        "build", help="build specs into artefacts", description="Builds specs; what is up to date is left as it is."
    )
    build.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a spec, or a folder of specs")
    build.add_argument("--out", type=Path, default=Path("build"), metavar="DIR", help="where artefacts go (default: build)")
    build.add_argument(
        "--jobs", type=_positive, default=os.cpu_count() or 1, metavar="N", help="builds at the same time (default: one per CPU)"
    )
    build.add_argument("--force", action="store_true", help="build what is up to date, too")
    build.add_argument("--check", action="store_true", help="build nothing; exit with 1 if something is not up to date")
    build.add_argument("--kernel", type=Path, metavar="FILE", help="a kernel description to build for (default: this kernel)")
    build.add_argument("--quiet", action="store_true", help="print problems only")
    build.set_defaults(run=_build)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    check = commands.add_parser(
        "check", help="find every mistake in specs", description="Checks specs against a kernel; builds nothing."
    )
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a spec, or a folder of specs")
    check.add_argument("--kernel", type=Path, metavar="FILE", help="a kernel description (default: this kernel)")
    check.add_argument("--format", choices=("text", "json"), default="text", help="how to print what was found")
    check.set_defaults(run=_check)


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"a number from 1 to 1024 is expected, not '{text}'")
    return int(text)


def _kernel(file: Path | None) -> Kernel:
    from . import kernel

    return kernel.from_file(file) if file else kernel.running()


def _fingerprint(file: Path | None) -> str:
    from . import identity

    return _kernel(file).fingerprint if file else identity.kernel_fingerprint()


def _specs(paths: Sequence[Path]) -> list[Path]:
    """The specs named, folders searched one level deep; a folder without any is a mistake."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            below = sorted(p for pattern in ("*.yaml", "*.yml") for p in path.glob(pattern))
            if not below:
                raise MachineError(f"{path}: there is no spec (*.yaml) in this folder")
            found += below
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _build(args: argparse.Namespace) -> int:
    from . import builds

    specs = _specs(args.paths)
    stale = builds.stale(specs, args.out, _fingerprint(args.kernel), force=args.force)
    if args.check:
        for spec in stale:
            print(f"{spec}: not up to date", file=sys.stderr)
        return EXIT_SPEC if stale else 0
    if not args.quiet and len(stale) < len(specs):
        print(f"{len(specs) - len(stale)} of {len(specs)} up to date", file=sys.stderr)
    if not stale:
        return 0
    with _progress(len(stale), args.quiet) as progress:
        return _report(builds.build(stale, args.out, _kernel(args.kernel), args.jobs, progress), args.quiet)


def _progress(total: int, quiet: bool) -> Progress:
    from .progress import Progress

    return Progress(sys.stderr, total, shown=not quiet and sys.stderr.isatty())


def _report(failures: dict[Path, EbpfgenError], quiet: bool) -> int:
    for error in failures.values():
        print(error, file=sys.stderr)
    if failures and not quiet:
        print(f"not built: {', '.join(map(str, failures))}", file=sys.stderr)
    return max((e.exit_status for e in failures.values()), default=0)


def _check(args: argparse.Namespace) -> int:
    from .pipeline import read_and_check

    kernel = _kernel(args.kernel)
    problems = []
    for spec in _specs(args.paths):
        try:
            read_and_check(spec, kernel)
        except SpecError as e:
            problems += e.problems
    if args.format == "json":
        import json

        print(json.dumps([p.as_dict() for p in problems], indent=1, ensure_ascii=False))
    else:
        for problem in problems:
            print(problem, file=sys.stderr)
        if problems:
            files = len({p.mark.file for p in problems})
            print(f"{len(problems)} problem{'s' * (len(problems) > 1)} in {files} file{'s' * (files > 1)}", file=sys.stderr)
    return EXIT_SPEC if problems else 0


def _schema(args: argparse.Namespace) -> int:
    from . import schema

    sys.stdout.write(schema.text())
    return 0


def _terminate(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main(argv: Sequence[str] | None = None) -> int:
    """The exit status of the command; everything that can be told without a traceback is."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        args = parser().parse_args(argv)
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except EbpfgenError as e:
        print(f"ebpfgen: {e}" if isinstance(e, MachineError) else e, file=sys.stderr)
        return e.exit_status
    except KeyboardInterrupt:
        print("ebpfgen: interrupted; nothing half-written is left", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the flush at exit must not fail again
        return 0
    except OSError as e:
        print(f"ebpfgen: {e.filename + ': ' if e.filename else ''}{e.strerror or e}", file=sys.stderr)
        return EXIT_MACHINE
    except Exception as e:
        if os.environ.get("EBPFGEN_TRACEBACK"):
            raise
        print(
            f"ebpfgen: a mistake in ebpfgen itself: {type(e).__name__}: {e}\nPlease report it with what EBPFGEN_TRACEBACK=1 prints.",
            file=sys.stderr,
        )
        return EXIT_BUG


if __name__ == "__main__":
    sys.exit(main())
