"""net against programs that send known bytes over known connections, in network namespaces of their own."""

from __future__ import annotations

import os
import socket
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from workloads import Workload

from .conftest import Row, Trace, Traced
from .kernel_facts import listening_port, network_namespace, wait_until_closed

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Start = Callable[..., Workload]

CONNECTIONS, SENT, RECEIVED = 20, 70001, 1234
CLIENTS_WAY = ["CLOSE", "SYN_SENT", "ESTABLISHED", "FIN_WAIT1", "FIN_WAIT2", "CLOSE"]  # RFC 9293, section 3.6
SERVERS_WAY = ["LISTEN", "SYN_RECV", "ESTABLISHED", "CLOSE_WAIT", "LAST_ACK", "CLOSE"]


def ends(row: Row) -> tuple[Any, ...]:
    return row["pid"], row["comm"], row["laddr"], row["lport"], row["raddr"], row["rport"]


def both_sides(truth: dict[str, Any]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """The ends of each connection as the client and as the server have them."""
    here, server = truth["address"], truth["server_port"]
    clients = [(truth["pid"], "tcp", here, port, here, server) for port in truth["client_ports"]]
    servers = [(truth["server_pid"], "tcp", here, server, here, port) for port in truth["client_ports"]]
    return clients, servers


def traffic(traced: Traced, name: str) -> dict[tuple[Any, ...], int]:
    """A metric of packets, by interface, direction and protocol."""
    return {tuple(row["labels"].values()): row["value"] for row in traced.totals(name)}


@pytest.mark.parametrize("family", [4, 6])
def test_each_connection_is_a_row_at_both_ends(trace: Trace, workload: Start, family: int) -> None:
    work = workload("tcp", family, CONNECTIONS, SENT, RECEIVED, "netns")
    with trace("net", "--netns", network_namespace(work.pid)) as traced:
        truth = work.go()
        wait_until_closed(work.pid)
    clients, servers = both_sides(truth)
    rows = {ends(row): row for row in traced.events("session")}
    assert sorted(rows) == sorted(clients + servers)
    assert len(traced.events("session")) == 2 * CONNECTIONS
    for bytes_, whose in (((SENT, RECEIVED), clients), ((RECEIVED, SENT), servers)):
        assert {(rows[end]["sent"], rows[end]["received"]) for end in whose} == {bytes_}
    assert {row["error"] for row in rows.values()} == {0}
    assert all(row["duration"] > 0 for row in rows.values())
    assert traced.events("state") == []
    assert traced.totals("older")[0]["value"] == 0
    assert traced.lost() == []


@pytest.mark.parametrize("family", [4, 6])
def test_packets_and_bytes_are_those_of_the_interface(trace: Trace, workload: Start, family: int) -> None:
    work = workload("tcp", family, CONNECTIONS, SENT, RECEIVED, "netns")
    with trace("net", "--netns", network_namespace(work.pid)) as traced:
        truth = work.go()
    lo = truth["lo"]
    assert traffic(traced, "packets") == {("lo", "in", "TCP"): lo["rx_packets"], ("lo", "out", "TCP"): lo["tx_packets"]}
    assert traffic(traced, "bytes") == {("lo", "in", "TCP"): lo["rx_bytes"], ("lo", "out", "TCP"): lo["tx_bytes"]}


@pytest.mark.parametrize(("family", "headers"), [(4, 20 + 8), (6, 40 + 8)])
def test_datagrams(trace: Trace, workload: Start, family: int, headers: int) -> None:
    work = workload("udp", family, 30, 100)
    with trace("net", "--netns", network_namespace(work.pid)) as traced:
        work.go()
    assert traffic(traced, "packets") == {("lo", "in", "UDP"): 30, ("lo", "out", "UDP"): 30}
    expected = 30 * (100 + headers)
    assert traffic(traced, "bytes") == {("lo", "in", "UDP"): expected, ("lo", "out", "UDP"): expected}


@pytest.mark.parametrize("side", ["client", "server"])
def test_a_process_is_chosen(trace: Trace, workload: Start, side: str) -> None:
    work = workload("tcp", 4, 5, SENT, RECEIVED)
    (child,) = map(int, Path(f"/proc/{work.pid}/task/{work.pid}/children").read_text().split())
    with trace("net", "--pid", work.pid if side == "client" else child) as traced:
        truth = work.go()
        wait_until_closed(work.pid, truth["server_port"])
    clients, servers = both_sides(truth)
    assert sorted(map(ends, traced.events("session"))) == sorted(clients if side == "client" else servers)
    assert traced.totals("packets") == traced.totals("bytes") == []  # nobody's


def test_a_port_is_chosen(trace: Trace, workload: Start) -> None:
    for offset, expected in ((0, 4), (1, 0)):
        work = workload("tcp", 4, 2, 10, 10, "netns")
        with trace("net", "--netns", network_namespace(work.pid), "--port", listening_port(work.pid) ^ offset) as traced:
            work.go()
            wait_until_closed(work.pid)
        assert len(traced.events("session")) == expected


def test_states(trace: Trace, workload: Start) -> None:
    work = workload("tcp", 4, 3, 10, 10, "netns")
    with trace("net", "--states", "--netns", network_namespace(work.pid)) as traced:
        truth = work.go()
        wait_until_closed(work.pid)
    clients, servers = both_sides(truth)
    own = {"client": (truth["pid"], CLIENTS_WAY, clients), "server": (truth["server_pid"], SERVERS_WAY, servers)}
    rows = traced.events("state")
    for side, (pid, way, connections) in own.items():
        of_side = [row for row in rows if (row["lport"] == truth["server_port"]) == (side == "server")]
        assert Counter((row["old"], row["new"]) for row in of_side) == dict.fromkeys(pairwise(way), 3)
        for old, new in list(pairwise(way))[1:]:  # at the first one the kernel does not know all of it yet
            seen = [ends(row)[2:] for row in of_side if (row["old"], row["new"]) == (old, new)]
            assert sorted(seen) == sorted(end[2:] for end in connections)
        assert {row["pid"] for row in of_side} <= {0, pid}
    assert {row["pid"] for row in rows if row["old"] in ("CLOSE", "FIN_WAIT2", "LAST_ACK")} == {truth["pid"], truth["server_pid"]}


def test_segments_sent_again(trace: Trace, workload: Start) -> None:
    work = workload("retransmits", 3)
    with trace("net", "--netns", network_namespace(work.pid)) as traced:
        truth = work.go()
        work.end()
    rows = traced.events("retransmit")
    assert len(rows) == truth["retransmits"] >= 3
    assert {(row["laddr"], row["lport"], row["rport"], row["state"]) for row in rows} == {
        ("127.0.0.1", truth["client_port"], truth["server_port"], "ESTABLISHED")
    }
    assert traced.events("session") == []
    assert traced.totals("older")[0]["value"] == 2  # both ends of the connection, opened before


# Ways to end that the program above does not take. Both ends are this process's.


@contextmanager
def connection() -> Iterator[tuple[socket.socket, socket.socket]]:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        server, _ = listener.accept()
        with server:
            yield client, server


def receive(end: socket.socket, count: int) -> None:
    while count:
        count -= len(end.recv(count))


def client_first(client: socket.socket, server: socket.socket) -> None:
    client.close()
    assert server.recv(1) == b""
    server.close()


def server_first(client: socket.socket, server: socket.socket) -> None:
    client_first(server, client)


def half_closed(client: socket.socket, server: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.sendall(bytes(500))
    server.close()
    receive(client, 500)
    assert client.recv(1) == b""
    client.close()


def at_once(client: socket.socket, server: socket.socket) -> None:
    client.close()
    server.close()


@pytest.mark.parametrize(("way", "back"), [(client_first, 0), (server_first, 0), (half_closed, 500), (at_once, 0)])
def test_bytes_are_exact_whoever_closes(trace: Trace, way: Callable[[socket.socket, socket.socket], None], back: int) -> None:
    with trace("net", "--pid", os.getpid()) as traced:
        with connection() as (client, server):
            port, at = client.getsockname()[1], server.getsockname()[1]
            client.sendall(bytes(3000))
            receive(server, 3000)
            server.sendall(bytes(17))
            receive(client, 17)
            way(client, server)
        wait_until_closed(os.getpid(), at)
    seen = {(row["lport"], row["rport"]): (row["sent"], row["received"], row["error"]) for row in traced.events("session")}
    assert seen == {(port, at): (3000, 17 + back, 0), (at, port): (17 + back, 3000, 0)}


def test_a_refused_connection(trace: Trace) -> None:
    with socket.socket() as closed, trace("net", "--pid", os.getpid()) as traced:
        closed.bind(("127.0.0.1", 0))  # and does not listen
        port = closed.getsockname()[1]
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
    (row,) = traced.events("session")
    assert (row["pid"], row["rport"], row["sent"], row["received"], row["error"]) == (os.getpid(), port, 0, 0, "ECONNREFUSED")


def test_a_reset_connection(trace: Trace) -> None:
    with trace("net", "--pid", os.getpid()) as traced, connection() as (client, server):
        client.sendall(bytes(300))
        assert server.recv(1, socket.MSG_PEEK)
        at = server.getsockname()[1]
        server.close()  # with bytes that nobody read
        with pytest.raises(ConnectionResetError):
            client.recv(1)
    errors = Counter((row["lport"] == at, row["sent"], row["error"]) for row in traced.events("session"))
    assert errors == {(False, 300, "ECONNRESET"): 1, (True, 0, 0): 1}
