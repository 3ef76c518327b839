"""Words of the command line that can't be: one message that names the word, status 2, nothing attached and no file touched."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from .commands import CALL, EBPFGEN, EBPFRUN, MACHINE, NO_PROGRAM, NOT_FOUND, USAGE, build, one_message, run, spec

pytestmark = pytest.mark.root

NINES = "9" * 400
NOBODY = 2**22 - 3  # of the largest numbers that a process may have; none is there unless a machine wraps around
RUN: list[tuple[str, str, int]] = [
    ("--duration 0", "--duration: expected more than 0", USAGE),
    ("--duration -1", "--duration: expected seconds", USAGE),
    ("--duration nan", "--duration: expected seconds", USAGE),
    (f"--duration {NINES}h", "--duration: expected more than 0 and at most 100 years", USAGE),
    (f"--duration {NINES}.5h", "--duration: 9999", USAGE),
    (f"--duration {NINES * 20}", "--duration: 9999", USAGE),
    ("--interval 0", "--interval: expected more than 0", USAGE),
    ("--count 0", "--count: 0 is not between 1 and ", USAGE),
    ("--count -5", "--count: -5 is not between 1 and ", USAGE),
    ("--count many", "--count: expected a whole number, not 'many'", USAGE),
    (f"--count {NINES}", "is not between 1 and ", USAGE),
    ("--pid -1", "--pid: -1 is not between 0 and 4294967295", USAGE),
    ("--pid 4294967296", "--pid: 4294967296 is not between", USAGE),
    (f"--pid {NOBODY}", f"--pid: there is no process {NOBODY}", USAGE),
    (f"--tid {NOBODY}", f"--tid: there is no thread {NOBODY}", USAGE),
    ("--uid nobody_at_all", "--uid: there is no user 'nobody_at_all'", USAGE),
    ("--comm sixteen_bytes_xx", "--comm sixteen_bytes_xx: the kernel keeps 15 bytes", USAGE),
    ("--comm=", "--comm: expected the name of tasks", USAGE),
    ("--cgroup /nowhere", "--cgroup /nowhere: ", USAGE),
    ("--ring 3", "--ring: expected a power of two from 4KiB to 1GiB, not '3'", USAGE),
    ("--ring -4096", "--ring: expected bytes", USAGE),
    ("--least 0", "--least: 0 is not between 1 and 9", USAGE),
    ("--least 10", "--least: 10 is not between 1 and 9", USAGE),
    ("--least three", "--least: expected a whole number, not 'three'", USAGE),
    ("--leest 3", "call has no option --leest; did you mean --least?", USAGE),
    ("--least", "--least: expected one argument", USAGE),
    ("--sink jsnl:rows", "--sink jsnl:rows: there is no sink 'jsnl'; did you mean jsonl?", USAGE),
    ("--sink memory", "--sink memory: ", USAGE),
    ("--sink jsonl --sink csv", "--sink: 2 sinks would write to the standard output", USAGE),
    ("--sink jsonl:rows --record ./rows", "--sink jsonl:rows: this is the file of --record", USAGE),
    ("--sink jsonl:.", "sink jsonl: .: Is a directory", MACHINE),
    ("--sink jsonl:nowhere/rows", "sink jsonl: nowhere/rows: No such file or directory", MACHINE),
    ("--sink jsonl:/proc/sys/kernel/ostype", "sink jsonl: /proc/sys/kernel/ostype: Permission denied", MACHINE),
    ("-c=", "-c: there is no command in it", USAGE),
    ('-c="', "-c: No closing quotation", USAGE),
    ("-c no_such_command", "-c no_such_command: there is no such command", NOT_FOUND),
    ("-c ./build", "-c ./build: not a program that may be run", NO_PROGRAM),
    ("-c ./specs/call.yaml", "-c ./specs/call.yaml: not a program that may be run", NO_PROGRAM),
    ("another", "one tracer at a time: what is 'another'?", USAGE),
]  # fmt: skip


@pytest.mark.parametrize(("options", "words", "status"), RUN, ids=[options[:30] for options, _, _ in RUN])
def test_an_option_that_cannot_be(options: str, words: str, status: int, home: Path) -> None:
    one_message(run(EBPFRUN, "build/call", *options.split(" "), cwd=home), status, words)
    assert sorted(p.name for p in home.iterdir()) == ["build", "specs"]


def test_a_thread_is_no_process(home: Path) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        done = run(EBPFRUN, "build/call", "--pid", str(thread.native_id), cwd=home)
    finally:
        end.set()
        thread.join()
    one_message(done, USAGE, f"--pid: {thread.native_id} is a thread of process {os.getpid()}; --tid takes threads")


def test_a_sink_without_room_for_it_keeps_what_was_there(home: Path) -> None:
    """A run that can't begin does not empty yesterday's file."""
    (home / "rows").write_text("yesterday's\n")
    one_message(run(EBPFRUN, "build/call", "--sink", "jsonl:rows", "--comm", "sixteen_bytes_xx", cwd=home), USAGE, "--comm")
    assert (home / "rows").read_text() == "yesterday's\n"


def test_a_ring_smaller_than_an_event(tmp_path: Path) -> None:
    fields = CALL.replace("comm: comm}}", "comm: comm, text: string(4096)}}").replace(
        "emit: call", "emit: call, with: {{text: comm}}"
    )
    build(spec(tmp_path, text=fields), out=tmp_path / "build")
    done = run(EBPFRUN, tmp_path / "build/call", "--ring", "4KiB", "-c", "true")
    one_message(done, USAGE, "--ring: 4096 bytes are too few for one event call")
    assert run(EBPFRUN, tmp_path / "build/call", "--ring", "8KiB", "--quiet", "-c", "true").status == 0


TRACERS = [
    ("build/nothing", "build/nothing: there is no such spec or artefact", USAGE),
    ("specs/cal.yaml", "specs/cal.yaml: there is no such spec; did you mean call?", USAGE),
    ("nothing", "nothing: there is no such spec or artefact", USAGE),
    ("./specs", "./specs: one tracer at a time, for example ./specs/call.yaml", USAGE),
    ("/sys", "/sys: no artefact (it has no manifest.json)", MACHINE),
    ("", "an empty name is no spec and no artefact", USAGE),
    ("--duration 1", "what shall be run?", USAGE),
    ("--durations 1 build/call", "", USAGE),
]


@pytest.mark.parametrize(("words", "message", "status"), TRACERS)
def test_a_tracer_that_is_not_there(words: str, message: str, status: int, home: Path) -> None:
    one_message(run(EBPFRUN, *words.split(" "), cwd=home), status, message)


GENERATOR = [
    ("build specs --jobs 0", "--jobs: a number from 1 to 1024 is expected, not '0'"),
    ("build specs --jobs -1", "--jobs: "),
    ("build specs --jobs many", "--jobs: "),
    (f"build specs --jobs {NINES}", "--jobs: "),
    ("build", "the following arguments are required: PATH"),
    ("build specs --froce", "unrecognized arguments: --froce; did you mean --force?"),
    ("check specs --format xml", "--format: invalid choice: 'xml'"),
    ("biuld specs", "invalid choice: 'biuld'; did you mean build?"),
    ("", "COMMAND"),
]


@pytest.mark.parametrize(("words", "message"), GENERATOR, ids=[words[:30] for words, _ in GENERATOR])
def test_a_wrong_command_line_of_the_generator(words: str, message: str, home: Path) -> None:
    done = run(EBPFGEN, *words.split(), cwd=home)
    assert (done.status, done.out) == (USAGE, "")
    assert message in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "no captured kernel"), (b"ebpfgen-kernel 2\n" + b"0" * 64 + b"\n{}", "cut short or altered"), (None, "No such file")],
)
def test_a_kernel_description_that_is_none(content: bytes | None, words: str, home: Path) -> None:
    if content is not None:
        (home / "kernel").write_bytes(content)
    for command in ("build", "check"):
        one_message(run(EBPFGEN, command, "specs", "--kernel", "kernel", cwd=home), MACHINE, "ebpfgen: kernel: ", words)
