"""Names in the generated C: what a spec calls its things, kept apart from what C and the rest of the file need.

Receives names of a spec (small letters, digits and _; no keywords, no types, nothing that begins with __). Returns identifiers.
The spec's name is taken where it can be.
"""

from __future__ import annotations

from collections.abc import Iterable

from .records import record

FIXED = frozenset(
    {
        "events",
        "counters",
        "config",
        "count",
        "wanted",
        "wanted_task",
        "submit",
        "output",
        "sample",
        "sampling",
        "take",
        "give_back",
        "ip_of_v4",
        "log2_of",
        "same_text",
        "put_text",
        "is_text",
        "read_argv",
        "there",
        "other_number",
        "cgroup_of",
        "clear",
        "usdt_arg",
        "probe_name",
        "probe_names",
        "pace",
        "read_kernel_string",
        "read_user_string",
        "read_kernel_tail",
        "read_user_tail",
        "read_kernel_bytes",
        "read_user_bytes",
    }
)
"""What the templates define."""
LOCALS = frozenset({"ctx", "span", "key", "value", "zero", "amount", "weight", "slot", "best"})
"""Variables and parameters of functions that speak of a spec's maps."""
MACROS = frozenset({"errno", "linux", "unix", "i386", "stdin", "stdout", "stderr", "offsetof", "typeof", "asm", "inline", "main"})
_LIBRARY = frozenset(
    [
        "abort",
        "abs",
        "acos",
        "acosh",
        "aligned_alloc",
        "alloca",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "bcmp",
        "bcopy",
        "bzero",
        "cabs",
        "cacos",
        "cacosh",
        "calloc",
        "carg",
        "casin",
        "casinh",
        "catan",
        "catanh",
        "cbrt",
        "ccos",
        "ccosh",
        "ceil",
        "cexp",
        "cimag",
        "clog",
        "conj",
        "copysign",
        "cos",
        "cosh",
        "cpow",
        "cproj",
        "creal",
        "csin",
        "csinh",
        "csqrt",
        "ctan",
        "ctanh",
        "erf",
        "erfc",
        "exit",
        "exp",
        "exp2",
        "expm1",
        "fabs",
        "fdim",
        "finite",
        "floor",
        "fma",
        "fmax",
        "fmin",
        "fmod",
        "fopen",
        "fprintf",
        "fread",
        "free",
        "frexp",
        "fscanf",
        "fwrite",
        "getcontext",
        "hypot",
        "ilogb",
        "index",
        "isalnum",
        "isalpha",
        "isblank",
        "iscntrl",
        "isdigit",
        "isgraph",
        "islower",
        "isprint",
        "ispunct",
        "isspace",
        "isupper",
        "isxdigit",
        "labs",
        "ldexp",
        "lgamma",
        "llabs",
        "llrint",
        "llround",
        "log",
        "log10",
        "log1p",
        "log2",
        "logb",
        "longjmp",
        "lrint",
        "lround",
        "malloc",
        "memalign",
        "memccpy",
        "memchr",
        "memcmp",
        "memcpy",
        "memmove",
        "mempcpy",
        "memset",
        "modf",
        "nan",
        "nearbyint",
        "nextafter",
        "nexttoward",
        "pow",
        "printf",
        "realloc",
        "remainder",
        "remquo",
        "rindex",
        "rint",
        "round",
        "roundeven",
        "scalbln",
        "scalbn",
        "scanf",
        "setjmp",
        "siglongjmp",
        "sigsetjmp",
        "sin",
        "sinh",
        "snprintf",
        "sprintf",
        "sqrt",
        "sscanf",
        "stpcpy",
        "stpncpy",
        "strcasecmp",
        "strcat",
        "strchr",
        "strcmp",
        "strcpy",
        "strcspn",
        "strdup",
        "strerror",
        "strlen",
        "strncasecmp",
        "strncat",
        "strncmp",
        "strncpy",
        "strndup",
        "strpbrk",
        "strrchr",
        "strspn",
        "strstr",
        "strtod",
        "strtof",
        "strtok",
        "strtol",
        "strtold",
        "strtoll",
        "strtoul",
        "strtoull",
        "strxfrm",
        "tan",
        "tanh",
        "tgamma",
        "tolower",
        "toupper",
        "trunc",
        "vfork",
        "vfprintf",
        "vfscanf",
        "vprintf",
        "vscanf",
        "vsnprintf",
        "vsprintf",
        "vsscanf",
        "wcschr",
        "wcscmp",
        "wcslen",
        "wcsncmp",
        "wmemchr",
        "wmemcmp",
        "wmemcpy",
        "wmemmove",
    ]
)
"""Functions that clang knows without a header; those of mathematics have variants that end in f and l."""


def is_taken(name: str) -> bool:
    """Whether C, its library or the templates have the name already."""
    if name in FIXED or name in MACROS or name.startswith("bpf_"):
        return True
    return name in _LIBRARY or (name[-1:] in ("f", "l") and name[:-1] in _LIBRARY)


@record()
class FileNames:
    """``maps``: the C name of each map and metric. ``all``: every name at the level of the file but those of programs."""

    maps: dict[str, str]
    all: frozenset[str]

    @classmethod
    def of(cls, maps: Iterable[str], spans: Iterable[str], events: Iterable[str] = ()) -> FileNames:
        """``maps``: names of maps and metrics, which are distinct; ``events`` may have rings and scratch memory of their own."""
        maps, spans = list(maps), list(spans)
        taken = set(FIXED) | {f"{s}_{what}" for s in spans for what in ("in_flight", "span_scratch", "span_taken")}
        taken |= {name for event in events for name in (ring_of(event), f"{event}_event_scratch", f"{event}_event_taken")}
        for name in maps:
            taken |= {f"{verb}_{name}" for verb in ("at", "add_to", "observe", "set", "min", "max")}
            taken |= {f"{name}_value_scratch", f"{name}_value_taken"}
        named = {name: name if name not in taken | LOCALS and not is_taken(name) else "" for name in maps}
        taken |= set(named.values())
        for name in (n for n, c in named.items() if not c):
            named[name] = free(f"{name}_map", taken)
            taken.add(named[name])
        return cls(named, frozenset(taken - {""}))

    def variable(self, name: str) -> str:
        """A variable of a spec inside a function. Different names stay different: those that end in _ get another one."""
        return (
            f"{name}_"
            if name in self.all or name in FIXED | LOCALS | MACROS or name.endswith("_") or name.startswith("bpf_")
            else name
        )


def ring_of(event: str) -> str:
    """The event's ring, where each has its own."""
    return f"events_{event}"


def free(wanted: str, taken: Iterable[str]) -> str:
    """``wanted``, or with the first number behind it that makes it new."""
    taken = set(taken)
    name, n = wanted, 1
    while name in taken:
        n += 1
        name = f"{wanted}_{n}"
    return name


def program(wanted: str, taken: Iterable[str]) -> str:
    """The function of a probe: symbols of programs may be called like anything, main and int among them."""
    plain = "_" in wanted and not wanted[0].isdigit() and not is_taken(wanted)
    return free(wanted if plain else f"on_{wanted}", taken)


def parameter(name: str) -> str:
    """The member of the config block that holds a parameter; what ebpfrun sets itself is there too."""
    return f"{name}_" if name.startswith("filter_") or name in ("ring_mark", "sampling") else name
