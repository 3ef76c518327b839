"""Recording a run: whatever sinks made of it live, a replay makes again."""

from __future__ import annotations

import errno
import json
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import numpy
import pytest
from pyarrow import parquet

from codegen.running import Lab
from ebpfrun import cli
from ebpfrun.account import End
from ebpfrun.errors import ClosedError, UsageError
from ebpfrun.names import interface
from ebpfrun.recording.reader import Events, Recording
from ebpfrun.recording.recorder import Recorder
from ebpfrun.sinks.base import SinkError

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "generator"), str(ROOT / "runtime")])}
SPEC = """
ring: 64KiB
events:
  call: {fields: {time: timestamp, n: u64, link: ifindex, group: cgroup, text: string(64)}}
  odd: {fields: {n: u64}}
metrics:
  calls: {kind: counter, help: x, labels: {link: ifindex, from: ip}}
  sizes: {kind: histogram, help: x}
probes:
  - on: tracepoint:syscalls:sys_enter_getppid
    do:
      - {emit: call, with: {n: cpu, link: "1", group: cgroup, text: '"x"'}}
      - {if: "(nsecs & 1) == 1", emit: odd, with: {n: nsecs}}
      - {count: calls, by: {link: "1", from: ip((u32)0x0100007f)}}
      - {observe: sizes, of: nsecs}
"""
CALLS = "import os\nfor _ in range(3000): os.getppid()"
SINKS = ("jsonl", "text", "table")


