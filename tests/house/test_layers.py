"""Who may import whom, and what a quick start does without."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ebpfgen import cli
from house.markdown import ROOT

GENERATOR = ROOT / "generator" / "ebpfgen"
RUNTIME = ROOT / "runtime" / "ebpfrun"
HEAVY = {"jinja2", "jsonschema", "yaml", "lark", "numpy", "cffi", "pycparser"}


class Executed(ast.NodeTransformer):
    """Leaves out ``if TYPE_CHECKING``."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        return node.orelse if ast.unparse(node.test) == "TYPE_CHECKING" else self.generic_visit(node)


def imports(folder: Path) -> Iterator[tuple[str, str]]:
    """Module (path in the package) and top-level name of each package that it imports, anywhere in its text but for what only a
    checker of types reads."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(Executed().visit(ast.parse(path.read_text(encoding="utf-8")))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level and node.module:
                names = [node.module]
            yield from ((str(path.relative_to(folder)), name.partition(".")[0]) for name in names)


def importers(folder: Path, *packages: str) -> set[str]:
    return {module for module, name in imports(folder) if name in packages}


def test_neither_package_imports_the_other() -> None:
    assert importers(GENERATOR, "ebpfrun") == set()
    asks = {"building.py", "doctor/software.py"}  # whether it is installed: to build what is stale, to say what is missing
    assert importers(RUNTIME, "ebpfgen") == asks


def test_data_of_the_generator_are_records() -> None:
    assert importers(GENERATOR, "dataclasses") == set()  # see ebpfgen.records


def test_one_door_to_c() -> None:
    doctors = {"doctor/calls.py", "doctor/software.py"}  # must work where libbpf or cffi does not
    plugins = {"sinks/registry.py"}  # importlib.metadata: which sinks other packages register
    outside = importers(RUNTIME, "cffi", "_cffi_backend", "ctypes", "importlib") - doctors - plugins
    assert outside <= {"door.py"}  # which executes an artefact's binding, and that imports _cffi_backend
    assert importers(GENERATOR, "cffi", "_cffi_backend") == {"emit/binding.py"}


def test_the_runtime_needs_no_toolchain() -> None:
    assert importers(RUNTIME, *(HEAVY - {"cffi"})) == set()
    extras = importers(RUNTIME, "pyarrow", "duckdb", "pandas", "polars", "zstandard")
    assert extras == {"sinks/compression.py"}  # the others by ebpfrun.extras, which says how to get what is missing


def imported_by(*command: str, cwd: Path) -> set[str]:
    """The top-level modules that a command of ours imports."""
    done = subprocess.run([sys.executable, "-X", "importtime", "-m", *command], cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(re.findall(r"^import time:[^|]*\|[^|]*\| +([A-Za-z_0-9]+)", done.stderr, re.M))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a spec that is built."""
    monkeypatch.chdir(tmp_path)
    assert cli.main(["new", "mine"]) == cli.main(["build", "specs"]) == 0
    return tmp_path


def test_a_build_with_nothing_to_do_imports_nothing_heavy(folder: Path) -> None:
    imported = imported_by("ebpfgen.cli", "build", "specs", cwd=folder)
    assert "ebpfgen" in imported
    assert imported & HEAVY == set()


def test_a_build_of_what_was_edited_imports_no_parser_generator(folder: Path) -> None:
    spec = folder / "specs/mine.yaml"
    text = spec.read_text()
    assert "where:" in text
    spec.write_text(text.replace("where:", "where: tid > 1 and"))
    imported = imported_by("ebpfgen.cli", "build", "specs", cwd=folder)
    assert "jinja2" in imported
    assert imported & {"lark", "jsonschema", "dataclasses"} == set()


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.parametrize("sink", ["table", "jsonl"])
def test_a_warm_start_imports_nothing_heavy(folder: Path, sink: str) -> None:
    imported = imported_by("ebpfrun.cli", "specs/mine.yaml", "--sink", f"{sink}:out", "--duration", "1ms", cwd=folder)
    assert {"ebpfrun", "_cffi_backend"} <= imported
    assert imported & (HEAVY | {"asyncio", "logging", "subprocess", "typing"}) == set()
