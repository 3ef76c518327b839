"""Iterators: what they say of this test's own threads, files and sockets. The ring of the spec is the smallest there is: a reader
that sets the pace loses nothing."""

from __future__ import annotations

import os
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from .conftest import Observe, Observed

pytestmark = [pytest.mark.root, pytest.mark.kernel]
LISTEN, ESTABLISHED = 10, 1


@contextmanager
def threads(number: int) -> Iterator[set[int]]:
    """So many threads besides the first; their ids."""
    end, ids = threading.Event(), set[int]()
    started = threading.Barrier(number + 1)

    def wait() -> None:
        ids.add(threading.get_native_id())
        started.wait()
        end.wait()

    running = [threading.Thread(target=wait) for _ in range(number)]
    for thread in running:
        thread.start()
    started.wait()
    try:
        yield ids
    finally:
        end.set()
        for thread in running:
            thread.join()


def own_threads() -> set[int]:
    """All of this process's, by /proc: libraries that other tests loaded have some."""
    return {int(task.name) for task in Path("/proc/self/task").iterdir()}


def test_threads(observe: Observe) -> None:
    with threads(20) as ids:
        there = own_threads()
        seen = observe("iterators", Observed.visit)
    rows = seen.events("thread")
    assert {os.getpid()} | ids <= there
    assert sorted(row["tid"] for row in rows) == sorted(there)
    assert {(row["pid"], row["parent"]) for row in rows} == {(os.getpid(), os.getppid())}
    assert {what for what, _ in seen.counts()} == {"produced"}


def test_open_files(observe: Observe) -> None:
    with ExitStack() as stack:
        files = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(300)]
        for i, file in enumerate(files):
            os.write(file.fileno(), b"x" * i)
        there = own_threads()
        seen = observe("iterators", Observed.visit)
        rows = {row["fd"]: (row["inode"], row["position"]) for row in seen.events("file")}
        assert {f.fileno(): rows.get(f.fileno()) for f in files} == {
            f.fileno(): (os.fstat(f.fileno()).st_ino, i) for i, f in enumerate(files)
        }
    assert {row["pid"] for row in seen.events("file")} == {os.getpid()}
    counted = {("produced", "file"): len(seen.events("file")), ("produced", "thread"): len(there)}
    assert seen.counts() == {**counted, **sockets_counted(seen)}


def sockets_counted(seen: Observed) -> dict[tuple[str, str], int]:
    number = len(seen.events("socket"))
    return {("produced", "socket"): number} if number else {}


def test_sockets(observe: Observe) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = server.getsockname()[1]
        client = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
        stack.enter_context(server.accept()[0])
        seen = observe("iterators", Observed.visit)
        peer = client.getsockname()[1]
    ours = [row for row in seen.events("socket") if port in (row["port"], row["peer"])]
    expected = [(port, 0, LISTEN), (port, peer, ESTABLISHED), (peer, port, ESTABLISHED)]
    assert sorted((row["port"], row["peer"], row["state"]) for row in ours) == sorted(expected)
    assert {row["uid"] for row in ours} == {os.geteuid()}


def test_each_visit_is_a_whole_one(observe: Observe) -> None:
    def work(seen: Observed) -> None:
        for _ in range(3):
            seen.visit()

    there = own_threads()  # before: detaching has threads of its own, which /proc may show a little longer
    assert Counter(row["tid"] for row in observe("iterators", work).events("thread")) == dict.fromkeys(there, 3)
