"""Specs that are nearly right, through loading, checking and emission: a spec is generated, or every problem is told."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

import fake_kernel
from ebpfgen import data, identity
from ebpfgen.check import check
from ebpfgen.emit import Emitted, Emitter
from ebpfgen.freshness import manifest_text
from ebpfgen.loader import load
from ebpfgen.problems import SpecError
from ebpfgen.rendering import Templates
from fuzz.mutation import mutated, seeds, text
from properties import examples

SEEDS = seeds()
TREES = [tree for _, tree in SEEDS]
EMITTER = Emitter(Templates(data.templates()))


def generated(spec: str, name: str) -> Emitted | None:
    """None when the spec is refused. Only its own error may say so, and each of its problems has a place and one line."""
    kernel = fake_kernel.kernel()
    try:
        checked = check(load(spec.encode(), f"{name}.yaml"), kernel)
    except SpecError as error:
        assert error.problems
        for problem in error.problems:
            assert problem.mark.file == f"{name}.yaml"
            assert 1 <= problem.mark.line <= spec.count("\n") + 1
            assert str(problem).isprintable()
        return None
    emitted = EMITTER.emit(checked, kernel.btf)
    assert manifest_text(emitted.manifest)
    return emitted


@examples(250, unchecked=tuple(HealthCheck))
@given(st.integers(0, 2**48))
def test_mutated_specs_are_generated_or_refused(seed: int) -> None:
    choose = random.Random(seed)
    name, tree = choose.choice(SEEDS)
    generated(text(mutated(tree, choose, TREES)), name)


@pytest.mark.parametrize("case", [name for name, _ in SEEDS])
def test_the_seeds_are_specs(case: str) -> None:
    assert generated(text(dict(SEEDS)[case]), case)


@pytest.mark.slow
def test_what_is_generated_compiles(tmp_path: Path) -> None:
    """Clang finds nothing to say about specs that the checker let pass, though nobody thought of them."""
    clang, _ = identity.tools()
    if clang is None:
        pytest.skip("clang is not installed")
    flags = ["-target", "bpf", "-D__TARGET_ARCH_x86", "-mcpu=v3", "-O2", "-fwrapv", "-Wall", "-Werror", "-Wno-unused-function"]
    flags += ["-Wno-tautological-compare", "-I/usr/include/x86_64-linux-gnu", "-fsyntax-only"]
    files = []
    for seed in range(160):
        choose = random.Random(seed)
        name, tree = choose.choice(SEEDS)
        if found := generated(text(mutated(tree, choose, TREES)), name):
            folder = tmp_path / str(seed)
            folder.mkdir()
            (folder / f"{name}.h").write_text(found.header)
            files.append(folder / f"{name}.bpf.c")
            files[-1].write_text(found.bpf_c)
    done = subprocess.run([clang, *flags, *map(str, files)], capture_output=True, text=True)
    assert len(files) > 5
    assert done.returncode == 0, done.stderr
