"""The common filters select exactly: the same tracer, the same work, seen through each of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from workloads import Workload

from .conftest import Cgroup, Trace, Traced

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]
Python = Callable[[str], Workload]

# Tries to open /nonexistent/NAME under several identities, one after the other.
IDENTITIES = """
def attempt(name):
    try:
        os.open(f"/nonexistent/{name}", os.O_RDONLY)
    except FileNotFoundError:
        pass

def rename(name):
    ctypes.CDLL(None).prctl(15, name, 0, 0, 0)  # PR_SET_NAME

tids = []
def in_thread():
    tids.append(threading.get_native_id())
    attempt("thread")

rename(b"whole")
attempt("whole")
rename(b"wholesome")
attempt("wholesome")
rename(b"who")
attempt("who")
thread = threading.Thread(target=in_thread)
thread.start()
thread.join()
os.setresuid(65534, 65534, 65534)
attempt("nobody")
print(json.dumps({"tids": tids}), flush=True)
sys.stdin.read()
"""
ALL = ["whole", "wholesome", "who", "thread", "nobody"]


def names(traced: Traced) -> list[str]:
    return [row["path"].removeprefix("/nonexistent/") for row in traced.events("open") if row["path"].startswith("/nonexistent/")]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ALL),
        (["--uid", 0], ALL[:-1]),
        (["--uid", "nobody"], ["nobody"]),
        (["--uid", 65533], []),
        (["--comm", "whole"], ["whole"]),
        (["--comm", "wholesome"], ["wholesome"]),
        (["--comm", "who"], ["who", "thread", "nobody"]),
        (["--comm", "wh"], []),
        (["--comm", "whole", "--uid", "nobody"], []),
    ],
)
def test_by_user_and_by_name(trace: Trace, python: Python, options: list[Any], expected: list[str]) -> None:
    work, other = python(IDENTITIES), python(IDENTITIES)
    with trace("opensnoop", "--pid", work.pid, *options) as traced:
        other.go()
        work.go()
    assert names(traced) == expected
    assert traced.lost() == []


def test_by_thread(trace: Trace, python: Python) -> None:
    """The first thread has the process's number; the numbers of others are known once they are there."""
    work = python(IDENTITIES)
    with trace("opensnoop", "--tid", work.pid) as traced:
        truth = work.go()
    assert names(traced) == [name for name in ALL if name != "thread"]
    assert truth["tids"][0] != work.pid

    waiting = """
go, tids = threading.Event(), []
def attempt():
    tids.append(threading.get_native_id())
    go.wait()
    try:
        os.open("/nonexistent/thread", os.O_RDONLY)
    except FileNotFoundError:
        pass
threads = [threading.Thread(target=attempt) for _ in range(3)]
for thread in threads:
    thread.start()
print(json.dumps({"tids": tids}), flush=True)
sys.stdin.readline()
go.set()
for thread in threads:
    thread.join()
print(json.dumps({}), flush=True)
sys.stdin.read()
"""
    work = python(waiting)
    tids = work.go()["tids"]
    with trace("opensnoop", "--tid", tids[1]) as traced:
        work.go()
    assert names(traced) == ["thread"]
    assert {row["tid"] for row in traced.events("open")} == {tids[1]}


def test_by_process(trace: Trace, workload: Start, tmp_path: Path) -> None:
    works = [workload("files", tmp_path, 3 + i, 0) for i in range(3)]
    with trace("opensnoop", "--pid", works[1].pid) as traced:
        for work in works:
            work.go()
    assert len(traced.events("open")) == 4
    assert {row["pid"] for row in traced.events("open")} == {works[1].pid}
    assert traced.lost() == []


@pytest.mark.parametrize(
    ("spec", "command"),
    [("opensnoop", ["files", ".", "0", "2"]), ("exitsnoop", ["exits", "0", "0"])],  # of the current task, and of another
)
def test_by_cgroup_and_all_below_it(cgroup: Cgroup, trace: Trace, workload: Start, spec: str, command: list[str]) -> None:
    """Processes outside, in the cgroup, in one below it, in one below that, and in another below it."""
    with cgroup.below("middle") as middle, middle.below("inner") as inner, cgroup.below("beside") as beside:
        for chosen, expected in ((cgroup, 4), (middle, 2), (inner, 1), (beside, 1)):
            works = {place: workload(*command) for place in (None, cgroup, middle, inner, beside)}
            for place, work in works.items():
                if place:
                    place.add(work.pid)
            with trace(spec, "--cgroup", chosen.path) as traced:
                truths = {place: work.go() for place, work in works.items()}
            for work in works.values():
                work.kill()
            inside = [truth for place, truth in truths.items() if place and place.path.is_relative_to(chosen.path)]
            assert len(inside) == expected
            assert [row["pid"] for row in traced.rows] == [pid for truth in inside for pid in pids(truth)]


def pids(truth: dict[str, Any]) -> list[int]:
    """Whose rows there must be: those of the children that ended, or of the process itself, one for each open."""
    return [child["pid"] for child in truth["children"]] if "children" in truth else [truth["pid"]] * len(truth["opens"])


def test_a_filter_that_can_match_nothing_is_no_error(trace: Trace, workload: Start, tmp_path: Path) -> None:
    work = workload("files", tmp_path, 3, 0)
    with trace("opensnoop", "--pid", work.pid, "--tid", 1) as traced:
        work.go()
    assert traced.rows == []
    assert traced.lost() == []
