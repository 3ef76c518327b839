"""Programs that this kernel refuses: each refusal in words, at the line of the spec, with the log on request."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from ebpfrun import verdict
from ebpfrun.errors import AttachError
from ebpfrun.tracer import Tracer

from .cases import CASES, COLUMN, LINE, Case, plain

pytestmark = [pytest.mark.root, pytest.mark.kernel]
Refused = Callable[[Case], Path]
LAB = os.environ.get("EBPFGEN_LAB", "")
KEPT = os.environ.get("EBPFGEN_KEEP_LOGS", "/run/lab/refused" if LAB else "")
"""A folder for the logs. Guests leave theirs where test_recorded takes them from."""


def words_of(artefact: Path, log: Path) -> str | None:
    """What the user is told; None when the kernel took the program."""
    try:
        with Tracer(str(artefact), verifier_log=str(log)):
            return None
    except AttachError as error:
        return str(error)


@pytest.mark.parametrize("case", [pytest.param(c, id=c.name) for c in CASES if not (c.slow and LAB)])
def test_each_is_told_in_words_at_its_line(case: Case, refused: Refused, tmp_path: Path) -> None:
    log = tmp_path / "log"
    told = words_of(refused(case), log)
    if told is None:
        assert case.may_load
        return
    if KEPT:
        Path(KEPT).mkdir(parents=True, exist_ok=True)
        (Path(KEPT) / f"{case.name}.log").write_text(plain(log.read_text().partition("\n")[2]))
    first, *more = told.split("\n")
    places = {LINE: [f"{LINE}:{COLUMN}"], 0: ["10"], None: [f"{LINE}:{COLUMN}", "10"]}[case.line]
    assert first.startswith(
        tuple(f"refused.yaml:{p}: probe called: the kernel refuses this program: {case.what}" for p in places)
    )
    assert len(more) <= 9
    assert more[-1] == f"all of the kernel's words: in {log}"
    assert any(line.strip() in log.read_text() for line in more[:-1]), "some of it is the kernel's own"


@pytest.mark.parametrize("name", ["null_entry", "unreleased", "out_of_range"])
def test_the_table_of_places_counts_instructions_as_the_kernel_does(name: str, refused: Refused, tmp_path: Path) -> None:
    """The log of newer kernels names the line of C of each instruction: the table must say the same, for all that it has."""
    case = next(c for c in CASES if c.name == name)
    artefact = refused(case)
    assert words_of(artefact, tmp_path / "log") is not None
    from ebpfrun import manifest
    from ebpfrun.places import Places

    known = manifest.read(str(artefact))
    places, line, seen = Places(known), 0, 0
    for text in (tmp_path / "log").read_text().split("\n"):
        if found := re.search(r"; .* @ refused\.bpf\.c:(\d+)$", text):
            line = int(found[1])
        elif (found := re.match(r"(\d+): \(", text)) and line:
            assert places.c_line(known.programs[0], int(found[1])) == line, text
            seen += 1
    if not seen:
        pytest.skip("the kernel's log does not number the lines of C")
    assert seen >= 30


def test_the_whole_log_is_kept_on_request_only(refused: Refused, tmp_path: Path) -> None:
    case = next(c for c in CASES if c.name == "null_entry")
    with pytest.raises(AttachError, match=r"all of the kernel's words: --verifier-log FILE$") as told:
        Tracer(str(refused(case))).open()
    assert "call bpf_map_update_elem" not in str(told.value)
    log = tmp_path / "log"
    words_of(refused(case), log)
    assert log.read_text().startswith("tracepoint:syscalls:sys_enter_getppid (refused.yaml:10), program called")
    assert "call bpf_map_update_elem" in log.read_text()
    assert "processed " in log.read_text()


def test_a_long_log_keeps_its_end(refused: Refused, tmp_path: Path) -> None:
    if LAB:
        pytest.skip("it takes minutes in a guest")
    case = next(c for c in CASES if c.slow)
    log = tmp_path / "log"
    words_of(refused(case), log)
    text = log.read_text()
    assert re.search(r"\n\[\d{7,} bytes of log were cut here\]\n", text)
    assert len(text) < 2 << 20
    assert verdict.parse(f"-- BEGIN PROG LOAD LOG --\n{text}-- END PROG LOAD LOG --").said == (
        "BPF program is too large. Processed 1000001 insn",
    )


def test_a_file_that_cannot_be_written_is_told(refused: Refused, tmp_path: Path) -> None:
    from ebpfrun.errors import MachineError

    with pytest.raises(MachineError, match=r"--verifier-log .*: No such file or directory"):
        words_of(refused(CASES[2]), tmp_path / "none" / "log")
