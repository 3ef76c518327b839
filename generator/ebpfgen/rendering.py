"""Templates become text.

Receives the folder of templates; renders one with finished data. Jinja is imported with the first text, or by a child of this
process while it does something else (:func:`beside`).
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, Protocol

from .cache import cache_folder
from .pieces import digest

_OPTIONS: dict[str, Any] = {"trim_blocks": True, "lstrip_blocks": True, "keep_trailing_newline": True, "autoescape": False}


class Renderer(Protocol):
    folder: Path

    def render(self, template: str, data: dict[str, Any]) -> str: ...


class Templates:
    """The templates of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @functools.cached_property
    def environment(self) -> Any:
        import jinja2

        class Kept(jinja2.FileSystemBytecodeCache):
            """Templates as the code that Jinja made of them; what is no such code, or of another text, is made again."""

            def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
                try:
                    super().load_bytecode(bucket)
                except Exception:  # altered: pickles fail in any way they like
                    bucket.reset()

            def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
                with contextlib.suppress(OSError):
                    super().dump_bytecode(bucket)

        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(self.folder),
            bytecode_cache=Kept(str(cache_folder()), f"template-{digest(repr(_OPTIONS), jinja2.__version__)[:8]}-%s.code"),
            undefined=jinja2.StrictUndefined,
            **_OPTIONS,
        )
        environment.globals["fail"] = _fail
        return environment

    def render(self, template: str, data: dict[str, Any]) -> str:
        text: str = self.environment.get_template(template).render(data)
        return text


def _fail(message: str) -> NoReturn:
    raise AssertionError(message)


class _Child:
    """Templates that another process renders: one line of JSON asks, one answers. What it can't, is rendered here, and fails
    here."""

    def __init__(self, here: Templates, ask: FileIO, answers: BinaryIO) -> None:
        self.folder, self._here, self._ask, self._answers = here.folder, here, ask, answers

    def render(self, template: str, data: dict[str, Any]) -> str:
        try:
            line = memoryview(json.dumps([template, data]).encode() + b"\n")
            while line:
                line = line[self._ask.write(line) :]
            answer = self._answers.readline()
        except BrokenPipeError:
            answer = b""
        text: str | None = json.loads(answer) if answer.endswith(b"\n") else None
        return self._here.render(template, data) if text is None else text


@contextlib.contextmanager
def beside(templates: Templates) -> Iterator[Renderer]:
    """A renderer whose child imports Jinja from now on; it ends with the block. Only for a process without other threads."""
    (asked, ask), (answers, answer) = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(ask)
        os.close(answers)
        _answer(templates, asked, answer)
    os.close(asked)
    os.close(answer)
    try:
        with os.fdopen(ask, "wb", 0) as to, os.fdopen(answers, "rb") as back:
            yield _Child(templates, to, back)
    finally:
        os.waitpid(pid, 0)


def _answer(templates: Templates, asked: int, answer: int) -> NoReturn:
    """The child's life."""
    try:
        for name in templates.environment.list_templates(["j2"]):
            templates.environment.get_template(name)
        with os.fdopen(asked, "rb") as lines, os.fdopen(answer, "wb") as to:
            for line in lines:
                to.write(json.dumps(templates.render(*json.loads(line))).encode() + b"\n")
                to.flush()
    finally:
        os._exit(0)
