"""The display of progress: on a terminal only, in one line that is gone at the end."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from pathlib import Path

import pytest

from .commands import EBPFGEN, LONGEST, run, spec

pytestmark = pytest.mark.root  # tracepoints of the running kernel are root's to see


def on_a_terminal(*command: str, columns: int, cwd: Path, stdout: int | None = None) -> bytes:
    """What a command writes to a terminal of that width. Its standard output goes there, too, if not elsewhere."""
    ours, theirs = pty.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen(command, cwd=cwd, stdin=theirs, stdout=stdout or theirs, stderr=theirs)
        os.close(theirs)
        said = b""
        try:
            while piece := os.read(ours, 1 << 16):
                said += piece
        except OSError:  # the other end is closed
            pass
        assert process.wait(LONGEST) in (0, 1)
        return said
    finally:
        os.close(ours)


def screen(said: bytes, columns: int) -> list[str]:
    """The lines that are left to see; a display that wraps would leave some."""
    lines, cursor = [[" "] * columns], 0
    for character in said.decode():
        if character == "\r":
            cursor = 0
        elif character == "\n":
            lines.append([" "] * columns)
        else:
            if cursor == columns:
                lines.append([" "] * columns)
                cursor = 0
            lines[-1][cursor] = character
            cursor += 1
    return ["".join(line).rstrip() for line in lines]


@pytest.mark.parametrize("columns", [100, 24])
def test_it_shows_what_is_built_and_goes(columns: int, tmp_path: Path) -> None:
    for name in ("a", "b"):
        spec(tmp_path / "specs", name)
    (tmp_path / "specs/d.yaml").write_text("name: [")
    said = on_a_terminal(EBPFGEN, "build", "specs", "--jobs", "2", columns=columns, cwd=tmp_path)
    shown = [frame.rstrip() for frame in said.decode().split("\r")]
    assert any(frame.startswith("0/3  ") and "a: check" in frame for frame in shown)
    assert "3/3" in shown
    assert all(len(frame) < columns for frame in shown if "/3" in frame)
    left = screen(said, columns)
    assert left[0].startswith("specs/d.yaml:1:")
    assert "".join(left).endswith("not built: specs/d.yaml")
    assert "check" not in "".join(left)


def test_it_takes_the_width_of_the_terminal_it_is_on(tmp_path: Path) -> None:
    spec(tmp_path / "specs", "a_tracer_with_quite_a_long_name")
    with (tmp_path / "out.txt").open("wb") as out:
        said = on_a_terminal(EBPFGEN, "build", "specs", columns=20, cwd=tmp_path, stdout=out.fileno())
    assert screen(said, 20) == [""]
    assert (tmp_path / "out.txt").read_bytes() == b""


def test_it_is_nowhere_else(tmp_path: Path) -> None:
    spec(tmp_path / "specs")
    assert run(EBPFGEN, "build", "specs", cwd=tmp_path) == (0, "", "")
    assert on_a_terminal(EBPFGEN, "build", "specs", "--force", "--quiet", columns=80, cwd=tmp_path) == b""
