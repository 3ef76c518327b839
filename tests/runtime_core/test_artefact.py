"""From what was typed to an artefact: building what is stale, taking what was built elsewhere, and the errors between."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ebpfrun import artefact, manifest
from ebpfrun.errors import UsageError

from .conftest import ROOT
from .test_command_line import ENVIRONMENT

SPEC = """ebpfgen: 1
name: parents
summary: Calls of getppid.
events:
  call: {fields: {pid: pid}}
probes:
  - on: tracepoint:syscalls:sys_enter_getppid
    emit: call
"""
NO_GENERATOR = "import sys; sys.modules['ebpfgen'] = None; from ebpfrun.cli import main; sys.exit(main())"


def ebpfrun(folder: Path, *words: str, code: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        *(["-c", code] if code else ["-m", "ebpfrun.cli"]),
        *words,
        "--duration",
        "0.01",
        "--sink",
        "jsonl",
        "--pid",
        "1",  # whoever else makes these calls now
    ]
    return subprocess.run(command, cwd=folder, env={**ENVIRONMENT, **environment}, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a spec that was built and run."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "specs").mkdir()
    (folder / "specs/parents.yaml").write_text(SPEC)
    done = ebpfrun(folder, "specs/parents.yaml")
    assert done.returncode == 0, done.stderr
    assert "building specs/parents.yaml" in done.stderr
    return folder


pytestmark = [pytest.mark.root, pytest.mark.kernel]


def test_what_is_current_is_not_built_again(project: Path) -> None:
    for word in ("specs/parents.yaml", "parents", "build/parents", "build/parents/manifest.json", "./build/parents/"):
        done = ebpfrun(project, word)
        assert done.returncode == 0, done.stderr
        assert "building" not in done.stderr


def test_an_edited_spec_is_built_again_and_a_broken_one_is_located(project: Path) -> None:
    spec = project / "specs/edited.yaml"
    spec.write_text(SPEC.replace("name: parents", "name: edited"))
    assert ebpfrun(project, "specs/edited.yaml").returncode == 0
    spec.write_text(SPEC.replace("name: parents", "name: edited").replace("pid: pid", "tid: tid"))
    done = ebpfrun(project, "specs/edited.yaml")
    assert done.returncode == 0
    assert "building specs/edited.yaml" in done.stderr
    spec.write_text(SPEC.replace("name: parents", "name: edited").replace("emit: call", "emit: calls"))
    done = ebpfrun(project, "specs/edited.yaml")
    assert done.returncode == 1
    assert "specs/edited.yaml:8:11: probes[0]" in done.stderr
    assert "call" in done.stderr


def test_ctrl_c_while_building_leaves_a_whole_artefact_and_no_run(project: Path) -> None:
    (project / "specs/slow.yaml").write_text(SPEC.replace("name: parents", "name: slow"))
    command = [sys.executable, "-m", "ebpfrun.cli", "specs/slow.yaml"]
    with subprocess.Popen(
        command, cwd=project, env=ENVIRONMENT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, process_group=0
    ) as process:
        assert process.stderr is not None
        assert "building" in process.stderr.readline()
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        said = process.stderr.read()
    assert process.returncode == 0, said
    assert "slow: ran for" in said
    assert "Traceback" not in said
    manifest.verify(manifest.read(str(project / "build/slow")), ("slow.so", "slow_cffi.py"))


def test_without_ebpfgen_only_the_same_text_is_taken(project: Path) -> None:
    done = ebpfrun(project, "specs/parents.yaml", code=NO_GENERATOR)
    assert done.returncode == 0, done.stderr
    other = project / "other/parents.yaml"
    other.parent.mkdir()
    other.write_text(SPEC + "# changed\n")
    done = ebpfrun(project, "other/parents.yaml", code=NO_GENERATOR)
    assert done.returncode == 3
    assert "build/parents was not built from it, and ebpfgen, which could, is not installed" in done.stderr


def test_without_a_compiler_the_same_text_is_taken_and_said(project: Path) -> None:
    done = ebpfrun(project, "specs/parents.yaml", PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    assert "build/parents, built from the same text, is used" in done.stderr
    done = ebpfrun(project, "specs/parents.yaml", "--build", "elsewhere", PATH="/nowhere")
    assert done.returncode == 3
    assert not (project / "elsewhere").exists()


def test_near_misses_are_offered(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    for word in ("parent", "specs/parent.yaml", "build/parent"):
        with pytest.raises(UsageError, match="did you mean parents"):
            artefact.resolve(word)


def test_a_run_of_a_built_spec_imports_little(project: Path) -> None:
    heavy = (
        "{'yaml', 'jinja2', 'jsonschema', 'lark', 'numpy', 'cffi', 'pathlib', 'dataclasses', 'subprocess', 'inspect', 'logging'}"
    )
    code = f"import sys; from ebpfrun.cli import main; status = main(); print({heavy} & set(sys.modules)); sys.exit(status)"
    done = ebpfrun(project, "specs/parents.yaml", code=code)
    assert (done.returncode, done.stdout) == (0, "set()\n"), done.stderr


def test_only_the_door_leads_to_c() -> None:
    sources = {p.relative_to(ROOT): p.read_text() for p in (ROOT / "runtime").rglob("*.py")}
    assert len(sources) > 10
    for words in ("dlopen(", "er_open", "_cffi_backend.FFI"):
        users = [str(p) for p, text in sources.items() if words in text]
        assert set(users) <= {"runtime/ebpfrun/door.py"}


def test_a_bare_name_is_the_spec_before_the_artefact(project: Path) -> None:
    """An edit is not passed over, because an artefact of that name is there."""
    spec = project / "specs/named.yaml"
    spec.write_text(SPEC.replace("name: parents", "name: named"))
    assert "building specs/named.yaml" in ebpfrun(project, "named").stderr
    assert "building" not in ebpfrun(project, "named").stderr
    spec.write_text(SPEC.replace("name: parents", "name: named").replace("pid: pid", "tid: tid"))
    assert "building specs/named.yaml" in ebpfrun(project, "named").stderr
