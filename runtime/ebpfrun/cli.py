"""The command ``ebpfrun``: words in, exit status out. Signals are taken before anything else is imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .errors import EXIT_BUG, EXIT_OK, TRACEBACK, EbpfrunError
from .lean import TYPE_CHECKING
from .stop import Stop

if TYPE_CHECKING:
    from .building import Building


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command; returns the exit status."""
    stop = Stop()
    stop.install()
    if argv is None:
        _take_streams()
    try:
        return _main(list(sys.argv[1:] if argv is None else argv), stop)
    except EbpfrunError as error:
        if error.exit_status == EXIT_BUG and os.environ.get(TRACEBACK):
            raise
        _say(f"ebpfrun: {error}")
        return error.exit_status
    except Exception as error:
        if os.environ.get(TRACEBACK):
            raise
        _say(f"ebpfrun: a bug of ebpfrun, not of yours: {type(error).__name__}: {error}")
        _say(f"Please report it with what {TRACEBACK}=1 in the environment makes it print.")
        return EXIT_BUG
    finally:
        stop.close()
        if argv is None:
            _give_up_what_was_not_said()


def _main(argv: list[str], stop: Stop) -> int:
    match argv:
        case ["doctor", *rest]:
            from . import doctor

            return doctor.main(rest)
        case ["list", *rest]:
            from . import listing

            return listing.main(rest)
    from . import building

    with building.begun(argv) as begun:
        return _trace(argv, stop, begun)


def _trace(argv: list[str], stop: Stop, begun: Building | None) -> int:
    from . import artefact, options, privileges

    if any(word.partition("=")[0] == "--replay" for word in argv):
        from .recording.replay import replay

        wanted = options.replay(argv)
        return EXIT_OK if wanted is None else replay(wanted, stop)
    target = options.target(argv)
    if target.word is None:
        return EXIT_OK
    if not target.help:
        privileges.insist()
    built = artefact.find(target.word, target.build, begun)
    chosen = options.parse(target, built)
    from .run import run

    return run(built, chosen, stop)


def _take_streams() -> None:
    """What was closed gets a descriptor that can't be written: else a map or a file would take its number, and what is said."""
    for fd in range(3):
        try:
            os.fstat(fd)
        except OSError:
            os.open(os.devnull, os.O_RDONLY)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives


def _give_up_what_was_not_said() -> None:
    """What the standard error did not take must not be tried again when the interpreter ends: it would change the exit status."""
    try:
        sys.stderr.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _say(text: str) -> None:
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # nobody is left to be told
        return


if __name__ == "__main__":
    sys.exit(main())
