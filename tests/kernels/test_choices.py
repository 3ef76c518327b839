"""Alternatives: the first that this kernel has is taken. Which that is, is written here for each kernel of the lab."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .conftest import LAB, SPECS, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel, pytest.mark.skipif(not LAB, reason="says what kernels of the lab do")]

OPEN = {"5.10": "do_filp_open", "6.1": "do_filp_open", "6.12": "do_filp_open", "7.3": "do_file_open"}
CLOSE = {"5.10": "close_fd", "6.1": "close_fd", "6.12": "file_close_fd", "7.3": "file_close_fd"}
STATE_RENAMED = {"5.10": False, "6.1": True, "6.12": True, "7.3": True}


ACCESSED = {"5.10": "mark_page_accessed"}
REQUEST = {"5.10": "fentry:blk_account_io_start", "6.1": "tp_btf:block_rq_issue"}
STATE_NOT_TOLD = {"5.10"}
BEFORE_USERS_WERE_MAPPED = {"5.10"}
REASON_NOT_TOLD = {"5.10"}


def line_of(words: str) -> int:
    """The line of renamed.yaml that has these words."""
    lines = (SPECS / "renamed.yaml").read_text().splitlines()
    (found,) = (number for number, line in enumerate(lines, 1) if words in line)
    return found


def test_renamed_functions(observe: Observe, tmp_path: Path) -> None:
    """Each page that is read is marked once."""
    path = tmp_path / "pages"  # on a tmpfs
    path.write_bytes(bytes(3 * mmap.PAGESIZE))

    def work(_: Observed) -> None:
        with path.open("rb", buffering=0) as file:
            for index in range(3):
                os.pread(file.fileno(), mmap.PAGESIZE, index * mmap.PAGESIZE)

    seen = observe("renamed", work)
    function = ACCESSED.get(LAB, "folio_mark_accessed")
    assert f"attached fentry:{function} (renamed.yaml:{line_of(f'fentry:{function}')})" in seen.said
    rows = [row for row in seen.events("accessed") if row["inode"] == path.stat().st_ino]
    assert [(row["function"], row["index"]) for row in rows] == [(function, index) for index in range(3)]


def test_moved_members(observe: Observe, loop_device: Path) -> None:
    """A request's disk is where each kernel has it."""
    sectors = [0, 64, 8, 4096]

    def work(_: Observed) -> None:
        with mmap.mmap(-1, mmap.PAGESIZE) as page, open_direct(loop_device) as number:  # aligned, as direct reads must be
            for sector in sectors:
                os.preadv(number, [page], sector * 512)

    seen = observe("renamed", work)
    point = REQUEST.get(LAB, "tp_btf:block_io_start")
    assert f"attached {point} (renamed.yaml:{line_of(point)})" in seen.said
    rows = [row for row in seen.events("request") if row["disk"] == loop_device.name]
    row = {"function": point.partition(":")[2], "disk": loop_device.name, "size": mmap.PAGESIZE}
    assert rows == [{**row, "sector": sector} for sector in sectors]


def test_members_renamed_twice(observe: Observe) -> None:
    """All that can run in a cgroup is in its queue: this process and a crowd that never sleeps."""
    others = 3

    def work(_: Observed) -> None:
        with crowd(others):
            prctl(0, 0, 0, 0)

    seen = observe("renamed", work)
    assert seen.events("queue") == [{"own": 1 + others, "below": 1 + others}]


def test_an_argument_that_came_later(observe: Observe) -> None:
    """Each time that this process leaves its processor to wait is seen with its state."""
    times = 5

    states: list[int] = []

    def work(seen: Observed) -> None:
        with another() as wait:
            wait()  # all code that this takes is in memory now
            before = len(seen.events("left"))  # attaching may wait too
            for _ in range(times):
                wait()
            states.extend(row["state"] for row in seen.events("left")[before:])

    seen = observe("renamed", work)
    told = LAB not in STATE_NOT_TOLD
    chosen = 'told: "true"' if told else 'told: "false"'
    assert f"attached tp_btf:sched_switch (renamed.yaml:{line_of(chosen)})" in seen.said
    assert {row["told"] for row in seen.events("left")} == {told}
    assert [state for state in states if state] == [1] * times  # TASK_INTERRUPTIBLE; 0: had to let others run


