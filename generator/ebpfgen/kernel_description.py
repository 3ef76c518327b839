"""A kernel's answers, put together from BTF, formats and lists.

Receives a :class:`Source`, is a :class:`~ebpfgen.kernel.Kernel`. What was read once is kept. Never reads /sys or /proc itself:
the source does, or it has a captured file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from functools import cached_property
from mmap import mmap
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from .atomic import write_beside
from .btf import Btf, Enum, FuncProto
from .btf_index import ENUM, ENUM64, FUNC, Index
from .btf_merge import Begins
from .cache import cache_folder
from .kernel import Tracepoint
from .problems import MachineError
from .tracepoint_format import parse, raw_arguments, raw_names

_TABLES = Path(__file__).parent / "syscalls"


class Source(Protocol):
    """Where a description's facts come from."""

    release: str
    machine: str
    index_key: str  # names the BTF: the same key, the same bytes

    @property
    def fingerprint(self) -> str: ...

    def btf(self) -> bytes | mmap:
        """The types of the kernel, and behind them those of its loaded modules (:mod:`ebpfgen.btf_merge`)."""
        ...

    def modules(self) -> Begins:
        """The modules whose types are in :meth:`btf`."""
        ...

    def events(self) -> list[str]:
        """``CATEGORY:NAME`` of every tracepoint. Raises MachineError when the kernel does not let us see."""
        ...

    def format(self, category: str, name: str) -> str | None: ...
    def attachable(self) -> frozenset[str] | None:
        """Functions that ftrace can take; None when the kernel does not let us see."""
        ...

    def blacklist(self) -> frozenset[str]:
        """Functions that kprobes may not take."""
        ...

    def symbols(self) -> Symbols | None:
        """What code is called; None when the kernel does not let us see."""
        ...

    def config(self) -> dict[str, str]:
        """Those of :data:`CONFIG` and :data:`STATE` that are known: ``y``, ``m``, ``n`` or a value."""
        ...

    def syscalls(self) -> dict[int, str]:
        """Number → name of the system calls of ``machine``."""
        ...


class Symbols(NamedTuple):
    """Names of code. ``repeated``: those that several functions have."""

    names: frozenset[str]
    repeated: frozenset[str]


CONFIG = (
    "CONFIG_BPF_EVENTS",
    "CONFIG_BPF_JIT",
    "CONFIG_BPF_KPROBE_OVERRIDE",
    "CONFIG_BPF_LSM",
    "CONFIG_BPF_SYSCALL",
    "CONFIG_DEBUG_INFO_BTF",
    "CONFIG_DEBUG_INFO_BTF_MODULES",
    "CONFIG_DYNAMIC_FTRACE",
    "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
    "CONFIG_FPROBE",
    "CONFIG_FTRACE_SYSCALLS",
    "CONFIG_FUNCTION_ERROR_INJECTION",
    "CONFIG_HZ",
    "CONFIG_KPROBES",
    "CONFIG_KPROBE_EVENTS",
    "CONFIG_KPROBE_EVENTS_ON_NOTRACE",
    "CONFIG_MODULES",
    "CONFIG_PERF_EVENTS",
    "CONFIG_PREEMPT_RCU",
    "CONFIG_SECURITY_LOCKDOWN_LSM",
    "CONFIG_UPROBES",
    "CONFIG_UPROBE_EVENTS",
)
"""Build options of the kernel that decide what can be attached."""
STATE = ("lsm", "functions")
"""What else decides that: ``lsm``, the security modules at work; ``functions``: "refused" where the kernel does not show even
root which functions ftrace can take."""


