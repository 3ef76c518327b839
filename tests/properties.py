"""How many examples hypothesis makes of a property, and which: the same ones in every run, however busy the machine is.

``EBPFGEN_FUZZ=50`` makes 50 times as many, and others each time; what fails then is printed with what repeats it.
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FACTOR = int(os.environ.get("EBPFGEN_FUZZ", "1"))
_TIMED = [HealthCheck.too_slow]  # a busy machine's, not the property's


def examples(count: int = 100, *, unchecked: tuple[HealthCheck, ...] = ()) -> settings:
    """For ``count`` examples. ``unchecked``: remarks of hypothesis on how they are made that do not hold here."""
    return settings(
        max_examples=count * FACTOR,
        derandomize=FACTOR == 1,
        deadline=None,
        print_blob=True,
        suppress_health_check=[*_TIMED, *unchecked],
    )
