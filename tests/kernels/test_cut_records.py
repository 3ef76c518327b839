"""Records that end with a text: whatever way they are built, every kernel takes the program, and they have what the text holds."""

from __future__ import annotations

import ctypes

import pytest

from .conftest import LIBC, Observe, Observed, prctl

pytestmark = [pytest.mark.root, pytest.mark.kernel]
PR_SET_NAME = 15
HEAD = 8


def taken(*sizes: int) -> int:
    """Bytes of the ring that records of these sizes take, each with its head."""
    return sum(HEAD + size + -size % 8 for size in sizes)


@pytest.mark.parametrize("text", [b"", b"a", b"/etc/hosts", b"x" * 249, b"y" * 250, b"z" * 2000], ids=len)
def test_they_have_what_the_text_holds(observe: Observe, text: bytes) -> None:
    def work(seen: Observed) -> None:
        buffer = ctypes.create_string_buffer(text)
        pointers = (ctypes.c_char_p * 3)(b"ls", b"-l", None)
        prctl(ctypes.addressof(buffer), ctypes.addressof(pointers), min(len(text), 100), 0)

    seen = observe("cut_records", work)
    word = text.decode()
    assert seen.events("stack") == [{"name": word[:19], "text": word[:249]}]
    assert seen.events("scratch") == [{"text": word[:999]}]
    assert seen.events("words") == [{"words": ["ls", "-l"]}]
    assert seen.events("bytes") == [{"bytes": [word[:100]] if text else []}]
    assert seen.events("looked_up") == [{"text": word[:63]}]
    assert seen.events("kept") == [{"text": word[:39]}]
    assert seen.events("library") == [{"text": word[:499]}]
    library = 8 + len(text[:499]) + 1
    stack, scratch, words = 28 + len(text[:249]) + 1, 8 + len(text[:999]) + 1, 12 + 6
    assert seen.bytes == taken(stack, scratch, words, 12 + len(text[:100]), 8 + len(text[:63]) + 1, 8 + len(text[:39]) + 1, library)


def test_what_cannot_be_read_is_an_empty_text(observe: Observe) -> None:
    seen = observe("cut_records", lambda _: prctl(8, 8, 50, 0))
    assert (seen.events("stack"), seen.events("scratch")) == ([{"name": "", "text": ""}], [{"text": ""}])
    assert (seen.events("words"), seen.events("bytes")) == ([{"words": []}], [{"bytes": []}])
    assert seen.bytes == taken(29, 9, 12, 12, 9, 9, 9)
    assert seen.counts()["faulted", "stack.text"] == seen.counts()["faulted", "scratch.text"] == 1


def test_of_other_kinds(observe: Observe) -> None:
    seen = observe("cut_records", lambda _: LIBC.prctl(PR_SET_NAME, b"renamed"))
    assert (seen.events("raw"), seen.events("whole")) == ([{"text": "renamed"}], [{"text": "renamed"}])
    assert seen.bytes == taken(8 + 8, 8 + 8)
