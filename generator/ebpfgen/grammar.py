"""A grammar's parse tables, made by lark once and walked without it: importing lark takes as long as checking a whole spec.

Receives a grammar in lark's own words; returns the tree that lark's LALR parser with its contextual lexer returns, of
:class:`Tree` and :class:`Token`. What is wrong with a text that does not parse, lark itself says: here it is only refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from .atomic import write_beside
from .cache import cache_folder

_FORMAT = 1
"""Of the tables as they are kept."""


class Token(NamedTuple):
    """A word of the text; ``start`` is its offset there."""

    type: str
    text: str
    start: int


class Tree(NamedTuple):
    """``name`` is that of the rule or its alias; ``start`` the offset of the first word."""

    name: str
    children: list[Tree | Token]
    start: int


class RefusedError(Exception):
    """The text does not parse."""


class Rule(NamedTuple):
    """``kept``: which of the parts become children, True where its own children take its place. ``alone``: an only child
    stands for the tree."""

    origin: str
    length: int
    name: str
    kept: list[tuple[int, bool]]
    alone: bool


class Order(NamedTuple):
    """How a state reads on: terminals in the order of their precedence, and words that are terminals of their own."""

    terminals: list[tuple[str, Callable[[str, int], int]]]
    words: dict[str, dict[str, str]]


class Parser:
    def __init__(self, tables: dict[str, Any]) -> None:
        terminals = {name: (name, _reader(*how)) for name, how in tables["terminals"].items()}
        self._orders = [Order([terminals[name] for name in names], words) for names, words in tables["orders"]]
        self._states: list[tuple[int, dict[str, int]]] = tables["states"]
        self._rules = [Rule(*rule) for rule in tables["rules"]]
        self._ignored: list[str] = tables["ignored"]
        self._start, self._end = tables["start"], tables["end"]

    def parse(self, text: str) -> Tree:
        """Raises RefusedError."""
        states, values, at = [self._start], list[Tree | Token](), 0
        starts: list[int] = []  # of the values, brackets around them included
        while True:
            token, at = self._read(text, at, states[-1])
            while True:
                action = self._states[states[-1]][1].get(token.type)
                if action is None:
                    raise RefusedError
                if action >= 0:
                    states.append(action)
                    values.append(token)
                    starts.append(token.start)
                    break
                rule = self._rules[~action]
                values[-rule.length :] = [_reduced(rule, values[-rule.length :], starts[-rule.length])]
                del states[-rule.length :], starts[len(values) :]
                states.append(self._states[states[-1]][1][rule.origin])
                if states[-1] == self._end and token.type == "$END":
                    result = values[-1]
                    assert isinstance(result, Tree)
                    return result

    def _read(self, text: str, at: int, state: int) -> tuple[Token, int]:
        """The next word as the state wants it, and where it ends."""
        order = self._orders[self._states[state][0]]
        while at < len(text):
            name, end = next(((name, end) for name, reader in order.terminals if (end := reader(text, at)) > at), ("", at))
            if not name:
                raise RefusedError
            if name not in self._ignored:
                word = text[at:end]
                return Token(order.words[name].get(word, name) if name in order.words else name, word, at), end
            at = end
        return Token("$END", "", at), at


def _reader(pattern: str, literal: bool) -> Callable[[str, int], int]:
    """Where a terminal that begins at a place ends; what is not there ends nowhere."""
    if literal:
        return lambda text, at: at + len(pattern) if text.startswith(pattern, at) else -1
    compiled = list[re.Pattern[str]]()

    def read(text: str, at: int) -> int:
        if not compiled:
            compiled.append(re.compile(pattern))
        found = compiled[0].match(text, at)
        return found.end() if found else -1

    return read


def _reduced(rule: Rule, parts: list[Tree | Token], start: int) -> Tree | Token:
    children: list[Tree | Token] = []
    for index, inlined in rule.kept:
        part = parts[index]
        if inlined:
            assert isinstance(part, Tree)
            children += part.children
        else:
            children.append(part)
    if rule.alone and len(children) == 1:
        return children[0]
    return Tree(rule.name, children, start)


def parser(grammar: str) -> Parser:
    """The parser of a grammar, its tables kept for the next time."""
    named = hashlib.sha256(f"{_FORMAT}\n{grammar}".encode()).hexdigest()[:16]
    kept = cache_folder() / f"grammar-{named}.json"
    try:
        digest, _, text = kept.read_bytes().partition(b"\n")
    except OSError:
        digest = text = b""
    if digest.decode("ascii", "replace") != hashlib.sha256(text).hexdigest():  # none, or not as it was written
        text = json.dumps(_tables(grammar)).encode()
        with contextlib.suppress(OSError):
            write_beside(kept, hashlib.sha256(text).hexdigest().encode() + b"\n" + text)
    return Parser(json.loads(text))


def lark_parser(grammar: str) -> Any:
    """Lark's own, which knows what is wrong; it takes 0.1 s to make."""
    import lark

    return lark.Lark(grammar, parser="lalr", lexer="contextual", propagate_positions=True, maybe_placeholders=False)


