"""``ebpfgen describe THING --kernel A --kernel B``: in what kernels differ, as is known of the lab's."""

from __future__ import annotations

import json

import pytest

from ebpfgen import cli
from ebpfgen.describe import UnknownThing
from ebpfgen.portability.things import Comparison, as_text, compare
from portability.conftest import KERNELS, LABELS, described


def compared(thing: str) -> Comparison:
    return compare([(label, described(label)) for label in LABELS], thing)


def on(found: Comparison, word: str) -> dict[str, tuple[bool, ...]]:
    return {row.type: row.on for row in found.rows if row.word == word}


def test_a_member_that_was_renamed() -> None:
    """2f064a59a11f, sched: Change task_struct::state; Linux 5.14."""
    assert on(compared("struct:task_struct"), "__state") == {"unsigned int": (False, True, True, True)}
    assert on(compared("struct:task_struct.state"), "state") == {"volatile long int": (True, False, False, False)}


def test_a_member_of_another_type() -> None:
    flags = on(compared("struct:request"), "cmd_flags")
    assert flags == {"unsigned int": (True, False, False, False), "blk_opf_t": (False, True, True, True)}


def test_an_argument_that_came_later() -> None:
    """9c2136be0878, sched/tracing: Append prev_state to tp args instead; Linux 5.18."""
    found = compared("tp_btf:sched_switch")
    assert [row.word for row in found.differing] == ["args.prev_state"]
    assert on(found, "args.preempt") == {"bool": (True, True, True, True)}


def test_what_some_do_not_have_at_all() -> None:
    found = compared("fentry:do_filp_open")
    assert [bool(why) for why in found.lacking] == [False, False, False, True]
    assert found.differing == ()
    assert as_text(found).splitlines() == [
        "fentry:do_filp_open",
        f"  7.3: {found.lacking[3]}",
        "  the same on those that have it: args.dfd args.pathname args.op",
    ]


def test_what_none_has_is_an_error() -> None:
    with pytest.raises(UnknownThing, match=r"no struct:task_struct of these kernels has a member on_cpus; did you mean on_cpu"):
        compared("struct:task_struct.on_cpus")
    with pytest.raises(UnknownThing, match="no struct task_strukt; did you mean task_struct"):
        compared("struct:task_strukt")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "describe",
        "struct:request_queue.disk",
        *(w for label in LABELS for w in ("--kernel", str(KERNELS / f"{label}.kdesc"))),
    ]
    assert cli.main(words) == 0
    assert capsys.readouterr().out == (
        "struct:request_queue.disk\n"
        "\n"
        "                          5.10      6.1       6.12      7.3\n"
        "  disk  struct gendisk *  -         yes       yes       yes\n"
    )
    assert cli.main([*words, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "thing": "struct:request_queue.disk", "kernels": list(LABELS), "lacking": {},
        "rows": [{"word": "disk", "type": "struct gendisk *", "on": ["6.1", "6.12", "7.3"]}],
    }  # fmt: skip


@pytest.mark.parametrize("command", ["find", "describe"])
def test_one_kernel_is_shown_as_ever(capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert cli.main([command, "fentry:xfs_file_open", "--kernel", str(KERNELS / "6.1.kdesc")]) == 0
    assert "int xfs_file_open(struct inode *inode, struct file *file)" in capsys.readouterr().out
