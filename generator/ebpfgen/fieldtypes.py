"""Types of fields: the words a spec may use for event fields, map keys and values, metric labels and parameters.

One table gives each word its C type, size, alignment and what may be stored in it. ``docs/spec.md`` describes them.
"""

from __future__ import annotations

import re

from .model import Text
from .problems import Problem, near_misses
from .records import record


@record()
class FieldType:
    """``word`` as in the table below, ``arg`` what stands in the parentheses or behind the colon.

    ``shape``: "int", "bool", "string" (char[size]), "argv" (u32 + char[]), "bytes" (u8[size]).
    """

    word: str
    arg: str
    shape: str
    c_type: str  # of the scalar, or of one element
    size: int
    align: int
    signed: bool = False

    def __str__(self) -> str:
        if self.word in ("string", "argv"):
            return f"{self.word}({self.arg})"
        return f"{self.word}:{self.arg}" if self.arg else self.word

    @property
    def bits(self) -> int:
        return self.size * 8

    def declare(self, name: str) -> str:
        """The C declaration of a member of this type."""
        if self.shape == "argv":
            return f"struct {{ __u32 length; char data[{self.size - 4}]; }} {name}"
        return f"{self.c_type} {name}" + (f"[{self.size}]" if self.shape in ("string", "bytes") else "")


_INTS = {
    "u8": "__u8", "u16": "__u16", "u32": "__u32", "u64": "__u64", "i8": "__s8", "i16": "__s16", "i32": "__s32", "i64": "__s64",
    "hex": "__u64", "timestamp": "__u64", "duration": "__u64", "bytes": "__u64", "pid": "__u32", "tid": "__u32", "uid": "__u32",
    "gid": "__u32", "cpu": "__u32", "port": "__u16", "errno": "__s32", "result": "__s64", "signal": "__s32", "syscall": "__s64",
    "dev_t": "__u32", "ifindex": "__u32", "cgroup": "__u64", "protocol": "__u16",
}  # fmt: skip
_SIZES = {"8": 1, "16": 2, "32": 4, "64": 8}
PARAM_WORDS = ("bool", "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "duration", "bytes", "port", "pid", "uid", "string")
LONGEST_STRING = 4096
WORDS = (*_INTS, "bool", "comm", "ip", "mac", "string(N)", "argv(N)", "enum:T", "flags:T")


def _int(word: str, arg: str, c_type: str) -> FieldType:
    size = _SIZES[c_type.lstrip("_us")]
    return FieldType(word, arg, "int", c_type, size, size, c_type.startswith("__s"))


def parse(text: Text) -> FieldType | Problem:
    """The type that ``text`` names, or what is wrong with it."""
    source = text.text.strip()
    if source in _INTS:
        return _int(source, "", _INTS[source])
    match source:
        case "bool":
            return FieldType("bool", "", "bool", "__u8", 1, 1)
        case "comm":
            return FieldType("comm", "", "string", "char", 16, 1)
        case "ip":
            return FieldType("ip", "", "bytes", "__u8", 16, 1)
        case "mac":
            return FieldType("mac", "", "bytes", "__u8", 6, 1)
    if sized := re.fullmatch(r"(string|argv)\(\s*([0-9]{1,9})\s*\)", source):
        return _sized(text, sized[1], int(sized[2]))
    if source in ("string", "argv"):
        return text.at.problem(f"'{source}' needs a length: {source}(256)")
    if named := re.fullmatch(r"(enum|flags):([A-Za-z_][A-Za-z0-9_]*(?:\|[A-Za-z_][A-Za-z0-9_]*)*)", source):
        return _int(named[1], named[2], "__s64" if named[1] == "enum" else "__u64")
    if re.fullmatch(r"(enum|flags):.*", source):
        return text.at.problem(f"'{source}': behind the colon stands the name of a kernel enum")
    return text.at.problem(f"'{source}' is no type", near_misses(source, [w.split("(")[0] for w in WORDS]),
                           "" if near_misses(source, WORDS) else "types are " + " ".join(WORDS))  # fmt: skip


def _sized(text: Text, word: str, size: int) -> FieldType | Problem:
    if not 2 <= size <= LONGEST_STRING:
        return text.at.problem(f"{word}({size}): a length from 2 to {LONGEST_STRING} is expected")
    if word == "argv":
        return FieldType("argv", str(size), "argv", "char", 4 + (size + 3 & ~3), 4)
    return FieldType("string", str(size), "string", "char", size, 1)