class Description:
    """Implements :class:`~ebpfgen.kernel.Kernel`. Pickled as ``remake``, so that a worker makes its own from the same place."""

    def __init__(self, source: Source, remake: tuple[Callable[..., Any], tuple[Any, ...]]) -> None:
        self.source = source
        self.release, self.machine, self.fingerprint = source.release, source.machine, source.fingerprint
        self._remake = remake
        self._tracepoints: dict[tuple[str, str], Tracepoint | None] = {}

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self._remake

    @cached_property
    def btf(self) -> Btf:
        return indexed(self.source.btf(), self.source.index_key)

    def tracepoint(self, category: str, name: str) -> Tracepoint | None:
        asked = category, name
        if asked not in self._tracepoints:
            text = self.source.format(category, name)
            self._tracepoints[asked] = None if text is None else parse(category, name, text, self.btf)
        return self._tracepoints[asked]

    def tracepoints(self) -> Iterator[tuple[str, str]]:
        for event in self.source.events():
            category, _, name = event.partition(":")
            yield category, name

    @cached_property
    def sees_tracepoints(self) -> bool:
        """Whether :meth:`tracepoints` answers."""
        try:
            self.source.events()
        except MachineError:
            return False
        return True

    def function(self, name: str) -> FuncProto | None:
        found = self.btf.find_function(name)
        proto = self.btf.resolve(found) if found is not None else None
        return proto if isinstance(proto, FuncProto) else None

    def functions(self) -> Iterator[str]:
        names = self.btf.names(FUNC)
        return iter(sorted(self._attachable.union(names)) if self._attachable else names)

    def module_of(self, function: str) -> str:
        """The module that a function's types come from, "" for the kernel itself."""
        found = self.btf.find_function(function)
        return next((name for name, first in reversed(self.source.modules()) if found is not None and found >= first), "")

    def why_not_attachable(self, name: str, kind: str = "kprobe") -> str | None:
        trampoline, proto = kind in ("fentry", "fexit"), self.function(name)
        if not trampoline and name in self._blacklist:
            return "on the kernel's list of functions that may not be probed"
        if trampoline and proto is not None and proto.params[-1:] == (("...", 0),):
            return "it takes any number of arguments, which trampolines can't pass on"
        reach = self._attachable if trampoline else self._probeable
        if reach is None and proto is not None:
            return None  # which functions can be taken is not to be seen
        if reach is None:
            reach = self._symbols.names if self._symbols else None
        if reach is None:
            return None
        if name in reach:
            return self._why_not_by_name(name, trampoline, proto)
        for variant in self._made_from(name):
            if variant in reach:
                return f"the compiler turned it into {variant}"
        coded = name in self._symbols.names if self._symbols else None
        if coded or (coded is None and proto is not None):
            return "notrace: not among the kernel's available_filter_functions"
        if proto is not None:
            return "inlined: it has no code of its own in this kernel"
        return "there is no such function in this kernel, or it was inlined"

    def _why_not_by_name(self, name: str, trampoline: bool, proto: FuncProto | None) -> str | None:
        """What may still keep a probe from a function that ftrace can take."""
        if trampoline:
            return None if proto is not None else "its types are not in BTF, which fentry and fexit need; kprobes do not"
        if self._symbols and name in self._symbols.repeated:
            return "several functions of this kernel have that name"
        return None

    @cached_property
    def _attachable(self) -> frozenset[str] | None:
        return self.source.attachable()

    @cached_property
    def _probeable(self) -> frozenset[str] | None:
        """Functions that kprobes can take: ftrace's, or all, as CONFIG_KPROBE_EVENTS_ON_NOTRACE says."""
        if self._attachable is None or self.config.get("CONFIG_KPROBE_EVENTS_ON_NOTRACE") != "y" or self._symbols is None:
            return self._attachable
        return self._attachable | self._symbols.names

    def _made_from(self, function: str) -> Iterator[str]:
        made, begin = self._made_by_the_compiler, f"{function}."
        at = bisect_left(made, begin)
        while at < len(made) and made[at].startswith(begin):
            yield made[at]
            at += 1

    @cached_property
    def _made_by_the_compiler(self) -> list[str]:
        """Code with a dot in its name, such as foo.isra.0, sorted."""
        known = self._attachable or frozenset()
        return sorted(name for name in known.union(self._symbols.names if self._symbols else ()) if "." in name)

    @cached_property
    def _blacklist(self) -> frozenset[str]:
        return self.source.blacklist()

    @cached_property
    def _symbols(self) -> Symbols | None:
        return self.source.symbols()

    def raw_tracepoint(self, name: str) -> FuncProto | None:
        return raw_arguments(name, self.btf)

    def raw_tracepoints(self) -> Iterator[str]:
        return iter(raw_names(self.btf))

    def enum(self, name: str) -> Enum | None:
        found = self.btf.find(name, Enum)
        if found is None:
            return next((enum for _, enum in self.btf.find_constants(name) if not enum.name), None)
        enum = self.btf.resolve(found)
        assert isinstance(enum, Enum)
        return enum

    def enums(self) -> Iterator[str]:
        return iter(self.btf.names(ENUM, ENUM64))

    def constant(self, name: str) -> tuple[int, Enum] | None:
        return next(iter(self.btf.find_constants(name)), None)

    def constants(self) -> Iterator[str]:
        return iter(self.btf.constant_names())

    def syscalls(self) -> dict[int, str]:
        return dict(self._syscalls)

    @cached_property
    def _syscalls(self) -> dict[int, str]:
        return self.source.syscalls()

    @cached_property
    def config(self) -> dict[str, str]:
        """What is known of :data:`CONFIG` and :data:`STATE`."""
        return self.source.config()


def machines() -> list[str]:
    """The machines whose system calls are known here."""
    return sorted(path.stem for path in _TABLES.glob("*.tbl"))


def read_table(machine: str) -> dict[int, str]:
    """Number → name of the system calls, from ``syscalls/MACHINE.tbl``."""
    if machine not in machines():
        raise MachineError(f"the system calls of {machine} are not known here, only those of {' and '.join(machines())}")
    lines = (_TABLES / f"{machine}.tbl").read_text().splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return {int(number): name for number, name in pairs}


def indexed(data: bytes | mmap, key: str) -> Btf:
    """``data`` with its index, which is kept under ``key`` for the next time."""
    kept = cache_folder() / f"btf-{key}.idx"
    index = _kept_index(kept)
    btf = Btf(data, index)
    if not index:
        _keep(kept, btf.index.to_bytes())
    return btf


def _kept_index(path: Path) -> Index | None:
    try:
        return Index.from_bytes(path.read_bytes())
    except OSError:
        return None


def _keep(path: Path, data: bytes) -> None:
    """Keeps ``data`` for the next run if it can: what is kept only saves time."""
    try:
        write_beside(path, data)
    except OSError:
        return
