"""An artefact to begin from, a person without rights, and the watch on what must not be left behind."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .commands import EBPFGEN, build, children, our_programs, pinned, run, spec, wait_until


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """No process, no kernel program and nothing pinned outlives a test."""
    pins = pinned() if os.geteuid() == 0 else set()
    before = children(os.getpid())
    yield
    wait_until(lambda: not our_programs(), "the kernel frees the programs of a tracer that has ended")
    assert children(os.getpid()) == before
    if os.geteuid() == 0:
        assert pinned() <= pins


@pytest.fixture(scope="session")
def call_built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("call")
    build(spec(folder / "specs"), out=folder / "build")
    return folder


@pytest.fixture
def home(call_built: Path, tmp_path: Path) -> Path:
    """A folder with ``specs/call.yaml`` and its artefact in ``build/call``, for this test alone."""
    shutil.copytree(call_built, tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def call(home: Path) -> Path:
    """The artefact of :func:`home`."""
    return home / "build" / "call"


@pytest.fixture(scope="session")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The running kernel's description in a file."""
    path = tmp_path_factory.mktemp("kernel") / "kernel"
    assert run(EBPFGEN, "kernel", "capture", path).status == 0
    return path
