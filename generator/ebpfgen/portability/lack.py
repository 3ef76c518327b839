"""What keeps a program from working on a kernel."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from ebpfgen.problems import Mark, near_misses
from ebpfgen.records import field, record

Seek = Callable[[], tuple[str, ...]]


def _nothing() -> tuple[str, ...]:
    return ()


@record()
class Lack:
    """``code``: one word, of :data:`CODES`. ``thing``: what is asked for ("function vfs_read", "task_struct.__state"), the same
    words on every kernel. ``why``: what is with it on this one. ``seek`` finds names that this kernel has instead, perhaps.
    ``at``: where the spec asks for it, None for the attach point itself. ``silent``: this kernel takes the program all the same,
    and it reads something else than it was meant to."""

    code: str
    thing: str
    why: str
    seek: Seek = field(default=_nothing, compare=False)
    at: Mark | None = None
    silent: bool = False


def like(wanted: str, known: Iterable[str]) -> tuple[str, ...]:
    """Names that may be what it is called now: those that differ in little and, underscores aside, begin alike."""
    begins = re.compile(rf"_*{re.escape(wanted.lstrip('_')[:2])}").match
    return near_misses(wanted, (name for name in known if begins(name)))


CODES = {
    "no_tracepoint": "the kernel has no such tracepoint",
    "no_function": "the kernel has no such function, or it was inlined",
    "not_hookable": "the kernel has the function, but no program can be attached to it",
    "too_many": "more functions match than are attached to",
    "not_typed": "the kernel has the function, but not its types",
    "not_configured": "the kernel was built without what this needs",
    "refused": "the kernel does not let its functions be hooked",
    "no_member": "a struct or a tracepoint's record lacks the field",
    "no_struct": "the kernel has no such struct",
    "other_kind": "the field is there, but of another kind: a pointer for a number",
    "other_size": "the field is there with another size, and would be read wrong in a process's memory",
    "no_argument": "the kernel calls the tracepoint or the function without this argument",
    "other_type": "the argument is there, but of another type",
    "moved": "the argument is where the program does not find it: in another register, or elsewhere in a record without types",
    "other_value": "a constant has another value",
    "other_names": "a remark: numbers of an enum have other names there, and are shown by those of the first kernel",
    "no_helper": "the kernel lacks a BPF helper, a kind of map or a kind of program",
    "left_out": "the kernel that the artefact is built for lacks the attach point, so the artefact has no program for it",
}
"""Every ``code``, for docs/kernels.md."""
UNASKED = ("not_configured", "refused", "left_out")
"""Codes that say nothing about the thing itself: it may be there or not."""
