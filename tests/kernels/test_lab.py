"""The lab's own judgement: no kernel is started here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kernels import guest, lab, packages, prebuild, report, test_guests
from kernels.__main__ import main
from kernels.guest import Ended
from kernels.image import Image
from kernels.packages import Files, Kernel, Known, Lab, LabError, Skip, files, newest, read_lab

LAB = Lab(
    mirror="http://example/",
    keyring=Path("/keyring"),
    time_limit=1,
    kernels=(Kernel("5.10", "archive", "old"), Kernel("6.12", "archive", "new")),
    tests=("tests/kernels",),
    skips=(Skip("no such thing", before="6.1"),),
    known=(Known("tests/a/test_b.py::test_known", since="6.1", why="because"),),
)
FINE = Ended(0, "")
T = "tests/a/test_b.py::test_"


def judge(folder: Path, kernel: str, *entries: tuple[str, str, str], ended: Ended = FINE) -> report.Column:
    lines = [json.dumps({"test": T + name, "outcome": outcome, "why": why, "seconds": 1}) for name, outcome, why in entries]
    (folder / "report.jsonl").write_text("".join(line + "\n" for line in lines))
    return report.column(LAB, kernel, 1.0, ended, folder / "report.jsonl")


def words(column: report.Column) -> list[str]:
    return [outcome.word for outcome in column.outcomes.values()]


def test_passed_and_failed(tmp_path: Path) -> None:
    entries = [("x", "started", ""), ("x", "passed", ""), ("y", "started", ""), ("y", "failed", "its words")]
    column = judge(tmp_path, "5.10", *entries, ended=Ended(1, ""))
    assert words(column) == ["ok", "FAIL"]
    assert not column.trouble and not report.well([column])
    assert any("its words" in line for line in report.remarks([column]))


def test_a_test_that_fails_when_it_is_torn_down_has_failed(tmp_path: Path) -> None:
    assert words(judge(tmp_path, "5.10", ("x", "passed", ""), ("x", "failed", "left open"))) == ["FAIL"]


def test_a_skip_needs_a_kernel_that_is_old_enough(tmp_path: Path) -> None:
    skipped = ("x", "skipped", "no such thing here")
    old, new = judge(tmp_path, "5.10", skipped), judge(tmp_path, "6.12", skipped)
    assert (words(old), report.well([old])) == (["skip"], True)
    assert (words(new), report.well([new])) == (["FAIL"], False)
    assert "5.10: 1 skip: no such thing here" in report.remarks([old])
    assert words(judge(tmp_path, "5.10", ("x", "skipped", "another reason"))) == ["FAIL"]


def test_a_known_failure_must_fail(tmp_path: Path) -> None:
    fails, passes = ("known", "failed", ""), ("known", "passed", "")
    assert words(judge(tmp_path, "6.12", fails, ended=Ended(1, ""))) == ["known"]
    assert words(judge(tmp_path, "6.12", passes)) == ["FAIL"]
    assert words(judge(tmp_path, "5.10", passes)) == ["ok"]
    assert words(judge(tmp_path, "5.10", fails, ended=Ended(1, ""))) == ["FAIL"]


def test_a_guest_that_hangs_has_failed_and_the_test_is_named(tmp_path: Path) -> None:
    column = judge(tmp_path, "5.10", ("x", "passed", ""), ("y", "started", ""), ended=Ended(None, "hung: ended after 1 s"))
    assert words(column) == ["ok", "HUNG"]
    assert not report.well([column])


@pytest.mark.parametrize("ended", [Ended(None, "died: QEMU ended with 1"), Ended(2, ""), Ended(1, "")])
def test_a_guest_that_ends_otherwise_than_by_its_tests_has_failed(tmp_path: Path, ended: Ended) -> None:
    column = judge(tmp_path, "5.10", ("x", "passed", ""), ended=ended)
    assert column.trouble and not report.well([column])


def test_no_test_at_all_is_a_failure(tmp_path: Path) -> None:
    assert not report.well([report.column(LAB, "5.10", 1.0, Ended(0, ""), tmp_path / "nothing")])


def test_the_table_has_a_column_for_each_kernel(tmp_path: Path) -> None:
    columns = [judge(tmp_path, "5.10", ("x", "passed", "")), judge(tmp_path, "6.12", ("y", "failed", ""), ended=Ended(1, ""))]
    rows = [line.split() for line in report.table(columns)]
    assert rows == [["5.10", "6.12"], ["a/b:", "x", "ok", "-"], ["a/b:", "y", "-", "FAIL"], ["seconds", "1", "1"]]


def test_kernels_are_chosen_by_name() -> None:
    assert [kernel.name for kernel in LAB.choose([])] == ["5.10", "6.12"]
    assert [kernel.name for kernel in LAB.choose(["6.12"])] == ["6.12"]
    with pytest.raises(LabError, match=r"no kernel 6\.13 .* there are 5\.10, 6\.12"):
        LAB.choose(["6.13"])


@pytest.mark.parametrize(
    ("qemu", "ended"),
    [
        ("exec sleep 1000", Ended(None, "hung: ended after 0 s")),
        ("echo lab: no such folder; exit 33", Ended(None, "died: QEMU ended with 33; on the console: lab: no such folder")),
        ("echo 7 >{share}/status; exit 33", Ended(7, "")),
        ("echo 7 >{share}/status; exit 1", Ended(None, "died: QEMU ended with 1; on the console: nothing")),
    ],
)
def test_how_guests_end(qemu: str, ended: Ended, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "QEMU", ("sh", "-c", qemu.format(share=tmp_path)))
    found = guest.run(
        Image(tmp_path, tmp_path), Files("6.1", tmp_path, tmp_path), "true", tmp_path, 0.4 if "sleep" in qemu else 60
    )
    assert found == ended


def test_a_shell_is_on_this_terminal_and_has_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guest, "QEMU", ("sh", "-c", f"echo 5 >{tmp_path}/status; exit 33"))
    assert guest.run(Image(tmp_path, tmp_path), Files("6.1", tmp_path, tmp_path), "bash", tmp_path, None) == Ended(5, "")
    assert not (tmp_path / "console").exists()


def test_a_shell_is_of_one_kernel_and_knows_the_tests(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[tuple[str, list[str]]] = []

    def shell(_: Lab, kernel: Kernel, arguments: list[str]) -> int:
        asked.append((kernel.name, arguments))
        return 7

    monkeypatch.setattr(lab, "shell", shell)
    monkeypatch.setattr(sys, "argv", ["kernels", "--kernel", "5.10", "--shell", "--", "-k", "fexit"])
    assert main() == 7
    assert asked == [("5.10", ["-k", "fexit"])]
    monkeypatch.setattr(sys, "argv", ["kernels", "--shell"])
    assert main() == 3
    assert "a shell needs one kernel to be named: --kernel 5.10" in capsys.readouterr().err


def test_where_the_lab_is_not_to_be_had_it_says_so_and_ci_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "setup_kernel_lab: missing; try: sudo apt-get install qemu-system-x86"
    refused = subprocess.CompletedProcess[str]([], 3, "", f"a line before\n{words}\n")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: refused)
    monkeypatch.delenv("EBPFGEN_NEEDS_LAB", raising=False)
    with pytest.raises(pytest.skip.Exception, match=f"no kernel lab here: {words}"):
        test_guests.needs_the_lab(print)
    monkeypatch.setenv("EBPFGEN_NEEDS_LAB", "1")
    with pytest.raises(pytest.fail.Exception, match=f"no kernel lab here: {words}"):
        test_guests.needs_the_lab(print)


OFFERED = [
    *("linux-image-6.12.9+deb13-amd64", "linux-image-6.12.10+deb13-amd64", "linux-image-6.12.10+deb13-cloud-amd64"),
    *("linux-image-6.12.10+deb13-amd64-dbg", "linux-image-amd64", "linux-image-6.1.0-56-amd64", "linux-image-7.5.1+deb13-amd64"),
]


@pytest.mark.parametrize(
    ("series", "version"),
    [("6.12", "6.12.10+deb13-amd64"), ("6.1", "6.1.0-56-amd64"), ("7.3", "7.5.1+deb13-amd64"), ("7.6", None)],
)
def test_the_newest_of_the_series_or_what_a_mirror_moved_on_to(series: str, version: str | None) -> None:
    assert newest(OFFERED, series) == version


def test_a_kernel_is_asked_for_again_and_its_want_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], folder: Path) -> str:
        raise LabError(f"{command[0]}: no route")

    monkeypatch.setattr(packages, "_run", refuse)
    said: list[str] = []
    with pytest.raises(LabError, match=r"kernel 5\.10 can't be fetched from http://example/: apt-get: no route"):
        files(LAB, LAB.kernels[0], tmp_path, said.append)
    again = "apt-get: no route; fetching 5.10 again"
    assert said == ["fetching 5.10 from old", again, again]
    assert not list(tmp_path.iterdir())


def collected(*arguments: str) -> str:
    """The tests of the lab that pytest would run with these arguments, outside of a guest."""
    environment = {name: value for name, value in os.environ.items() if name != "EBPFGEN_LAB"}
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *arguments]
    done = subprocess.run(command, cwd=prebuild.ROOT, env=environment, capture_output=True, text=True)
    return "\n".join(line for line in done.stdout.splitlines() if "test_guests" in line)


def test_the_whole_lab_runs_with_the_whole_of_the_tests_only() -> None:
    guests = collected()
    assert all(f"[{kernel.name}]" in guests for kernel in read_lab().kernels)
    assert collected("tests/kernels/test_guests.py") == guests
    assert not any(
        collected(*words) for words in (["tests/kernels"], ["-k", "kernel"], ["-m", "lab"], ["tests/kernels/test_lab.py"])
    )


def test_the_file_is_sound_and_names_tests_that_exist() -> None:
    lab = read_lab()
    assert [kernel.name for kernel in lab.kernels] == ["5.10", "6.1", "6.12", "7.3"]
    for test in (*lab.tests, *(known.test for known in lab.known)):
        path, _, function = test.partition("::")
        assert (prebuild.ROOT / path).exists(), test
        if function:
            assert f"def {function.partition('[')[0]}(" in (prebuild.ROOT / path).read_text(), test


def test_the_plugin_writes_each_outcome_at_once(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(
        "import os, pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert 1 == 2\n"
        "@pytest.mark.skip(reason='no such thing')\n"
        "def test_skipped(): pass\n"
        "def test_end(): os._exit(9)\n"
    )
    results = tmp_path / "report.jsonl"
    environment = os.environ | {"PYTHONPATH": str(prebuild.ROOT / "tests"), "LAB_REPORT": str(results)}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "kernels.reporting", "--rootdir", str(tmp_path), str(tmp_path)]
    subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True)
    column = report.column(LAB, "5.10", 1.0, Ended(None, "died"), results)
    names = {test.partition("::")[2]: outcome.word for test, outcome in column.outcomes.items()}
    assert names == {"test_good": "ok", "test_bad": "FAIL", "test_skipped": "skip", "test_end": "HUNG"}
