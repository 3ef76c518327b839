"""tcplist against connections that the test made, and what the sockets themselves say of their queues."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from .conftest import LONGEST, Trace

pytestmark = [pytest.mark.root, pytest.mark.kernel]
SIOCINQ, SIOCOUTQ = 0x541B, 0x5411


def queued(sock: socket.socket, which: int) -> int:
    return int(struct.unpack("i", fcntl.ioctl(sock, which, b"\0" * 4))[0])


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_each_socket_with_its_queues(trace: Trace, family: socket.AddressFamily, address: str) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server((address, 0), family=family))
        port = server.getsockname()[1]
        clients = [stack.enter_context(socket.create_connection((address, port))) for _ in range(5)]
        accepted = [stack.enter_context(server.accept()[0]) for _ in range(2)]
        clients[0].sendall(b"x" * 1234)
        clients[1].setblocking(False)
        with suppress(BlockingIOError):
            while True:  # until the other end takes no more
                clients[1].send(b"x" * 65536)
        sockets = (*clients, *accepted)
        before = after = None
        while before is None or before != after:  # the full queue's sender tries again by itself, now and then
            before = [ends_and_queues(s) for s in sockets]
            with trace("tcplist", "--port", port) as traced:
                traced.process.wait(LONGEST)
            after = [ends_and_queues(s) for s in sockets]
        # Those that wait to be accepted are there, too: as the clients' other ends.
        waiting = [(port, c.getsockname()[1], "ESTABLISHED", 0, 0) for c in clients[2:]]
        expected = [(port, 0, "LISTEN", 3, 0), *after, *waiting]
    rows = traced.events("socket")
    assert sorted(map(shape, rows)) == sorted(expected)
    assert {row["laddr"] for row in rows} == {address}
    assert {row["uid"] for row in rows} == {os.geteuid()}
    assert max(sending for *_, sending in map(shape, rows)) > 0
    assert traced.lost() == []


def ends_and_queues(sock: socket.socket) -> tuple[int, int, str, int, int]:
    mine, its = sock.getsockname()[1], sock.getpeername()[1]
    return mine, its, "ESTABLISHED", queued(sock, SIOCINQ), queued(sock, SIOCOUTQ)


def shape(row: dict[str, Any]) -> tuple[int, int, str, int, int]:
    return row["lport"], row["rport"], row["state"], row["receiving"], row["sending"]


def test_listening_only(trace: Trace) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        stack.enter_context(socket.create_connection(server.getsockname()))
        with trace("tcplist", "--listening", "--port", server.getsockname()[1]) as traced:
            traced.process.wait(LONGEST)
    assert [shape(row)[2] for row in traced.events("socket")] == ["LISTEN"]
