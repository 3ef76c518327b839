"""The one door to C: nothing else imports cffi or a generated binding.

Receives the paths of an artefact's library and binding; returns a :class:`Driver`, from it :class:`Object`. A failing call is a
:class:`~ebpfrun.errors.DriverError` with libbpf's words. Knows nothing of probes or plans.
"""

from __future__ import annotations

import errno
import sys
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import RLock

from .errors import ArtefactError, ClosedError, DriverError, MachineError
from .lean import Any
from .manifest import Manifest, Parameter
from .records import PlainLoops, Records, Sizes, sizes

ABI = 15
KPROBE_MULTI, UPROBE_MULTI = 42, 48  # of driver.h's enum
_LOG_BYTES = 8 << 20  # more than the driver keeps
_PIECE = 1 << 18
_SIGNATURE = 1 << 14
_TEXT = 32  # bytes of a usual text: where there is too little room, there will be twice as much


class MapSizes:
    """Sizes in bytes; ``per_cpu`` maps hold one value for every possible CPU."""

    __slots__ = ("key", "max_entries", "per_cpu", "value")

    def __init__(self, key: int, value: int, max_entries: int, per_cpu: bool) -> None:
        self.key = key
        self.value = value
        self.max_entries = max_entries
        self.per_cpu = per_cpu


class Driver:
    """An artefact's library, in this process until it ends; ``program`` is its BPF object."""

    def __init__(self, library: str, binding: str, program: bytes = b"") -> None:
        self.program = program
        self.ffi: Any = _binding(binding)
        self.lib: Any = _library(self.ffi, library)
        abi = _abi(self.lib, library)
        if abi != ABI:
            raise ArtefactError(f"{library}: has version {abi} of the driver's interface, this ebpfrun needs {ABI}; rebuild it")
        self.name = self._text(self.lib.er_name())
        self.code = self._text(self.lib.er_code())
        self.libbpf = self._text(self.lib.er_libbpf())
        self.cpus: int = self.check(self.lib.er_cpus(), "counting this machine's CPUs")

    def open(self, program: bytes, btf: str | None = None) -> Object:
        """``program``: the BPF object as it is to be loaded. ``btf``: a file with the types of this very kernel that it uses, in
        place of all of its types."""
        handle = self.ffi.new("er_object **")
        path = self.ffi.NULL if btf is None else self.ffi.new("char[]", btf.encode("utf-8", "surrogateescape"))
        source = self.ffi.from_buffer(program)
        self.check(self.lib.er_open(handle, source, len(program), path), f"opening {self.name}")
        return Object(self, handle[0], source)

    def signature(self, kind: str, name: str) -> tuple[Parameter, ...] | None:
        """What this kernel calls a tracepoint or a function with, None where its types do not have it."""
        buffer = self.ffi.new("char[]", _SIGNATURE)
        length = self.lib.er_signature(kind.encode(), name.encode(), buffer, _SIGNATURE)
        if length in (-errno.ENOENT, -errno.ESRCH):
            return None
        self.check(length, f"reading the types of {name}")
        lines = (line.split("\t") for line in self._text(buffer).splitlines())
        return tuple(Parameter(name, type, int(size)) for name, type, size in lines)

    def offset_of(self, structure: str, member: str, kind: str = "") -> int:
        """Of a member of that kind ("" for any) in this kernel's struct, in bytes; below 0 where it has none such."""
        return int(self.lib.er_member(structure.encode(), member.encode(), kind.encode()))

    def forget_types(self) -> None:
        """Frees what :meth:`signature` and :meth:`offset_of` read."""
        self.lib.er_types_end()

    def records(self, manifest: Manifest, offset: int) -> Records:
        """What is known of the artefact's records, with this driver's loops; ``offset`` as in :class:`Records`."""
        return Records(manifest, offset, loops=DriverLoops(self, sizes(manifest)))

    def mount(self, kind: str, path: str) -> None:
        self.check(self.lib.er_mount(kind.encode(), path.encode()), f"mounting {kind} at {path}")

    def log(self) -> str:
        """libbpf's and the kernel's words since the last call."""
        buffer = self.ffi.new("char[]", _LOG_BYTES)
        length = self.lib.er_log(buffer, _LOG_BYTES)
        text = self._text(buffer)
        return text if length < _LOG_BYTES else f"{text}\n[{length - _LOG_BYTES + 1} more bytes of log are not shown]\n"

    def check(self, result: int, what: str) -> int:
        """The result, unless it is a negative errno: the one place where those become exceptions."""
        if result < 0:
            raise DriverError(what, -result, self.log())
        return result

    def _text(self, words: Any) -> str:
        text: bytes = self.ffi.string(words)
        return text.decode("utf-8", "backslashreplace")


