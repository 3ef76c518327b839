"""Records a run of specs/net.yaml on a terminal and puts it into the README: ``.venv/bin/python tools/record.py`` (root).

What stands there was printed by the commands shown, on the machine that recorded it; only colours are taken out, and rows left
out in the middle are said to be.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMMAND = ["make", "--no-print-directory", "run", "ARGS=--duration 5"]
SHOWN = 'make run ARGS="--duration 5"'
ROWS, COLUMNS = 50, 132
HEAD, TAIL = 12, 18  # lines shown from the beginning and from the end
BEGIN, END = "<!-- recording: net -->\n", "<!-- /recording -->"


def run_on_terminal(command: list[str]) -> str:
    """All that the command writes to a terminal of ROWS × COLUMNS."""
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        os.execvp(command[0], command)
    written = b""
    try:
        while piece := os.read(terminal, 65536):
            written += piece
    except OSError:  # EIO: the command has ended
        pass
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    if status:
        raise SystemExit(f"{command} failed:\n{written.decode()}")
    return written.decode()


def plain(text: str) -> list[str]:
    """Lines without escape sequences; of a line that was written over, the last text."""
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text.replace("\r\n", "\n"))
    return [line.rpartition("\r")[2].rstrip() for line in text.splitlines()]


def main() -> None:
    os.chdir(ROOT)
    lines = plain(run_on_terminal(COMMAND))
    if len(lines) > HEAD + TAIL:
        left_out = len(lines) - HEAD - TAIL
        lines[HEAD:-TAIL] = [f"[{left_out} lines left out]"]
    recorded = "\n".join(["```console", f"# {SHOWN}", *lines, "```", ""])
    readme = ROOT / "README.md"
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(f"{before}{BEGIN}{recorded}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