def test_moved_arguments(observe: Observe, tmp_path: Path, loop_device: Path) -> None:
    """Read by their names, wherever this kernel passes them; its artefact was built for another one."""
    path, sectors = tmp_path / "to be removed", [0, 64, 8, 4096]

    def work(_: Observed) -> None:
        path.touch()
        path.unlink()
        with mmap.mmap(-1, mmap.PAGESIZE) as page, open_direct(loop_device) as number:
            for sector in sectors:
                os.preadv(number, [page], sector * 512)
        refused_datagram()

    seen = observe("moved", work)
    named, told = LAB not in BEFORE_USERS_WERE_MAPPED, LAB not in REASON_NOT_TOLD
    assert [row for row in seen.events("unlink") if row["name"] == path.name] == [
        {"folder": tmp_path.stat().st_ino, "name": path.name}
    ]
    assert [row for row in seen.events("unlinked") if row["name"] == path.name] == [{"name": path.name, "result": 0}]
    assert [row for row in seen.events("in_registers") if row["name"] == path.name] == [{"named": named, "name": path.name}]
    queued = [row["sector"] for row in seen.events("queued") if row["size"] == mmap.PAGESIZE]
    assert queued == sectors
    freed = [row for row in seen.events("freed") if row["protocol"] == IPV4]
    assert freed
    assert {row["told"] for row in freed} == {told}
    assert told == any(row["reason"] for row in freed)
    moved = [line for line in seen.said if line.endswith("where it was built")]
    assert sorted(moved) == ([] if named else sorted(MOVED))


IPV4 = 0x0800
MOVED = [
    "fentry:vfs_unlink: args.dir is argument 0 here, 1 where it was built",
    "fentry:vfs_unlink: args.dentry is argument 1 here, 2 where it was built",
    "fexit:vfs_unlink: args.dentry is argument 1 here, 2 where it was built",
    "fexit:vfs_unlink: retval is argument 3 here, 4 where it was built",
    "tp_btf:block_bio_queue: args.bio is argument 1 here, 0 where it was built",
]


def refused_datagram() -> None:
    """To a port of this machine where nobody listens: the kernel drops it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        taken.bind(("127.0.0.1", 0))
        address = taken.getsockname()
        taken.close()
        sender.sendto(b"x", address)


@contextmanager
def another() -> Iterator[Callable[[], object]]:
    """A function that waits for another process, which answers only when this one is off its processor."""
    own, (end, other_end) = os.getpid(), os.pipe()
    child = os.fork()
    while child == 0:
        if not Path(f"/proc/{own}/syscall").read_text().startswith("running"):  # it is not on its way there either
            os.write(other_end, b"x")
    yield lambda: os.read(end, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(end)
    os.close(other_end)


@contextmanager
def open_direct(path: Path) -> Iterator[int]:
    number = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        yield number
    finally:
        os.close(number)


@pytest.fixture
def loop_device(tmp_path: Path) -> Iterator[Path]:
    """A loop device of four megabytes."""
    file = tmp_path / "disk"
    file.write_bytes(bytes(4 << 20))
    found = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True, check=True).stdout.strip()
    yield Path(found)
    subprocess.run(["losetup", "--detach", found], check=True)


def busy_child() -> int:
    pid = os.fork()
    while pid == 0:
        pass
    return pid


@contextmanager
def crowd(others: int) -> Iterator[None]:
    """A cgroup with this process in it, and others that do nothing else than run."""
    root = Path("/sys/fs/cgroup")
    (root / "cgroup.subtree_control").write_text("+cpu")
    own = root / "ebpfgen-crowd"
    own.mkdir()
    (own / "cgroup.procs").write_text(str(os.getpid()))
    children = [busy_child() for _ in range(others)]
    yield
    for child in children:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    (root / "cgroup.procs").write_text(str(os.getpid()))
    own.rmdir()


def test_the_first_that_this_kernel_has(observe: Observe, tmp_path: Path) -> None:
    path = tmp_path / "known"
    path.touch()
    number = 900  # a descriptor that nobody else uses: attaching opens and closes files too

    def work(_: Observed) -> None:
        found = os.open(path, os.O_RDONLY)
        os.dup2(found, number)
        os.close(number)
        os.close(found)
        prctl(0, 0, 0, 0)

    seen = observe("chosen", work)
    assert set(seen.attached()) == {f"fentry:{OPEN[LAB]}", f"kprobe:{CLOSE[LAB]}", "tracepoint:syscalls:sys_enter_prctl"}
    assert [row for row in seen.events("open") if row["path"] == str(path)] == [{"function": OPEN[LAB], "path": str(path)}]
    assert [row for row in seen.events("close") if row["fd"] == number] == [{"function": CLOSE[LAB], "fd": number}]
    assert seen.events("state") == [{"renamed": STATE_RENAMED[LAB], "state": 0}]  # it runs
