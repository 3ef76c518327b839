"""``ebpfrun`` as a person starts it: exit statuses, what goes where, and orderly ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import ROOT, one

pytestmark = [pytest.mark.root, pytest.mark.kernel]

Make = Callable[..., Path]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'generator'}:{ROOT / 'runtime'}"}
EBPFRUN = [sys.executable, "-m", "ebpfrun.cli"]


def caller(times: int | str) -> str:
    """A command that calls getppid so many times."""
    loop = "while True" if times == "forever" else f"for _ in range({times})"
    return f"{sys.executable} -c 'import os\n{loop}: os.getppid()'"


def ebpfrun(*words: object, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    command = [*prefix, *EBPFRUN, *map(str, words)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


@pytest.fixture
def folder(artefact: Make) -> Path:
    return artefact(one("on_getppid"))


@pytest.fixture
def started(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts ebpfrun, and waits until it says that it is attached."""
    running: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [*EBPFRUN, str(folder), *words]
        process = subprocess.Popen(command, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        running.append(process)
        assert process.stderr is not None
        assert "attached 1 program" in process.stderr.readline()
        return process

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_command_gives_exactly_its_events(folder: Path) -> None:
    done = ebpfrun(folder, "--sink", "jsonl", "-c", caller(1000))
    assert (done.returncode, done.stdout.count("\n")) == (0, 1000)
    assert len({json.loads(line)["pid"] for line in done.stdout.splitlines()}) == 1
    assert "call: 1000 produced = 1000 delivered" in done.stderr


@pytest.mark.parametrize(("command", "status"), [("sh -c 'exit 7'", 7), ("sh -c 'kill -9 $$'", 137), ("true", 0)])
def test_a_commands_exit_status_is_passed_on(folder: Path, command: str, status: int) -> None:
    assert ebpfrun(folder, "-c", command).returncode == status


def test_commands_that_cannot_be_started(folder: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    for command, said, status in (
        ("no-such-command here", "-c no-such-command: there is no such command", 127),
        (str(tmp_path / "none"), "there is no such command", 127),
        (str(folder / "manifest.json"), "not a program that may be run", 126),
        (str(broken), "not a program that this machine can run", 126),
    ):
        done = ebpfrun(folder, "-c", command)
        assert (done.returncode, done.stdout) == (status, "")
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert ebpfrun(folder, "-c", "a 'b").returncode == 2


@pytest.mark.parametrize(
    ("command", "word"),
    [("echo a | cat", "|"), ("echo a > b", ">"), ("true && true", "&&"), ("echo '|' \\> x>y", None), ("find /dev/null -exec true ;", None)],
)
def test_words_for_a_shell_are_arguments_and_that_is_said(folder: Path, command: str, word: str | None) -> None:
    said = ebpfrun(folder, "--sink", "jsonl:/dev/null", "-c", command).stderr
    assert ("no shell reads this" in said) == (word is not None)
    assert word is None or f"-c: no shell reads this, {word} is an argument like others; " in said


def test_a_command_is_traced_without_those_that_it_starts_and_that_is_said(folder: Path) -> None:
    done = ebpfrun(folder, "--sink", "jsonl", "-c", f"sh -c {shlex.quote(caller(3) + '; true')}")
    assert done.stdout.count("\n") <= 1  # dash makes one itself
    assert re.search(r"attached 1 program; only the command's own process \(\d+\) is traced, not those that it starts\n", done.stderr)
    assert "only the command" not in ebpfrun(folder, "--sink", "jsonl", "--comm", "x", "-c", "true").stderr


def test_duration_ends_a_run_and_its_command(folder: Path) -> None:
    done = ebpfrun(folder, "--duration", "100ms", "--sink", "jsonl:/dev/null", "-c", caller("forever"))
    assert done.returncode == 0
    assert "produced = " in done.stderr


def test_count_is_exact(folder: Path) -> None:
    done = ebpfrun(folder, "--count", "5", "--sink", "jsonl", "-c", caller("forever"))
    assert (done.returncode, done.stdout.count("\n")) == (0, 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_run_in_order(started: Callable[..., subprocess.Popen[str]], number: signal.Signals) -> None:
    process = started("--sink", "jsonl:/dev/null")
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 0
    assert said.startswith("getppid: ran for ")


@pytest.mark.skipif(shutil.which("nohup") is None, reason="nohup is not installed")
def test_under_nohup_a_hangup_is_no_end(folder: Path) -> None:
    done = ebpfrun(folder, "-c", "sh -c 'kill -HUP $PPID; exit 5'", "--sink", "jsonl:/dev/null", prefix=("nohup",))
    assert done.returncode == 5


def test_a_second_sigint_ends_at_once_and_kills_the_command(started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started("-c", """sh -c 'trap "" TERM INT; echo ready; while :; do :; done'""")
    assert process.stdout is not None
    assert process.stderr is not None
    while process.stdout.readline() != "ready\n":
        pass
    process.send_signal(signal.SIGINT)
    while not process.stderr.readline().startswith("getppid: ran for"):
        pass
    process.send_signal(signal.SIGINT)  # now it waits for the command, which does not listen
    assert process.wait(timeout=60) == 130
    process.stdout.read()  # comes to an end: its other writer, the command, is gone too


def test_quiet_says_nothing(folder: Path) -> None:
    done = ebpfrun(folder, "--quiet", "--duration", "0.01", "--sink", "jsonl")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
@pytest.mark.parametrize("when", [1, 8, 16, 24])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_while_loading_or_attaching_ends_in_order(folder: Path, name: str, when: int) -> None:
    inject = f"inject=bpf:signal={name}:when={when}"
    done = ebpfrun(folder, "--sink", "jsonl", prefix=("strace", "-o", "/dev/null", "-e", inject))
    assert done.returncode == 0
    assert "getppid: ran for" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_that_leaves_ends_the_run_quietly(started: Callable[..., subprocess.Popen[str]]) -> None:
    process = started("--sink", "jsonl", "-c", caller("forever"))
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr is not None
    said = process.stderr.read()
    assert "getppid: ran for" in said
    assert "rror" not in said


def test_a_full_disk_is_one_line(folder: Path) -> None:
    done = ebpfrun(folder, "--sink", "jsonl:/dev/full", "-c", caller(10))
    assert done.returncode == 3
    assert "/dev/full: No space left on device" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--firs", "1"), "getppid has no option --firs; did you mean --first?"),
        (("--first", "0"), "--first: 0 is not between 1 and 1000"),
        (("--first", "x"), "--first: expected a whole number, not 'x'"),
        (("--duration", "0"), "expected more than 0"),
        (("--duration", "soon"), "expected seconds, or a duration such as 500ms or 2m, not 'soon'"),
        (("--count", "0"), "0 is not between 1 and"),
        (("--ring", "5000"), "expected a power of two from 4KiB to 1GiB, not '5000'"),
        (("--comm", "x"), "can't be filtered by comm"),
        (("--pid", "-1"), "--pid: -1 is not between 0 and 4294967295"),
        (("--uid", "nobodyatall"), "there is no user 'nobodyatall'"),
        (("--cgroup", "/tmp"), "--cgroup"),
        (("--sink", "jsnl"), "did you mean jsonl?"),
        (("other",), "one tracer at a time: what is 'other'?"),
        (("--word", "aaaaaaaaaaa"), "word: at most 10 bytes, not 11"),
        (("--pid", "1", "--pid", "1"), "--pid: can be given once only"),
        (("--comm", "a", "--comm", "b"), "--comm: can be given once only"),
        (("--first", "1", "--first", "2"), "--first: can be given once only"),
        (("-c", "true", "-c", "false"), "-c: can be given once only"),
    ],
)
def test_wrong_words_get_one_line_and_status_2(folder: Path, words: tuple[str, ...], said: str) -> None:
    done = ebpfrun(folder, *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_tracers_help_has_its_parameters(folder: Path) -> None:
    done = ebpfrun(folder, "--help")
    assert done.returncode == 0
    assert "Calls of getppid." in done.stdout
    assert "number of the first record (default 7, at least 1, at" in done.stdout
    assert "--silent, --no-silent" in done.stdout


def test_help_and_version_need_no_tracer() -> None:
    assert "doctor" in ebpfrun("--help").stdout
    assert ebpfrun("--version").stdout.startswith("ebpfrun ")
    assert ebpfrun().returncode == 2


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv is not installed")
def test_missing_capabilities_are_named_before_anything_else() -> None:
    done = ebpfrun("nothing", prefix=("setpriv", "--bounding-set", "-sys_admin,-bpf"))
    assert done.returncode == 3
    assert done.stderr == "ebpfrun: loading kernel programs needs CAP_BPF, which this process lacks; run it as root (sudo)\n"


def test_what_is_no_tracer(tmp_path: Path) -> None:
    for word, status, said in (
        ("nothing", 2, "there is no such spec or artefact"),
        (tmp_path / "x.yaml", 2, "there is no such spec"),
        (tmp_path, 3, "no artefact"),
        ("", 2, "an empty name is no spec and no artefact"),
        ("/dev/null", 2, "/dev/null: neither a spec (NAME.yaml) nor the folder of an artefact"),
        (ROOT / "specs", 2, "one tracer at a time, for example"),
        ("docter", 2, "did you mean doctor?"),
        ("lists", 2, "did you mean list"),
    ):
        done = ebpfrun(word)
        assert (done.returncode, done.stderr.count("\n")) == (status, 1)
        assert said in done.stderr


def test_a_bug_has_its_own_status_and_hides_its_traceback() -> None:
    code = "import sys; from ebpfrun import cli, options; options.target = None; sys.exit(cli.main(['x']))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 70
    assert done.stderr.startswith("ebpfrun: a bug of ebpfrun, not of yours: TypeError")
    assert "Traceback" not in done.stderr
    done = subprocess.run(command, env={**ENVIRONMENT, "EBPFRUN_TRACEBACK": "1"}, capture_output=True, text=True)
    assert "Traceback" in done.stderr
