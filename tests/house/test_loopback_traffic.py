"""The traffic of ``make run``: made on an idle machine only, said, and ended with its parent."""

from __future__ import annotations

import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from house.markdown import ROOT

TOOL = str(ROOT / "tools" / "loopback_traffic.py")
LO_UP = "import fcntl, socket; fcntl.ioctl(socket.socket(), 0x8914, b'lo'.ljust(16, b'\\0') + b'\\x41\\0'.ljust(24, b'\\0'))"


@pytest.fixture
def idle() -> Iterator[subprocess.Popen[str]]:
    """A shell in a network namespace of its own, where nobody else makes connections, with the tool as its child. Its
    first line is the tool's process id; it ends with its stdin."""
    script = f'"$0" -c "{LO_UP}"; "$0" {TOOL} & echo $!; read end'
    command = ["unshare", "-n", "sh", "-c", script, sys.executable]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **pipes) as shell:  # type: ignore[call-overload]
        yield shell
        shell.kill()


def opened(pid: int) -> int:
    """TCP connections opened in the network namespace of a process."""
    names, values = (line.split() for line in Path(f"/proc/{pid}/net/snmp").read_text().splitlines() if line.startswith("Tcp:"))
    return int(dict(zip(names, values, strict=True))["ActiveOpens"])


@pytest.mark.root
@pytest.mark.slow
def test_an_idle_machine_gets_traffic_until_the_parent_ends(idle: subprocess.Popen[str]) -> None:
    assert idle.stdin and idle.stdout and idle.stderr
    pid = int(idle.stdout.readline())
    assert "making a few over 127.0.0.1" in idle.stderr.readline()
    while opened(pid) < 2:  # nothing tells when: looked at again and again
        assert not select.select([idle.stdout], [], [], 0.02)[0], "it ended"
    idle.stdin.close()
    assert idle.stderr.read() == ""  # the end of it: whoever had it open is gone


@pytest.mark.slow
def test_a_busy_machine_gets_none() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        subprocess.Popen([sys.executable, TOOL], stderr=subprocess.PIPE) as tool,
    ):
        assert tool.stderr
        while not select.select([tool.stderr], [], [], 0.02)[0]:  # until it says something or ends
            socket.create_connection(server.getsockname()).close()
            server.accept()[0].close()
        assert (tool.stderr.read(), tool.wait()) == (b"", 0)


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.slow
def test_make_run_shows_connections_on_an_idle_machine() -> None:
    """What `make run` calls, in a network namespace where nobody else is."""
    if not (ROOT / ".venv/bin/ebpfrun").exists():
        pytest.skip("the checkout has no .venv")
    words = '--netns "$(stat -Lc %i /proc/self/ns/net)" --count 4 --sink jsonl'
    script = f'"$0" -c "{LO_UP}"; exec {ROOT}/tools/run {words}'
    done = subprocess.run(["unshare", "-n", "sh", "-c", script, sys.executable], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "making a few over 127.0.0.1" in done.stderr
    rows = [row for row in map(json.loads, done.stdout.splitlines()) if row.get("event") == "session"]
    assert {row["comm"] for row in rows} == {"loopback-client", "loopback-server"}
    assert {row["sent"] for row in rows} <= {1000, 16000}
