"""manifest.json, schema 1, as typed values.

Receives the folder of an artefact, returns a :class:`Manifest`. Never loads the artefact, never guesses: another schema
version, a missing key or a value of the wrong kind is an :class:`~ebpfrun.errors.ArtefactError` that names the place.

The values are named tuples, not dataclasses: importing ``dataclasses`` costs as much as the rest of the start.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence

from .errors import ArtefactError
from .lean import Any, NamedTuple, TypeVar

SCHEMA = 1
FILE = "manifest.json"
REBUILD = "rebuild with `ebpfgen build`"

_SEAL = b',\n "digest": "'  # the last key, over all that is before it; manifests made by hand go without

T = TypeVar("T")


class Slot(NamedTuple):
    """A field of a record in memory. ``mark`` is the number of its pair of bits in the record's marks, None without."""

    name: str
    type: str
    offset: int
    size: int
    mark: int | None = None


WEIGHT = Slot("weight", "u16", 2, 2)
"""How many events a record stands for; the last field of every event where a run samples (:func:`weighted`)."""


class Config(NamedTuple):
    """The block that is set between open and load."""

    size: int
    fields: tuple[Slot, ...]


class Param(NamedTuple):
    name: str
    type: str
    help: str
    default: bool | int | str
    min: int | None
    max: int | None


class Event(NamedTuple):
    """``size`` is that of a record in bytes. ``least``, where it is not 0: that of a record whose last field is an empty text;
    records then have as many bytes as it takes, up to ``size``."""

    id: int
    name: str
    summary: str
    size: int
    fields: tuple[Slot, ...]
    least: int = 0

    @property
    def constant(self) -> int:
        """The bytes that every record has in full: those before a last field that may be cut."""
        return max(slot.offset for slot in self.fields) if self.least else self.size


class Buckets(NamedTuple):
    """``kind`` is "log2" or "linear"; ``slots`` is the JSON's "count"; min, max, step are 0 for log2."""

    kind: str
    slots: int
    min: int = 0
    max: int = 0
    step: int = 0


class Struct(NamedTuple):
    """A map's key or value."""

    size: int
    fields: tuple[Slot, ...]


class Metric(NamedTuple):
    """``verb``: count sum set add min max observe. ``buckets`` is there for histograms only; ``key`` is None without labels."""

    name: str
    kind: str
    verb: str
    help: str
    unit: str
    top: int | None
    map: str
    map_type: str
    max_entries: int
    buckets: Buckets | None
    key: Struct | None
    value: Struct


class Map(NamedTuple):
    name: str
    type: str
    max_entries: int
    key_size: int
    value_size: int


class Parameter(NamedTuple):
    """Of a tracepoint or a function of the kernel; ``type`` without its typedefs, ``size`` in bytes."""

    name: str
    type: str
    size: int


class Signature(NamedTuple):
    """What a tracepoint or a function (``kind``) of the kernel that the artefact was built for is called with. ``reads``: by
    parameter, (where in the object's file an instruction reads it, at which offset into the context)."""

    kind: str
    name: str
    takes: tuple[Parameter, ...]
    reads: dict[str, tuple[tuple[int, int], ...]]


class Field(NamedTuple):
    """Of a tracepoint's record, where the spec names it first: read at the offset ``at``, or, by types, ``behind`` bytes into a
    member of a struct (``into``)."""

    name: str
    line: int
    column: int
    size: int
    at: int | None
    into: tuple[str, str, int] | None


class Named(NamedTuple):
    """An argument that a program names, and where in the spec first."""

    name: str
    line: int
    column: int


class Option(NamedTuple):
    """Of a choice between fields, as the spec has it. ``needs``: (struct, member, kind of member, "" for any) that tell it from
    the others."""

    text: str
    needs: tuple[tuple[str, str, str], ...]


class Fields(NamedTuple):
    """A choice between fields, at ``line`` of the spec; ``built``: which option is taken on the kernel built for."""

    line: int
    options: tuple[Option, ...]
    built: int
    programs: tuple[int, ...]


