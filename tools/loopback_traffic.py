"""A little TCP traffic over 127.0.0.1, for a machine on which nothing else happens.

Watches for a second whether anybody opens TCP connections here. If somebody does, ends; if not, says so on stderr and makes a
connection three times a second, each with a few kilobytes, until the process that started it ends, or for an hour at most.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
import time
from pathlib import Path

REQUEST = b"q" * 1_000
REPLY = b"r" * 16_000
PAUSE = 0.3  # seconds between connections
MOST = 12_000  # connections: an hour's worth, in case nobody ends us


def connections_opened() -> int:
    """TCP connections opened or accepted since boot in this network namespace."""
    names, values = (line.split() for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Tcp:"))
    counts = dict(zip(names, values, strict=True))
    return int(counts["ActiveOpens"]) + int(counts["PassiveOpens"])


def name_thread(name: str) -> None:
    """Gives the calling thread a name, so that it can be told from others in a tracer's output."""
    Path(f"/proc/self/task/{threading.get_native_id()}/comm").write_text(name)


def receive(peer: socket.socket, size: int) -> None:
    while size > 0:
        data = peer.recv(size)
        if not data:
            raise ConnectionError("closed early")
        size -= len(data)


def serve(listener: socket.socket) -> None:
    name_thread("loopback-server")
    while True:
        peer, _ = listener.accept()
        with peer, contextlib.suppress(ConnectionError):
            receive(peer, len(REQUEST))
            peer.sendall(REPLY)


def make_traffic(parent: int) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        name_thread("loopback-client")
        for _ in range(MOST):
            with contextlib.suppress(ConnectionError), socket.create_connection(listener.getsockname()) as peer:
                peer.sendall(REQUEST)
                receive(peer, len(REPLY))
            time.sleep(PAUSE)
            if os.getppid() != parent:
                return


def main() -> None:
    parent = os.getppid()
    before = connections_opened()
    time.sleep(1)
    if connections_opened() > before or os.getppid() != parent:
        return
    print(
        "run: no TCP connections are being made here; making a few over 127.0.0.1, as loopback-client and loopback-server",
        file=sys.stderr,
        flush=True,
    )
    make_traffic(parent)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
