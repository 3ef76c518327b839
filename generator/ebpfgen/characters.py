"""Bytes become text, and text becomes fit to be shown.

Receives the bytes of a file. Returns text that YAML could have, or raises SpecError with the place of the first character
that it could not; never looks at what the text says.
"""

from __future__ import annotations

import re

from .problems import Mark, Problem, SpecError

# What YAML 1.2 calls printable, without the line separators that YAML 1.1 counts as line ends and editors do not.
_PRINTABLE = r"\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_LINE_END = re.compile(r"\r\n|\r|\n")


def decode(data: bytes, file: str) -> str:
    """UTF-8 without its byte order mark, checked for characters that YAML refuses."""
    try:
        text = data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        mark = mark_at(data[: error.start].decode("utf-8").removeprefix("\ufeff"), file)
        hint = "this is UTF-16; save it as UTF-8" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "save the file as UTF-8"
        message = f"byte {error.start} (0x{data[error.start]:02x}) is not UTF-8"
        raise SpecError([Problem(mark, "", message, hint=hint)]) from None
    if bad := forbidden(text):
        kind = "a NUL byte" if bad[0] == "\0" else f"the control character U+{ord(bad[0]):04X}"
        raise SpecError([Problem(mark_at(text[: bad.start()], file), "", f"{kind} does not belong in a spec")])
    return text


def forbidden(text: str) -> re.Match[str] | None:
    """The first character that does not belong in a spec. (That all of Unicode may takes longer to compile than to look for.)"""
    return re.search(rf"[^\t\n\r -~{'' if text.isascii() else _PRINTABLE}]", text)


def mark_at(before: str, file: str) -> Mark:
    """The place behind the text ``before``, which begins the file."""
    lines = _LINE_END.split(before)
    return Mark(file, len(lines), len(lines[-1]) + 1)


def quote(text: str, most: int = 60) -> str:
    """``text`` for a message: on one line, printable, cut (and marked so) after ``most`` characters."""
    shown = text if len(text) <= most else text[:most] + "…"
    return "'" + "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown) + "'"
