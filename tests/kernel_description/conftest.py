from __future__ import annotations

from pathlib import Path

import pytest

from ebpfgen import kernel
from ebpfgen.kernel_description import Description
from kernel_description.making import MadeSource, run


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the tests keep is kept in their own folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def made() -> Description:
    return Description(MadeSource(), (lambda: None, ()))


@pytest.fixture(scope="session")
def host() -> Description:
    """The kernel that the tests run on."""
    if not Path("/sys/kernel/btf/vmlinux").exists():
        pytest.skip("the running kernel has no BTF")
    running = kernel.running()
    running.btf.find_typedef("u32")  # read now: a mapped file is a descriptor, and belongs to no test
    return running


@pytest.fixture(scope="session")
def host_tracepoints(host: Description) -> Description:
    if not host.sees_tracepoints:
        pytest.skip("the running kernel's tracepoints are not to be seen")
    return host


@pytest.fixture(scope="session")
def host_captured(host_tracepoints: Description, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ``ebpfgen kernel capture`` writes."""
    path = tmp_path_factory.mktemp("captured") / "running.kernel"
    assert run("kernel", "capture", str(path)) == 0
    return path