class DriverLoops:
    """The driver's walks over drained records (:class:`ebpfrun.records.Loops`), of one artefact's events."""

    def __init__(self, driver: Driver, sizes: Mapping[int, Sizes]) -> None:
        self._driver = driver
        self._ffi = driver.ffi
        self._lib = driver.lib
        self._plain = PlainLoops(sizes)
        self._events = max(sizes, default=-1) + 1
        least_and_most = [limit for id in range(self._events) for limit in sizes.get(id, (1, 0))]
        self._sizes = driver.ffi.new("uint32_t[]", least_and_most)

    def scan(self, data: Any, most: int) -> tuple[dict[int, int], int]:
        counts = self._ffi.new("uint64_t[]", self._events)
        used: int = self._lib.er_scan(self._ffi.from_buffer(data), len(data), most, self._sizes, self._events, counts)
        if used < 0:
            self._plain.scan(data, most)  # says what is wrong
        return {id: count for id, count in enumerate(counts) if count}, used

    def gather(self, data: Any, id: int, stride: int, count: int) -> bytearray:
        out = bytearray(stride * count)
        self._lib.er_gather(self._ffi.from_buffer(data), len(data), id, stride, self._ffi.from_buffer(out))
        return out

    def texts(self, data: Any, id: int, offset: int, size: int, count: int) -> bytearray:
        out = bytearray(size * count)
        self._lib.er_texts(self._ffi.from_buffer(data), len(data), id, offset, size, self._ffi.from_buffer(out))
        return out

    def tidy(self) -> None:
        self._lib.er_tidy()

    def distinct(self, data: Any, id: int, offset: int, size: int, text: bool, count: int) -> tuple[bytearray, Sequence[int]]:
        numbers, firsts = bytearray(4 * count), self._ffi.new("uint32_t[]", count)
        where = self._ffi.from_buffer(data), len(data), id, offset, size
        got = self._lib.er_distinct(*where, text, self._ffi.from_buffer("int32_t[]", numbers), firsts)
        return numbers, self._ffi.unpack(firsts, self._driver.check(got, "counting values")) if count else []

    def utf8(self, data: Any, id: int, offset: int, size: int, count: int) -> tuple[bytearray, bytearray]:
        offsets = bytearray(4 * (count + 1))
        where = self._ffi.from_buffer(data), len(data), id, offset, size, self._ffi.from_buffer("int32_t[]", offsets)

        def fill(out: bytearray) -> int:
            length: int = self._lib.er_utf8(*where, self._ffi.from_buffer(out), len(out))
            return length

        return offsets, _filled(fill, _TEXT * count)

    def words(self, data: Any, id: int, offset: int, size: int, count: int) -> tuple[bytearray, bytearray, bytearray]:
        lists, offsets = bytearray(4 * (count + 1)), bytearray()
        where = self._ffi.from_buffer(data), len(data), id, offset, size, self._ffi.from_buffer("int32_t[]", lists)

        def fill(out: bytearray) -> int:
            nonlocal offsets
            offsets = bytearray(4 * len(out))
            into = self._ffi.from_buffer("int32_t[]", offsets), len(out), self._ffi.from_buffer(out), len(out)
            length: int = self._lib.er_words(*where, *into)
            return length

        texts = _filled(fill, _TEXT * count)
        return lists, offsets[: 4 * (int.from_bytes(lists[-4:], sys.byteorder) + 1)], texts

    def encoder(self, format: int, offset: int) -> Encoder:
        return Encoder(self._driver, format, offset)