class Program(NamedTuple):
    """``text`` is the attach point as the spec has it, at ``file``:``line``; ``signature`` (an index into
    ``Manifest.signatures``) is what it is called with, where it names ``arguments``."""

    name: str
    section: str
    kind: str
    target: dict[str, Any]
    file: str
    line: int
    text: str
    signature: int | None = None
    arguments: tuple[Named, ...] = ()
    record: tuple[Field, ...] = ()


class One(NamedTuple):
    """Attach this program (an index into ``Manifest.programs``)."""

    program: int
    optional: bool


class All(NamedTuple):
    of: tuple[Plan, ...]


class First(NamedTuple):
    """Attach the first that this kernel can."""

    of: tuple[Plan, ...]


Plan = One | All | First


class Attach(NamedTuple):
    """How one probe, or one end of a span, is attached."""

    probe: str
    line: int
    plan: Plan


class Counter(NamedTuple):
    """A slot of the per-CPU array ``counters`` (the JSON's "index"). ``kind``: produced ring_full map_full nested absent
    unpaired truncated faulted sampled; ``of`` names what it counts for."""

    slot: int
    kind: str
    of: str


class LeftOut(NamedTuple):
    """An attach point of the spec that the kernel it was built for does not have, and why: there is no program for it."""

    probe: str
    text: str
    line: int
    why: str


class Manifest(NamedTuple):
    """``folder`` is where it was read; ``ring`` is a ring buffer's size in bytes, 0 without events; ``rings``
    are their maps; ``latency``, where the spec has one: ns that an event may wait for others before it is drained."""

    folder: str
    name: str
    summary: str
    description: str
    spec_file: str
    spec_sha256: str
    code: str
    built: dict[str, str]
    files: dict[str, str]
    ring: int
    config: Config | None
    filters: tuple[str, ...]
    params: tuple[Param, ...]
    events: tuple[Event, ...]
    metrics: tuple[Metric, ...]
    maps: tuple[Map, ...]
    programs: tuple[Program, ...]
    attach: tuple[Attach, ...]
    counters: tuple[Counter, ...]
    tables: dict[str, dict[int, str]]
    left_out: tuple[LeftOut, ...] = ()
    overhead: str = ""
    rings: tuple[str, ...] = ("events",)
    signatures: tuple[Signature, ...] = ()
    choices: tuple[Fields, ...] = ()
    latency: int | None = None

    def path(self, file: str) -> str:
        return os.path.join(self.folder, file)


def read(folder: str) -> Manifest:
    """The manifest of the artefact in ``folder`` (or the path of a manifest.json itself)."""
    path = folder if os.path.basename(folder) == FILE else os.path.join(folder, FILE)
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        raise ArtefactError(f"{path}: there is no artefact here; build it with `ebpfgen build`") from None
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}") from None
    return parse(text, path, os.path.dirname(path) or ".")


def parse(text: bytes, path: str, folder: str) -> Manifest:
    """The manifest that ``text`` is; ``path`` is what messages call it."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtefactError(f"{path}: not a manifest, truncated or altered ({error}); {REBUILD}") from None
    node = _Node(data, path, "")
    version = node.number("schema")
    if version != SCHEMA:
        raise ArtefactError(f"{path}: this artefact has schema {version}, this ebpfrun reads schema {SCHEMA}; {REBUILD}")
    body, sealed, digest = text.rpartition(_SEAL)
    if sealed and digest[:64].decode("ascii", "replace") != sha256(body + b"\n}"):
        raise ArtefactError(f"{path}: truncated or altered (its digest is of other bytes); {REBUILD}")
    try:
        return _manifest(node, folder)
    except RecursionError:
        raise ArtefactError(f"{path}: attach: too deep; {REBUILD}") from None


def weighted(manifest: Manifest) -> Manifest:
    """The same, with each record's weight as a field of its event."""
    for event in manifest.events:
        if any(slot.name == WEIGHT.name for slot in event.fields):
            raise ArtefactError(f"event {event.name} has a field 'weight', a name that sampling needs; rename it in the spec")
    return manifest._replace(events=tuple(event._replace(fields=(*event.fields, WEIGHT)) for event in manifest.events))


def verify(manifest: Manifest, files: tuple[str, ...]) -> None:
    """Raises ArtefactError unless each of ``files`` is there with the content that was built."""
    for name in files:
        verified(manifest, name)


def verified(manifest: Manifest, name: str) -> bytes:
    """The content of that file of the artefact. Raises ArtefactError unless it is what was built."""
    path = manifest.path(name)
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ArtefactError(f"{path}: {error.strerror}; {REBUILD}") from None
    if sha256(data) != manifest.files.get(name):
        raise ArtefactError(f"{path}: not the file that was built (its sha256 differs from the manifest's); {REBUILD}")
    return data


def sha256(data: bytes) -> str:
    """By the interpreter's own module (3.12: _sha2, 3.11: _sha256): hashlib loads OpenSSL, 4 MB, for two small files."""
    for module in ("_sha2", "_sha256", "hashlib"):
        with contextlib.suppress(ImportError):
            return str(__import__(module).sha256(data).hexdigest())
    raise AssertionError("a Python without hashlib")


class _Node:
    """A JSON object and its place; each method takes one key and insists on its kind."""

    def __init__(self, data: object, file: str, path: str) -> None:
        self.file = file
        self.path = path
        if not isinstance(data, dict):
            raise self._wrong("an object", data)
        self.data = data

    def _wrong(self, expected: str, got: object, key: str = "") -> ArtefactError:
        place = ".".join(filter(None, (self.path, key))) or "the top level"
        return ArtefactError(f"{self.file}: {place}: expected {expected}, found {json.dumps(got)[:40]}; {REBUILD}")

    def get(self, key: str, kind: type[T], expected: str) -> T:
        try:
            value = self.data[key]
        except KeyError:
            place = f"{self.path}: " if self.path else ""
            raise ArtefactError(f"{self.file}: {place}the key {key!r} is missing; {REBUILD}") from None
        if not isinstance(value, kind) or (kind is int and value.__class__ is bool) or _half_a_character(value):
            raise self._wrong(expected, value, key)
        return value

    def text(self, key: str) -> str:
        return self.get(key, str, "a string")

    def number(self, key: str) -> int:
        return self.get(key, int, "a whole number")

    def size(self, key: str) -> int:
        """A number of bytes or things, a place among them."""
        value = self.number(key)
        if not 0 <= value < 1 << 32:
            raise self._wrong("a number from 0 to 4294967295", value, key)
        return value

    def numbers(self, key: str) -> tuple[int, ...]:
        items = self.get(key, list, "a list")
        for each in items:
            if not isinstance(each, int) or isinstance(each, bool):
                raise self._wrong("whole numbers", items, key)
        return tuple(items)

    def flag(self, key: str) -> bool:
        return self.get(key, bool, "true or false")

    def maybe_number(self, key: str) -> int | None:
        return None if self.data.get(key) is None else self.number(key)

    def node(self, key: str) -> _Node:
        return _Node(self.get(key, dict, "an object"), self.file, f"{self.path}.{key}".lstrip("."))

    def maybe_node(self, key: str) -> _Node | None:
        return None if self.data.get(key) is None else self.node(key)

    def list(self, key: str, item: Callable[[_Node], T]) -> tuple[T, ...]:
        items = self.get(key, list, "a list")
        return tuple(item(_Node(each, self.file, f"{self.path}.{key}[{i}]".lstrip("."))) for i, each in enumerate(items))

    def texts(self, key: str) -> tuple[str, ...]:
        items = self.get(key, list, "a list")
        for each in items:
            if not isinstance(each, str) or _half_a_character(each):
                raise self._wrong("strings", items, key)
        return tuple(items)

    def dictionary(self, key: str) -> dict[str, str]:
        items = self.get(key, dict, "an object")
        for each in items.values():
            if not isinstance(each, str) or _half_a_character(each):
                raise self._wrong("strings", items, key)
        return items


