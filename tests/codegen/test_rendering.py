"""Templates rendered by a child: the same texts, and failures as if there were none."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import jinja2
import pytest

from ebpfgen import data, rendering

HEADER = {"name": "n", "file": "n.yaml", "structs": []}


@pytest.fixture
def templates(tmp_path: Path) -> rendering.Templates:
    (tmp_path / "one.j2").write_text("{% for name in names %}{{ name }}\n{% endfor %}")
    (tmp_path / "bad.j2").write_text("{{ nothing }}")
    return rendering.Templates(tmp_path)


def test_the_same_text(templates: rendering.Templates) -> None:
    names = {"names": ["é\n", "x" * 200_000, "'"]}
    with rendering.beside(templates) as child:
        assert child.render("one.j2", names) == templates.render("one.j2", names)
        assert child.render("one.j2", {"names": []}) == ""
    ours = rendering.Templates(data.templates())
    with rendering.beside(ours) as child:
        assert child.render("records.h.j2", HEADER) == ours.render("records.h.j2", HEADER)


def test_what_fails_there_fails_here(templates: rendering.Templates) -> None:
    with rendering.beside(templates) as child, pytest.raises(jinja2.UndefinedError, match="nothing"):
        child.render("bad.j2", {})


def test_a_child_that_is_killed(templates: rendering.Templates, monkeypatch: pytest.MonkeyPatch) -> None:
    pids: list[int] = []
    fork = os.fork

    def noted() -> int:
        pids.append(fork())
        return pids[-1]

    monkeypatch.setattr(os, "fork", noted)
    with rendering.beside(templates) as child:
        os.kill(pids[0], signal.SIGKILL)
        assert child.render("one.j2", {"names": ["a"]}) == "a\n"


def test_it_ends_with_the_block(templates: rendering.Templates) -> None:
    with pytest.raises(KeyError), rendering.beside(templates):
        raise KeyError
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)
