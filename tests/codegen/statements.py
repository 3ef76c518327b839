"""Random programs of the spec language over maps, and an interpreter of them: what is computed when, and what a change of a map
does to what was computed before.

A program has maps a and b (u64 → u64), c (u64 → two fields) and the event of its name. Keys are few, so that entries come and go.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

FIELDS = 3  # of an event
MASK = (1 << 64) - 1

Value = Callable[["State"], int]


class End(Exception):
    """The program ends here."""


@dataclass
class State:
    """``names``: variables; the rest is what a run leaves: entries of maps, rows, how often an absent entry ended it."""

    names: dict[str, int] = field(default_factory=dict)
    maps: dict[str, dict[int, Any]] = field(default_factory=lambda: {"a": {}, "b": {}, "c": {}})
    rows: list[tuple[int, ...]] = field(default_factory=list)
    absent: dict[str, int] = field(default_factory=lambda: {"a": 0, "b": 0, "c": 0})

    def entry(self, name: str, key: int) -> Any:
        if key not in self.maps[name]:
            self.absent[name] += 1
            raise End
        return self.maps[name][key]


@dataclass(frozen=True)
class Program:
    """``lets`` and ``do`` as YAML; ``run`` runs it for one call."""

    lets: list[tuple[str, str]]
    do: list[Any]
    run: Callable[[State, tuple[int, ...]], None]


class Maker:
    def __init__(self, prefix: str, seed: int) -> None:
        """``prefix``: of the maps' and the event's names."""
        self.prefix = prefix
        self.random = random.Random(seed)
        self.names = ["x", "y"]

    def program(self) -> Program:
        lets = [("x", "args.arg2"), ("y", "args.arg3")]
        early: list[tuple[str, Value]] = []
        for name in ("v", "w"):  # values of the beginning, wherever they are used
            text, value = self.number(2, sure=True)
            lets.append((name, text))
            early.append((name, value))
            self.names.append(name)
        do, run = self.block(4, 2)

        def whole(state: State, call: tuple[int, ...]) -> None:
            state.names = {"x": call[0], "y": call[1]}
            for name, value in early:
                state.names[name] = value(state)
            try:
                run(state)
            except End:
                pass

        return Program(lets, do, whole)

    def block(self, most: int, depth: int) -> tuple[list[Any], Callable[[State], None]]:
        known = list(self.names)
        parts = [self.statement(depth) for _ in range(self.random.randint(1, most))]
        self.names = known

        def run(state: State) -> None:
            names = dict(state.names)
            for _, step in parts:
                step(state)
            state.names = names

        return [text for text, _ in parts], run

    def statement(self, depth: int) -> tuple[Any, Callable[[State], None]]:
        kinds = ["set", "set", "add", "add", "delete", "emit", "emit", "let", "field", "fields", "stop"]
        kind = self.random.choice(kinds + ["if"] * 5 * (depth > 0))
        if kind == "stop" and self.random.random() < 0.7:
            kind = "emit"
        if kind == "if":
            return self.choice(depth)
        text, run = getattr(self, f"make_{kind}")()
        if kind == "let" or self.random.random() < 0.6:
            return text, run
        condition, holds = self.condition(1)

        def conditional(state: State) -> None:
            if holds(state):
                run(state)

        return {"if": condition, **text}, conditional

    def choice(self, depth: int) -> tuple[Any, Callable[[State], None]]:
        condition, holds = self.condition(2)
        then, yes = self.block(3, depth - 1)
        text = {"if": condition, "then": then}
        no: Callable[[State], None] = lambda state: None  # noqa: E731
        if self.random.random() < 0.5:
            text["else"], no = self.block(2, depth - 1)
        return text, lambda state: yes(state) if holds(state) else no(state)

    # Statements

    def make_set(self) -> tuple[Any, Callable[[State], None]]:
        name, (key_text, key), (text, value) = self.random.choice("ab"), self.key(), self.number(2)

        def run(state: State) -> None:
            at = key(state)
            state.maps[name][at] = value(state)

        return {"set": f"{self.prefix}{name}[{key_text}]", "to": text}, run

    def make_fields(self) -> tuple[Any, Callable[[State], None]]:
        (key_text, key), (text, value) = self.key(), self.number(2)
        which = self.random.choice("pq")

        def run(state: State) -> None:
            at = key(state)
            state.maps["c"][at] = {"p": 0, "q": 0, which: value(state)}

        return {"set": f"{self.prefix}c[{key_text}]", "to": {which: text}}, run

    def make_field(self) -> tuple[Any, Callable[[State], None]]:
        (key_text, key), (text, value) = self.key(), self.number(2)
        which = self.random.choice("pq")

        def run(state: State) -> None:
            at = key(state)
            there = at in state.maps["c"]
            stored = value(state)
            if there:
                state.maps["c"][at][which] = stored
            else:
                state.absent["c"] += 1

        return {"set": f"{self.prefix}c[{key_text}].{which}", "to": text}, run

    def make_add(self) -> tuple[Any, Callable[[State], None]]:
        name, (key_text, key), (text, value) = self.random.choice("abc"), self.key(), self.number(2)
        which = self.random.choice("pq")
        target = f"{self.prefix}{name}[{key_text}]" + (f".{which}" if name == "c" else "")

        def run(state: State) -> None:
            amount = value(state)
            at = key(state)
            entries = state.maps[name]
            if name == "c":
                entry = entries.setdefault(at, {"p": 0, "q": 0})
                entry[which] = entry[which] + amount & MASK
            else:
                entries[at] = entries.get(at, 0) + amount & MASK

        return {"add": target, "of": text}, run

    def make_delete(self) -> tuple[Any, Callable[[State], None]]:
        name, (key_text, key) = self.random.choice("abc"), self.key()
        return {"delete": f"{self.prefix}{name}[{key_text}]"}, lambda state: state.maps[name].pop(key(state), None) and None

    def make_emit(self) -> tuple[Any, Callable[[State], None]]:
        values = [self.number(2) for _ in range(FIELDS)]
        text = {f"f{i}": value for i, (value, _) in enumerate(values)}
        return {"emit": f"{self.prefix}e", "with": text}, lambda state: state.rows.append(
            tuple(value(state) for _, value in values)
        )

    def make_let(self) -> tuple[Any, Callable[[State], None]]:
        """A new name, or an old one anew."""
        text, value = self.number(2, sure=True)
        name = self.random.choice(("v", "w", "z"))
        if name not in self.names:
            self.names.append(name)

        def run(state: State) -> None:
            state.names[name] = value(state)

        return {"let": {name: text}}, run

    def make_stop(self) -> tuple[Any, Callable[[State], None]]:
        def run(state: State) -> None:
            raise End

        return {"stop": True}, run

    # Expressions. ``sure``: none whose absent entry ends the program.

    def key(self) -> tuple[str, Value]:
        text, value = self.number(1)
        return f"({text}) & 3", lambda state: value(state) & 3

    def number(self, depth: int, sure: bool = False) -> tuple[str, Value]:
        kinds = ["name", "name", "constant"] + ["look", "look", "plain", "either", "extreme"] * (depth > 0)
        match self.random.choice(kinds):
            case "name":
                name = self.random.choice(self.names)
                return name, lambda state: state.names[name]
            case "constant":
                constant = self.random.randrange(5)
                return str(constant), lambda state: constant
            case "plain":
                (a, left), (b, right) = self.number(depth - 1, sure), self.number(depth - 1, sure)
                return f"(u64)({a} + {b})", lambda state: left(state) + right(state) & MASK
            case "either":
                condition, holds = self.condition(depth - 1, sure)
                (a, yes), (b, no) = self.number(depth - 1, sure), self.number(depth - 1, sure)
                return f"(u64)({condition} ? {a} : {b})", lambda state: yes(state) if holds(state) else no(state)
            case "extreme":
                (a, left), limit = self.number(depth - 1, sure), self.random.randrange(1, 9)
                return f"min({a}, {limit})", lambda state: min(left(state), limit)
        return self.look(depth, sure)

    def look(self, depth: int, sure: bool) -> tuple[str, Value]:
        name = self.random.choice("abc")
        which = self.random.choice("pq")
        (key_text, key) = self.number(depth - 1, sure)
        text = f"{self.prefix}{name}[({key_text}) & 3]" + (f".{which}" if name == "c" else "")

        def stored(entry: Any) -> int:
            return int(entry[which] if name == "c" else entry)

        if not sure and self.random.random() < 0.3:
            return text, lambda state: stored(state.entry(name, key(state) & 3))
        default, instead = self.number(depth - 1, sure)

        def value(state: State) -> int:
            at = key(state) & 3
            entries = state.maps[name]
            return stored(entries[at]) if at in entries else instead(state)

        return f"({text} ?? {default})", value

    def condition(self, depth: int, sure: bool = False) -> tuple[str, Callable[[State], bool]]:
        match self.random.choice(["compare", "compare", "in", "in"] + ["and", "or", "not"] * (depth > 0)):
            case "in":
                name, (text, key) = self.random.choice("abc"), self.number(depth - 1, sure)
                return f"((({text}) & 3) in {self.prefix}{name})", lambda state: key(state) & 3 in state.maps[name]
            case "and":
                (a, left), (b, right) = self.condition(depth - 1, sure), self.condition(depth - 1, sure)
                return f"({a} and {b})", lambda state: left(state) and right(state)
            case "or":
                (a, left), (b, right) = self.condition(depth - 1, sure), self.condition(depth - 1, sure)
                return f"({a} or {b})", lambda state: left(state) or right(state)
            case "not":
                a, holds = self.condition(depth - 1, sure)
                return f"(not {a})", lambda state: not holds(state)
        (a, value), limit = self.number(depth, sure), self.random.randrange(1, 5)
        if self.random.random() < 0.5:
            return f"({a} == {limit})", lambda state: value(state) == limit
        return f"({a} < {limit})", lambda state: value(state) < limit