def _half_a_character(value: object) -> bool:
    """Whether it is text that JSON can write and UTF-8 can't: a surrogate without its other half."""
    return isinstance(value, str) and not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)


def _manifest(n: _Node, folder: str) -> Manifest:
    spec = n.node("spec")
    config = n.maybe_node("config")
    manifest = Manifest(
        folder=folder,
        name=n.text("name"),
        summary=n.text("summary"),
        description=n.text("description"),
        spec_file=spec.text("file"),
        spec_sha256=spec.text("sha256"),
        code=n.text("code"),
        built=n.dictionary("built"),
        files=n.dictionary("files"),
        ring=n.maybe_number("ring") or 0,
        rings=n.texts("rings") if "rings" in n.data else ("events",),
        config=None if config is None else Config(config.size("size"), config.list("fields", _slot)),
        filters=n.texts("filters"),
        params=n.list("params", _param),
        events=n.list("events", _event),
        metrics=n.list("metrics", _metric),
        maps=n.list("maps", _map),
        programs=n.list("programs", _program),
        attach=n.list("attach", lambda a: Attach(a.text("probe"), a.number("line"), _plan(a.node("plan")))),
        left_out=n.list("left_out", lambda o: LeftOut(o.text("probe"), o.text("text"), o.number("line"), o.text("why"))),
        counters=n.list("counters", lambda c: Counter(c.number("index"), c.text("kind"), c.text("of"))),
        tables=_tables(n.node("tables")),
        latency=n.maybe_number("latency"),
        overhead=n.text("overhead") if "overhead" in n.data else "",
        signatures=n.list("signatures", _signature) if "signatures" in n.data else (),
        choices=n.list("choices", _choice) if "choices" in n.data else (),
    )
    named: tuple[tuple[str, list[object]], ...] = (
        ("events", [event.name for event in manifest.events]),
        ("events", [event.id for event in manifest.events]),
        ("metrics", [metric.name for metric in manifest.metrics]),
    )
    for key, found in named:
        if len(set(found)) < len(found):
            raise ArtefactError(f"{n.file}: {key}: one is there twice; {REBUILD}")
    for what, number, of in _references(manifest):
        if not 0 <= number < len(of):
            raise ArtefactError(f"{n.file}: {what} {number}; {REBUILD}")
    for program in manifest.programs:
        takes = manifest.signatures[program.signature].takes if program.signature is not None else ()
        for argument in program.arguments:
            if argument.name not in (p.name for p in takes):
                raise ArtefactError(f"{n.file}: program {program.name}: its signature has no {argument.name}; {REBUILD}")
    return manifest


def _references(m: Manifest) -> Iterator[tuple[str, int, Sequence[object]]]:
    """Every number that stands for one of several things."""
    for attach in m.attach:
        for one in members(attach.plan):
            yield f"attach {attach.probe}: there is no program", one.program, m.programs
    for program in m.programs:
        if program.signature is not None:
            yield f"program {program.name}: there is no signature", program.signature, m.signatures
    for choice in m.choices:
        yield f"the choice in line {choice.line}: there is no option", choice.built, choice.options
        for number in choice.programs:
            yield f"the choice in line {choice.line}: there is no program", number, m.programs


def _slot(n: _Node) -> Slot:
    mark = None if n.data.get("mark") is None else n.size("mark")
    return Slot(n.text("name"), n.text("type"), n.size("offset"), n.size("size"), mark)


def _param(n: _Node) -> Param:
    default = n.data.get("default")
    if not isinstance(default, (bool, int, str)):
        raise n._wrong("a number, a string, true or false", default, "default")
    return Param(n.text("name"), n.text("type"), n.text("help"), default, n.maybe_number("min"), n.maybe_number("max"))


def _event(n: _Node) -> Event:
    event = Event(n.size("id"), n.text("name"), n.text("summary"), n.size("size"), n.list("fields", _slot))
    least = n.maybe_number("least")
    if least is None:
        return event
    last = event.fields[-1] if event.fields else None
    if last is None or least - last.offset != {"string": 1, "argv": 4}.get(last.type.partition("(")[0]) or least > event.size:
        raise n._wrong("the bytes of a record whose last field is an empty string or argv", least, "least")
    return event._replace(least=least)


