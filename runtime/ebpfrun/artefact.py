"""What the user typed becomes an artefact: a spec is built first where it is stale.

Receives ``specs/net.yaml``, ``build/net`` or ``net``, returns the folder of the artefact. The one place where the runtime asks an
installed ebpfgen; without ebpfgen an artefact built elsewhere from the very same spec is taken.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable

from . import manifest
from .errors import EXIT_BUG, EXIT_MACHINE, TRACEBACK, ArtefactError, EbpfrunError, UsageError

BUILD = "build"
SPECS = "specs"
COMMANDS = ("doctor", "list")
"""What may stand in the place of a tracer's name; what is called like one is reached by a path."""
_SUFFIXES = (".yaml", ".yml")


class BuildError(EbpfrunError):
    """ebpfgen's problems, as it says them, and its exit status."""

    def __init__(self, text: str, exit_status: int) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def find(word: str, build: str | None = None) -> manifest.Manifest:
    """The manifest of a current artefact. Messages call the spec as ``word`` does."""
    known = manifest.read(resolve(word, build))
    if not word.endswith(_SUFFIXES):
        return known
    return known._replace(spec_file=word, programs=tuple(p._replace(file=word) for p in known.programs))


def resolve(word: str, build: str | None = None) -> str:
    """The folder of a current artefact. ``build`` is where artefacts are (default: ``build`` in the current folder)."""
    out = build or BUILD
    if word.endswith(_SUFFIXES):
        if not os.path.isfile(word):
            raise UsageError(f"{word}: {'not a file' if os.path.exists(word) else 'there is no such spec'}{_near(word, out)}")
        return _of_spec(word, out)
    if os.path.isfile(os.path.join(word, manifest.FILE)):
        return word
    if os.path.basename(word) == manifest.FILE and os.path.isfile(word):
        return os.path.dirname(word) or "."
    if not word:
        raise UsageError("an empty name is no spec and no artefact")
    if "/" not in word:
        return _of_name(word, out)
    if os.path.isdir(word):
        raise _no_artefact(word)
    if os.path.exists(word):
        raise UsageError(f"{word}: neither a spec (NAME{_SUFFIXES[0]}) nor the folder of an artefact")
    raise UsageError(f"{word}: there is no such spec or artefact{_near(word, out)}")


def _no_artefact(folder: str) -> EbpfrunError:
    """Of a folder that is none. Somebody may have meant all that is in it, as for ``ebpfgen build``."""
    inside = [e for e in _entries(folder) if e.endswith(_SUFFIXES) or os.path.isfile(os.path.join(folder, e, manifest.FILE))]
    if inside:
        one = os.path.join(folder, min(inside))
        return UsageError(f"{folder}: one tracer at a time, for example {one}; `ebpfrun list` shows all")
    return ArtefactError(f"{folder}: no artefact (it has no {manifest.FILE}); build it with `ebpfgen build`")


def _of_name(name: str, out: str) -> str:
    """The spec of that name here, else the artefact, else the spec that comes with ebpfgen: no edit is passed over."""
    folder = os.path.join(out, name)
    here = os.path.join(SPECS, name + _SUFFIXES[0])
    if os.path.isfile(here):
        return _of_spec(here, out)
    if os.path.isfile(os.path.join(folder, manifest.FILE)):
        return folder
    shipped = _shipped()
    if shipped and os.path.isfile(path := os.path.join(shipped, name + _SUFFIXES[0])):
        return _of_spec(path, out)
    if os.path.isdir(name):
        raise _no_artefact(name)
    raise UsageError(f"{name}: there is no such spec or artefact (neither {folder} nor {SPECS}/{name}.yaml){_near(name, out)}")


def _shipped() -> str | None:
    """The folder of the specs that come with ebpfgen, if it is installed."""
    try:
        from ebpfgen import data
    except ImportError:
        return None
    return str(data.specs())


def _of_spec(spec: str, out: str) -> str:
    """Builds if need be. The stem of a spec's file is its name: ebpfgen sees to that."""
    folder = os.path.join(out, os.path.splitext(os.path.basename(spec))[0])
    try:
        import ebpfgen  # noqa: F401 - only whether it is there
    except ImportError:
        if _built_from(folder, spec):
            return folder
        raise ArtefactError(f"{spec}: {folder} was not built from it, and ebpfgen, which could, is not installed") from None
    status, text = _in_child(lambda: _make_current(spec, out))
    if status == EXIT_MACHINE and _built_from(folder, spec):
        print(f"ebpfrun: {spec} can't be rebuilt here ({text}); {folder}, built from the same text, is used", file=sys.stderr)
    elif status:
        raise BuildError(text, status)
    return folder


def _make_current(spec: str, out: str) -> tuple[int, str]:
    """Exit status and problems of bringing the artefact up to date."""
    from pathlib import Path

    from ebpfgen import freshness, problems

    try:
        if not freshness.current(Path(spec), Path(out)):
            from ebpfgen import renewal

            if not renewal.renew_here(Path(spec), Path(out)):
                print(f"ebpfrun: building {spec}", file=sys.stderr, flush=True)
                from ebpfgen import pipeline

                pipeline.build_one(Path(spec), Path(out))
    except problems.EbpfgenError as error:
        return error.exit_status, str(error)
    return 0, ""


def _in_child(work: Callable[[], tuple[int, str]]) -> tuple[int, str]:
    """Does ``work`` in a child, so that its memory is not ours, and in a process group of its own, so that Ctrl-C does not hit
    the compiler: what is begun is finished, and the run then ends before it starts."""
    come, go = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            status, text = work()
            with open(go, "wb") as pipe:
                pipe.write(text.encode("utf-8", "surrogateescape"))
        except BaseException:
            status = EXIT_BUG
            if os.environ.get(TRACEBACK):
                sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    os.close(go)
    from . import run  # noqa: F401 - needed when this ends well, and there is time now
    with open(come, "rb") as pipe:
        text = pipe.read().decode("utf-8", "surrogateescape")
    _, ended = os.waitpid(pid, 0)
    status = os.waitstatus_to_exitcode(ended)
    if status < 0 or status == EXIT_BUG:
        raise EbpfrunError(f"a bug of ebpfgen, or it was killed; `ebpfgen build` or {TRACEBACK}=1 in the environment show more")
    return status, text


def _built_from(folder: str, spec: str) -> bool:
    """Whether there is an artefact of the spec as it is now."""
    try:
        with open(spec, "rb") as file:
            return manifest.read(folder).spec_sha256 == manifest.sha256(file.read())
    except OSError as error:
        raise UsageError(f"{spec}: {error.strerror}") from None
    except ArtefactError:
        return False


def _near(word: str, out: str) -> str:
    import difflib

    name = os.path.splitext(os.path.basename(word))[0]
    known = {entry for entry in _entries(out) if os.path.isfile(os.path.join(out, entry, manifest.FILE))}
    for specs in filter(None, (SPECS, _shipped())):
        known.update(entry.removesuffix(_SUFFIXES[0]) for entry in _entries(specs) if entry.endswith(_SUFFIXES))
    if name == word:
        known.update(COMMANDS)
    near = difflib.get_close_matches(name, known, 3, 0.6)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []
