"""A captured kernel gives the answers of the kernel it was captured from; anything else in its place is told."""

from __future__ import annotations

import json
import lzma
import os
import pickle
import signal
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from ebpfgen import kernel, kernel_capture
from ebpfgen.kernel_capture import capture
from ebpfgen.kernel_description import Description
from ebpfgen.problems import MachineError
from kernel_description.making import MadeSource
from properties import examples


@pytest.fixture
def captured(tmp_path: Path) -> Path:
    capture(MadeSource(), tmp_path / "made.kernel")
    return tmp_path / "made.kernel"


@pytest.mark.slow
def test_the_running_kernel_goes_round_through_a_file(host_tracepoints: Description, host_captured: Path) -> None:
    again = kernel.from_file(host_captured)
    assert (again.release, again.machine, again.fingerprint) == (
        host_tracepoints.release,
        host_tracepoints.machine,
        host_tracepoints.fingerprint,
    )
    assert again.config == host_tracepoints.config
    assert bytes(again.source.btf()) == bytes(host_tracepoints.source.btf())
    assert sorted(again.tracepoints()) == sorted(host_tracepoints.tracepoints())
    some = [(c, n) for c, n in again.tracepoints() if c in ("sched", "sock", "skb", "block", "raw_syscalls")]
    assert [again.tracepoint(*event) for event in some] == [host_tracepoints.tracepoint(*event) for event in some]
    names = ["vfs_read", "no_such", "schedule", "_text", "x86_pmu_add", "entry_SYSCALL_64"]
    assert [again.why_not_attachable(n) for n in names] == [host_tracepoints.why_not_attachable(n) for n in names]


def test_a_made_kernel_goes_round_through_a_file(made: Description, captured: Path) -> None:
    again = kernel.from_file(captured)
    assert again.tracepoint("task", "task_gone") == made.tracepoint("task", "task_gone")
    assert again.raw_tracepoint("task_made") == made.raw_tracepoint("task_made")
    assert list(again.functions()) == list(made.functions())
    names = ("kill_task", "hidden", "moved", "forbidden", "no_such", "twice", "untyped", "inlined", "assembly")
    for kind in ("kprobe", "fentry"):
        assert [again.why_not_attachable(n, kind) for n in names] == [made.why_not_attachable(n, kind) for n in names]
    assert again.source.attachable() == made.source.attachable()
    assert again.source.symbols() == made.source.symbols()
    assert again.syscalls() == made.syscalls()
    assert (again.fingerprint, again.release, again.config) == (made.fingerprint, made.release, made.config)
    assert pickle.loads(pickle.dumps(again)).function("kill_task") == made.function("kill_task")


def test_what_could_not_be_seen_stays_unknown(tmp_path: Path) -> None:
    source = MadeSource()
    source.seen = None
    capture(source, tmp_path / "k")
    again = kernel.from_file(tmp_path / "k")
    assert again.why_not_attachable("hidden") is None
    assert again.why_not_attachable("assembly") is None
    assert again.why_not_attachable("no_such") is not None


def test_captured_twice_the_bytes_are_the_same(captured: Path, tmp_path: Path) -> None:
    capture(MadeSource(), tmp_path / "again")
    assert captured.read_bytes() == (tmp_path / "again").read_bytes()


def test_signals_are_let_in_while_it_packs() -> None:
    came = 0

    def count(_number: int, _frame: object) -> None:
        nonlocal came
        came += 1

    text = os.urandom(1 << 21)  # some tenths of a second of CPU
    before = signal.signal(signal.SIGVTALRM, count)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.01, 0.01)  # of this process's own time
    try:
        packed = kernel_capture._packed(text)
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    assert packed == lzma.compress(text)
    assert came > 3


def test_what_can_t_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="can't be written"):
        capture(MadeSource(), tmp_path / "no folder" / "k")
    (tmp_path / "folder").mkdir()
    with pytest.raises(MachineError, match="can't be written"):
        capture(MadeSource(), tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_capture_that_fails_leaves_the_old_file(captured: Path) -> None:
    before = captured.read_bytes()

    class Unseen(MadeSource):
        def events(self) -> list[str]:
            raise MachineError("not to be seen")

    with pytest.raises(MachineError, match="not to be seen"):
        capture(Unseen(), captured)
    assert captured.read_bytes() == before
    assert list(captured.parent.glob(".*")) == []


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda b: b"", "no captured kernel"),
        (lambda b: b"\x7fELF" + b, "no captured kernel"),
        (lambda b: b.replace(b"ebpfgen-kernel 2", b"ebpfgen-kernel 3", 1), "of format '3', this ebpfgen reads format '2'"),
        (lambda b: b[:-1], "cut short or altered"),
        (lambda b: b[:17], "cut short or altered"),
        (lambda b: b + b"x", "cut short or altered"),
        (lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:], "cut short or altered"),
    ],
)
def test_damage_is_told(captured: Path, damage: Callable[[bytes], bytes], words: str) -> None:
    captured.write_bytes(damage(captured.read_bytes()))
    with pytest.raises(MachineError, match=words):
        kernel.from_file(captured)


