"""Recordings of real runs, given to sinks: what comes out, and what of a damaged one.

The recordings are made anew by ``tools/record_fixtures``.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from ebpfrun import cli, render
from ebpfrun.recording import chunks
from ebpfrun.recording.chunks import Chunk, Damage, RecordingError
from ebpfrun.recording.reader import Events, Recording

FIXTURES = Path(__file__).parent / "fixtures"
RECORDINGS = ("net", "opensnoop", "syscalls")
SINKS = ("text", "jsonl", "csv", "table")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    render._LOCAL.clear()


def recording(name: str) -> Path:
    return FIXTURES / f"{name}.rec"


def replay(path: Path, *words: str) -> int:
    return cli.main(["--replay", str(path), *words])


def parts(path: Path) -> list[tuple[int, Chunk]]:
    """Each chunk and the place at which it ends."""
    with path.open("rb") as file:
        chunks.check_head(file, "")
        return [(file.tell(), chunk) for chunk in chunks.read(file) if isinstance(chunk, Chunk)]


@pytest.mark.parametrize("sink", SINKS)
@pytest.mark.parametrize("name", RECORDINGS)
def test_sinks_give_what_they_gave(
    name: str, sink: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], rewrite_goldens: bool
) -> None:
    target = tmp_path / "{}.out" if sink == "csv" else tmp_path / "all.out"
    assert replay(recording(name), "--sink", f"{sink}:{target}") == 0
    tables = sorted(tmp_path.glob("*.out"))
    got = "".join((f"== {table.stem}\n" if sink == "csv" else "") + table.read_text() for table in tables)
    got += f"== summary\n{capsys.readouterr().err}"
    golden = FIXTURES / f"{name}.{sink}"
    if rewrite_goldens:
        golden.write_text(got)
    assert got == golden.read_text()


def test_it_needs_no_privilege_and_no_artefact() -> None:
    """In a process without any capability, away from everything that was built; the door to C stays shut."""
    code = "import sys; from ebpfrun import cli; status = cli.main(sys.argv[1:]); "
    code += "sys.exit(status or len({'ebpfrun.door', '_cffi_backend'} & sys.modules.keys()))"
    command = [sys.executable, "-c", code, "--replay", str(recording("net")), "--sink", "jsonl"]
    if os.geteuid() == 0:
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs", *command]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "runtime"), "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == (FIXTURES / "net.jsonl").read_text().removeprefix("== all\n").partition("== summary")[0]


def test_count_ends_it_and_the_account_balances(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(recording("opensnoop"), "--sink", f"jsonl:{tmp_path / 'out'}", "--count", "5") == 0
    assert len((tmp_path / "out").read_text().splitlines()) == 5
    assert "open: 14 produced = 5 delivered + 9 beyond --count" in capsys.readouterr().err


@pytest.mark.parametrize(
    "option", ["--duration=3", "--interval=1", "--pid=1", "--ring=4KiB", "-c=true", "--record=x", "--build=b"]
)
def test_what_was_chosen_when_it_was_made_can_not_be_chosen_again(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, _, value = option.partition("=")
    assert replay(recording("net"), name, str(os.getpid()) if value == "1" and name == "--pid" else value) == 2
    assert f"{name} can't be chosen for a replay: the recording holds what was chosen when it was made" in capsys.readouterr().err


def test_a_recording_is_not_written_over_while_it_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "net.rec"
    copy.write_bytes(recording("net").read_bytes())
    assert replay(copy, "--sink", f"jsonl:{tmp_path}/../{tmp_path.name}/net.rec") == 2
    assert "net.rec: this is the recording itself; give the sink another file" in capsys.readouterr().err
    assert copy.read_bytes() == recording("net").read_bytes()


def test_a_tracer_is_not_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert replay(recording("net"), "specs/net.yaml") == 2
    assert "needs no tracer and has no specs/net.yaml" in capsys.readouterr().err


# What is damaged


def head(magic: bytes = chunks.MAGIC, version: int = chunks.VERSION) -> bytes:
    lead = magic + struct.pack("<I", version)
    return lead + struct.pack("<I", zlib.crc32(lead))


OLDER = json.dumps({"byteorder": sys.byteorder, "offset": 0, "weighted": False, "manifest": '{"schema": 1, "spec": {}}'}).encode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a recording of ebpfrun: it is empty"),
        (b"EBPF", "not a recording of ebpfrun: it is cut off in its first bytes"),
        (b"\x7fELF" * 10, "not a recording of ebpfrun: it begins otherwise"),
        (head()[:-1] + b"x", "the first bytes of this recording were altered"),
        (head(version=7), "version 7 of the format, this ebpfrun reads version 1"),
        (head(), "does not say what was traced: that part is missing"),
        (head() + chunks.chunk(b"even", 0, b""), "does not say what was traced: that part is missing"),
        (head() + chunks.chunk(b"abou", 0, b"{}"), "recorded on a None-endian machine"),
        (head() + chunks.chunk(b"abou", 0, b"[]"), "a chunk that is no JSON object"),
        (head() + chunks.chunk(b"abou", 0, b"{"), "a chunk that is no JSON ("),
        (head() + chunks.chunk(b"abou", 0, b"{}")[:-1], "does not say what was traced: the file is cut off there"),
        (head() + chunks.chunk(b"abou", 0, OLDER), "its manifest: the key 'name' is missing: made by another version of ebpfgen"),
        (None, "No such file or directory"),
    ],
)
def test_what_is_no_recording(content: bytes | None, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "no.rec"
    if content is not None:
        path.write_bytes(content)
    assert replay(path, "--sink", f"jsonl:{tmp_path / 'out'}") == 3
    assert words in capsys.readouterr().err


def test_a_pipe_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert replay(tmp_path / "pipe", "--sink", f"jsonl:{tmp_path / 'out'}") == 3
    assert "expected a file; what comes through a pipe has to be put into one first" in capsys.readouterr().err


def test_a_recording_cut_anywhere_gives_what_is_whole(tmp_path: Path) -> None:
    whole = recording("opensnoop").read_bytes()
    ends = parts(recording("opensnoop"))
    path = tmp_path / "cut.rec"
    for length in sorted({end + n for end, _ in ends for n in range(-40, 40, 3)} | {end for end, _ in ends}):
        if not ends[0][0] <= length < len(whole):
            continue
        path.write_bytes(whole[:length])
        with Recording(str(path)) as cut:
            given = [item.data for item in cut if isinstance(item, Events)]
        assert given == [c.data for end, c in ends if c.kind == b"even" and end <= length]
        assert cut.end is None
        assert [part.cut for part in cut.damage] == ([] if length in [end for end, _ in ends] else [True])


def test_zeroes_at_the_end_are_what_was_not_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As a file system may leave it when the power goes."""
    ends = parts(recording("opensnoop"))
    path = tmp_path / "power.rec"
    path.write_bytes(recording("opensnoop").read_bytes()[: ends[-2][0]] + bytes(5000))
    assert replay(path, "--sink", f"jsonl:{tmp_path / 'out'}") == 3
    said = capsys.readouterr().err
    assert "nothing was written there; 5000 bytes are left out" in said
    assert "it ends before the run did" in said
    assert "open: 14 replayed" in said and "what it produced and what it lost is not known" in said


