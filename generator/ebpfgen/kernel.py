"""A kernel description: what the checker may know of a kernel. Pure data, never read from /sys inside a check.

:func:`running` describes the kernel we run on, :func:`from_file` one captured elsewhere (``ebpfgen kernel capture FILE``).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from .btf import Btf, Enum, FuncProto
from .records import record

if TYPE_CHECKING:
    from .kernel_description import Description


@record()
class TracepointField:
    """A field of a tracepoint's record, from its format file: ``c_type`` as printed there ("const char *",
    "__data_loc char[]", "__u8[4]" with the array moved behind the type), ``offset`` and ``size`` in bytes."""

    name: str
    c_type: str
    offset: int
    size: int
    signed: bool


@record()
class Tracepoint:
    """``fields`` without the common_* ones. ``record``: name of the BTF struct (``trace_event_raw_…``) whose members have
    exactly these names and offsets, so that CO-RE can follow a kernel that moved them; None when there is none."""

    category: str
    name: str
    fields: tuple[TracepointField, ...]
    record: str | None


class Kernel(Protocol):
    release: str  # 6.18.44
    machine: str  # x86_64
    fingerprint: str  # changes whenever anything below may

    @property
    def btf(self) -> Btf: ...

    def tracepoint(self, category: str, name: str) -> Tracepoint | None: ...
    def tracepoints(self) -> Iterator[tuple[str, str]]: ...
    def function(self, name: str) -> FuncProto | None:
        """The signature of a kernel function, None when BTF has none of that name."""
        ...

    def functions(self) -> Iterator[str]: ...
    def module_of(self, function: str) -> str:
        """The module that a function's types come from, "" for the kernel itself."""
        ...

    def why_not_attachable(self, name: str, kind: str = "kprobe") -> str | None:
        """Why a probe of that kind (kprobe, kretprobe, fentry, fexit) can't take this function ("inlined", "notrace"…), None
        when it can or when unknown."""
        ...

    @property
    def config(self) -> dict[str, str]:
        """Build options and other facts that decide what can be attached, as far as they are known."""
        ...

    def raw_tracepoint(self, name: str) -> FuncProto | None:
        """The arguments of a raw tracepoint, named, without the leading ``__data``."""
        ...

    def raw_tracepoints(self) -> Iterator[str]: ...
    def enum(self, name: str) -> Enum | None:
        """The enum of that name or, for one without a name, the one that has a constant of that name."""
        ...

    def constant(self, name: str) -> tuple[int, Enum] | None:
        """The value of an enumerator, and its enum."""
        ...

    def constants(self) -> Iterator[str]: ...
    def syscalls(self) -> dict[int, str]:
        """Number → name of the system calls of ``machine``."""
        ...


def running() -> Description:
    """The kernel that we run on. Raises MachineError when it has no BTF; what else lacks is told when it is asked for."""
    from .kernel_description import Description
    from .kernel_host import HostSource

    return Description(HostSource(), (running, ()))


def from_file(path: str | Path) -> Description:
    """A kernel that ``ebpfgen kernel capture`` wrote down. Raises MachineError when the file is no such one, cut short or
    altered."""
    from .kernel_capture import CaptureSource
    from .kernel_description import Description

    return Description(CaptureSource(Path(path)), (from_file, (path,)))
