"""The workloads themselves: what they report is what they did, checked against what the kernel says of it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from workloads import Workload

Start = Callable[..., Workload]
OWN_NAMESPACE = Path("/proc/self/ns/net").stat().st_ino


def test_does_nothing_until_told(workload: Start, tmp_path: Path) -> None:
    work = workload("calls", "create=3")
    assert not list(tmp_path.iterdir())
    work.go()
    assert len(list(tmp_path.iterdir())) == 3
    work.end()
    assert not list(tmp_path.iterdir())


def test_ends_without_work_when_not_told(workload: Start, tmp_path: Path) -> None:
    workload("calls", "create=3").end()
    assert not list(tmp_path.iterdir())


def test_a_wrong_command_line_is_an_error(workload: Start, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AssertionError, match="ended with 2"):
        workload("calls", "unheard_of=3")
    assert "usage: calls KIND=N" in capfd.readouterr().err


def test_files(workload: Start, tmp_path: Path) -> None:
    truth = workload("files", tmp_path, 5, 2).go()
    found = {entry["path"] for entry in truth["opens"] if entry["result"] >= 0}
    assert found == {str(path) for path in tmp_path.glob("found-*")}
    assert [entry["result"] for entry in truth["opens"][5:]] == [-2, -2]
    assert len({entry["flags"] for entry in truth["opens"]}) == 4


@pytest.mark.parametrize("family", [4, 6])
def test_tcp(workload: Start, family: int) -> None:
    work = workload("tcp", family, 3, 1000, 70000)
    truth = work.go()
    assert len(set(truth["client_ports"])) == 3
    assert truth["netns"] == OWN_NAMESPACE
    assert truth["server_pid"] != truth["pid"] == work.pid


@pytest.mark.root
def test_tcp_in_a_namespace_of_its_own(workload: Start) -> None:
    truth = workload("tcp", 4, 2, 1000, 2000, "netns").go()
    assert truth["netns"] != OWN_NAMESPACE
    assert truth["lo"]["rx_bytes"] == truth["lo"]["tx_bytes"] > 2 * 3000


@pytest.mark.root
@pytest.mark.parametrize(("family", "headers"), [(4, 20 + 8), (6, 40 + 8)])
def test_udp(workload: Start, family: int, headers: int) -> None:
    truth = workload("udp", family, 7, 100).go()
    link = truth["lo"]["rx_bytes"] // 7 - 100 - headers  # lo counts an Ethernet header, or none
    assert link in (0, 14)
    assert truth["lo"] == {
        "rx_bytes": 7 * (100 + headers + link),
        "rx_packets": 7,
        "tx_bytes": 7 * (100 + headers + link),
        "tx_packets": 7,
    }


@pytest.mark.root
def test_retransmits(workload: Start) -> None:
    assert workload("retransmits", 1).go()["retransmits"] >= 1


def test_execs(workload: Start) -> None:
    truth = workload("execs", 3, "/bin/sh", "-c", "exit 7").go()
    assert truth["argv"] == ["/bin/sh", "-c", "exit 7"]
    assert [child["status"] for child in truth["children"]] == [7, 7, 7]
    assert len({child["pid"] for child in truth["children"]}) == 3


def test_exec_of_what_is_not_there(workload: Start) -> None:
    assert workload("execs", 1, "/nonexistent/program").go()["children"][0]["status"] == 127


def test_exits(workload: Start) -> None:
    children = workload("exits", 0, 3, -signal.SIGKILL, -signal.SIGSEGV).go()["children"]
    assert [(child["code"], child["signal"]) for child in children] == [(0, 0), (3, 0), (0, 9), (0, 11)]


def test_heap(workload: Start) -> None:
    truth = workload("heap", "malloc=100x3", "calloc=10,8x2", "realloc=300x1", "free=2").go()
    assert [(call["call"], call["size"]) for call in truth["calls"]] == [
        *[("malloc", 100)] * 3,
        *[("calloc", 80)] * 2,
        ("realloc", 300),
        *[("free", 100)] * 2,
    ]
    assert (truth["outstanding"], truth["blocks"]) == (100 + 80 + 300, 3)


def test_calls(workload: Start) -> None:
    truth = workload("calls", "getppid=5", "close=2", "openat=1", "pread64=4", "pwrite64=3", "fsync=1", "nanosleep=2").go()
    assert {call["kind"]: (call["count"], call["errors"]) for call in truth["calls"]} == {
        "getppid": (5, 0),
        "close": (2, 2),
        "openat": (1, 1),
        "pread64": (4, 0),
        "pwrite64": (3, 0),
        "fsync": (1, 0),
        "nanosleep": (2, 0),
    }
    assert truth["calls"][-1]["ns"] >= 2_000_000


@pytest.mark.root
def test_block(workload: Start, tmp_path: Path) -> None:
    truth = workload("block", tmp_path, 5, 3, 8192).go()
    assert truth["kernel"] == {"reads": 3, "read_bytes": 3 * 8192, "writes": 5, "written_bytes": 5 * 8192}


def test_burn(workload: Start) -> None:
    work = workload("burn", 20, 0)
    assert work.go()["cpu_ns"] >= 20_000_000
    fields = Path(f"/proc/{work.pid}/stat").read_text().rpartition(") ")[2].split()
    assert int(fields[36]) == 0  # processor it ran on


def test_wakeups(workload: Start) -> None:
    truth = workload("wakeups", 50, 0).go()
    for side in ("waker", "woken"):
        assert truth[side]["runs"] is None or truth[side]["runs"] >= 50


def test_readline(workload: Start) -> None:
    work = workload("readline", "true", "x=1; : $x")
    assert Path(f"/proc/{work.ready['bash_pid']}/comm").read_text() == "bash\n"
    assert work.go()["lines"] == ["true", "x=1; : $x"]


@pytest.mark.parametrize("rate", [(), (1_000_000,)])
def test_getppids(workload: Start, rate: tuple[int, ...]) -> None:
    truth = workload("getppids", 3500, *rate).go()
    assert truth["count"] == 3500
    assert 0 < truth["cpu_ns"] <= truth["ns"]
    assert truth["ns"] >= (3_000_000 if rate else 0), "three bursts and a half, a millisecond apart"