def _filled(fill: Callable[[bytearray], int], first: int) -> bytearray:
    """What ``fill`` puts into memory of enough room."""
    out = bytearray(first + 4096)
    while (length := fill(out)) == -errno.EMSGSIZE:
        out = bytearray(2 * len(out))
    del out[length:]
    return out


class Encoder:
    """Lines of text from drained records. Told first of each event, and after it of the event's fields."""

    def __init__(self, driver: Driver, format: int, offset: int) -> None:
        ffi, self._driver = driver.ffi, driver
        handle = ffi.new("er_encoder **")
        driver.check(driver.lib.er_encoder_new(handle, format, offset), "making an encoder")
        self._handle = ffi.gc(handle[0], driver.lib.er_encoder_free)
        self._out = ffi.new("char[]", _PIECE)
        self._at = ffi.new("size_t *")
        self._wish = ffi.new("uint32_t[2]")
        self._key = ffi.new("void **")

    def event(self, id: int, size: int, head: str, tail: str) -> None:
        lib = self._driver.lib
        self._driver.check(lib.er_encoder_event(self._handle, id, size, head.encode(), tail.encode()), "encoding an event")

    def skip(self, id: int, size: int) -> None:
        lib, null = self._driver.lib, self._driver.ffi.NULL
        self._driver.check(lib.er_encoder_event(self._handle, id, size, null, null), "passing over an event")

    def field(self, lead: str, name: str, kind: str, offset: int, size: int, mark: int | None) -> None:
        """``kind`` names a member of ``enum er_kind``."""
        args = lead.encode(), name.encode(), getattr(self._driver.lib, kind), offset, size, -1 if mark is None else mark
        self._driver.check(self._driver.lib.er_encoder_field(self._handle, *args), "encoding a field")

    def encode(self, data: Any, text: Callable[[int, int, bytes], bytes]) -> Iterator[memoryview]:
        """Pieces of whole lines, each good until the next is asked for; ``text`` gives what is wanted for a field of an event."""
        source, length, used = self._driver.ffi.from_buffer(data), len(data), 0
        self._at[0] = 0
        while self._at[0] < length:
            used += self._encode(source, length, used)
            if self._gave(text) or self._at[0] == length:
                continue
            if not used:  # not one line fits
                self._out = self._driver.ffi.new("char[]", 2 * len(self._out))
                continue
            yield self._piece(used)
            used = 0
        if used:
            yield self._piece(used)

    def _encode(self, source: Any, length: int, used: int) -> int:
        out, room = self._out + used, len(self._out) - used
        return self._driver.check(
            self._driver.lib.er_encode(self._handle, source, length, self._at, out, room), "encoding records"
        )

    def _piece(self, used: int) -> memoryview:
        return memoryview(self._driver.ffi.buffer(self._out, used))

    def _gave(self, text: Callable[[int, int, bytes], bytes]) -> bool:
        """Whether a text was wanted; it is given then."""
        lib, wish = self._driver.lib, self._wish
        length = lib.er_encoder_wants(self._handle, wish, wish + 1, self._key)
        if length < 0:
            return False
        found = text(wish[0], wish[1], bytes(self._driver.ffi.buffer(self._key[0], length)))
        self._driver.check(lib.er_encoder_give(self._handle, found, len(found)), "keeping a name")
        return True


