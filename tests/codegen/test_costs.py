"""Instructions, stack and memory of the shipped specs, to the number: a change that makes them dearer is seen in review.

They depend on clang: a table for each of its major versions. ``pytest --rewrite-goldens`` writes the one of this machine's clang.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from codegen.test_golden import left_behind
from ebpfgen import budget, identity, kernel, linked, toolchain
from ebpfgen.pipeline import Setting, read_and_check
from house.markdown import ROOT

KERNEL = ROOT / "tests/kernel_description/kernels/6.12.kdesc"
"""Built for this kernel, wherever the test runs."""
HEAD = "# spec program instructions stack, or spec map type bytes bytes-per-CPU; written by pytest --rewrite-goldens\n"


def costs(spec: Path, setting: Setting, folder: Path) -> str:
    _, checked = read_and_check(spec, setting.kernel)
    emitted = setting.emitter.emit(checked, setting.kernel.btf)
    (folder / f"{emitted.name}.bpf.c").write_text(emitted.bpf_c)
    (folder / f"{emitted.name}.h").write_text(emitted.header)
    with toolchain.Compiler(setting.tools, folder, emitted.name) as compiling:
        compiling.begin(emitted.bpf_c)
        compiling.finish()
    compiled = (folder / f"{emitted.name}.bpf.o").read_bytes()
    assert not left_behind(compiled)
    programs = linked.read(compiled, f"{emitted.name}.bpf.c")
    lines = [f"{emitted.name} {name} {p.instructions} {p.stack}" for name, p in programs.items()]
    lines += [f"{emitted.name} {m.name} {m.type} {m.bytes} {m.per_cpu}" for m in budget.maps_of(compiled)]
    return "\n".join(lines) + "\n"


def test_the_costs_of_shipped_specs_are_as_before(rewrite_goldens: bool, tmp_path: Path) -> None:
    if identity.tools()[0] is None:
        pytest.skip("clang is not installed")
    setting = Setting.of(kernel.from_file(KERNEL))
    major = toolchain.versions(setting.tools)["clang"].partition(".")[0]
    table = Path(__file__).with_name(f"costs.clang-{major}.txt")
    if not table.exists() and not rewrite_goldens:
        pytest.skip(f"there is no table for clang {major}")
    found = HEAD + "".join(costs(spec, setting, tmp_path) for spec in sorted((ROOT / "specs").glob("*.yaml")))
    if rewrite_goldens:
        table.write_text(found)
    assert found == table.read_text(), f"the costs have changed: see {table.name} with --rewrite-goldens"
