"""Shell completion, asked of real shells."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ebpfgen import completion
from house.markdown import ROOT

BIN = Path(sys.executable).parent
ASK = """
COMP_WORDS=({words}); COMP_CWORD=$(({count} - 1))
_ebpfgen_complete "${{COMP_WORDS[0]}}" "${{COMP_WORDS[COMP_CWORD]}}" "${{COMP_WORDS[COMP_CWORD-1]}}"
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def complete(*words: str) -> list[str]:
    """What bash would offer for the last of ``words``."""
    quoted = " ".join(f"'{word}'" for word in words)
    text = completion.script("bash") + ASK.format(words=quoted, count=len(words))
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", text], check=True, capture_output=True, text=True, env=environment)
    assert not done.stderr
    return done.stdout.split()


def test_commands() -> None:
    assert {"build", "check", "new", "find", "describe", "schema", "kernel", "completion"} <= set(complete("ebpfgen", ""))
    assert complete("ebpfgen", "bu") == ["build"]


def test_options_of_a_command() -> None:
    assert {"--out", "--jobs", "--force", "--check", "--kernel"} <= set(complete("ebpfgen", "build", "--"))
    assert complete("ebpfgen", "build", "specs/", "--forc") == ["--force"]


def test_commands_below_a_command() -> None:
    assert "capture" in complete("ebpfgen", "kernel", "")


def test_values_of_an_option() -> None:
    assert sorted(complete("ebpfgen", "check", "--format", "")) == ["json", "text"]


def test_files_are_left_to_the_shell() -> None:
    assert complete("ebpfgen", "build", "sp") == []
    assert complete("ebpfgen", "build", "--out", "") == []


def test_ebpfrun() -> None:
    assert {"doctor", "list"} <= set(complete("ebpfrun", ""))
    assert {"--duration", "--sink", "--pid"} <= set(complete("ebpfrun", "specs/opensnoop.yaml", "--"))


def test_tracers_by_name_and_their_parameters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "specs", "specs")
    subprocess.run([BIN / "ebpfgen", "build", "specs/opensnoop.yaml"], check=True)
    assert {"net", "opensnoop", "list"} <= set(complete("ebpfrun", ""))
    assert complete("ebpfrun", "opens") == ["opensnoop"]
    assert complete("ebpfrun", "opensnoop", "--fai") == ["--failed"]
    assert complete("ebpfrun", "nothing-like-it", "--fai") == []


def test_zsh_takes_the_script(tmp_path: Path) -> None:
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    text = completion.script("zsh") + "print ${_comps[ebpfgen]} ${_comps[ebpfrun]}"
    environment = {**os.environ, "HOME": str(tmp_path), "ZDOTDIR": str(tmp_path)}
    done = subprocess.run(["zsh", "-f", "-c", text], check=True, capture_output=True, text=True, env=environment)
    assert done.stdout.count("_bash_complete") == 2