def test_an_altered_byte_is_found_wherever_it_is(tmp_path: Path) -> None:
    """And what is given all the same is what was recorded."""
    whole = recording("net").read_bytes()
    events = [chunk.data for _, chunk in parts(recording("net")) if chunk.kind == b"even"]
    path = tmp_path / "altered.rec"
    for at in range(0, len(whole), 11):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :])
        try:
            with Recording(str(path)) as altered:
                given = [item.data for item in altered if isinstance(item, Events)]
        except RecordingError:
            continue
        assert altered.damage, f"byte {at}"
        assert all(data in events for data in given)


def test_an_altered_chunk_is_counted_and_the_rest_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = bytearray(recording("opensnoop").read_bytes())
    end, chunk = next(part for part in parts(recording("opensnoop")) if part[1].kind == b"even")
    whole[end - 1] ^= 1
    path = tmp_path / "altered.rec"
    path.write_bytes(whole)
    assert replay(path, "--sink", f"jsonl:{tmp_path / 'out'}") == 3
    said = capsys.readouterr().err
    assert "a chunk was altered (its checksum is of other bytes); " in said and f"{chunk.events} events are left out" in said
    assert f"open: 14 produced = {14 - chunk.events} delivered + {chunk.events} not replayed" in said
    assert "not all of this recording could be replayed: parts of it were altered" in said


def test_a_missing_chunk_and_one_that_is_there_twice_are_found(tmp_path: Path) -> None:
    lead = head()
    one, two, three = (chunks.chunk(b"even", i, b"%d" % i) for i in range(3))

    def read(*these: bytes) -> list[Chunk | Damage]:
        (tmp_path / "f").write_bytes(lead + b"".join(these))
        with (tmp_path / "f").open("rb") as file:
            chunks.check_head(file, "")
            return list(chunks.read(file))

    assert [type(part) for part in read(one, two, three)] == [Chunk] * 3
    assert [part.what for part in read(one, three) if isinstance(part, Damage)] == ["1 chunks before it are missing"]
    assert [part.what for part in read(one, one) if isinstance(part, Damage)] == ["a chunk is there again"]


def test_what_unpacks_to_more_than_it_says_is_refused() -> None:
    assert chunks._unpacked(zlib.compress(bytes(1 << 20)), 1, 1000) is None
    assert chunks._unpacked(zlib.compress(bytes(1000)), 1, 1000) == bytes(1000)


def exchanged(name: str, kind: bytes, change: str) -> bytes:
    """A recording in which the first chunk of that kind is other JSON, with sound checksums: ``before→after`` in its text."""
    before, after = (part.encode() for part in change.split("→"))
    whole = [chunk for _, chunk in parts(recording(name))]
    at = next(i for i, chunk in enumerate(whole) if chunk.kind == kind)
    data = whole[at].data.replace(before, after, 1)
    assert data != whole[at].data
    whole[at] = whole[at]._replace(data=data)
    return head() + b"".join(chunks.chunk(c.kind, i, c.data, c.events) for i, c in enumerate(whole))


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (b"read", '"seconds":→"secs":', "readings of metrics that are none (KeyError('seconds'))"),
        (b"read", '"time":1→"time":99999999991', "readings of metrics that are none (TypeError("),
        (b"read", '"samples":[[→"samples":[[[],', "readings of metrics that are none ("),
        (b"acco", '"counts":[[→"counts":[[0,', "an account that is none (ValueError("),
        (b"acco", '"seconds":→"seconds":-', "an account that is none (ValueError("),
        (b"abou", '"offset":→"offset":1e9', "does not say what was traced (TypeError("),
        (b"abou", '\\"size\\": →\\"size\\": -', "its manifest: truncated or altered (its digest is of other bytes)"),
    ],
)
def test_what_was_never_recorded_is_told(
    kind: bytes, change: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.rec"
    path.write_bytes(exchanged("net", kind, change))
    assert replay(path, "--sink", f"jsonl:{tmp_path / 'out'}", "--quiet") == 3
    said = capsys.readouterr().err
    assert said.startswith(f"ebpfrun: {path}: ") and words in said and said.count("\n") == 1