class Order:
    """Records in the order of their times: see the driver. ``times``: by event id, where its time is, 0 without."""

    def __init__(self, driver: Driver, times: Sequence[int]) -> None:
        self._driver = driver
        handle = driver.lib.er_order_open(driver.ffi.new("uint32_t[]", list(times)), len(times))
        if handle == driver.ffi.NULL:
            raise MemoryError
        self._handle = driver.ffi.gc(handle, driver.lib.er_order_close)

    def put(self, data: Any) -> None:
        source = self._driver.ffi.from_buffer(data)
        self._driver.check(self._driver.lib.er_order_put(self._handle, source, len(data)), "keeping records in order")

    def take(self, until: int, buffer: Any) -> int:
        """Bytes of the records up to that time, earliest first, as many as ``buffer`` has room for."""
        length: int = self._driver.lib.er_order_take(self._handle, until, self._driver.ffi.from_buffer(buffer), len(buffer))
        return length

    @property
    def first(self) -> int:
        """The earliest time that waits; more than any where none does."""
        return int(self._driver.lib.er_order_first(self._handle))

    def late(self, event: int) -> int:
        """How many of an event's records came after a later one had been given."""
        return int(self._driver.lib.er_order_late(self._handle, event))


class Object:
    """The kernel programs and maps of one artefact. Ends with :meth:`close`; any other call after that is a ClosedError. From any
    thread: a :meth:`drain` may wait while others read, anything else is done by one at a time."""

    def __init__(self, driver: Driver, handle: Any, program: Any) -> None:
        self._driver = driver
        self._open_handle: Any = handle
        self._program = program  # libbpf may look at it as long as it is open
        self._sizes: dict[str, MapSizes] = {}
        self._draining = RLock()  # both of one thread, whose signals' handlers may close it
        self._calling = RLock()

    @property
    def _handle(self) -> Any:
        if self._open_handle is None:
            raise ClosedError("this tracer is closed")
        return self._open_handle

    def close(self, wake: Callable[[], None] | None = None) -> None:
        """Detaches, frees everything, once other threads' calls have ended; nothing happens the second time. ``wake`` ends a
        :meth:`drain` of another thread."""
        handle, self._open_handle = self._open_handle, None
        if handle is None:
            return
        if not self._draining.acquire(blocking=wake is None) and wake:
            wake()
            self._draining.acquire()
        with self._calling:
            self._driver.lib.er_close(handle)
        self._program = None
        self._draining.release()

    def __enter__(self) -> Object:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        self.close()

    def _call(self, function: str, what: str, *args: Any) -> int:
        with self._calling:
            return self._driver.check(getattr(self._driver.lib, function)(self._handle, *args), what)

    def wake_by(self, bell: int, latency_ms: int) -> None:
        """What is written to the descriptor ``bell`` ends a wait in :meth:`drain`; records wait for others for ``latency_ms``."""
        self._driver.lib.er_latency(self._handle, latency_ms)
        self._call("er_bell", "waiting for the bell", bell)

    # Before load.

    def configure(self, block: bytes) -> None:
        """Sets the config block; ``block`` must have its size."""
        size = self._driver.ffi.new("size_t *")
        config = self._driver.lib.er_config(self._handle, size)
        if size[0] != len(block):
            raise ArtefactError(f"the program's config has {size[0]} bytes, the manifest's {len(block)}; rebuild it")
        if block:
            self._driver.ffi.memmove(config, block, len(block))

    def autoload(self, program: str) -> None:
        self._call("er_autoload", f"program {program}", program.encode(), 1)

    def attach_type(self, program: str, type: int) -> None:
        self._call("er_attach_type", f"program {program}", program.encode(), type)

    def max_entries(self, map: str, entries: int) -> None:
        self._call("er_max_entries", f"map {map}", map.encode(), entries)

    def load(self) -> None:
        self._call("er_load", "loading the kernel programs")

    # After load.

    def attach_tracepoint(self, program: str, category: str, name: str, cookie: int = 0) -> None:
        what = f"tracepoint {category}:{name}"
        self._call("er_attach_tracepoint", what, program.encode(), category.encode(), name.encode(), cookie)

    def attach_raw_tracepoint(self, program: str, name: str) -> None:
        self._call("er_attach_raw_tracepoint", f"raw tracepoint {name}", program.encode(), name.encode())

    def attach_trace(self, program: str) -> None:
        self._call("er_attach_trace", f"program {program}", program.encode())

    def attach_kprobe(self, program: str, function: str, offset: int, ret: bool, cookie: int = 0) -> None:
        self._call("er_attach_kprobe", f"kernel function {function}", program.encode(), function.encode(), offset, ret, cookie)

    def attach_kprobes(self, program: str, addresses: Sequence[int], ret: bool, cookie: int) -> None:
        """To many functions of the kernel at once; their cookies are ``cookie`` and the numbers behind it."""
        where = self._driver.ffi.new("uint64_t[]", list(addresses))
        self._call(
            "er_attach_kprobes", f"{len(addresses)} kernel functions", program.encode(), where, len(addresses), ret, cookie
        )

    def attach_uprobe(self, program: str, path: str, offset: int, ret: bool, cookie: int = 0) -> None:
        """``offset`` is one into the file, as symbols are resolved to; every process is traced."""
        self._call("er_attach_uprobe", path, program.encode(), _encoded(path), offset, ret, cookie)

    def attach_uprobes(self, program: str, path: str, offsets: Sequence[int], ret: bool, cookie: int) -> None:
        """To many places of a file at once; cookies as in :meth:`attach_kprobes`."""
        where = self._driver.ffi.new("uint64_t[]", list(offsets))
        self._call("er_attach_uprobes", path, program.encode(), _encoded(path), where, len(offsets), ret, cookie)

    def attach_usdt(self, program: str, path: str, provider: str, name: str) -> None:
        self._call("er_attach_usdt", path, program.encode(), _encoded(path), provider.encode(), name.encode())

    def attach_iter(self, program: str) -> None:
        self._call("er_attach_iter", f"program {program}", program.encode())

    def iterate(self, program: str) -> int:
        """A descriptor: whoever reads it to its end has the program run once for each object. The caller closes it."""
        return self._call("er_iterate", f"program {program}", program.encode())

    def attach_perf(self, program: str, type: int, config: int, period: int, freq: bool, cpu: int) -> None:
        self._call("er_attach_perf", f"perf event on CPU {cpu}", program.encode(), type, config, period, freq, cpu)

    def detach(self) -> None:
        """Nothing is produced after this; records and maps can still be read."""
        self._call("er_detach", "detaching")

    def drain(self, buffer: Any, timeout_ms: int) -> int:
        """Bytes copied from the rings into ``buffer``; 0 when there was nothing until the time-out (-1: none), the bell, or a
        signal."""
        with self._draining:
            length: int = self._driver.lib.er_drain(self._handle, timeout_ms, self._driver.ffi.from_buffer(buffer), len(buffer))
        return 0 if length == -errno.EINTR else self._driver.check(length, "reading the ring buffer")

    def filled(self) -> int:
        """Per cent of the fullest ring that wait to be drained."""
        return self._call("er_filled", "looking at the rings")

    def map_sizes(self, map: str) -> MapSizes:
        if map not in self._sizes:
            new = self._driver.ffi.new
            key, value, entries, per_cpu = new("uint32_t *"), new("uint32_t *"), new("uint32_t *"), new("int *")
            self._call("er_map_sizes", f"map {map}", map.encode(), key, value, entries, per_cpu)
            self._sizes[map] = MapSizes(key[0], value[0], entries[0], bool(per_cpu[0]))
        return self._sizes[map]

    def dump(self, map: str) -> list[tuple[bytes, list[bytes]]]:
        """Every entry: its key, and its value on each possible CPU (a single one when the map is not per CPU)."""
        sizes = self.map_sizes(map)
        step = (sizes.value + 7) // 8 * 8 if sizes.per_cpu else sizes.value
        cpus = self._driver.cpus if sizes.per_cpu else 1
        keys, values, found = self._dumped(map, sizes.key, step * cpus, sizes.max_entries)
        return [
            (
                bytes(keys[i * sizes.key : (i + 1) * sizes.key]),
                [bytes(values[at : at + sizes.value]) for at in range(i * cpus * step, (i + 1) * cpus * step, step)],
            )
            for i in range(found)
        ]

    def _dumped(self, map: str, key: int, value: int, room: int) -> tuple[bytearray, bytearray, int]:
        """Keys, values, and how many; with more room where entries that come and go meanwhile were more than the map holds."""
        keys, values, from_buffer = bytearray(key * room), bytearray(value * room), self._driver.ffi.from_buffer
        args = map.encode(), from_buffer(keys), from_buffer(values), room
        try:
            return keys, values, self._call("er_map_dump", f"reading map {map}", *args)
        except DriverError as error:
            if error.errno != errno.ENOSPC:
                raise
        return self._dumped(map, key, value, 2 * room)

    def update(self, map: str, key: bytes, value: bytes) -> None:
        """Sets an entry of a map."""
        self._call("er_map_update", f"writing map {map}", map.encode(), key, value)

    def measure(self) -> None:
        """Lets the kernel count and time the programs' runs, until close."""
        self._call("er_measure", "measuring the programs' run time")

    def size(self, program: str) -> tuple[int, int, int]:
        """(instructions verified, instructions kept, bytes of machine code) of a loaded program; 0 for what is not told."""
        new = self._driver.ffi.new
        verified, kept, machine = new("uint32_t *"), new("uint32_t *"), new("uint32_t *")
        self._call("er_program_size", f"program {program}", program.encode(), verified, kept, machine)
        return verified[0], kept[0], machine[0]

    def stats(self, program: str) -> tuple[int, int, int]:
        """(runs, ns, missed) of a loaded program, as the kernel counts them."""
        new = self._driver.ffi.new
        runs, ns, missed = new("uint64_t *"), new("uint64_t *"), new("uint64_t *")
        self._call("er_program_stats", f"program {program}", program.encode(), runs, ns, missed)
        return runs[0], ns[0], missed[0]


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


