"""One line of the doctor's report."""

from __future__ import annotations

from ebpfrun.lean import NamedTuple

RUN = "run"
BUILD = "build"


class Check(NamedTuple):
    """``state``: "ok", "no", "unknown", or "info" for what is neither good nor bad. ``needed``: RUN or BUILD when specs can't be
    run or built without it, else "". ``remedy``: what to do, one step a line."""

    group: str
    name: str
    state: str
    detail: str
    remedy: str = ""
    needed: str = ""
