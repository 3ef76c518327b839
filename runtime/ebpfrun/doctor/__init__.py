"""``ebpfrun doctor``: what this machine can trace, what is missing, and how to get it.

Receives the words behind ``doctor``; prints a table or JSON; the exit status is 0 only if specs can be built and run here.
Whatever can be tried is tried (programs are loaded and attached for a moment), so that the answer is the kernel's and not a
guess from its version. Changes nothing.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from ebpfrun.errors import EXIT_MACHINE, EXIT_OK
from ebpfrun.report import put

from .check import BUILD, RUN, Check

_DESCRIPTION = "What this machine can trace, what is missing and how to get it. Exit status: 0 if specs can be built and run."


def main(argv: Sequence[str]) -> int:
    """Prints the report; returns the exit status."""
    parser = argparse.ArgumentParser(prog="ebpfrun doctor", description=_DESCRIPTION, allow_abbrev=False)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="a table for people, or JSON (default: text)")
    options = parser.parse_args(argv)
    checks = examine()
    if options.format == "json":
        put(json.dumps(as_object(checks), indent=2))
    else:
        put("\n".join(as_text(checks)))
    return EXIT_OK if can(checks, RUN) and can(checks, BUILD) else EXIT_MACHINE


def examine() -> list[Check]:
    """Every check, in the order of the report."""
    from . import kernel, privileges, software

    rights = privileges.held()
    return [*kernel.checks(rights), *kernel.attach_kinds(rights), *privileges.checks(rights), *software.checks()]


def can(checks: Sequence[Check], what: str) -> bool:
    """Whether specs can be run (RUN) or built (BUILD) here, as far as is known."""
    return all(check.state == "ok" for check in checks if check.needed == what)


def as_object(checks: Sequence[Check]) -> dict[str, object]:
    return {
        "ok": can(checks, RUN) and can(checks, BUILD),
        "can_run": can(checks, RUN),
        "can_build": can(checks, BUILD),
        "checks": [check._asdict() for check in checks],
    }


def as_text(checks: Sequence[Check]) -> list[str]:
    wide = max(len(check.name) for check in checks)
    lines: list[str] = []
    group = ""
    for check in checks:
        if check.group != group:
            group = check.group
            lines += ["", group] if lines else [group]
        lines.append(f"  {check.state:<7} {check.name:<{wide}}  {check.detail}".rstrip())
        lines += [f"  {'':<7} {'':<{wide}}  → {line}" for line in check.remedy.splitlines()]
    return [*lines, "", *_verdict(checks)]


def _verdict(checks: Sequence[Check]) -> list[str]:
    lacking = [check for check in checks if check.needed and check.state != "ok"]
    if not lacking:
        return ["Specs can be built and run here."]
    done = {RUN: "run", BUILD: "built"}
    return [
        f"Specs can't be {done[what]} here, for want of: {', '.join(check.name for check in lacking if check.needed == what)}."
        for what in (BUILD, RUN)
        if not can(checks, what)
    ]
