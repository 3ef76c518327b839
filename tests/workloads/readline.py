"""An interactive bash in a pseudo-terminal: `readline.py LINE...` types each LINE once the prompt is there.

The handshake is that of workload.h, with ``bash_pid`` in both lines. After the last line bash is ended with an end-of-file
character, for which its readline returns NULL.
"""

from __future__ import annotations

import json
import os
import pty
import sys

PROMPT = b"<prompt>"
END_OF_FILE = b"\x04"


def wait_for_prompt(terminal: int) -> None:
    seen = b""
    while not seen.endswith(PROMPT):
        seen += os.read(terminal, 4096)


def wait_for_end(terminal: int) -> None:
    try:
        while os.read(terminal, 4096):
            pass
    except OSError:  # EIO: nobody has the other end open any more
        pass


def say(**what: object) -> None:
    print(json.dumps({"pid": os.getpid(), **what}), flush=True)


def main(lines: list[str]) -> None:
    waits = "WORKLOAD_NOW" not in os.environ
    pid, terminal = pty.fork()
    if pid == 0:
        environment = {"PS1": PROMPT.decode(), "TERM": "dumb", "PATH": "/usr/bin:/bin", "HISTFILE": ""}
        os.execve("/bin/bash", ["bash", "--norc", "--noprofile", "-i"], environment)
    wait_for_prompt(terminal)
    if waits:
        say(bash_pid=pid)
        if not sys.stdin.readline():
            return
    for line in lines:
        os.write(terminal, line.encode() + b"\n")
        wait_for_prompt(terminal)
    os.write(terminal, END_OF_FILE)
    wait_for_end(terminal)
    os.waitpid(pid, 0)
    say(bash_pid=pid, lines=lines)
    if waits:
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])
