"""The wheel holds all that it needs, and works where there is no checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from house.markdown import ROOT

CHECK = "assert data.root().name == '_data'"  # the wheel's own, not the checkout's
PLACES = {
    "generator/ebpfgen": "ebpfgen",
    "runtime/ebpfrun": "ebpfrun",
    "templates": "ebpfgen/_data/templates",
    "specs": "ebpfgen/_data/specs",
}


def run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT)
    (file,) = folder.glob("ebpfgen-*.whl")
    return file


def files(folder: str) -> list[str]:
    """The files below ``folder`` of the checkout, without what Python leaves there."""
    paths = (path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return [str(path.relative_to(ROOT)) for path in paths]


@pytest.mark.slow
def test_every_file_is_in_the_wheel(wheel: Path) -> None:
    expected = {name.replace(source, target, 1) for source, target in PLACES.items() for name in files(source)}
    there = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert expected <= there
    assert "ebpfgen/spec.schema.json" in there
    assert {name for name in there if "__pycache__" in name or name.startswith("build")} == set()


@pytest.mark.slow
def test_the_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel)
    # In front of the environment's own packages, which give the dependencies; -I leaves out the current directory.
    program = (
        f"import sys; sys.path.insert(0, {str(site)!r}); from ebpfgen import cli, data; {CHECK}; sys.exit(cli.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-I", "-c", program]
    assert '"$schema"' in run(*command, "schema", cwd=tmp_path)
    run(*command, "new", "mine", cwd=tmp_path)
    run(*command, "build", "specs/mine.yaml", cwd=tmp_path)
    assert (tmp_path / "build/mine/manifest.json").is_file()
