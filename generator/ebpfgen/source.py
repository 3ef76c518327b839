"""YAML bytes become located nodes.

Receives the bytes of one spec and the name to report them by. Returns a tree of :class:`Scalar`, :class:`Sequence` and
:class:`Mapping`, each with its place and its dotted path. Never resolves an alias, a tag or a merge key, never builds an
object, and never raises anything but :class:`SpecError` for what the bytes hold.

libyaml's parser gives the events; resolution is our own, so that ``on`` stays text and a number keeps its spelling.
"""

from __future__ import annotations

import errno
import functools
import hashlib
import os
import re
import stat
from pathlib import Path
from typing import Any, Literal

from .characters import decode, forbidden, mark_at, quote
from .model import At
from .problems import MachineError, Mark, Problem, SpecError, near_misses
from .records import record
from .syntax import MAX_DEPTH, syntax_problem, too_deep

MAX_BYTES = 1 << 20
MAX_NODES = 20_000
MAX_DIGITS = 40

Value = str | int | float | bool | None
Style = Literal["plain", "quoted", "block"]


@record()
class Scalar:
    """``text`` is the scalar as written, without quotes; ``value`` what it means: only plain scalars are ever numbers,
    booleans or None. ``at`` is the first character of the text, inside the quotes; ``columns_exact`` as in model.Text."""

    text: str
    value: Value
    style: Style
    at: At
    columns_exact: bool


@record()
class Sequence:
    items: tuple[Node, ...]
    at: At


@record()
class Mapping:
    """``entries`` in the order of the file; ``keys`` holds the place of each key."""

    entries: dict[str, Node]
    keys: dict[str, At]
    at: At


Node = Scalar | Sequence | Mapping


def read(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a spec file, at most one more than MAX_BYTES of them. A missing file is the spec's fault, a refusing
    machine the machine's."""
    file = os.fspath(path)
    try:
        if not stat.S_ISREG(mode := Path(file).stat().st_mode) and not stat.S_ISDIR(mode):  # reading might never end
            raise SpecError([Problem(Mark(file, 1, 1), "", "is a pipe or a device, expected a spec file")])
        with Path(file).open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > MAX_BYTES:
                raise SpecError([_too_big(file, f"{size} bytes")])
            return stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError):
        raise SpecError([Problem(Mark(file, 1, 1), "", "no such file", _files_like(Path(file)))]) from None
    except IsADirectoryError:
        raise SpecError([Problem(Mark(file, 1, 1), "", "is a directory, expected a spec file")]) from None
    except ValueError as error:  # a NUL in the name
        raise SpecError([Problem(Mark(quote(file), 1, 1), "", f"not a file name: {error}")]) from None
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise SpecError([Problem(Mark(quote(file), 1, 1), "", "the file name is too long")]) from None
        raise MachineError(f"{file}: cannot be read: {error.strerror}") from error


@functools.lru_cache(maxsize=1)  # a build that finds more than a comment changed reads it again
def parse(data: bytes, file: str) -> Node:
    """The tree of the one document in ``data``; raises SpecError with everything that is wrong with it as YAML."""
    if len(data) > MAX_BYTES:
        raise SpecError([_too_big(file, f"more than {MAX_BYTES} bytes")])
    text = decode(data, file)
    return _Composer(text, file).document()


def digest(root: Node) -> str:
    """Over all that the later stages see of a document: what each node says and where it stands. Not over its file's name."""
    told: list[str] = []

    def tell(node: Node, at: At) -> None:
        told.append(f"{type(node).__name__} {at.mark.line}:{at.mark.column}")
        if isinstance(node, Scalar):
            told.append(repr((node.text, node.value, node.style, node.columns_exact)))
        elif isinstance(node, Sequence):
            for item in node.items:
                tell(item, item.at)
        else:
            for key, value in node.entries.items():
                told.append(f"{key!r} {node.keys[key].mark.line}:{node.keys[key].mark.column}")
                tell(value, value.at)
        told.append("end")

    tell(root, root.at)
    return hashlib.sha256("\n".join(told).encode(errors="surrogatepass")).hexdigest()


def _too_big(file: str, size: str) -> Problem:
    return Problem(Mark(file, 1, 1), "", f"the file is too big: {size}, at most {MAX_BYTES} are read")


