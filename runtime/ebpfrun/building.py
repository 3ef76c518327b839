"""An installed ebpfgen, asked to bring an artefact up to date. The one place where the runtime asks it.

Receives a spec and where artefacts are; returns ebpfgen's problems and exit status. Its work is done in a child, so that its
memory is not ours. Imports next to nothing: the child looks whether there is anything to do while its parent still imports and
reads the command line.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Iterator, Sequence

from .errors import EXIT_BUG, TRACEBACK, EbpfrunError

BUILD = "build"
SPECS = "specs"
SUFFIXES = (".yaml", ".yml")


def shipped() -> str | None:
    """The folder of the specs that come with ebpfgen, if it is installed."""
    try:
        from ebpfgen import data
    except ImportError:
        return None
    return str(data.specs())


def installed() -> bool:
    try:
        import ebpfgen  # noqa: F401 - only whether it is there
    except ImportError:
        return False
    return True


class Building:
    """A child that looks whether ``out/NAME`` is what ``spec`` would make, and makes it so once it is told to. It has a process
    group of its own, so that Ctrl-C does not hit the compiler: what is begun is finished, and the run then ends before it
    starts."""

    def __init__(self, spec: str, out: str) -> None:
        self.spec, self.out = spec, out
        told, self._tell = os.pipe()
        self._come, go = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self._tell)
            os.close(self._come)
            _build(spec, out, told, go)
        os.close(told)
        os.close(go)

    def finish(self) -> tuple[int, str]:
        """Exit status and problems of bringing the artefact up to date."""
        with contextlib.suppress(BrokenPipeError):  # it was killed
            os.write(self._tell, b"!")
        from . import run  # noqa: F401 - needed when this ends well, and there is time now

        with open(self._come, "rb", closefd=False) as pipe:
            text = pipe.read().decode("utf-8", "surrogateescape")
        status = self.close()
        if status < 0 or status == EXIT_BUG:
            raise EbpfrunError(
                f"a bug of ebpfgen, or it was killed; `ebpfgen build` or {TRACEBACK}=1 in the environment show more"
            )
        return status, text

    def close(self) -> int:
        """Ends the child, if it has not ended; its exit status."""
        if not self._pid:
            return 0
        os.close(self._tell)
        os.close(self._come)
        _, ended = os.waitpid(self._pid, 0)
        self._pid = 0
        return os.waitstatus_to_exitcode(ended)


@contextlib.contextmanager
def begun(argv: Sequence[str]) -> Iterator[Building | None]:
    """A child that looks at the spec which the command line seems to name, if ebpfgen is installed; it ends with the block."""
    spec = argv[0] if argv else ""
    spec = spec if spec.endswith(SUFFIXES) else os.path.join(SPECS, spec + SUFFIXES[0])
    if not os.path.isfile(spec) or any(word.partition("=")[0] == "--build" for word in argv) or not installed():
        yield None
        return
    building = Building(spec, BUILD)
    try:
        yield building
    finally:
        building.close()


def _build(spec: str, out: str, told: int, go: int) -> None:
    """The child's life; never returns."""
    status = EXIT_BUG
    try:
        os.setpgid(0, 0)
        gc.disable()  # it ends before garbage matters
        current = _is_current(spec, out)
        status, text = _make_current(spec, out) if os.read(told, 1) and not current else (0, "")
        with open(go, "wb") as pipe:
            pipe.write(text.encode("utf-8", "surrogateescape"))
    except BaseException:
        status = EXIT_BUG
        if os.environ.get(TRACEBACK):
            sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _is_current(spec: str, out: str) -> bool:
    from ebpfgen import freshness

    return freshness.current(spec, out)


def _make_current(spec: str, out: str) -> tuple[int, str]:
    from pathlib import Path

    from ebpfgen import alone, problems

    try:
        alone.make_current(Path(spec), Path(out), lambda: print(f"ebpfrun: building {spec}", file=sys.stderr, flush=True))
    except problems.EbpfgenError as error:
        return error.exit_status, str(error)
    return 0, ""
