"""exitsnoop against processes that end in known ways, and against what wait(2) says of them."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload

from .conftest import Cgroup, Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]
Python = Callable[[str], Workload]

FORMAT = Path("/sys/kernel/tracing/events/sched/sched_process_exit/format")
HELPERS = """
c = ctypes.CDLL(None)

def end_this_thread(code):
    c.syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], code)  # SYS_exit

def wait_for_the_end_of_main():
    while open(f"/proc/self/task/{os.getpid()}/stat").read().rpartition(") ")[2][0] != "Z":
        os.sched_yield()

def in_thread(function, *args):
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread
"""


def test_each_process_is_a_row_with_its_code_or_signal(cgroup: Cgroup, trace: Trace, workload: Start) -> None:
    ways = [0, 1, 3, 255, *(-number for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM, signal.SIGHUP))] * 5
    work = workload("exits", *ways)
    cgroup.add(work.pid)
    with trace("exitsnoop", "--cgroup", cgroup.path) as traced:
        children = work.go()["children"]
    rows = traced.events("exit")
    keys = ("pid", "code", "signal", "comm", "ppid", "core_dumped")
    assert [tuple(row[key] for key in keys) for row in rows] == [
        (c["pid"], c["code"], signal.Signals(c["signal"]).name if c["signal"] else 0, "exits", work.pid, False) for c in children
    ]
    assert all(row["tid"] == row["pid"] for row in rows)
    assert traced.lost() == []


def test_age(trace: Trace, workload: Start) -> None:
    """From the process's start, as the kernel notes it, to its end."""
    work = workload("exits", 0)
    started = int(Path(f"/proc/{work.pid}/stat").read_text().rpartition(") ")[2].split()[19])
    before = uptime_ticks()
    with trace("exitsnoop", "--pid", work.pid) as traced:
        work.end()
    (row,) = traced.events("exit")
    assert before - started - 1 <= row["age"] // 10**7 <= uptime_ticks() - started + 1


def uptime_ticks() -> int:
    return round(float(Path("/proc/uptime").read_text().split()[0]) * 100)


def status_of(row: dict[str, object]) -> int:
    """As subprocess gives it."""
    return -int(signal.Signals[str(row["signal"])]) if row["signal"] else int(str(row["code"]))


@pytest.mark.parametrize(
    ("text", "threads"),
    [
        ("os._exit(7)", 1),
        ("in_thread(signal.pause); in_thread(signal.pause); os._exit(7)", 3),
        ("in_thread(signal.pause); os.kill(os.getpid(), signal.SIGKILL)", 2),
        ("in_thread(os._exit, 9); signal.pause()", 2),
    ],
)
def test_a_process_with_threads_is_one_row(trace: Trace, python: Python, text: str, threads: int) -> None:
    for options, expected in (([], 1), (["--threads"], threads)):
        work = python(HELPERS + text)
        with trace("exitsnoop", "--pid", work.pid, *options) as traced:
            work.start()
            status = work.wait()
        rows = traced.events("exit")
        assert [status_of(row) for row in rows] == [status] * expected
        assert len({row["tid"] for row in rows}) == expected
        assert work.pid in {row["tid"] for row in rows}
        assert traced.lost() == []


@pytest.mark.skipif(
    FORMAT.exists() and "group_dead" not in FORMAT.read_text(), reason="the kernel does not tell a process's last thread (6.16)"
)
@pytest.mark.parametrize(
    "text",
    [
        # The first thread ends before the others, and so does not decide.
        "in_thread(lambda: (wait_for_the_end_of_main(), os._exit(7))); end_this_thread(5)",
        # Each thread ends by itself: the first one's code counts.
        "in_thread(lambda: (wait_for_the_end_of_main(), end_this_thread(9))); end_this_thread(5)",
        # The first thread gives way to the one that starts a program: the process goes on.
        "in_thread(os.execv, '/bin/sh', ['sh', '-c', 'exit 4']); signal.pause()",
    ],
)
def test_the_end_of_the_first_thread_is_not_that_of_the_process(trace: Trace, python: Python, text: str) -> None:
    work = python(HELPERS + text)
    with trace("exitsnoop", "--pid", work.pid) as traced:
        work.start()
        status = work.wait()
    (row,) = traced.events("exit")
    assert (row["pid"], row["tid"], status_of(row)) == (work.pid, work.pid, status)


def test_a_thread_is_shown_by_its_own_name_and_a_process_by_its_first_thread(trace: Trace, python: Python) -> None:
    text = """
def named():
    c.prctl(15, b"worker", 0, 0, 0)  # PR_SET_NAME
c.prctl(15, b"leader", 0, 0, 0)
in_thread(named).join()
os._exit(0)
"""
    for options, names in (
        ([], ["leader"]),
        (["--threads"], ["leader", "worker"]),
        (["--threads", "--comm", "worker"], ["worker"]),
    ):
        work = python(HELPERS + text)
        with trace("exitsnoop", "--pid", work.pid, *options) as traced:
            work.start()
            work.wait()
        assert sorted(row["comm"] for row in traced.events("exit")) == names


def test_a_core_dump_is_told(trace: Trace, python: Python, tmp_path: Path) -> None:
    if Path("/proc/sys/kernel/core_pattern").read_text().startswith("|"):
        pytest.skip("core dumps go to another program here")
    work = python("import resource; resource.setrlimit(resource.RLIMIT_CORE, (1 << 30, 1 << 30)); os.abort()")
    with trace("exitsnoop", "--pid", work.pid) as traced:
        work.start()
        work.wait()
    (row,) = traced.events("exit")
    dumped = any(path.name.startswith("core") for path in tmp_path.iterdir())
    assert (row["signal"], row["core_dumped"]) == ("SIGABRT", dumped)


def test_the_command_itself(trace: Trace) -> None:
    with trace("exitsnoop", "-c", "/bin/sh -c '/bin/true; exit 5'") as traced:
        pass
    (row,) = traced.events("exit")
    assert (row["comm"], row["code"], traced.status) == ("sh", 5, 5)