def ebpfrun(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ebpfrun.cli", *words]
    return subprocess.run(command, env=ENVIRONMENT, cwd=folder, capture_output=True, text=True)


def sinks(prefix: str) -> list[str]:
    return [word for sink in SINKS for word in ("--sink", f"{sink}:{prefix}.{sink}")]


@pytest.fixture
def artefact(lab: Lab) -> str:
    return str(lab.build(SPEC))


def few(name: str, path: Path) -> Recorder:
    """A recorder of what the recording ``name`` was made of."""
    with Recording(str(Path(__file__).parent / "fixtures" / f"{name}.rec")) as source:
        return Recorder(str(path), source.records, source.manifest_text)


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.parametrize("options", ["", ",compress=zlib"])
def test_a_replay_gives_the_same_bytes(artefact: str, options: str, tmp_path: Path) -> None:
    """Two event types, metrics in between, more events than were asked for: the summary tells of all that, too."""
    work = f"{sys.executable} -S -c '{CALLS}'"
    live = ebpfrun(
        tmp_path, artefact, "-c", work, "--interval", "10ms", "--count", "100", *sinks("live"), "--record", f"run.rec{options}"
    )
    assert live.returncode == 0, live.stderr
    again = ebpfrun(tmp_path, "--replay", "run.rec", *sinks("again"))
    assert again.returncode == 0, again.stderr
    for sink in SINKS:
        assert (tmp_path / f"again.{sink}").read_bytes() == (tmp_path / f"live.{sink}").read_bytes() != b""
    assert again.stderr.splitlines() == [line for line in live.stderr.splitlines() if not line.startswith("ebpfrun: ")]
    assert '"link": "lo"' in (tmp_path / "again.jsonl").read_text()
    assert "beyond --count" in again.stderr and "DOES NOT BALANCE" not in again.stderr


@pytest.mark.root
@pytest.mark.kernel
def test_a_killed_recorder_leaves_what_it_had(artefact: str, tmp_path: Path) -> None:
    path = tmp_path / "run.rec"
    command = [sys.executable, "-m", "ebpfrun.cli", artefact, "--pid", str(os.getpid()), "--record", str(path)]
    process = subprocess.Popen(command, env=ENVIRONMENT, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert process.stderr
    try:
        assert any("attached" in line for line in process.stderr)
        while given(path) < 20:  # each call one event or two; a batch is written as it comes
            os.getppid()
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = ebpfrun(tmp_path, "--replay", str(path), "--sink", "jsonl:out")
    assert done.returncode == 3 and "it ends before the run did" in done.stderr
    assert len((tmp_path / "out").read_text().splitlines()) >= 20


def given(path: Path) -> int:
    with Recording(str(path)) as recording:
        return sum(len(recording.records.batch(item.data)) for item in recording if isinstance(item, Events))


@pytest.mark.root
@pytest.mark.kernel
def test_names_of_the_machine_are_kept(artefact: str, tmp_path: Path) -> None:
    done = ebpfrun(tmp_path, artefact, "-c", f"{sys.executable} -S -c '{CALLS}'", "--record", "run.rec")
    assert done.returncode == 0 and done.stdout == "", "without --sink nothing else comes out"
    with Recording(str(tmp_path / "run.rec")) as recording:
        assert not list(recording.names.machine.get("ifindex", {}))
        assert sum(isinstance(item, Events) for item in recording) > 0
        assert recording.names.machine["ifindex"] == {1: interface(1)}
        group = next(iter(recording.names.machine["cgroup"].values()))
        assert isinstance(group, str) and group.startswith("/")
        name = recording.names.of("ifindex")
        assert name and name(1) == "lo" and name(77) == 77, "never looked up here"


def test_a_full_disk_leaves_whole_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = few("opensnoop", tmp_path / "full.rec")
    with Recording(str(Path(__file__).parent / "fixtures" / "opensnoop.rec")) as source:
        batches = [item.data for item in source if isinstance(item, Events)]
        room = len((tmp_path / "full.rec").read_bytes()) + 300
        write = os.write

        def until_full(fd: int, data: memoryview) -> int:
            left = room - os.fstat(fd).st_size
            if left <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return write(fd, data[:left])

        monkeypatch.setattr(os, "write", until_full)
        with pytest.raises(SinkError, match=r"sink record: .*: No space left on device"):
            recorder.write(source.records.batch(batches[0]))
        monkeypatch.undo()
        recorder.write(source.records.batch(batches[0]))  # there is room again
        recorder.close()
        with pytest.raises(ClosedError):
            recorder.write(source.records.batch(batches[0]))
        recorder.end(End(1.0, {("produced", "open"): 14}, {}))
    with Recording(str(tmp_path / "full.rec")) as left:
        assert [item.data for item in left if isinstance(item, Events)] == batches[:1] and left.damage == []
        assert left.end == End(1.0, {("produced", "open"): 14}, {})


def test_what_was_not_recorded_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recorder = few("opensnoop", tmp_path / "few.rec")
    recorder.close()
    recorder.end(End(1.0, {("produced", "open"): 14, ("ring_full", "open"): 4}, {}))
    assert cli.main(["--replay", str(tmp_path / "few.rec"), "--sink", f"jsonl:{tmp_path / 'out'}"]) == 0
    assert "open: 14 produced = 0 delivered + 4 lost in the full ring buffer + 10 not replayed" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("target", "error", "words"),
    [
        ("-", UsageError, "--record: expected a file to record into"),
        ("x,compress=lzma", UsageError, "--record x: compress=lzma; a recording has one option, compress=zlib"),
        ("x,rotate=1MiB", UsageError, "--record x: there is no option 'rotate'; a recording has one option, compress=zlib"),
        ("no/such/folder", SinkError, "sink record: .*no/such/folder: No such file or directory"),
    ],
)
def test_where_nothing_can_be_recorded(target: str, error: type[Exception], words: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=words):
        few("opensnoop", Path(target))


def test_only_files_are_recorded_into_and_by_one_at_a_time(tmp_path: Path) -> None:
    """A pipe without a reader is refused too, and not waited for."""
    os.mkfifo(tmp_path / "pipe")
    for target, words in ((tmp_path / "pipe", "No such device or address"), (Path("/dev/null"), "expected a file to record into")):
        with pytest.raises(SinkError, match=words):
            few("opensnoop", target)
    recorder = few("opensnoop", tmp_path / "one.rec")
    with pytest.raises(SinkError, match="another run or another sink is writing it"):
        few("opensnoop", tmp_path / "one.rec")
    recorder.close()


def test_the_account_goes_into_no_other_file(tmp_path: Path) -> None:
    recorder = few("opensnoop", tmp_path / "a.rec")
    recorder.close()
    (tmp_path / "a.rec").rename(tmp_path / "b.rec")
    (tmp_path / "a.rec").write_text("a stranger's")
    with pytest.raises(SinkError, match="another file is there now"):
        recorder.end(End(1.0, {("produced", "open"): 14}, {}))
    assert (tmp_path / "a.rec").read_text() == "a stranger's"


def test_the_clock_is_set_in_the_middle(tmp_path: Path) -> None:
    """Times follow it, in every sink of a replay as they did live; lines and tables alike."""
    with Recording(str(Path(__file__).parent / "fixtures" / "opensnoop.rec")) as source:
        data = next(item.data for item in source if isinstance(item, Events))
        hours = [source.records.at(source.offset + hour * 3600 * 10**9) for hour in (0, 1, 0)]
        recorder = Recorder(str(tmp_path / "run.rec"), source.records, source.manifest_text)
        for records in hours:
            with records.batch(data) as batch:
                recorder.write(batch)
                events = len(batch)
        recorder.end(End(1.0, {}, {}))
    into = [f"{sink}:{tmp_path}/out.{sink}" for sink in ("jsonl", "csv", "sqlite", "parquet", "duckdb")]
    assert cli.main(["--quiet", "--replay", str(tmp_path / "run.rec"), *(word for sink in into for word in ("--sink", sink))]) == 0
    lines = [json.loads(line)["time"] for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    found = {
        "jsonl": [int(numpy.datetime64(time.removesuffix("Z"), "ns").astype("i8")) for time in lines],
        "parquet": parquet.read_table(tmp_path / "out.parquet").column("time").cast("int64").to_pylist(),
    }
    with closing(sqlite3.connect(tmp_path / "out.sqlite")) as database:
        found["sqlite"] = [row[0] for row in database.execute("select time from open").fetchall()]
    with duckdb.connect(str(tmp_path / "out.duckdb"), read_only=True) as db:
        found["duckdb"] = [row[0] for row in db.execute("select epoch_ns(time) from open").fetchall()]
    assert found["jsonl"] == found["parquet"] == found["sqlite"] == found["duckdb"]
    first, second, third = (found["jsonl"][i * events : (i + 1) * events] for i in range(3))
    assert [b - a for a, b in zip(first, second, strict=True)] == [3600 * 10**9] * events
    assert first == third
