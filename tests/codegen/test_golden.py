"""The generated texts of small specs, against the kernel made by hand. ``pytest --rewrite-goldens`` writes them anew; read the
difference before committing it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

import fake_kernel
from ebpfgen import data, elf, identity
from ebpfgen.check import check
from ebpfgen.emit import Emitted, Emitter
from ebpfgen.freshness import manifest_text
from ebpfgen.loader import load
from ebpfgen.rendering import Renderer, Templates, beside

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name for path in GOLDEN.iterdir())


def emitted(case: str, renderer: Renderer | None = None) -> Emitted:
    kernel = fake_kernel.kernel()
    path = GOLDEN / case / f"{case}.yaml"
    return Emitter(renderer or Templates(data.templates())).emit(check(load(path.read_bytes(), path.name), kernel), kernel.btf)


@pytest.mark.parametrize("case", CASES)
def test_texts_are_those_expected(case: str, rewrite_goldens: bool) -> None:
    found = emitted(case)
    texts = {f"{case}.bpf.c": found.bpf_c, f"{case}.h": found.header, "manifest.json": manifest_text(found.manifest)}
    for name, text in texts.items():
        path = GOLDEN / case / name
        if rewrite_goldens:
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8"), f"{path.name} has changed: see it with --rewrite-goldens"


def test_a_child_renders_the_same() -> None:
    """What templates get is plain data, so that it may go to another process, whatever a spec uses."""
    with beside(Templates(data.templates())) as child:
        for case in CASES:
            here, there = emitted(case), emitted(case, child)
            assert (there.bpf_c, there.header) == (here.bpf_c, here.header), case


def left_behind(compiled: bytes) -> list[str]:
    """Sections of what clang keeps of texts and numbers that are in the instructions: libbpf makes a map of each."""
    return [section.name for section in elf.Object(compiled).sections if section.name.startswith(".rodata.")]


@pytest.mark.parametrize("case", CASES)
def test_clang_has_nothing_to_say(case: str, tmp_path: Path) -> None:
    """What the build lets pass (functions that one of several programs needs) is no matter here either."""
    clang, _ = identity.tools()
    if clang is None:
        pytest.skip("clang is not installed")
    found = emitted(case)
    (tmp_path / f"{case}.bpf.c").write_text(found.bpf_c)
    (tmp_path / f"{case}.h").write_text(found.header)
    include = "/usr/include/x86_64-linux-gnu"
    command = [clang, "-target", "bpf", "-D__TARGET_ARCH_x86", "-mcpu=v3", "-O2", "-g", "-Wall", "-Wextra", f"-I{include}"]
    # Of libbpf's macros: they compare and name as they like.
    quiet = ["-Wno-unused-parameter", "-Wno-sign-compare", "-Wno-missing-field-initializers", "-Wno-unused-function"]
    done = subprocess.run([*command, *quiet, "-c", f"{case}.bpf.c", "-o", "x.o"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert not done.stderr
    assert not left_behind((tmp_path / "x.o").read_bytes())


def test_the_same_input_gives_the_same_bytes() -> None:
    for case in CASES:
        first, second = emitted(case), emitted(case)
        assert (first.bpf_c, first.header, first.cdef) == (second.bpf_c, second.header, second.cdef)
        assert manifest_text(first.manifest) == manifest_text(second.manifest)
