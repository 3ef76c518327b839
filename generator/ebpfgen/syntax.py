"""What libyaml says of broken YAML, in plain words.

Receives libyaml's error, the text that it was about and the brackets that were open. Returns one problem, with a hint where
an expression usually is to blame. Never parses anything itself.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .characters import mark_at, quote
from .problems import Mark, Problem

if TYPE_CHECKING:
    import yaml

MAX_DEPTH = 50
_FLOW_HINT = "inside { } and [ ], text that holds any of [ ] { } , or ': ' must be in quotes"
_QUOTE_HINT = "put the whole text in quotes"


def syntax_problem(error: yaml.MarkedYAMLError, text: str, file: str, open_brackets: list[Mark]) -> Problem:
    """The problem behind ``error``; the innermost of ``open_brackets`` is the last."""
    here = error.problem_mark or error.context_mark
    if here is None:
        return Problem(Mark(file, 1, 1), "", f"not YAML: {error.problem}")
    if tab := _indenting_tab(here, text, file):
        return tab
    if here.index >= len(text) and open_brackets:
        at = open_brackets[-1]
        return Problem(at, "", f"the {quote(text.splitlines()[at.line - 1][at.column - 1])} opened here is never closed")
    mark = Mark(file, here.line + 1, here.column + 1) if here.index < len(text) else mark_at(text, file)
    outer = error.context_mark
    begun = Mark(file, outer.line + 1, outer.column + 1) if outer else mark
    if error.problem == "exceeded maximum nesting depth":  # libyaml's own limit, which it meets before we see what is nested
        return too_deep(mark)
    if error.problem in _ABOUT_WHAT_WAS_BEGUN:
        return Problem(begun, "", _ABOUT_WHAT_WAS_BEGUN[error.problem])
    context = f"{error.context} at {begun.line}:{begun.column}" if error.context and outer else ""
    message, hint = _words(error.problem or "", text[: here.index].rstrip(" ")[-1:], text[here.index : here.index + 1], begun)
    return Problem(mark, "", message or f"not YAML: {error.problem}" + (f" ({context})" if context else ""), hint=hint)


def too_deep(at: Mark) -> Problem:
    return Problem(at, "", f"nested more than {MAX_DEPTH} levels deep")


_ABOUT_WHAT_WAS_BEGUN = {
    "could not find expected ':'": "expected ': ' behind this key",
    "found unexpected end of stream": "this quote is never closed",
}


def _words(what: str, before: str, char: str, begun: Mark) -> tuple[str, str]:
    """Message and hint for libyaml's ``what``, between the characters ``before`` and ``char``, within what began at ``begun``."""
    place = f"{begun.line}:{begun.column}"
    closed = before in ("'", '"', "]", "}")
    if what.startswith("mapping values are not allowed"):
        return "': ' makes a mapping here, where only text can stand", _QUOTE_HINT
    if what.startswith("did not find expected ','"):
        opener, closer = ("{", "}") if "}" in what else ("[", "]")
        return f"expected ',' or '{closer}' for the '{opener}' opened at {place}", _FLOW_HINT if closed or char in "[{:" else ""
    if what == "did not find expected key" and closed:
        return f"text goes on behind the closing {before}", _QUOTE_HINT
    if what == "did not find expected key":
        return f"expected a key, as in the mapping that begins at {place}; check the indentation", ""
    if what == "did not find expected '-' indicator":
        return f"expected '- ', as in the list that begins at {place}; check the indentation", ""
    if what == "did not find expected <document start>":
        return "text goes on after the end of the spec", _QUOTE_HINT if closed else ""
    if what == "found character that cannot start any token":
        return f"text cannot begin with {quote(char)}", _QUOTE_HINT
    return "", ""


def _indenting_tab(here: yaml.Mark, text: str, file: str) -> Problem | None:
    """The tab in the white space before the place of an error, which is then the reason for it."""
    start = here.index - here.column
    indent = re.compile(r"[ \t]*").match(text, start)
    tab = indent[0].find("\t") if indent else -1
    if tab < 0:
        return None
    return Problem(Mark(file, here.line + 1, tab + 1), "", "a tab; YAML is indented with spaces")