_BINDINGS: dict[str, Any] = {}
"""By their text: cffi does not give back all memory of one, and a program may open tracers again and again."""


def _binding(path: str) -> Any:
    """The binding's ``ffi``. Not imported by name: that would leave a cache beside it, and bind two artefacts to one name."""
    module = types.ModuleType("binding")
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
        if text not in _BINDINGS:
            exec(compile(text, path, "exec"), module.__dict__)
            _BINDINGS[text] = _ffi(module)
        return _BINDINGS[text]
    except ImportError as error:
        raise MachineError(f"cffi is missing or too old ({error}): apt install python3-cffi-backend") from None
    except Exception as error:  # a program that is no binding fails as it likes
        raise ArtefactError(f"{path}: not a binding ({type(error).__name__}: {error}); rebuild with `ebpfgen build`") from None


def _ffi(module: types.ModuleType) -> Any:
    ffi = module.__dict__["ffi"]
    if not hasattr(ffi, "dlopen"):
        raise TypeError(f"its ffi is a {type(ffi).__name__}")
    return ffi


def _abi(lib: Any, path: str) -> int:
    try:
        abi: int = lib.er_abi()
    except Exception as error:  # cffi's own, of the FFI that the binding made
        raise ArtefactError(f"{path}: not an artefact's library ({error}); rebuild with `ebpfgen build`") from None
    return abi


def _opened(ffi: Any, path: str) -> Any:
    try:
        return ffi.dlopen(path)
    except UnicodeEncodeError:  # cffi takes no path that is not text, but what is open has another
        with open(path, "rb") as file:
            return ffi.dlopen(f"/proc/self/fd/{file.fileno()}")


def _library(ffi: Any, path: str) -> Any:
    try:
        return _opened(ffi, path)
    except OSError as error:
        if "libbpf.so.1: cannot open" in str(error):
            raise MachineError("libbpf.so.1 is not on this machine: apt install libbpf1") from None
        raise ArtefactError(f"{path}: {error}; rebuild with `ebpfgen build`") from None
