"""execsnoop against programs that are started with known arguments, and attempts that fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload

from .conftest import Cgroup, Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]
Python = Callable[[str], Workload]


def test_each_program_is_a_row_with_its_arguments(cgroup: Cgroup, trace: Trace, workload: Start) -> None:
    argv = ["/bin/true", "two words", "", "naïve", '"', ""]
    work = workload("execs", 50, *argv)
    cgroup.add(work.pid)
    with trace("execsnoop", "--cgroup", cgroup.path) as traced:
        truth = work.go()
    rows = traced.events("exec")
    assert [row["pid"] for row in rows] == [child["pid"] for child in truth["children"]]
    keys = ("ppid", "uid", "comm", "path", "result")
    assert {tuple(row[key] for key in keys) for row in rows} == {(work.pid, 0, "true", "/bin/true", 0)}
    assert all(row["argv"] == argv for row in rows)
    assert traced.lost() == []


def test_a_script_is_shown_with_its_interpreter(cgroup: Cgroup, trace: Trace, workload: Start, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh -e\n:\n")
    script.chmod(0o755)
    work = workload("execs", 1, script, "x")
    cgroup.add(work.pid)
    with trace("execsnoop", "--cgroup", cgroup.path) as traced:
        work.go()
    (row,) = traced.events("exec")
    assert (row["comm"], row["path"], row["argv"]) == ("script", str(script), ["/bin/sh", "-e", str(script), "x"])


@pytest.mark.parametrize("argv", [["x" * 700, "", "y" * 64, "z" * 63], [str(i % 10) for i in range(240)]])
def test_long_and_many_arguments_of_a_failed_attempt(cgroup: Cgroup, trace: Trace, workload: Start, argv: list[str]) -> None:
    work = workload("execs", 1, "/nonexistent", *argv)
    cgroup.add(work.pid)
    with trace("execsnoop", "--cgroup", cgroup.path) as traced:
        work.go()
    (row,) = traced.events("exec")
    assert row["argv"] == ["/nonexistent", *argv]
    assert traced.lost() == []


@pytest.mark.parametrize(("kind", "error"), [("missing", "ENOENT"), ("folder", "EACCES"), ("no_program", "ENOEXEC")])
def test_attempts_that_fail(cgroup: Cgroup, trace: Trace, workload: Start, tmp_path: Path, kind: str, error: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "no_program").write_text("nothing that a kernel could run")
    (tmp_path / "no_program").chmod(0o755)
    program = str(tmp_path / kind)
    work = workload("execs", 3, program, "first", "second")
    cgroup.add(work.pid)
    with trace("execsnoop", "--cgroup", cgroup.path) as traced:
        truth = work.go()
    rows = traced.events("exec")
    assert [row["pid"] for row in rows] == [child["pid"] for child in truth["children"]]
    assert [(row["comm"], row["path"], row["result"]) for row in rows] == [("execs", program, error)] * 3
    assert [row["argv"] for row in rows] == [[program, "first", "second"]] * 3
    assert traced.lost() == []


def test_failed(cgroup: Cgroup, trace: Trace, workload: Start) -> None:
    works = [workload("execs", 2, program) for program in ("/bin/true", "/nonexistent")]
    for work in works:
        cgroup.add(work.pid)
    with trace("execsnoop", "--cgroup", cgroup.path, "--failed") as traced:
        for work in works:
            work.go()
    assert [(row["path"], row["result"]) for row in traced.events("exec")] == [("/nonexistent", "ENOENT")] * 2


@pytest.mark.parametrize("program", ["/bin/true", "/nonexistent"])
def test_arguments_longer_than_the_field_are_cut_and_marked(cgroup: Cgroup, trace: Trace, workload: Start, program: str) -> None:
    argv = [program, *(f"{i:03}" for i in range(300))]
    work = workload("execs", 1, *argv)
    cgroup.add(work.pid)
    with trace("execsnoop", "--cgroup", cgroup.path) as traced:
        work.go()
    (row,) = traced.events("exec")
    *whole, last = row["argv"]
    assert whole == argv[: len(whole)]
    assert argv[len(whole)].startswith(last)
    assert len(whole) > 200
    assert row["truncated"] == ["argv"]
    assert traced.lost() == ["exec.argv: 1 cut, because longer than the field"]


def test_a_thread_that_starts_a_program(trace: Trace, python: Python) -> None:
    """It takes over the process's number and ends the other threads: still one row, and nothing is left over."""
    argv = ["/bin/true", "from", "a", "thread"]
    work = python(f"t = threading.Thread(target=os.execv, args=({argv[0]!r}, {argv!r})); t.start(); t.join()")
    with trace("execsnoop", "--pid", work.pid) as traced:
        work.start()
        work.end()
    (row,) = traced.events("exec")
    assert (row["pid"], row["comm"], row["argv"], row["result"]) == (work.pid, "true", argv, 0)
    assert traced.lost() == []


def test_a_thread_that_fails_to(trace: Trace, python: Python) -> None:
    text = """
def attempt():
    try:
        os.execv("/nonexistent", ["/nonexistent", "x"])
    except FileNotFoundError:
        pass
t = threading.Thread(target=attempt); t.start(); t.join()
"""
    work = python(text)
    with trace("execsnoop", "--pid", work.pid) as traced:
        work.start()
        work.end()
    (row,) = traced.events("exec")
    assert (row["pid"], row["path"], row["argv"], row["result"]) == (work.pid, "/nonexistent", ["/nonexistent", "x"], "ENOENT")
    assert traced.lost() == []


def test_execveat(trace: Trace, python: Python) -> None:
    text = "fd = os.open('/bin/true', os.O_RDONLY); os.execve(fd, ['anything', 'x'], {})"
    work = python(text)
    with trace("execsnoop", "--pid", work.pid) as traced:
        work.start()
        work.end()
    (row,) = traced.events("exec")
    assert (row["argv"], row["result"]) == (["anything", "x"], 0)
    assert row["path"].startswith("/dev/fd/")
    assert traced.lost() == []


def test_a_command_is_seen_starting(trace: Trace) -> None:
    with trace("execsnoop", "-c", "/bin/sh -c 'exec /bin/echo done'") as traced:
        pass
    assert [row["argv"] for row in traced.events("exec")] == [["/bin/sh", "-c", "exec /bin/echo done"], ["/bin/echo", "done"]]
