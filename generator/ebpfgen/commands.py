"""The commands of ``ebpfgen``: reads the command line, calls one stage, prints, returns the exit status. Decides nothing else."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .cli import say
from .problems import EXIT_MACHINE, EXIT_SPEC, EbpfgenError, MachineError, SpecError, UsageError, near_misses

if TYPE_CHECKING:
    from .ir import CheckedSpec
    from .kernel import Kernel
    from .portability.survey import Named
    from .problems import Problem
    from .progress import Progress

RUNNING = "running"
"""What --kernel calls this kernel."""
EPILOG = """exit status: 0 done; 1 a spec is wrong; 2 the command line is wrong; 3 this machine can't (a tool, the kernel,
a privilege or room on the disk is missing); 70 a mistake in ebpfgen itself"""


class _Parser(argparse.ArgumentParser):
    def _print_message(self, message: str, file: Any = None) -> None:
        """Argparse itself would not say that help can't be written."""
        (file or sys.stderr).write(message)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """As argparse does, with the near miss."""
        if action.choices is not None and value not in action.choices and (near := near_misses(str(value), action.choices)):
            raise argparse.ArgumentError(action, f"invalid choice: '{value}'; did you mean {' or '.join(near)}?")
        super()._check_value(action, value)

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        found, strange = self.parse_known_args(args, namespace)
        if strange:
            word = strange[0].partition("=")[0]
            near = near_misses(word, self._options_of(found.command)) if word.startswith("-") else ()
            self.error(f"unrecognized arguments: {' '.join(strange)}{f'; did you mean {near[0]}?' if near else ''}")
        return found

    def _options_of(self, command: str) -> list[str]:
        found = [action.choices for action in self._actions if isinstance(action.choices, dict)]
        return [option for choices in found for option in choices[command]._option_string_actions]


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
    build.add_argument("--quiet", "-q", action="store_true", help="print problems only")
    build.add_argument("--report", action="store_true", help="print what each artefact costs: instructions, stack, memory")
    build.add_argument("--format", choices=("text", "json"), default="text", help="how to print the report")
    build.set_defaults(run=_build)


def _add_check(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    words = """Checks specs against this kernel; builds nothing. With --kernel, against that one instead, and prints a table that
    says what artefacts built for the first kernel do on each kernel named: spec line × kernel. Exits with 1 unless every spec
    runs on every kernel named."""
    check = commands.add_parser("check", help="find every mistake in specs, and the kernels they run on", description=words)
    check.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="a spec, or a folder of specs")
    check.add_argument(
        "--kernel",
        type=Path,
        metavar="FILE",
        action="append",
        default=[],
        help="a kernel description, or 'running' for this kernel; may be given again",
    )
    all_lines = "every line of the specs in the table, not only those that differ"
    check.add_argument("--verbose", "-v", action="store_true", help=all_lines)
    check.add_argument("--format", choices=("text", "json"), default="text", help="how to print what was found")
    check.set_defaults(run=_check)


def _positive(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 1024:
        raise argparse.ArgumentTypeError(f"a number from 1 to 1024 is expected, not '{text}'")
    return int(text)


def _kernel(file: Path | None) -> Kernel:
    from . import kernel

    return kernel.from_file(file) if file else kernel.running()


def _built_for(file: Path | None) -> Kernel:
    kernel = _kernel(file)
    if kernel.machine != (here := os.uname().machine):
        what = f"{file}: a kernel of {kernel.machine}"
        raise MachineError(f"{what}: artefacts are built on the architecture that they are for, this is {here}")
    return kernel


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
            failures = builds.build(stale, args.out, _built_for(args.kernel), args.jobs, progress, anew=args.force)
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
    specs = _specs(args.paths)
    kernels = _named_kernels(args.kernel)
    kernel = kernels[0].kernel if kernels else _kernel(None)
    checked, problems, others = _checked(specs, kernel)
    _tell(others)
    if args.format == "text":
        _tell_matches(checked, kernel)
    if not kernels:
        if args.format == "text":
            _tell_what_will_not_run(checked, kernel)
        _print_problems(problems, args.format)
        return EXIT_MACHINE if others else EXIT_SPEC if problems else 0
    from .portability import as_data, survey, table

    surveys = [survey.survey(one, kernel, kernels) for one in checked]
    if args.format == "json":
        found = as_data.as_data(surveys, kernels) | {"problems": [p.as_dict() for p in problems]}
        print(json.dumps(found, indent=1))
    else:
        _print_problems(problems, args.format)
        if surveys:
            print("\n".join(table.render(surveys, kernels, args.verbose)))
    runs = all(outcome.runs for one in surveys for outcome in one.outcomes)
    return EXIT_MACHINE if others else 0 if runs and not problems else EXIT_SPEC


def _checked(specs: Sequence[Path], kernel: Kernel) -> tuple[list[CheckedSpec], list[Problem], list[MachineError]]:
    """The specs that are right, what is wrong with the others, and which could not be read."""
    from .pipeline import read_and_check

    checked, problems, others = [], [], []
    for spec in specs:
        try:
            checked.append(read_and_check(spec, kernel)[1])
        except SpecError as e:
            problems += e.problems
        except MachineError as e:
            others.append(e)
    return checked, problems, others


def _tell_matches(checked: Sequence[CheckedSpec], kernel: Kernel) -> None:
    """How many each wildcard matches."""
    programs = [program for one in checked for program in one.programs if program.matches]
    lines = [f"{p.at.mark.file}:{p.at.mark.line}: {p.text} matches {len(p.matches)}" for p in programs]
    for line in dict.fromkeys(lines):
        say(f"{line} of Linux {kernel.release}")


def _tell_what_will_not_run(checked: Sequence[CheckedSpec], kernel: Kernel) -> None:
    """A remark for each spec that is right and can be built, and that this very kernel would not take."""
    from .portability import predict

    for one in checked:
        failed = [point for point in predict(one, kernel, kernel).points if point.state == "failed"]
        if failed:
            first = failed[0]
            more = f" (and {len(failed) - 1} more; --kernel {RUNNING} shows all)" if len(failed) > 1 else ""
            why = f"{first.text}: {first.lacks[0].why}{more}"
            say(f"{first.at.mark.file}:{first.at.mark.line}: right, but won't run on this kernel: {why}")


def _print_problems(problems: Sequence[Problem], form: str) -> None:
    if form == "json":
        print(json.dumps([p.as_dict() for p in problems], indent=1))  # ASCII: names of files may be any bytes
        return
    for problem in problems:
        say(str(problem))
    if problems:
        files = len({p.mark.file for p in problems})
        say(f"{len(problems)} problem{'s' * (len(problems) > 1)} in {files} file{'s' * (files > 1)}")


def _named_kernels(files: Sequence[Path]) -> tuple[Named, ...]:
    """The kernels of the table. An artefact is for one architecture, so all must be of it."""
    from .portability.survey import named

    running = [str(file) == RUNNING for file in files]
    kernels = [_kernel(None if here else file) for here, file in zip(running, files, strict=True)]
    for file, kernel in zip(files, kernels, strict=True):
        if kernel.machine != kernels[0].machine:
            first = f"{files[0]} is of {kernels[0].machine}"
            raise UsageError(f"{file} is of {kernel.machine}, {first}: an artefact runs on one architecture; check them apart")
    return named(("" if here else str(file), kernel) for here, file, kernel in zip(running, files, kernels, strict=True))


def _schema(args: argparse.Namespace) -> int:
    from . import schema

    sys.stdout.write(schema.text())
    return 0
