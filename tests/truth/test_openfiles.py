"""openfiles against this process's own descriptors, as fstat and /proc show them."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from .conftest import LONGEST, Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
TYPES = {stat.S_IFREG: "REG", stat.S_IFDIR: "DIR", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "SOCK", stat.S_IFCHR: "CHR"}
NAMES = {os.O_WRONLY: "O_WRONLY", os.O_RDWR: "O_RDWR", os.O_APPEND: "O_APPEND", os.O_NONBLOCK: "O_NONBLOCK"}


@pytest.fixture
def open_files(tmp_path: Path) -> Iterator[set[int]]:
    """Descriptors of all kinds."""
    with ExitStack() as stack:
        found = [stack.enter_context(tempfile.TemporaryFile()).fileno() for _ in range(5)]
        opened = [os.open(tmp_path, os.O_RDONLY), os.open("/dev/null", os.O_WRONLY), *os.pipe()]
        for i, flags in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_APPEND, os.O_RDWR | os.O_NONBLOCK)):
            (tmp_path / f"file {i}").write_bytes(b"x" * 100)
            opened.append(os.open(tmp_path / f"file {i}", flags))
            os.lseek(opened[-1], 10 * i, os.SEEK_SET)
        opened += [end.detach() for end in socket.socketpair()]
        for fd in opened:
            stack.callback(os.close, fd)
        yield {*found, *opened}


def test_every_descriptor(trace: Trace, open_files: set[int]) -> None:
    with trace("openfiles", "--pid", os.getpid()) as traced:
        traced.process.wait(LONGEST)
        expected = {fd: described(fd) for fd in open_files}
    rows = {row["fd"]: row for row in traced.events("file")}
    assert len(rows) == len(traced.events("file"))
    for fd, (type, inode, position, flags, name) in expected.items():
        row = rows[fd]
        assert (row["type"], row["inode"], row["position"], row["pid"]) == (type, inode, position, os.getpid())
        assert {word for word in NAMES.values() if word in str(row["flags"]).split("|")} == flags
        assert name is None or row["name"] == name
    assert traced.lost() == []


def described(fd: int) -> tuple[str, int, int, set[str], str | None]:
    status = os.fstat(fd)
    info = dict(line.split(":\t") for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines() if ":\t" in line)
    flags = int(info["flags"], 8)
    path = Path(f"/proc/self/fd/{fd}").readlink()
    named = path.is_absolute() and path.exists()
    words = {word for bit, word in NAMES.items() if (flags & os.O_ACCMODE if bit <= os.O_RDWR else flags & bit) == bit}
    return TYPES[stat.S_IFMT(status.st_mode)], status.st_ino, int(info["pos"]), words, path.name if named else None


def test_by_name(trace: Trace, open_files: set[int]) -> None:
    with trace("openfiles", "--name", "file 3") as traced:
        traced.process.wait(LONGEST)
    rows: list[dict[str, Any]] = [row for row in traced.events("file") if row["pid"] == os.getpid()]
    assert [row["position"] for row in rows] == [30]
    assert {row["name"] for row in traced.events("file")} == {"file 3"}


def test_again_at_each_interval(trace: Trace, open_files: set[int]) -> None:
    with trace("openfiles", "--name", "file 2", "--pid", os.getpid(), "--interval", "0.2", "--count", 3) as traced:
        traced.process.wait(LONGEST)
    assert len(traced.events("file")) == 3