def _metric(n: _Node) -> Metric:
    buckets = n.maybe_node("buckets")
    key = n.maybe_node("key")
    return Metric(
        name=n.text("name"),
        kind=n.text("kind"),
        verb=n.text("verb"),
        help=n.text("help"),
        unit=n.text("unit"),
        top=n.maybe_number("top"),
        map=n.text("map"),
        map_type=n.text("map_type"),
        max_entries=n.size("max_entries"),
        buckets=None if buckets is None else _buckets(buckets),
        key=None if key is None else _struct(key),
        value=_struct(n.node("value")),
    )


def _buckets(n: _Node) -> Buckets:
    kind = n.text("kind")
    if kind == "log2":
        return Buckets(kind, n.size("count"))
    if kind == "linear":
        return Buckets(kind, n.size("count"), n.number("min"), n.number("max"), n.number("step"))
    raise n._wrong("log2 or linear", kind, "kind")


def _struct(n: _Node) -> Struct:
    return Struct(n.size("size"), n.list("fields", _slot))


def _map(n: _Node) -> Map:
    return Map(n.text("name"), n.text("type"), n.size("max_entries"), n.size("key_size"), n.size("value_size"))


def _program(n: _Node) -> Program:
    target = n.node("target").data
    return Program(
        n.text("name"),
        n.text("section"),
        n.text("kind"),
        target,
        n.text("file"),
        n.number("line"),
        n.text("text"),
        n.maybe_number("signature"),
        n.list("arguments", _named) if "arguments" in n.data else (),
        n.list("record", _field) if "record" in n.data else (),
    )


def _field(n: _Node) -> Field:
    into = n.data.get("into")
    if into is not None:
        try:
            struct, member, behind = into
            into = str(struct), str(member), int(behind)
        except (TypeError, ValueError):
            raise n._wrong("a struct, a member and a number", into, "into") from None
    return Field(n.text("name"), n.number("line"), n.number("column"), n.number("size"), n.maybe_number("at"), into)


def _named(n: _Node) -> Named:
    return Named(n.text("name"), n.number("line"), n.number("column"))


def _signature(n: _Node) -> Signature:
    takes, reads = n.get("takes", list, "a list"), n.get("reads", dict, "an object")
    try:
        parameters = tuple(Parameter(str(name), str(type), int(size)) for name, type, size in takes)
        places = {str(name): tuple((int(at), int(offset)) for at, offset in pairs) for name, pairs in reads.items()}
    except (TypeError, ValueError):
        raise n._wrong("lists of three, and pairs of numbers", takes, "takes") from None
    return Signature(n.text("kind"), n.text("name"), parameters, places)


def _choice(n: _Node) -> Fields:
    return Fields(n.number("line"), n.list("options", _option), n.number("built"), n.numbers("programs"))


def _option(n: _Node) -> Option:
    needs = n.get("needs", list, "a list")
    try:
        return Option(n.text("text"), tuple((str(struct), str(member), str(kind)) for struct, member, kind in needs))
    except (TypeError, ValueError):
        raise n._wrong("lists of three", needs, "needs") from None


def _plan(n: _Node) -> Plan:
    if "program" in n.data:
        return One(n.number("program"), n.flag("optional"))
    if "all" in n.data:
        return All(n.list("all", _plan))
    return First(n.list("first", _plan))


def members(plan: Plan) -> tuple[One, ...]:
    """Every program that the plan speaks of, in its order."""
    if isinstance(plan, One):
        return (plan,)
    return tuple(one for each in plan.of for one in members(each))


def _tables(n: _Node) -> dict[str, dict[int, str]]:
    tables = {}
    for name in n.data:
        try:
            tables[name] = {int(number): word for number, word in n.dictionary(name).items()}
        except ValueError:
            raise n._wrong("names of numbers", n.data[name], name) from None
    return tables
