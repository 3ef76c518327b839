"""Recordings that are not what was recorded, with sound checksums all the same: told in one line, or replayed; never a crash."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ebpfrun import cli
from ebpfrun.recording import chunks, contents
from ebpfrun.recording.chunks import Chunk
from properties import examples

FIXTURES = Path(__file__).parents[1] / "recording" / "fixtures"
RECORDINGS = sorted(FIXTURES.glob("*.rec"))
SINKS = ("jsonl", "text", "table", "csv")
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1, 2**63, 2**64, -(2**63) - 1, 1e300, "", "x", "u32", "string(16)", "\ud800", [], [[]], {}, {"x": 1},
)  # fmt: skip


def parts(path: Path) -> list[Chunk]:
    with path.open("rb") as file:
        chunks.check_head(file, "")
        return [part for part in chunks.read(file) if isinstance(part, Chunk)]


WHOLE = {path.stem: parts(path) for path in RECORDINGS}


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in JSON, through text that is JSON itself."""
    yield at
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*at, key))


def altered(chance: random.Random, value: Any) -> Any:
    """With one value exchanged, dropped, or there twice."""
    value = copy.deepcopy(value)
    *way, last = chance.choice([place for place in places(value) if place] or [(None,)])
    if last is None:
        return chance.choice(VALUES)
    holder = value
    for key in way:
        holder = holder[key]
    act = chance.randrange(3)
    if act == 0:
        del holder[last]
    elif act == 1 and isinstance(holder, list):
        holder.insert(last, holder[last])
    else:
        holder[last] = chance.choice(VALUES)
    return value


def altered_bytes(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        if not changed:
            break
        at = chance.randrange(len(changed))
        act = chance.randrange(3)
        if act == 0:
            changed[at] = chance.randrange(256)
        elif act == 1:
            changed[at : at + chance.choice((1, 4, 8))] = chance.randbytes(chance.choice((0, 1, 4, 8)))
        else:
            del changed[at:]
    return bytes(changed)


def about(chance: random.Random, data: bytes) -> bytes:
    found = json.loads(data)
    if chance.random() < 0.2:
        return json.dumps(altered(chance, found)).encode()
    found["manifest"] = json.dumps(altered(chance, json.loads(found["manifest"])))
    return json.dumps(found).encode()


def harmed(chance: random.Random, whole: list[Chunk]) -> bytes:
    """A file whose checksums are those of what is in it."""
    at = chance.randrange(len(whole)) if chance.random() < 0.7 else 0
    chunk = whole[at]
    if chunk.kind == contents.ABOUT and chance.random() < 0.9:
        data = about(chance, chunk.data)
    elif chunk.kind != contents.EVENTS and chance.random() < 0.8:
        data = json.dumps(altered(chance, json.loads(chunk.data))).encode()
    else:
        data = altered_bytes(chance, chunk.data)
    kind = chance.choice([contents.EVENTS, contents.READINGS, contents.NAMES, contents.ACCOUNT]) if chance.random() < 0.1 else chunk.kind
    given = [*whole[:at], chunk._replace(kind=kind, data=data), *whole[at + 1 :]]
    return chunks.head() + b"".join(chunks.chunk(c.kind, i, c.data, c.events) for i, c in enumerate(given))


@examples(300, unchecked=(HealthCheck.function_scoped_fixture,))
@given(seed=st.integers(0, 2**48), name=st.sampled_from(sorted(WHOLE)), sink=st.sampled_from(SINKS))
def test_what_is_wrong_is_told(seed: int, name: str, sink: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "altered.rec"
    path.write_bytes(harmed(random.Random(seed), WHOLE[name]))
    target = tmp_path / "out" / "{}" if sink == "csv" else tmp_path / "out.txt"
    (tmp_path / "out").mkdir(exist_ok=True)
    status = cli.main(["--replay", str(path), "--sink", f"{sink}:{target}", "--quiet"])
    said = capfd.readouterr().err
    assert status in (0, 3), said
    if status:
        assert said.startswith((f"ebpfrun: {path}: ", "ebpfrun: sink ")), said
        assert len(said.splitlines()) == 1, said
