"""tools/setup: what it does, that it does it once, and what it says when it can't. The programs that it calls are stand-ins."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from house.markdown import ROOT

TOOLS = ("bash", "dirname", "sha256sum", "mv", "rm", "cat")
PYTHON = """#!/bin/bash
echo "$0 $*" >>"$CALLS"
case "$*" in
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python && touch .venv/bin/ebpfgen .venv/bin/ebpfrun &&
        chmod +x .venv/bin/* ;;
    --version) echo Python 3.9.2 ;;
    *version_info*) exit $OLD ;;
esac
"""


class Machine:
    """A checkout and a PATH of its own."""

    def __init__(self, folder: Path) -> None:
        self.checkout = folder / "checkout"
        self.bin = folder / "bin"
        self.calls = folder / "calls"
        (self.checkout / "tools").mkdir(parents=True)
        self.bin.mkdir()
        shutil.copy(ROOT / "tools" / "setup", self.checkout / "tools")
        shutil.copy(ROOT / "pyproject.toml", self.checkout)
        for tool in (*TOOLS, "mkdir", "cp", "touch", "chmod"):
            (self.bin / tool).symlink_to(str(shutil.which(tool)))
        self.provide("python3", PYTHON)
        self.provide("id", "#!/bin/bash\necho 1000\n")
        for tool in ("clang", "bpftool", "strace", "zsh", "apt-get"):
            self.provide(tool, '#!/bin/bash\necho "$0 $*" >>"$CALLS"\n')

    def provide(self, name: str, text: str) -> None:
        file = self.bin / name
        file.write_text(text)
        file.chmod(0o755)

    def setup(self, old: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs tools/setup; ``old`` is 1 where python3 is too old."""
        self.calls.write_text("")
        environment = {"PATH": str(self.bin), "CALLS": str(self.calls), "OLD": str(old)}
        command = [str(self.checkout / "tools" / "setup")]
        return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_it_makes_the_environment_once(machine: Machine) -> None:
    assert machine.setup().returncode == 0
    assert "-m pip install" in machine.calls.read_text()
    again = machine.setup()
    assert (again.returncode, again.stderr, machine.calls.read_text()) == (0, "", "")


def test_it_works_again_when_the_dependencies_changed(machine: Machine) -> None:
    machine.setup()
    with (machine.checkout / "pyproject.toml").open("a") as file:
        file.write("# changed\n")
    machine.setup()
    assert "-m pip install" in machine.calls.read_text()
    assert "-m venv" not in machine.calls.read_text()


def test_it_works_again_when_the_checkout_moved(machine: Machine) -> None:
    machine.setup()
    machine.checkout = machine.checkout.rename(machine.checkout.with_name("moved"))
    machine.setup()
    assert "-m pip install" in machine.calls.read_text()


def test_it_works_again_when_it_was_interrupted(machine: Machine) -> None:
    machine.setup()
    (machine.checkout / ".venv/setup-done").unlink()
    machine.setup()
    assert "-m pip install" in machine.calls.read_text()


def test_an_old_python_is_named(machine: Machine) -> None:
    done = machine.setup(old=1)
    assert done.returncode == 3
    assert f"Python 3.9.2 at {machine.bin}/python3 is too old: Python 3.11 or newer is needed" in done.stderr


def test_who_is_not_root_is_told_what_to_install(machine: Machine) -> None:
    (machine.bin / "clang").unlink()
    done = machine.setup()
    assert done.returncode == 3
    assert "sudo apt-get install clang" in done.stderr
    assert "apt-get" not in machine.calls.read_text()


def test_root_gets_what_is_missing_and_nothing_else(machine: Machine) -> None:
    (machine.bin / "clang").unlink()
    machine.provide("id", "#!/bin/bash\necho 0\n")
    machine.provide("apt-cache", "#!/bin/bash\n")  # it knows clang-19
    assert machine.setup().returncode == 0
    installed = [call for call in machine.calls.read_text().splitlines() if "apt-get install" in call]
    assert installed == [f"{machine.bin}/apt-get install -qq --no-install-recommends clang-19"]


def test_without_apt_it_says_what_is_missing(machine: Machine) -> None:
    (machine.bin / "clang").unlink()
    (machine.bin / "apt-get").unlink()
    done = machine.setup()
    assert done.returncode == 3
    assert "no apt-get to install them: clang" in done.stderr