def _tables(grammar: str) -> dict[str, Any]:
    """From what lark writes down for a parser without lark (lark.tools.standalone)."""
    import lark

    data, memo = lark_parser(grammar).memo_serialize([lark.lexer.TerminalDef, lark.grammar.Rule])
    table, conf = data["parser"]["parser"], data["parser"]["lexer_conf"]
    terminals = {memo[each["@"]]["name"]: memo[each["@"]] for each in conf["terminals"]}
    used = {to["@"] for actions in table["states"].values() for reduces, to in actions.values() if reduces}
    numbers = {number: i for i, number in enumerate(sorted(used))}
    places = {state: i for i, state in enumerate(table["states"])}
    orders: list[tuple[list[str], dict[str, dict[str, str]]]] = []
    states: list[tuple[int, dict[str, int]]] = []
    for actions in table["states"].values():
        row = {table["tokens"][token]: ~numbers[to["@"]] if reduces else places[to] for token, (reduces, to) in actions.items()}
        order = _order([terminals[name] for name in (*sorted(row), *conf["ignore"]) if name in terminals])
        if order not in orders:
            orders.append(order)
        states.append((orders.index(order), row))
    return {
        "terminals": {name: (t["pattern"]["value"], _is_literal(t)) for name, t in terminals.items()},
        "orders": orders,
        "states": states,
        "rules": [_rule(memo[number]) for number in numbers],
        "ignored": conf["ignore"],
        "start": places[table["start_states"]["start"]],
        "end": places[table["end_states"]["start"]],
    }


def _is_literal(terminal: dict[str, Any]) -> bool:
    assert not terminal["pattern"]["flags"]
    return bool(terminal["pattern"]["__type__"] == "PatternStr")


def _order(terminals: list[dict[str, Any]]) -> tuple[list[str], dict[str, dict[str, str]]]:
    """As lark's lexer has them: the more precedence, the longer, the earlier; a literal that another terminal reads, too, is
    told from it afterwards."""

    def rank(terminal: dict[str, Any]) -> tuple[int, int, int, str]:
        value = terminal["pattern"]["value"]
        longest = len(value) if _is_literal(terminal) else terminal["pattern"]["_width"][1]
        return -terminal["priority"], -longest, -len(value), terminal["name"]

    words: dict[str, dict[str, str]] = {}
    for reading in terminals:
        for word in terminals:
            if not _is_literal(reading) and _is_literal(word) and reading["priority"] == word["priority"]:
                text = word["pattern"]["value"]
                if (found := re.match(reading["pattern"]["value"], text)) and found[0] == text:
                    words.setdefault(reading["name"], {})[text] = word["name"]
    told = {name for each in words.values() for name in each.values()}
    return [t["name"] for t in sorted(terminals, key=rank) if t["name"] not in told], words


def _rule(rule: dict[str, Any]) -> Rule:
    parts, origin = rule["expansion"], rule["origin"]["name"]
    kept = [(i, part["name"].startswith("_")) for i, part in enumerate(parts) if not part.get("filter_out")]
    kept = [(i, inlined and parts[i]["__type__"] == "NonTerminal") for i, inlined in kept]
    return Rule(origin, len(parts), rule["alias"] or origin, kept, rule["options"]["expand1"] and not rule["alias"])