def _files_like(path: Path) -> tuple[str, ...]:
    try:
        files = {p.stem: p.name for p in sorted(path.parent.iterdir()) if p.suffix in (".yaml", ".yml")}
    except OSError:
        return ()
    return tuple(str(path.parent / files[stem]) for stem in near_misses(path.stem, files))


# --- resolution: YAML 1.2's core schema, but true and false are the only booleans, and there is no infinity -----------------

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_AMBIGUOUS_OCTAL = re.compile(r"[-+]?0[0-9]+")
_WORDS: dict[str, Value] = {"": None, "~": None, "null": None, "true": True, "false": False}


def resolve(text: str) -> Value:
    """What a plain scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= MAX_DIGITS:
        if _INT.fullmatch(text):
            return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
    return text


# --- structure ------------------------------------------------------------------------------------------------------------


class _Stop(Exception):
    """Reading on would make no sense; the reason is among the composer's problems."""


class _Composer:
    """Builds the tree from libyaml's events; collects problems and goes on where that makes sense."""

    def __init__(self, text: str, file: str) -> None:
        try:
            from yaml._yaml import CParser
        except ImportError:
            raise MachineError("PyYAML was installed without libyaml (import yaml._yaml fails): install its wheel") from None
        self.text = text
        self.file = file
        self.problems: list[Problem] = []
        self.references: list[Mark] = []
        self.open: list[Mark] = []  # the brackets that are not closed yet
        self.nodes = 0
        self.parser = CParser(text)

    def document(self) -> Node:
        import yaml

        try:
            root = self._only_document()
        except yaml.MarkedYAMLError as error:
            if not self.references:  # text behind an alias is a syntax error that says nothing of the alias
                self.problems.append(syntax_problem(error, self.text, self.file, self.open))
        except yaml.YAMLError as error:
            self.problems.append(Problem(Mark(self.file, 1, 1), "", f"not YAML: {quote(str(error), 200)}"))
        except _Stop:
            pass
        else:
            if not self.problems and not self.references:
                return root
        self._refuse_references()
        raise SpecError(self.problems)

    def _only_document(self) -> Node:
        import yaml

        self.parser.get_event()  # the stream's start
        if isinstance(self.parser.get_event(), yaml.StreamEndEvent):
            hint = "`ebpfgen new NAME` writes one to start from"
            self._stop(Problem(Mark(self.file, 1, 1), "", "the file is empty, expected a spec", hint=hint))
        root = self._node(self.parser.get_event(), "", 1, False)
        self.parser.get_event()  # the document's end
        extra = self.parser.get_event()
        if not isinstance(extra, yaml.StreamEndEvent):
            self._stop(Problem(self._mark(extra), "", "a second YAML document begins here; a spec is one document"))
        return root

    def _refuse_references(self) -> None:
        if self.references:
            count = len(self.references)
            message = f"YAML anchors and aliases ('&' and '*' before text) are refused; the file has {count}"
            self.problems.append(
                Problem(self.references[0], "", message, hint="an expression that begins with '&' or '*' must be in quotes")
            )

    def _stop(self, problem: Problem) -> None:
        self.problems.append(problem)
        raise _Stop

    def _mark(self, event: Any) -> Mark:
        if event.start_mark.index >= len(self.text):  # libyaml counts a line end there in any case
            return mark_at(self.text, self.file)
        return Mark(self.file, event.start_mark.line + 1, event.start_mark.column + 1)

    def _node(self, event: Any, path: str, depth: int, flow: bool) -> Node:
        import yaml

        at = At(self._mark(event), path)
        self._count(at, depth)
        if isinstance(event, yaml.AliasEvent):
            self.references.append(at.mark)
            return Scalar("", None, "plain", at, False)
        if event.anchor is not None:
            self.references.append(at.mark)
        if event.tag is not None:
            hint = "for negation write 'not', or put the expression in quotes"
            self.problems.append(at.problem(f"YAML tags are refused, here {quote(event.tag)}", hint=hint))
        if isinstance(event, yaml.ScalarEvent):
            return self._scalar(event, at, flow)
        if event.flow_style:
            self.open.append(at.mark)
        node = self._sequence(event, at, depth) if isinstance(event, yaml.SequenceStartEvent) else self._mapping(event, at, depth)
        if event.flow_style:
            self.open.pop()
        return node

    def _count(self, at: At, depth: int) -> None:
        self.nodes += 1
        if depth > MAX_DEPTH:
            self._stop(too_deep(at.mark))
        if self.nodes > MAX_NODES:
            self._stop(Problem(at.mark, "", f"more than {MAX_NODES} values in one spec"))

    def _sequence(self, start: Any, at: At, depth: int) -> Sequence:
        import yaml

        items: list[Node] = []
        while not isinstance(event := self.parser.get_event(), yaml.SequenceEndEvent):
            items.append(self._node(event, f"{at.path}[{len(items)}]", depth + 1, start.flow_style))
        return Sequence(tuple(items), at)

    def _mapping(self, start: Any, at: At, depth: int) -> Mapping:
        import yaml

        entries: dict[str, Node] = {}
        keys: dict[str, At] = {}
        while not isinstance(event := self.parser.get_event(), yaml.MappingEndEvent):
            key = self._node(event, at.path, depth + 1, start.flow_style)
            name, key_at = self._key(event, key, at)
            value = self._node(self.parser.get_event(), key_at.path, depth + 1, start.flow_style)
            if name in keys:
                first = keys[name].mark
                self.problems.append(key_at.problem(f"duplicate key, the first is at {first.line}:{first.column}"))
                continue
            keys[name] = key_at
            entries[name] = self._placed(value, key_at)
        return Mapping(entries, keys, at)

    def _key(self, event: Any, key: Node, parent: At) -> tuple[str, At]:
        import yaml

        if not isinstance(key, Scalar):
            self.problems.append(Problem(key.at.mark, parent.path, "a key must be text, here it is a list or a mapping"))
            return "", key.at
        before = self.text[: event.start_mark.index].rstrip(" ")
        if before.endswith("?"):
            optional = re.fullmatch(r"[a-z_]+:\S+", key.text)
            hint = f'an optional attach point must be in quotes: "?{key.text}"' if optional else ""
            self.problems.append(Problem(key.at.mark, parent.path, "'?' here makes YAML read a mapping's key", hint=hint))
        elif not key.text and not isinstance(event, yaml.AliasEvent):
            self.problems.append(Problem(key.at.mark, parent.path, "a key is missing before ':'"))
        return key.text, At(key.at.mark, join(parent.path, key.text))

    def _placed(self, value: Node, key_at: At) -> Node:
        """libyaml places an absent value where the next token stands; we, at its key."""
        if isinstance(value, Scalar) and value.style == "plain" and not value.text:
            return Scalar("", None, "plain", key_at, False)
        return value

    def _scalar(self, event: Any, at: At, flow: bool) -> Scalar:
        text: str = event.value
        start: int = event.start_mark.index
        if bad := forbidden(text):
            self.problems.append(at.problem(f"the escaped control character U+{ord(bad[0]):04X} does not belong in a spec"))
        if event.style in ("|", ">"):
            return Scalar(text, text, "block", at, False)
        if event.style in ("'", '"'):
            inside = At(Mark(self.file, at.mark.line, at.mark.column + 1), at.path)
            exact = self.text.startswith(text + event.style, start + 1) and "\n" not in text
            return Scalar(text, text, "quoted", inside, exact)
        self._refuse_plain(text, at, flow, event.end_mark.index)
        exact = self.text.startswith(text, start) and "\n" not in text
        return Scalar(text, resolve(text), "plain", at, exact)

    def _refuse_plain(self, text: str, at: At, flow: bool, end: int) -> None:
        if flow and text.count("(") > text.count(")") and self.text[end:].lstrip().startswith(","):
            message = f"inside {{ }} and [ ] the comma ends this text: {quote(text)}"
            self.problems.append(at.problem(message, hint="put the whole expression in quotes"))
        elif _AMBIGUOUS_OCTAL.fullmatch(text):
            plain = text.lstrip("+-0") or "0"
            self.problems.append(
                at.problem(
                    f"a number with a leading zero, {quote(text)}, is octal in C and decimal in YAML",
                    hint=f"write {plain} or 0o{plain}",
                )
            )
        elif len(text) > MAX_DIGITS and (_INT.fullmatch(text) or _FLOAT.fullmatch(text)):
            self.problems.append(at.problem(f"a number of {len(text)} characters, at most {MAX_DIGITS} make sense"))


def join(path: str, key: str) -> str:
    """The path of ``key`` in the mapping at ``path``."""
    shown = key if re.fullmatch(r"[\w-]+", key) else quote(key, 40)
    return f"{path}.{shown}" if path else shown
