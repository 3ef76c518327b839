"""Standard streams and sinks that are closed, full, or left by their reader."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .commands import EBPFGEN, EBPFRUN, LONGEST, MACHINE, SPEC, Done, one_message, run, spec, started, wait_until

pytestmark = pytest.mark.root

CALLS = "-c", f"{sys.executable} -c 'import os; [os.getppid() for _ in range(500)]'"


def shell(line: str, cwd: Path) -> Done:
    """Runs a line of bash, for its redirections; its status is that of the pipe's first command."""
    return run("bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}", cwd=cwd, env={"PYTHONUNBUFFERED": ""})


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A file system with one page of room."""
    folder = tmp_path / "full"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4096", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("sink", ["table", "text", "jsonl", "csv"])
def test_the_reader_of_stdout_leaves(sink: str, home: Path) -> None:
    """As `| head -1` does: the run ends, quietly and well."""
    calls = "import os, signal; signal.signal(signal.SIGTERM, signal.SIG_DFL)\nwhile True: os.getppid()"
    (home / "calls.py").write_text(calls)
    done = shell(f"{EBPFRUN} build/call --sink {sink} -c '{sys.executable} calls.py' | head -1", home)
    assert len(done.out.splitlines()) == 1
    one_message(done, 0, "not taken by the sink", lines=3 + ("(a larger ring" in done.err))
    assert "ebpfrun: sink" not in done.err


@pytest.mark.parametrize(
    ("redirection", "words", "lines"),
    [(">&-", "sink text: standard output: it is closed", 1), (">/dev/full", "sink text: standard output: No space left", 4)],
)
def test_stdout_that_takes_nothing(redirection: str, words: str, lines: int, home: Path) -> None:
    done = shell(f'{EBPFRUN} build/call {CALLS[0]} "{CALLS[1]}" {redirection}', home)
    one_message(done, MACHINE, f"ebpfrun: {words}", lines=lines)
    if lines > 1:
        assert "500 produced = 0 delivered + 500 not taken by the sink" in done.err


@pytest.mark.parametrize("redirection", ["2>&-", "2>/dev/full", "<&- 2>&-"])
def test_stderr_that_takes_nothing(redirection: str, home: Path) -> None:
    """Nothing that belongs there comes out elsewhere, and the rows are what they are."""
    done = shell(f'{EBPFRUN} build/call --sink jsonl:- {CALLS[0]} "{CALLS[1]}" {redirection}', home)
    assert (done.status, done.err) == (0, "")
    assert [json.loads(line)["event"] for line in done.out.splitlines()] == ["call"] * 500


@pytest.mark.parametrize("words", ["--help", "list", "build/call --help"])
@pytest.mark.parametrize(("redirection", "status"), [("| head -c 1 >/dev/null", 0), (">/dev/full", MACHINE)])
def test_what_prints_and_cannot(words: str, redirection: str, status: int, home: Path) -> None:
    done = shell(f"{EBPFRUN} {words} {redirection}", home)
    assert done.status == status
    assert done.err == ("" if status == 0 else "ebpfrun: standard output: No space left on device\n")


@pytest.mark.parametrize("words", ["schema", "--help", "describe struct:sock", "completion bash"])
@pytest.mark.parametrize(("redirection", "status"), [("| head -c 1 >/dev/null", 0), (">/dev/full", MACHINE), (">&-", MACHINE)])
def test_what_the_generator_prints_and_cannot(words: str, redirection: str, status: int, home: Path) -> None:
    done = shell(f"{EBPFGEN} {words} {redirection}", home)
    assert done.status == status
    why = {">/dev/full": "No space left on device", ">&-": "Bad file descriptor"}.get(redirection)
    assert done.err == (f"ebpfgen: standard output: {why}\n" if why else "")


@pytest.mark.parametrize("redirection", [">&- 2>&- <&-", ">/dev/full 2>/dev/full"])
def test_a_build_needs_no_streams(redirection: str, home: Path) -> None:
    assert shell(f"{EBPFGEN} build specs --out again {redirection}", home) == Done(0, "", "")
    assert {p.name: p.read_bytes() for p in (home / "again/call").iterdir()} == {
        p.name: p.read_bytes() for p in (home / "build/call").iterdir()
    }
    bad = spec(home / "bad", "call", "name: [")
    assert shell(f"{EBPFGEN} check {bad} {redirection}", home) == Done(SPEC, "", "")


@pytest.mark.kernel
def test_a_sink_on_a_full_disk(full: Path, home: Path) -> None:
    """The run ends, the message names the file, whole rows are in it, and what was lost is in the account."""
    rows = full / "rows"
    done = run(EBPFRUN, "build/call", "--sink", f"jsonl:{rows}", *CALLS, cwd=home)
    one_message(done, MACHINE, f"sink jsonl: {rows}: No space left on device", "500 produced = ", lines=4)
    written = rows.read_text().splitlines()
    assert [json.loads(line)["event"] for line in written] == ["call"] * len(written)
    assert f"{500 - len(written)} not taken by the sink" in done.err


@pytest.mark.kernel
def test_a_full_disk_of_one_sink_leaves_the_other(full: Path, home: Path) -> None:
    done = run(EBPFRUN, "build/call", "--sink", f"csv:{full / 'rows'}", "--sink", "jsonl:-", *CALLS, cwd=home)
    assert len(done.out.splitlines()) == 500
    assert done.status == MACHINE
    assert f"sink csv: {full / 'rows'}: No space left on device" in done.err
    assert "jsonl: 500 delivered" in done.err


def test_a_named_pipe_is_waited_for_until_somebody_reads_it(home: Path) -> None:
    os.mkfifo(home / "pipe")
    with started(EBPFRUN, "build/call", "--sink", "jsonl:pipe", *CALLS, cwd=home) as tracer:
        rows = (home / "pipe").read_text().splitlines()
        assert tracer.end().status == 0
    assert len(rows) == 500


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_named_pipe_that_nobody_reads(number: signal.Signals, home: Path) -> None:
    os.mkfifo(home / "pipe")
    with started(EBPFRUN, "build/call", "--sink", "jsonl:pipe", cwd=home) as tracer:
        waiting = Path(f"/proc/{tracer.pid}/wchan")
        wait_until(lambda: "nanosleep" in waiting.read_text(), "it waits for a reader")
        done = tracer.end(number)
    one_message(done, MACHINE, "ebpfrun: sink jsonl: pipe: nobody reads it")


@pytest.mark.parametrize("sink", ["jsonl:-", "text:pipe"])
def test_a_reader_that_stands_still(sink: str, home: Path) -> None:
    """It is waited for while the run goes on, and given up when the run shall end; what it did not take is in the account."""
    os.mkfifo(home / "pipe")
    (home / "calls.py").write_text("import os\nfor _ in range(20000): os.getppid()\nopen('done', 'w')\n")
    reader = os.open(home / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with started(EBPFRUN, "build/call", "--sink", sink, "-c", f"{sys.executable} calls.py", cwd=home) as tracer:
            wait_until((home / "done").exists, "the command has done its work")
            tracer.send(signal.SIGTERM)
            assert tracer.process.wait(LONGEST) == MACHINE
            done = tracer.end()
    finally:
        os.close(reader)
    assert "its reader takes nothing any more" in done.err
    assert "20000 produced = " in done.err
    assert "not taken by the sink" in done.err
