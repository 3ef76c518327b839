"""The running kernel's facts, read from /sys and /proc when they are asked for.

Receives the folder that stands for ``/``, is a :class:`~ebpfgen.kernel_description.Source`. The one module of the generator that
looks at the running kernel. The only thing that it changes: root gets tracefs mounted where it is not.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import sys
from collections import Counter
from contextlib import suppress
from functools import cached_property
from mmap import MAP_PRIVATE, PROT_READ, mmap
from pathlib import Path

from . import identity
from .btf_merge import Begins, merge
from .kernel_description import CONFIG, Symbols, read_table
from .problems import MachineError

_GROUPS_OF_USERS = ("kprobes:", "uprobes:", "eprobes:", "fprobes:", "synthetic:")
"""Events that users make at run time; they come and go, and say nothing about the kernel."""
_WORD = re.compile(r"\w+", re.ASCII)
_NOT_CODE = re.compile(r"__(pfx_|cfi_|kcfi_typeid_|SC[TK]__|UNIQUE_ID_|_tp_str\.|bpf_trace_tp_map_)")
"""Beginnings of symbols that no function has."""
_TEXT_SYMBOL = re.compile(r"^\S+ [tTwW] (\S+)(?:\t\[(?!bpf\]|__builtin__)\S+\])?$", re.MULTILINE)
"""A line of kallsyms, but for the programs ([bpf]) and trampolines ([__builtin__ftrace] …) that come and go."""


class HostSource:
    def __init__(self, root: Path = Path("/")) -> None:
        """Raises MachineError when the kernel has no BTF."""
        self._root = root
        self._sys, self._proc = root / "sys", root / "proc"
        uname = os.uname()
        self.release, self.machine = uname.release, uname.machine
        try:
            build = identity.kernel_build(str(root))
            self._modules = {
                p.name: p.stat().st_size for p in sorted((self._sys / "kernel/btf").iterdir()) if p.name != "vmlinux"
            }
        except OSError as error:
            raise _no_btf(self.release, error) from None
        loaded = hashlib.sha256(f"{build} {self._modules}".encode()).hexdigest()
        self.index_key = loaded if self._modules else build

    @property
    def fingerprint(self) -> str:
        return identity.kernel_fingerprint(str(self._root))

    def btf(self) -> bytes | mmap:
        return self._btf[0]

    def modules(self) -> Begins:
        return self._btf[1]

    @cached_property
    def _btf(self) -> tuple[bytes | mmap, Begins]:
        kernel = self._read_btf("vmlinux")
        if not self._modules:
            return kernel, ()
        split = []
        for name in self._modules:
            try:
                split.append((name, bytes(self._read_btf(name))))
            except MachineError:  # taken out since they were listed
                continue
        return merge(bytes(kernel), split)

    def _read_btf(self, name: str) -> bytes | mmap:
        try:
            with (self._sys / "kernel/btf" / name).open("rb") as file:
                try:
                    return mmap(file.fileno(), 0, MAP_PRIVATE, PROT_READ)
                except (OSError, ValueError):  # before Linux 6.16 this file can't be mapped
                    return file.read()
        except OSError as error:
            raise _no_btf(self.release, error) from None

    def events(self) -> list[str]:
        return [event for event in self._events if not event.startswith(_GROUPS_OF_USERS)]

    @cached_property
    def _events(self) -> list[str]:
        tracefs = self._tracefs
        try:
            return sorted((tracefs / "available_events").read_text().split())
        except OSError as error:
            raise _no_tracefs(error, self._root) from None

    def format(self, category: str, name: str) -> str | None:
        if not _WORD.fullmatch(category) or not name or "/" in name or f"{category}:{name}" not in self._event_set:
            return None
        try:
            return (self._tracefs / "events" / category / name / "format").read_text()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _no_tracefs(error, self._root) from None

    @cached_property
    def _event_set(self) -> frozenset[str]:
        return frozenset(self._events)

    def attachable(self) -> frozenset[str] | None:
        try:
            lines = (self._tracefs / "available_filter_functions").read_text().splitlines()
        except (OSError, MachineError):
            return None
        return frozenset(line.split()[0] for line in lines if line.strip())

    def blacklist(self) -> frozenset[str]:
        try:
            lines = (self._sys / "kernel/debug/kprobes/blacklist").read_text().splitlines()
        except OSError:
            return frozenset()
        return frozenset(line.split()[1] for line in lines if len(line.split()) > 1)

    def symbols(self) -> Symbols | None:
        try:
            found = _TEXT_SYMBOL.findall((self._proc / "kallsyms").read_text())
        except OSError:
            return None
        names = Counter(name for name in found if not _NOT_CODE.match(name))
        return Symbols(frozenset(names), frozenset(name for name, times in names.items() if times > 1))

    def syscalls(self) -> dict[int, str]:
        return read_table(self.machine)

    def config(self) -> dict[str, str]:
        text = self._config_text()
        options = dict(re.findall(r"^(CONFIG_\w+)=(.*)$", text, re.MULTILINE))
        found = {name: options.get(name, "n") for name in CONFIG} if text else self._probed()
        with suppress(OSError):
            found["lsm"] = (self._sys / "kernel/security/lsm").read_text().strip()
        with suppress(MachineError):
            try:
                (self._tracefs / "available_filter_functions").open().close()
            except OSError as error:
                if error.errno == errno.EPERM and os.geteuid() == 0:
                    found["functions"] = "refused"
        return found

    def _probed(self) -> dict[str, str]:
        """Of a kernel that does not tell its build options, what its folders tell."""
        devices = self._sys / "bus/event_source/devices"
        if not devices.is_dir():
            return {}
        events = {"CONFIG_KPROBE_EVENTS": devices / "kprobe", "CONFIG_UPROBE_EVENTS": devices / "uprobe"}
        return {name: "y" if path.exists() else "n" for name, path in events.items()}

    def _config_text(self) -> str:
        import gzip

        try:
            return gzip.decompress((self._proc / "config.gz").read_bytes()).decode()
        except (OSError, EOFError):
            pass
        for place in (f"boot/config-{self.release}", f"lib/modules/{self.release}/config"):
            with suppress(OSError):
                return (self._root / place).read_text()
        return ""

    @cached_property
    def _tracefs(self) -> Path:
        places = [self._sys / "kernel/tracing", self._sys / "kernel/debug/tracing"]
        for place in places:
            if _is_tracefs(place):
                return place
        if self._root == Path("/") and places[0].is_dir() and os.geteuid() == 0 and _mount_tracefs(places[0]):
            print(f"ebpfgen: mounted tracefs at {places[0]}, to see the kernel's tracepoints", file=sys.stderr)
            return places[0]
        raise _no_tracefs(None, self._root)


def _is_tracefs(place: Path) -> bool:
    try:
        return (place / "events").is_dir() or (place / "available_events").exists()
    except OSError:
        return False


def _mount_tracefs(place: Path) -> bool:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.mount(b"tracefs", os.fsencode(place), b"tracefs", 0, None) == 0) and _is_tracefs(place)


def _no_btf(release: str, error: OSError) -> MachineError:
    return MachineError(
        f"Linux {release} shows no BTF: {error.filename}: {error.strerror}; a kernel built with CONFIG_DEBUG_INFO_BTF has it, "
        "or name the description of another kernel (--kernel FILE, made by 'ebpfgen kernel capture FILE')"
    )


def _no_tracefs(error: OSError | None, root: Path) -> MachineError:
    why = f"{error.filename}: {error.strerror}" if error else "tracefs is not mounted, or not to be seen by this user"
    way = "as root: mount -t tracefs tracefs /sys/kernel/tracing, or "
    if error and error.errno == errno.EPERM and _locked_down(root):
        why, way = f"{why}, even for root: the kernel is locked down for confidentiality", ""
    return MachineError(
        f"the kernel's tracepoints can't be seen: {why}; {way}name a captured description "
        "(--kernel FILE, made by 'ebpfgen kernel capture FILE')"
    )


def _locked_down(root: Path) -> bool:
    try:
        return "[confidentiality]" in (root / "sys/kernel/security/lockdown").read_text()
    except OSError:
        return False
