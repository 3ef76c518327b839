"""Many builds: which specs are stale, and building those at the same time. One that fails leaves the others alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import freshness, toolchain
from .kernel import Kernel
from .problems import EbpfgenError
from .progress import Progress


def stale(specs: Sequence[Path], out: Path, kernel: Kernel, force: bool = False) -> list[Path]:
    """The specs whose artefact is not what a build would make now; those that can't be read are among them."""
    if force:
        return list(specs)
    tools = toolchain.find()

    def fresh(spec: Path) -> bool:
        built = freshness.built_inputs(out / spec.stem)
        try:
            return built is not None and built == freshness.inputs_digest(spec.read_bytes(), kernel.fingerprint, tools)
        except OSError:
            return False

    return [spec for spec in specs if not fresh(spec)]


def build(specs: Sequence[Path], out: Path, kernel: Kernel, jobs: int, progress: Progress) -> dict[Path, EbpfgenError]:
    """Builds ``specs``, ``jobs`` at a time; returns what failed, in the order of ``specs``."""
    from .pipeline import Setting, build_one

    setting = Setting.of(kernel)

    def one(spec: Path) -> EbpfgenError | None:
        try:
            build_one(spec, out, setting, lambda step: progress.step(spec.stem, step))
        except EbpfgenError as e:
            return e
        finally:
            progress.done(spec.stem)
        return None

    with ThreadPoolExecutor(jobs) as pool:
        try:
            failures = dict(zip(specs, pool.map(one, specs), strict=True))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return {spec: e for spec, e in failures.items() if e is not None}
