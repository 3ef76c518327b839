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
    opened = f"{outer.line + 1}:{outer.column + 1}" if outer else ""
    what = error.problem or ""
    char = text[here.index : here.index + 1]
    before = text[: here.index].rstrip(" ")[-1:]

    if what.startswith("mapping values are not allowed"):
        return Problem(mark, "", "': ' makes a mapping here, where only text can stand", hint=_QUOTE_HINT)
    if what.startswith("did not find expected ','"):
        bracket = what[-2]
        hint = _FLOW_HINT if char in ("[", "{", ":") or before in ("'", '"', "]", "}") else ""
        opener = "{" if bracket == "}" else "["
        return Problem(mark, "", f"expected ',' or '{bracket}' for the '{opener}' opened at {opened}", hint=hint)
    if what == "did not find expected key":
        if before in ("'", '"', "]", "}"):
            return Problem(mark, "", f"text goes on behind the closing {before}", hint=_QUOTE_HINT)
        return Problem(mark, "", f"expected a key, as in the mapping that begins at {opened}; check the indentation")
    if what == "did not find expected '-' indicator":
        return Problem(mark, "", f"expected '- ', as in the list that begins at {opened}; check the indentation")
    if what == "did not find expected <document start>":
        return Problem(mark, "", "text goes on after the end of the spec", hint=_QUOTE_HINT if before in ("'", '"') else "")
    if what == "could not find expected ':'" and outer:
        return Problem(Mark(file, outer.line + 1, outer.column + 1), "", "expected ': ' behind this key")
    if what == "found unexpected end of stream" and outer:
        return Problem(Mark(file, outer.line + 1, outer.column + 1), "", "this quote is never closed")
    if what == "found character that cannot start any token":
        return Problem(mark, "", f"text cannot begin with {quote(char)}", hint=_QUOTE_HINT)
    context = f" ({error.context} at {opened})" if error.context and outer else ""
    return Problem(mark, "", f"not YAML: {what}{context}")


def _indenting_tab(here: yaml.Mark, text: str, file: str) -> Problem | None:
    """The tab in the white space before the place of an error, which is then the reason for it."""
    start = here.index - here.column
    indent = re.compile(r"[ \t]*").match(text, start)
    tab = indent[0].find("\t") if indent else -1
    if tab < 0:
        return None
    return Problem(Mark(file, here.line + 1, tab + 1), "", "a tab; YAML is indented with spaces")
