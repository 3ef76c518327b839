"""Many builds: which specs are stale, and building those at the same time. One that fails leaves the others alone."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from . import freshness, identity

if TYPE_CHECKING:
    from .kernel import Kernel
    from .problems import EbpfgenError
    from .progress import Progress


def stale(specs: Sequence[Path], out: Path, kernel_fingerprint: str, force: bool = False) -> list[Path]:
    """The specs whose artefact is not what a build would make now; those that can't be read are among them."""
    if force:
        return list(specs)
    tools = identity.tools_fingerprint()
    return [spec for spec in specs if not freshness.is_current(spec, out, kernel_fingerprint, tools)]


def build(
    specs: Sequence[Path], out: Path, kernel: Kernel, jobs: int, progress: Progress, anew: bool = False
) -> dict[Path, EbpfgenError]:
    """Builds ``specs``, ``jobs`` at a time; returns what failed, in the order of ``specs``. ``anew``: taking nothing from what is
    there."""
    from concurrent.futures import ThreadPoolExecutor

    from .pipeline import Setting, build_one
    from .problems import TRACEBACK, EbpfgenError, OwnError
    from .renewal import renew

    setting = Setting.of(kernel)

    def one(spec: Path) -> EbpfgenError | None:
        try:
            if not anew and renew(spec, out, kernel.fingerprint, identity.tools_fingerprint()):
                return None
            build_one(spec, out, setting, lambda step: progress.step(spec.stem, step), anew)
        except EbpfgenError as e:
            return e
        except Exception as e:
            if os.environ.get(TRACEBACK):
                raise
            return OwnError(f"{spec}: ", e)
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
