"""The commands of ``ebpfgen``: reads the command line, calls one stage, prints, returns the exit status. Decides nothing else."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .cli import say
from .problems import EXIT_MACHINE, EXIT_SPEC, EbpfgenError, MachineError, SpecError, UsageError

if TYPE_CHECKING:
    from .kernel import Kernel
    from .progress import Progress

EPILOG = """exit status: 0 done; 1 a spec is wrong; 2 the command line is wrong; 3 this machine can't (a tool, the kernel,
a privilege or room on the disk is missing); 70 a mistake in ebpfgen itself"""


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: Any = None) -> None:
        """Argparse itself would not say that help can't be written."""
        (file or sys.stderr).write(message)


def parser() -> argparse.ArgumentParser:
    top: argparse.ArgumentParser = _Parser(prog="ebpfgen", description="Turns YAML specs into eBPF tracers.", epilog=EPILOG)
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
    build.add_argument("--force", action="store_true", help="build all of it anew, even what is up to date")
    build.add_argument("--check", action="store_true", help="build nothing; exit with 1 if something is not up to date")
    build.add_argument("--kernel", type=Path, metavar="FILE", help="a kernel description to build for (default: this kernel)")
    build.add_argument("--quiet", action="store_true", help="print problems only")
    build.add_argument("--report", action="store_true", help="print what each artefact costs: instructions, stack, memory")
    build.add_argument("--format", choices=("text", "json"), default="text", help="how to print the report")
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

    try:
        return _kernel(file).fingerprint if file else identity.kernel_fingerprint()
    except OSError:
        return _kernel(file).fingerprint  # which says what is missing, and the way out


def _specs(paths: Sequence[Path]) -> list[Path]:
    """The specs named, folders searched one level deep, each once. A folder without any is a mistake."""
    found: dict[str, Path] = {}
    for path in paths:
        specs = [path]
        if os.path.isdir(path):  # noqa: PTH112 - no exception for a name that is too long
            specs = sorted(p for pattern in ("*.yaml", "*.yml") for p in path.glob(pattern))
            if not specs:
                raise UsageError(f"{path}: there is no spec (*.yaml) in this folder")
        for spec in specs:
            found.setdefault(os.path.realpath(spec), spec)
    return list(found.values())


def _insist_on_one_artefact_each(specs: Sequence[Path], out: Path) -> None:
    first: dict[str, Path] = {}
    for spec in specs:
        if (other := first.setdefault(spec.stem, spec)) is not spec:
            raise UsageError(
                f"{other} and {spec} would both become {out / spec.stem}; build them into different folders (--out DIR)"
            )


def _build(args: argparse.Namespace) -> int:
    from . import builds

    specs = _specs(args.paths)
    _insist_on_one_artefact_each(specs, args.out)
    stale = builds.stale(specs, args.out, _fingerprint(args.kernel), force=args.force)
    if args.check:
        for spec in stale:
            say(f"{spec}: not up to date")
        return EXIT_SPEC if stale else 0
    if not args.quiet and len(stale) < len(specs):
        say(f"{len(specs) - len(stale)} of {len(specs)} up to date")
    failures: dict[Path, EbpfgenError] = {}
    if stale:
        with _progress(len(stale), args.quiet) as progress:
            failures = builds.build(stale, args.out, _kernel(args.kernel), args.jobs, progress, anew=args.force)
    _tell(failures.values())
    if failures and len(specs) > 1 and not args.quiet:
        say(f"not built: {', '.join(map(str, failures))}")
    if args.report:
        from .budget_report import report

        sys.stdout.write(report([args.out / spec.stem for spec in specs if spec not in failures], args.format))
    return max((e.exit_status for e in failures.values()), default=0)


def _progress(total: int, quiet: bool) -> Progress:
    from .progress import Progress

    return Progress(sys.stderr, total, shown=not quiet and sys.stderr.isatty())


def _tell(errors: Iterable[EbpfgenError]) -> None:
    """What this machine can't is the same for many specs, and told once."""
    for text in dict.fromkeys(str(e) if isinstance(e, SpecError) else f"ebpfgen: {e}" for e in errors):
        say(text)


def _check(args: argparse.Namespace) -> int:
    from .pipeline import read_and_check

    specs, kernel = _specs(args.paths), _kernel(args.kernel)
    problems, others, matched = [], [], list[str]()
    for spec in specs:
        try:
            _, checked = read_and_check(spec, kernel)
            matched += [
                f"{p.at.mark.file}:{p.at.mark.line}: {p.text} matches {len(p.matches)}" for p in checked.programs if p.matches
            ]
        except SpecError as e:
            problems += e.problems
        except MachineError as e:
            others.append(e)
    _tell(others)
    if args.format == "json":
        import json

        print(json.dumps([p.as_dict() for p in problems], indent=1))  # ASCII: names of files may be any bytes
    else:
        for line in dict.fromkeys(matched):
            say(f"{line} of Linux {kernel.release}")
        for problem in problems:
            say(str(problem))
        if problems:
            files = len({p.mark.file for p in problems})
            say(f"{len(problems)} problem{'s' * (len(problems) > 1)} in {files} file{'s' * (files > 1)}")
    return EXIT_MACHINE if others else EXIT_SPEC if problems else 0


def _schema(args: argparse.Namespace) -> int:
    from . import schema

    sys.stdout.write(schema.text())
    return 0
