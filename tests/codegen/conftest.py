from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from codegen.running import Lab
from ebpfgen.pipeline import Setting
from ebpfgen.problems import MachineError


@pytest.fixture(scope="session")
def setting() -> Setting:
    """The running kernel, the tools, the templates."""
    try:
        setting = Setting.of()
    except MachineError as error:
        pytest.skip(str(error))
    setting.kernel.btf.find_typedef("u32")  # read now: a mapped file is a descriptor, and belongs to no test
    return setting


@pytest.fixture
def lab(setting: Setting, tmp_path: Path) -> Iterator[Lab]:
    yield Lab(tmp_path, setting)
