"""The system calls bpf(2) and perf_event_open(2), as far as the doctor tries them.

Every function returns a file descriptor, which the caller closes, or raises OSError. Uses ctypes, which the tracer's own path
never imports: the doctor must work where libbpf and cffi are missing.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct

_NUMBERS = {"x86_64": (321, 298), "aarch64": (280, 241), "riscv64": (280, 241), "s390x": (351, 331), "ppc64le": (361, 319)}
_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432  # the same everywhere
_FSCONFIG_CMD_CREATE = 6
_MAP_CREATE, _PROG_LOAD, _RAW_TRACEPOINT_OPEN, _LINK_CREATE = 0, 5, 17, 28
_RINGBUF = 27
KPROBE, TRACEPOINT, PERF_EVENT, RAW_TRACEPOINT, TRACING, LSM = 2, 5, 7, 17, 26, 29  # enum bpf_prog_type
TRACE_RAW_TP, TRACE_FENTRY, TRACE_FEXIT, LSM_MAC, TRACE_ITER = 23, 24, 25, 27, 28  # enum bpf_attach_type
_PERF_EVENT, TRACE_KPROBE_MULTI, TRACE_UPROBE_MULTI = 41, 42, 48
PERF_HARDWARE, PERF_SOFTWARE, PERF_TRACEPOINT = 0, 1, 2  # enum perf_type_id
# mov r0, 0; exit
_RETURN_0 = struct.pack("=BBhi", 0xB7, 0, 0, 0) + struct.pack("=BBhi", 0x95, 0, 0, 0)
_ATTR_SIZE = 112  # PERF_ATTR_SIZE_VER5; the kernel takes shorter and longer ones
_DISABLED, _FREQUENCY = 1 << 0, 1 << 10

_libc = ctypes.CDLL(None, use_errno=True)


def supported() -> bool:
    """Whether the numbers of the calls are known for this machine."""
    return os.uname().machine in _NUMBERS


def _syscall(number: int, *arguments: object) -> int:
    result = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return int(result)


def _bpf(command: int, attr: bytes) -> int:
    buffer = ctypes.create_string_buffer(attr, len(attr))
    return _syscall(_NUMBERS[os.uname().machine][0], ctypes.c_int(command), buffer, ctypes.c_uint(len(attr)))


def _address(buffer: object) -> int:
    return ctypes.cast(buffer, ctypes.c_void_p).value or 0  # type: ignore[arg-type]


def ring_buffer() -> int:
    """Makes a ring buffer of one page."""
    return _bpf(_MAP_CREATE, struct.pack("=IIIII", _RINGBUF, 0, 0, os.sysconf("SC_PAGE_SIZE"), 0))


def program(kind: int, attach: int = 0, btf_id: int = 0) -> int:
    """Loads a program that does nothing."""
    code = ctypes.create_string_buffer(_RETURN_0, len(_RETURN_0))
    licence = ctypes.create_string_buffer(b"GPL")
    attr = struct.pack("=IIQQ", kind, 2, _address(code), _address(licence))
    attr = attr.ljust(68, b"\0") + struct.pack("=I", attach)
    return _bpf(_PROG_LOAD, attr.ljust(108, b"\0") + struct.pack("=I", btf_id))


def raw_tracepoint(name: str, program: int) -> int:
    """Attaches; without a name the program says itself where to (TRACING)."""
    text = ctypes.create_string_buffer(name.encode())
    return _bpf(_RAW_TRACEPOINT_OPEN, struct.pack("=QII", _address(text) if name else 0, program, 0))


def iterator(program: int) -> int:
    """Attaches an iterator; nothing is visited yet."""
    return _bpf(_LINK_CREATE, struct.pack("=IIII", program, 0, TRACE_ITER, 0).ljust(32, b"\0"))


def cookie_link(program: int, event: int) -> int:
    """Lets a perf event run the program, with a cookie (since Linux 5.15)."""
    return _bpf(_LINK_CREATE, struct.pack("=IIIIQ", program, event, _PERF_EVENT, 0, 1))


def function_link(program: int, function: str, ret: bool) -> int:
    """Attaches to a kernel function by a link that could take many."""
    name = ctypes.create_string_buffer(function.encode())
    names = ctypes.create_string_buffer(struct.pack("=Q", _address(name)))
    attr = struct.pack("=IIIIIIQQQ", program, 0, TRACE_KPROBE_MULTI, 0, int(ret), 1, _address(names), 0, 0)
    return _bpf(_LINK_CREATE, attr)


def file_link(program: int, path: str, offset: int) -> int:
    """Attaches to a place of a file, in this process only, by a link that could take many."""
    name = ctypes.create_string_buffer(os.fsencode(path))
    offsets = ctypes.create_string_buffer(struct.pack("=Q", offset))
    attr = struct.pack(
        "=IIIIQQQQIII", program, 0, TRACE_UPROBE_MULTI, 0, _address(name), _address(offsets), 0, 0, 1, 0, os.getpid()
    )
    return _bpf(_LINK_CREATE, attr.ljust(64, b"\0"))


def perf_event(
    type: int, config: int, pid: int, cpu: int, frequency: int = 0, period: int = 0, config1: bytes = b"", config2: int = 0
) -> int:
    """Opens an event, not counting. ``config1`` is text that the kernel reads at an address."""
    text = ctypes.create_string_buffer(config1)
    flags = _DISABLED | (_FREQUENCY if frequency else 0)
    attr = struct.pack("=IIQQQQQ", type, _ATTR_SIZE, config, frequency or period, 0, 0, flags)
    attr += struct.pack("=IIQQ", 0, 0, _address(text) if config1 else 0, config2)
    buffer = ctypes.create_string_buffer(attr.ljust(_ATTR_SIZE, b"\0"), _ATTR_SIZE)
    number = _NUMBERS[os.uname().machine][1]
    close_on_exec = ctypes.c_ulong(8)  # PERF_FLAG_FD_CLOEXEC
    return _syscall(number, buffer, ctypes.c_int(pid), ctypes.c_int(cpu), ctypes.c_int(-1), close_on_exec)


def set_program(event: int, program: int) -> None:
    """Lets a perf event run the program (PERF_EVENT_IOC_SET_BPF)."""
    write = 0x80000000 if os.uname().machine == "ppc64le" else 0x40000000
    fcntl.ioctl(event, write | 4 << 16 | ord("$") << 8 | 8, program)


def detached(filesystem: str) -> int:
    """The top of a file system, mounted nowhere: it goes with its last descriptor (since Linux 5.2)."""
    context = _syscall(_FSOPEN, ctypes.create_string_buffer(filesystem.encode()), ctypes.c_uint(1))
    try:
        _syscall(_FSCONFIG, ctypes.c_int(context), ctypes.c_uint(_FSCONFIG_CMD_CREATE), None, None, ctypes.c_int(0))
        return _syscall(_FSMOUNT, ctypes.c_int(context), ctypes.c_uint(1), ctypes.c_uint(0))
    finally:
        os.close(context)


def function_in_file(name: str) -> tuple[str, int]:
    """The C library's file, and where in it the function ``name`` begins."""
    address = _address(getattr(_libc, name))
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        for line in maps:
            span, _, offset, _, _, *path = line.split(maxsplit=5)
            first, last = (int(part, 16) for part in span.split("-"))
            if first <= address < last and path:
                return path[0].strip(), address - first + int(offset, 16)
    raise OSError(0, f"{name} is in no file that is mapped")


def libbpf_version() -> str:
    """Of libbpf.so.1; OSError when there is none."""
    library = ctypes.CDLL("libbpf.so.1")
    library.libbpf_version_string.restype = ctypes.c_char_p
    version: bytes = library.libbpf_version_string()
    return version.decode().removeprefix("v")
