"""The tracer against the kernel: a child that calls getppid exactly N times gives exactly N records."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ebpfrun import tracer as tracer_module
from ebpfrun.errors import ArtefactError, AttachError, ClosedError, DriverError, MachineError, UsageError
from ebpfrun.tracer import Tracer

from .conftest import one

pytestmark = [pytest.mark.root, pytest.mark.kernel]

Make = Callable[..., Path]
_RECORD = struct.Struct("=IIIIQII")  # length, 0, then the record


class Child:
    """A process that makes calls when it is told to."""

    def __init__(self) -> None:
        self._ask, ask = os.pipe()
        done, self._done = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(ask)
            os.close(done)
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # numbers of records are counted per CPU
            self._serve()
        os.close(self._ask)
        os.close(self._done)
        self._ask, self._done = ask, done

    def _serve(self) -> None:
        while order := os.read(self._ask, 8):
            for _ in range(int.from_bytes(order, "little")):
                os.getppid()
            os.write(self._done, b"!")
        os._exit(0)

    def call(self, times: int) -> None:
        os.write(self._ask, times.to_bytes(8, "little"))
        assert os.read(self._done, 1) == b"!"

    def end(self) -> None:
        os.close(self._ask)
        os.close(self._done)
        os.waitpid(self.pid, 0)


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child()
    yield child
    child.end()


def records(tracer: Tracer) -> list[tuple[int, ...]]:
    """(pid, number) of what is in the ring."""
    found = []
    while batch := tracer.take():
        with batch:
            found += [r[5:] for r in _RECORD.iter_unpack(bytes(batch.data))]
    return found


def counters(tracer: Tracer) -> list[int]:
    return [sum(int.from_bytes(v, "little") for v in values) for _, values in tracer.dump("counters")]


def hits(tracer: Tracer) -> list[int]:
    return [int.from_bytes(values[0], "little") for _, values in tracer.dump("hits")]


def descriptors() -> list[str]:
    """What this process has open: the kernel gives eBPF objects a descriptor each."""
    return sorted(str(Path(fd).readlink()) for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink())


def test_every_call_is_a_record_in_its_order(artefact: Make, child: Child) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}) as tracer:
        child.call(1000)
        assert records(tracer) == [(child.pid, 7 + i) for i in range(1000)]
        assert counters(tracer) == [1000, 0]


def test_more_than_a_page_holds_comes_in_several_batches(artefact: Make, child: Child) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}, ring=1 << 20) as tracer:
        child.call(20000)
        first = tracer.take()
        assert first and 0 < len(first) < 20000
        child.call(1)
        rest = records(tracer)
        assert rest[-1] == (child.pid, 7 + 20000)
        assert len(rest) == 20001 - len(first)


def test_memory_for_less_than_one_record_is_refused_and_nothing_is_lost(artefact: Make, child: Child) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}) as tracer:
        child.call(2)
        assert tracer._object
        with pytest.raises(DriverError, match="Message too long"):
            tracer._object.drain(bytearray(_RECORD.size - 1), 0)
        assert tracer._object.drain(bytearray(_RECORD.size), 0) == _RECORD.size
        assert records(tracer) == [(child.pid, 8)]


def test_what_finds_no_room_is_counted_and_the_ring_goes_on_afterwards(artefact: Make, child: Child) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}, ring=4096) as tracer:
        child.call(1000)
        delivered = len(records(tracer))
        produced, lost = counters(tracer)
        assert produced == 1000 == delivered + lost
        assert lost > 0
        for turn in range(20):  # more than once around the ring
            child.call(50)
            assert [number for _, number in records(tracer)] == list(range(1007 + turn * 50, 1057 + turn * 50))


def test_what_was_observed_can_be_read_after_detaching(artefact: Make, child: Child) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": child.pid}) as tracer:
        child.call(5)
        tracer.detach()
        child.call(5)
        assert len(records(tracer)) == 5
        [(key, values)] = tracer.dump("calls")
        assert (int.from_bytes(key, "little"), sum(int.from_bytes(v, "little") for v in values)) == (child.pid, 5)


def test_parameters_are_in_the_program(artefact: Make, child: Child) -> None:
    folder = str(artefact(one("on_getppid")))
    with Tracer(folder, {"first": 500}, {"pid": child.pid}) as tracer:
        child.call(1)
        assert records(tracer) == [(child.pid, 500)]
    with Tracer(folder, {"silent": True}, {"pid": child.pid}) as tracer:
        child.call(3)
        assert records(tracer) == []
        assert sum(int.from_bytes(v, "little") for v in tracer.dump("calls")[0][1]) == 3


@pytest.mark.parametrize("other", [{"pid": 1}, {"tid": 1}, {"uid": 12345}])
def test_filters_keep_others_out(artefact: Make, child: Child, other: dict[str, Any]) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters=other) as tracer:
        child.call(10)
        assert child.pid not in {pid for pid, _ in records(tracer)}


def test_a_wait_without_records_ends_by_its_time_out(artefact: Make) -> None:
    with Tracer(str(artefact(one("on_getppid"))), filters={"pid": 1}) as tracer:
        assert tracer.take(0.001) is None


@pytest.mark.parametrize(
    ("program", "slot"), [("on_sys_enter", 0), ("on_uprobe", 2), ("on_tick", 3)], ids=["raw_tracepoint", "uprobe", "profile"]
)
def test_kinds_that_attach_here_fire(artefact: Make, program: str, slot: int) -> None:
    with Tracer(str(artefact(one(program))), {"first": 1000}, {"pid": os.getpid()}) as tracer:
        assert [p.name for p in tracer.attached] == [program]
        while not hits(tracer)[slot]:
            os.getpgid(0)


def test_tp_btf_counts_forks(artefact: Make) -> None:
    with Tracer(str(artefact(one("on_fork"))), filters={"pid": os.getpid()}) as tracer:
        for _ in range(3):
            if (pid := os.fork()) == 0:
                os._exit(0)
            os.waitpid(pid, 0)
        assert hits(tracer)[1] == 3


def test_a_hash_is_dumped_whole(artefact: Make) -> None:
    with Tracer(str(artefact(one("on_sys_enter")))) as tracer:
        opened = tracer._opened()
        ffi, lib = opened._driver.ffi, opened._driver.lib
        for i in range(3000):
            assert lib.er_map_update(opened._handle, b"seen", ffi.new("uint64_t *", i), ffi.new("uint32_t *", i * 7)) == 0
        dumped = {int.from_bytes(k, "little"): int.from_bytes(v, "little") for k, [v] in tracer.dump("seen")}
        assert dumped == {i: i * 7 for i in range(3000)}
        # As where more entries come and go meanwhile than the map holds at a time: not one is left out.
        opened._sizes["seen"].max_entries = 100
        again = {int.from_bytes(k, "little"): int.from_bytes(v, "little") for k, [v] in tracer.dump("seen")}
        assert again == dumped


# --- alternatives ---


def test_the_first_that_this_kernel_takes_is_attached(artefact: Make) -> None:
    said: list[str] = []
    plan = {"first": [one("on_nothing"), one("on_getppid"), one("on_fork")]}
    with Tracer(str(artefact(plan)), notice=lambda text, _: said.append(text)) as tracer:
        assert [p.name for p in tracer.attached] == ["on_getppid"]
    assert any("passed over tp_btf:on_nothing (getppid.yaml:23): this kernel has no tracepoint" in text for text in said)


def test_a_refusal_by_the_verifier_passes_to_the_next_alternative(artefact: Make) -> None:
    with Tracer(str(artefact({"first": [one("on_refused"), one("on_getppid")]}))) as tracer:
        assert [p.name for p in tracer.attached] == ["on_getppid"]


def test_an_optional_one_that_is_not_there_is_left_out(artefact: Make) -> None:
    with Tracer(str(artefact({"all": [one("on_getppid"), one("on_nothing", optional=True)]}))) as tracer:
        assert [p.name for p in tracer.attached] == ["on_getppid"]


def test_nothing_stays_when_a_probe_cannot_be_attached(artefact: Make) -> None:
    before = descriptors()
    folder = str(artefact(one("on_getppid"), {"first": [one("on_nothing"), one("on_refused")]}))
    with pytest.raises(AttachError) as raised:
        Tracer(folder).open()
    assert descriptors() == before
    text = str(raised.value)
    assert text.startswith(
        "getppid.yaml:23: p1: none of its attach points can be attached here: tp_btf:on_nothing: this kernel has"
    )
    assert "tracepoint:on_refused: the kernel refuses this program: it follows a number as if it were a pointer" in text
    assert "\n  R1 invalid mem access 'scalar'\n" in text


def test_a_missing_tracepoint_has_its_near_miss(artefact: Make) -> None:
    folder = artefact(one("on_getppid"))
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"sys_enter_getppid"', '"sys_enter_getpppid"'))
    with pytest.raises(AttachError, match=r"no such tracepoint; did you mean syscalls:sys_enter_getppid"):
        Tracer(str(folder)).open()


def test_a_missing_function_of_a_library_has_its_near_miss(artefact: Make) -> None:
    folder = artefact(one("on_uprobe"))
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"symbol": "getpgid"', '"symbol": "getpgidd"'))
    with pytest.raises(AttachError, match=r"libc.so.6 has no function getpgidd; did you mean getpgid"):
        Tracer(str(folder)).open()


def test_a_missing_library_is_named(artefact: Make) -> None:
    folder = artefact(one("on_uprobe"))
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"libc.so.6"', '"libnothing.so.9"'))
    with pytest.raises(AttachError, match=r"there is no library libnothing.so.9"):
        Tracer(str(folder)).open()


@pytest.mark.skipif(Path("/sys/bus/event_source/devices/kprobe").exists(), reason="kprobes: this kernel has them")
def test_without_kprobes_the_line_says_so_and_what_would_work(artefact: Make) -> None:
    with pytest.raises(AttachError) as raised:
        Tracer(str(artefact(one("on_kprobe")))).open()
    assert "this kernel has no kprobes (CONFIG_KPROBES)" in str(raised.value)
    assert "hint: tracepoint:syscalls:sys_enter_getppid works here" in str(raised.value)


# --- lifetime ---


def test_open_and_close_leave_no_descriptor(artefact: Make) -> None:
    folder = str(artefact(one("on_getppid")))
    before = descriptors()
    for _ in range(3):
        with Tracer(folder) as tracer:
            tracer.take()
    assert descriptors() == before


def test_closing_twice_is_harmless_and_use_after_close_is_an_error(artefact: Make) -> None:
    tracer = Tracer(str(artefact(one("on_getppid"))))
    with pytest.raises(ClosedError):
        tracer.take()
    tracer.open()
    held = tracer._opened()
    tracer.close()
    tracer.close()
    for use in (tracer.take, lambda: tracer.dump("calls"), tracer.detach, held.detach, held.load):
        with pytest.raises(ClosedError):
            use()


def test_two_tracers_in_one_process(artefact: Make, child: Child) -> None:
    folder = str(artefact(one("on_getppid")))
    with Tracer(folder, filters={"pid": child.pid}) as a, Tracer(folder, {"first": 100}, {"pid": child.pid}) as b:
        child.call(2)
        assert records(a) == [(child.pid, 7), (child.pid, 8)]
        assert records(b) == [(child.pid, 100), (child.pid, 101)]


def test_a_map_that_is_not_there_is_a_driver_error(artefact: Make) -> None:
    with Tracer(str(artefact(one("on_getppid")))) as tracer, pytest.raises(DriverError, match="map nothing: No such file"):
        tracer.dump("nothing")


def test_what_does_not_belong_together_is_refused(artefact: Make) -> None:
    with pytest.raises(ArtefactError, match="not of the same build"):
        Tracer(str(artefact(one("on_getppid"), code="others"))).open()
    with pytest.raises(ArtefactError, match="config has 64 bytes, the manifest's 0"):
        Tracer(str(artefact(one("on_getppid"), config=None))).open()
    with pytest.raises(ArtefactError, match="built for riscv64"):
        Tracer(str(artefact(one("on_getppid"), built={"machine": "riscv64"}))).open()


def test_what_the_program_has_no_room_for_is_refused(artefact: Make) -> None:
    folder = str(artefact(one("on_getppid")))
    for params, filters in (({"nothing": 1}, {}), ({"word": "a" * 11}, {}), ({"first": 1 << 32}, {}), ({}, {"comm": "x"})):
        with pytest.raises(UsageError):
            Tracer(folder, params, filters)


def test_a_kernel_without_btf_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = DriverError("loading", 3, "libbpf: Error loading vmlinux BTF: -3")
    with pytest.raises(DriverError):
        tracer_module._culprit([], refused)
    monkeypatch.setattr(tracer_module, "_BTF", "/nowhere")
    with pytest.raises(MachineError, match="no /nowhere"):
        tracer_module._culprit([], refused)
