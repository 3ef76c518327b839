"""A package that registers a sink: built, installed beside, found, run, and held against the public suite."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PLUGIN = Path(__file__).parent / "plugin"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    shutil.copytree(PLUGIN, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps", "--no-index"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", folder / "site", folder / "source"], check=True)
    return folder


def python(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "PYTHONPATH": str(folder / "site")}
    return subprocess.run([sys.executable, *args], cwd=folder, env=env, capture_output=True, text=True)


def test_it_passes_the_public_suite(installed: Path) -> None:
    done = python(installed, "-m", "pytest", "-q", "-p", "no:cacheprovider", "source/tally_conformance.py")
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("tally:out", "Tally"),
        ("tally:out,titel=x", "there is no option 'titel'; did you mean title?"),
        ("tely:out", "did you mean tally?"),
        ("broken:out", "ebpfrun_tally:Missing can't be loaded: AttributeError: "),
        ("exits:out", "sink exits:out: SystemExit: 0; a bug of that sink"),
        ("nothing:out", "sink nothing:out: TypeError: expected a sink, its package gave object, which has no write, no flush, no close; a bug"),
        ("tally:/nowhere/out", "sink tally: /nowhere/out: No such file or directory"),
    ],
)
def test_it_is_found(words: str, said: str, installed: Path) -> None:
    code = (
        "from ebpfrun.errors import EbpfrunError; from ebpfrun.sinks import open_sink; from ebpfrun.sinks.conformance import context\n"
        f"try: print(type(open_sink({words!r}, context())).__name__)\n"
        "except EbpfrunError as error: print(error)"
    )
    assert said in python(installed, "-c", code).stdout


def test_a_run_writes_to_it(installed: Path) -> None:
    """A recorded one, which nobody needs root for."""
    recording = Path(__file__).parents[1] / "recording" / "fixtures" / "opensnoop.rec"
    command = "from ebpfrun import cli; import sys; sys.exit(cli.main(sys.argv[1:]))"
    done = python(installed, "-c", command, "--replay", str(recording), "--sink", "tally:tallied,title=in all,flush=1h")
    assert (done.returncode, "open: 14 produced = 14 delivered" in done.stderr) == (0, True), done.stderr
    assert (installed / "tallied").read_text().splitlines()[-1] == "in all {'open': 14}"


def test_without_it_there_is_no_such_sink() -> None:
    from ebpfrun.errors import UsageError
    from ebpfrun.sinks import open_sink
    from ebpfrun.sinks.conformance import context

    with pytest.raises(UsageError, match="there is no sink 'tally'"):
        open_sink("tally:out", context())