@examples(150, unchecked=(HealthCheck.function_scoped_fixture,))
@given(st.data())
def test_any_altered_byte_is_told(captured: Path, data: st.DataObject) -> None:
    sound = captured.read_bytes()
    at, value = data.draw(st.integers(0, len(sound) - 1)), data.draw(st.integers(1, 255))
    path = captured.with_name("altered")
    path.write_bytes(sound[:at] + bytes([sound[at] ^ value]) + sound[at + 1 :])
    with pytest.raises(MachineError):
        kernel.from_file(path)


def rewritten(path: Path, change: Callable[[dict[str, object]], object]) -> Path:
    """The file with its head changed and a digest that fits."""
    first, _, rest = path.read_bytes().partition(b"\n")
    line, _, sections = rest[65:].partition(b"\n")
    head = json.loads(line)
    change(head)
    body = json.dumps(head).encode() + b"\n" + sections
    path.write_bytes(first + b"\n" + sha256(body).hexdigest().encode() + b"\n" + body)
    return path


def test_another_machine_is_told(captured: Path) -> None:
    path = rewritten(captured, lambda head: head.update(machine="riscv64"))
    with pytest.raises(MachineError, match="captured on riscv64; tracers can be made for aarch64 and x86_64"):
        kernel.from_file(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda head: head.pop("release"),
        lambda head: head.update(config=None),
        lambda head: head.pop("modules"),
        lambda head: head.update(modules=[["loop"]]),
        lambda head: head.update(sections=[["btf", -1, 5]]),
        lambda head: head.update(sections=[["btf", 1, 1 << 40]]),
        lambda head: head.update(sections=[["btf"]]),
        lambda head: head["sections"].pop(),
    ],
)
def test_a_head_of_another_shape_is_told(captured: Path, change: Callable[[dict[str, object]], object]) -> None:
    with pytest.raises(MachineError, match="its head is not what"):
        kernel.from_file(rewritten(captured, change))


@pytest.mark.parametrize(
    ("more", "words"), [(1, r"unpacks to \d+ bytes, expected"), (-1, r"unpacks to more than \d+$|more than")]
)
def test_a_section_of_another_size_is_told(captured: Path, more: int, words: str) -> None:
    def change(head: dict[str, object]) -> None:
        sections = head["sections"]
        assert isinstance(sections, list)
        sections[0][2] += more

    described = kernel.from_file(rewritten(captured, change))
    with pytest.raises(MachineError, match=words):
        described.function("kill_task")


def test_what_unpacks_to_more_than_memory_is_told(captured: Path) -> None:
    """A few bytes that would become gigabytes: neither by their size nor by the dictionary that they ask for."""
    small = lzma.compress(b"x", filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 30}])
    bomb = lzma.compress(bytes(1 << 27))
    for packed, words in ((small, "can't be unpacked"), (bomb, "unpacks to more than")):
        path = captured.with_name("bomb")
        body = json.dumps({"release": "6", "machine": "x86_64", "fingerprint": "", "config": {}, "modules": [],
                           "sections": [["btf", len(packed), 1]]}).encode() + b"\n" + packed  # fmt: skip
        path.write_bytes(b"ebpfgen-kernel 2\n" + sha256(body).hexdigest().encode() + b"\n" + body)
        with pytest.raises(MachineError, match=words):
            kernel.from_file(path).function("kill_task")


def test_a_file_without_end_is_told() -> None:
    with pytest.raises(MachineError, match="too large for a captured kernel: more than 64 MiB"):
        kernel.from_file("/dev/zero")


def test_a_section_of_a_later_version_is_passed_over(captured: Path) -> None:
    def add(head: dict[str, object]) -> None:
        sections = head["sections"]
        assert isinstance(sections, list)
        sections.append(["of tomorrow", 0, 0])

    assert kernel.from_file(rewritten(captured, add)).function("kill_task") is not None


def test_a_file_that_can_t_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="can't be read: No such file"):
        kernel.from_file(tmp_path / "absent")
    with pytest.raises(MachineError, match="can't be read: Is a directory"):
        kernel.from_file(tmp_path)
