"""The same input gives the same bytes; what has not changed is not built again; what has, is."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from .commands import CLANG, EBPFGEN, EBPFRUN, MACHINE, ROOT, SPEC, Done, build, one_message, rubbish, run, spec, started, tree

pytestmark = pytest.mark.root  # tracepoints of the running kernel are root's to see

SETTINGS: dict[str, dict[str, str]] = {
    "C locale": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "another locale": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Kathmandu"},
    "another hash": {"PYTHONHASHSEED": "12345", "SOURCE_DATE_EPOCH": "1"},
    "little environment": {"HOME": "", "XDG_CACHE_HOME": "", "TERM": "", "USER": "", "LANG": ""},
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two specs, one with text beyond ASCII, and their artefacts in ``out``."""
    folder = tmp_path_factory.mktemp("reference")
    spec(folder / "specs", summary="Appels de getppid, “cités” — ∀.")
    shutil.copy(ROOT / "specs/opensnoop.yaml", folder / "specs")
    build(folder / "specs", out=folder / "out")
    return folder


@pytest.mark.parametrize("setting", SETTINGS)
def test_the_same_bytes_elsewhere(setting: str, reference: Path, tmp_path: Path) -> None:
    """Another folder, another way of naming it, other settings, another umask, one after the other."""
    elsewhere = tmp_path / "a longer name with spaces" / "x"
    shutil.copytree(reference / "specs", elsewhere / "specs")
    build(Path("specs/opensnoop.yaml"), Path("specs/call.yaml"), out=Path("o"), cwd=elsewhere, env=SETTINGS[setting], umask=0o077)
    built = tree(elsewhere / "o")
    assert built == tree(reference / "out")
    assert not [name for name, data in built.items() if str(tmp_path).encode() in data or str(ROOT).encode() in data]


def test_a_link_to_the_spec_and_to_the_folder(reference: Path, tmp_path: Path) -> None:
    (tmp_path / "specs").symlink_to(reference / "specs")
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to("real")
    build(tmp_path / "specs", out=tmp_path / "out", env={"PYTHONHASHSEED": "7"})
    assert tree(tmp_path / "real") == tree(reference / "out")


# --- incremental ---


def rebuilt(folder: Path, *more: str, env: dict[str, str] | None = None) -> bool:
    """Whether a build did anything."""
    before = {p: p.stat().st_ino for p in (folder / "build").rglob("*")}
    done = run(EBPFGEN, "build", "specs", *more, cwd=folder, env=env)
    assert done.status == 0, done.err
    assert not rubbish(folder / "build")
    return {p: p.stat().st_ino for p in (folder / "build").rglob("*")} != before


def current(folder: Path, env: dict[str, str] | None = None) -> bool:
    done = run(EBPFGEN, "build", "specs", "--check", cwd=folder, env=env)
    assert (done.status, done.err) in ((0, ""), (SPEC, "specs/call.yaml: not up to date\n"))
    return done.status == 0


def test_touching_is_no_change(home: Path) -> None:
    os.utime(home / "specs/call.yaml", (0, 0))
    assert current(home)
    assert not rebuilt(home)


def test_nothing_to_do_starts_no_process_and_writes_nothing(home: Path) -> None:
    """Told by tools that can't be started and a folder that is not there to be written to."""
    if not shutil.which("strace"):
        pytest.skip("strace: not installed")
    trace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        str(home / "trace"),
        "-e",
        "trace=execve,fork,vfork,clone,clone3,mkdir,rename,renameat2,unlink",
    ]
    done = run(*trace, EBPFGEN, "build", "specs", cwd=home)
    assert done == Done(0, "", "1 of 1 up to date\n")
    calls = (home / "trace").read_text().splitlines()
    assert [call for call in calls if "execve" not in call] == []
    assert len(calls) == 1


def test_force(home: Path) -> None:
    before = tree(home / "build")
    assert rebuilt(home, "--force")
    assert tree(home / "build") == before


def test_an_edited_spec(home: Path) -> None:
    path = home / "specs/call.yaml"
    original, before = path.read_bytes(), tree(home / "build")
    path.write_bytes(original.replace(b"Calls of", b"All calls of"))
    assert not current(home)
    assert rebuilt(home)
    assert current(home)
    path.write_bytes(original)
    assert not current(home)
    assert rebuilt(home)
    assert tree(home / "build") == before


def _touch_template(tree_: Path) -> None:
    path = next((tree_ / "templates").glob("*.j2"))
    path.write_text(path.read_text() + "\n")


def _edit_code(tree_: Path) -> None:
    path = tree_ / "generator/ebpfgen/layout.py"
    path.write_text(path.read_text() + "# more\n")


def _edit_driver(tree_: Path) -> None:
    path = tree_ / "templates/driver.c"
    path.write_text(path.read_text() + "/* more */\n")


@pytest.mark.parametrize("edit", [_touch_template, _edit_code, _edit_driver])
def test_an_edited_generator(edit: Callable[[Path], None], home: Path) -> None:
    """In a copy of it; the copy's place does not matter."""
    copy = home / "copy"
    for part in ("generator", "templates"):
        shutil.copytree(ROOT / part, copy / part, ignore=shutil.ignore_patterns("__pycache__"))
    env = {"PYTHONPATH": str(copy / "generator")}
    assert current(home, env=env)
    edit(copy)
    assert not current(home, env=env)


def test_another_compiler(home: Path) -> None:
    clang = home / "clang"
    clang.write_text(f'#!/bin/sh\nexec {CLANG} "$@"\n')
    clang.chmod(0o755)
    assert not current(home, env={"CLANG": str(clang)})
    assert rebuilt(home, env={"CLANG": str(clang)})
    assert current(home, env={"CLANG": str(clang)})
    assert not current(home)


def test_another_kernel(home: Path, captured: Path) -> None:
    shutil.copy(captured, home / "kernel")
    assert rebuilt(home, "--kernel", "kernel") is False  # the same kernel, in a file
    data = (home / "kernel").read_bytes()
    (home / "other").write_bytes(_with_another_fingerprint(data))
    assert rebuilt(home, "--kernel", "other")
    assert not current(home)


def _with_another_fingerprint(data: bytes) -> bytes:
    first, _, body = data.split(b"\n", 2)
    head, _, sections = body.partition(b"\n")
    body = json.dumps({**json.loads(head), "fingerprint": "another"}).encode() + b"\n" + sections
    return b"\n".join([first, hashlib.sha256(body).hexdigest().encode(), body])


# --- many ---


def test_a_broken_spec_fails_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "d"):
        spec(tmp_path / "specs", name)
    (tmp_path / "specs/c.yaml").write_text("name: [")
    (tmp_path / "specs/e.yaml").write_bytes(b"\xff")
    done = run(EBPFGEN, "build", "specs", "--jobs", "3", cwd=tmp_path)
    assert done.status == SPEC
    broken, other, total = done.err.splitlines()
    assert broken.startswith("specs/c.yaml:1:")
    assert other.startswith("specs/e.yaml:1:")
    assert total == "not built: specs/c.yaml, specs/e.yaml"
    assert sorted(p.name for p in (tmp_path / "build").iterdir()) == ["a", "b", "d"]
    again = run(EBPFGEN, "build", "specs", "--check", cwd=tmp_path)
    assert (again.status, again.err) == (SPEC, "specs/c.yaml: not up to date\nspecs/e.yaml: not up to date\n")
    again = run(EBPFGEN, "build", "specs", "--quiet", cwd=tmp_path)
    assert (again.status, again.err.splitlines()) == (SPEC, [broken, other])


def test_a_mistake_of_our_own_with_one_spec_leaves_the_others(tmp_path: Path) -> None:
    """Should the generator itself fail over a spec, that is told as what it is."""
    spec(tmp_path / "specs", "a")
    spec(tmp_path / "specs", "b", summary="trip")
    (tmp_path / "sitecustomize.py").write_text(
        "import ebpfgen.check as check\nreal = check.check\n"
        "def trip(spec, kernel):\n    assert spec.summary != 'trip', 'tripped'\n    return real(spec, kernel)\n"
        "check.check = trip\n"
    )
    done = run(EBPFGEN, "build", "specs", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)})
    assert done.status == 70
    assert done.err.splitlines()[0].startswith("ebpfgen: specs/b.yaml: a mistake in ebpfgen itself: AssertionError: tripped; ")
    assert "Traceback" not in done.err
    assert [p.name for p in (tmp_path / "build").iterdir()] == ["a"]
    done = run(EBPFGEN, "build", "specs", cwd=tmp_path, env={"PYTHONPATH": str(tmp_path), "EBPFGEN_TRACEBACK": "1"})
    assert "AssertionError: tripped" in done.err
    assert "Traceback" in done.err


def test_more_variables_than_the_stack_holds(tmp_path: Path) -> None:
    """All are needed by the first statement, and again by the last; what is made of a parameter is not made twice."""
    names = [f"v{i}" for i in range(90)]
    lets = "".join(f"      {name}: args.arg{2 + i % 4} * $by + {i}\n" for i, name in enumerate(names))
    (tmp_path / "many.yaml").write_text(
        "ebpfgen: 1\nname: many\nsummary: x\nparams: {by: {type: u64, help: x}}\n"
        "maps: {m: {type: array, max_entries: 1, key: u32, value: u64}}\n"
        f"probes:\n  - on: tracepoint:syscalls:sys_enter_prctl\n    let:\n{lets}    do:\n"
        f"      - {{set: 'm[0]', to: '{' + '.join(names)}'}}\n      - {{set: 'm[0]', to: 'm[0] + ({' ^ '.join(names)})'}}\n"
    )
    done = run(EBPFGEN, "build", "many.yaml", cwd=tmp_path)
    assert done.status == SPEC
    assert done.err.splitlines()[0].startswith("many.yaml:9:16: the program that begins here keeps more at a time than the 512 bytes of")
    assert "clang" not in done.err
    assert not (tmp_path / "build/many").exists()


def test_two_builds_of_one_spec_at_once(tmp_path: Path) -> None:
    """Each leaves the whole, and neither takes the other's folder for rubbish."""
    path = spec(tmp_path)
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache")}  # empty: both compile the driver, too
    command = [EBPFGEN, "build", str(path), "--out", str(tmp_path / "out"), "--force", "--quiet"]
    builds = [subprocess.Popen(command, env={**os.environ, **cache}, stderr=subprocess.PIPE) for _ in range(2)]
    ended = [(b.communicate()[1], b.returncode) for b in builds]
    assert ended == [(b"", 0)] * 2
    assert not rubbish(tmp_path / "out")
    assert not list((tmp_path / "cache").rglob(".*"))
    build(path, out=tmp_path / "one")
    assert tree(tmp_path / "out") == tree(tmp_path / "one")


def test_check_of_what_was_never_built(tmp_path: Path) -> None:
    spec(tmp_path / "specs")
    one_message(run(EBPFGEN, "build", "specs", "--check", cwd=tmp_path), SPEC, "specs/call.yaml: not up to date")
    assert [p.name for p in tmp_path.iterdir()] == ["specs"]


# --- replacing ---


@pytest.mark.kernel
def test_an_artefact_is_replaced_while_it_runs(home: Path) -> None:
    with started(EBPFRUN, "build/call", "--pid", str(os.getpid()), "--sink", "jsonl:-", cwd=home) as tracer:
        tracer.wait_for("attached")
        path = home / "specs/call.yaml"
        path.write_text(path.read_text().replace("{time: timestamp, pid: pid, comm: comm}", "{pid: pid}"))
        assert rebuilt(home)
        os.getppid()
        done = tracer.end(signal.SIGTERM)
    assert done.status == 0, done.err
    assert [sorted(json.loads(line)) for line in done.out.splitlines()] == [["comm", "event", "pid", "time"]]


@pytest.mark.kernel
def test_runs_that_begin_while_it_is_replaced(home: Path) -> None:
    """A run finds the old or the new one, at any moment."""
    (home / "loop.sh").write_text(f"while [ ! -e stop ]; do {EBPFGEN} build specs --force --quiet || exit 1; done\n")
    with started("bash", "loop.sh", cwd=home) as builder:
        for _ in range(6):
            done = run(EBPFRUN, "build/call", "--quiet", "-c", "true", cwd=home)
            assert (done.status, done.err) == (0, "")
        (home / "stop").touch()
        assert builder.end().status == 0


# --- the machine ---


def test_a_folder_that_may_not_be_written(home: Path) -> None:
    done = run(EBPFGEN, "build", "specs", "--out", "/proc/here", cwd=home)
    one_message(done, MACHINE, "ebpfgen: /proc/here: No such file or directory")
    done = run(EBPFGEN, "build", "specs", "--out", "/sys/kernel", cwd=home)
    one_message(done, MACHINE, "ebpfgen: /sys/kernel/.call.")


def test_a_read_only_and_a_full_disk(home: Path) -> None:
    for options, words in (
        ("ro", "Read-only file system"),
        ("size=16k", "No space left on device"),
        ("size=120k", "No space left on device"),
    ):
        line = f"mount -t tmpfs -o {options} tmpfs full; {EBPFGEN} build specs --out full/out; status=$?; find full; exit $status"
        (home / "full").mkdir(exist_ok=True)
        done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", line, cwd=home)
        message = one_message(done, MACHINE, words)
        assert re.match(r"ebpfgen: \S*full/out(/\S+)?: ", message)
        assert done.out.split() in (["full"], ["full", "full/out"])


def test_a_starter_that_finds_no_room_is_not_there(home: Path) -> None:
    full = "mount -t tmpfs -o size=4k tmpfs specs; head -c 4096 /dev/zero > specs/fill"
    line = f"{full}; {EBPFGEN} new mine; status=$?; ls specs; exit $status"
    done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", line, cwd=home)
    one_message(done, MACHINE, "ebpfgen: specs/mine.yaml cannot be written: No space left on device")
    assert done.out.split() == ["fill"]


def test_a_full_disk_keeps_the_artefact(home: Path) -> None:
    before = tree(home / "build")
    room = sum(p.stat().st_blocks * 512 for p in (home / "build").rglob("*")) + 65536
    line = (
        f"mount -t tmpfs -o size={room} tmpfs full; cp -r build full; echo '# edited' >> specs/call.yaml; "
        f"{EBPFGEN} build specs --out full/build; status=$?; rm -r build; cp -r full/build .; exit $status"
    )
    (home / "full").mkdir()
    one_message(
        run("unshare", "--mount", "--propagation", "private", "bash", "-c", line, cwd=home), MACHINE, "No space left on device"
    )
    assert tree(home / "build") == before
    assert not rubbish(home / "build")


def test_a_full_disk_of_the_cache_is_no_matter(home: Path) -> None:
    line = f"mount -t tmpfs -o size=4k tmpfs full; XDG_CACHE_HOME=$PWD/full {EBPFGEN} build specs --out out --quiet"
    (home / "full").mkdir()
    done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", line, cwd=home)
    assert done == Done(0, "", "")


@pytest.mark.parametrize("cache", ["/proc/nowhere", "relative"])
def test_a_cache_that_cannot_be(cache: str, home: Path) -> None:
    """It only saves time."""
    env = {"XDG_CACHE_HOME": cache, "HOME": "/proc/nowhere"}
    assert run(EBPFGEN, "build", "specs", "--force", "--quiet", cwd=home, env=env) == Done(0, "", "")
    assert sorted(p.name for p in home.iterdir()) == ["build", "specs"]


def test_a_cache_of_rubbish(home: Path, tmp_path: Path) -> None:
    """What is in the cache may be anything: it is made again."""
    env = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    build(home / "specs", out=tmp_path / "one", env=env)
    kept = list((tmp_path / "cache/ebpfgen").iterdir())
    assert {p.suffix for p in kept} == {".o", ".idx", ".json", ".code"}
    for path in kept:
        path.write_bytes(path.read_bytes()[:20])
    build(home / "specs", out=tmp_path / "two", env=env)
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


TOOLS: dict[str, tuple[str, str]] = {
    "no clang": ("export PATH=/nowhere CLANG=", "clang is not installed; on Debian: apt install clang"),
    "no bpftool": (
        "mount --bind /dev/null $(PATH=$PATH:/usr/sbin command -v bpftool)",
        "bpftool is not installed; on Debian: apt install bpftool",
    ),
    "no libbpf headers": ("mount -t tmpfs tmpfs /usr/include/bpf", "apt install libbpf-dev"),
    "no kernel headers": ("mount -t tmpfs tmpfs /usr/include/linux", "apt install linux-libc-dev"),
    "no linker": (
        "for tool in ${CLANG:-clang-19} bpftool as env mkdir; do ln -s $(PATH=$PATH:/usr/sbin command -v $tool); done; export PATH=$PWD",
        "ld is not installed; on Debian: apt install binutils",
    ),
    "a clang that fails": ("export CLANG=/bin/false", "false failed with status 1: it said nothing"),
    "a clang that is killed": ("export CLANG=$PWD/killed", "killed was killed by SIGSEGV"),
    "a clang that is none": ("export CLANG=$PWD/none", "none can't be started: Exec format error"),
    "a clang that knows no BPF": ("export CLANG=$PWD/nobpf", "apt install clang-19"),
}


@pytest.mark.parametrize("lack", TOOLS)
def test_tools_that_are_missing_or_broken(lack: str, home: Path) -> None:
    for name, text in {"killed": "#!/bin/sh\nkill -SEGV $$\n", "none": "\x7fELF", "nobpf": NO_BPF}.items():
        (home / name).write_text(text)
        (home / name).chmod(0o755)
    before = tree(home / "build")
    how, words = TOOLS[lack]
    line = f"{how}; {EBPFGEN} build specs --force"
    done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", line, cwd=home)
    assert one_message(done, MACHINE, words).startswith("ebpfgen: ")
    assert tree(home / "build") == before
    assert not rubbish(home / "build")


NO_BPF = """#!/bin/sh
echo "error: unable to create target: 'No available targets are compatible with triple \\"bpf\\"'" >&2
exit 1
"""


def test_what_the_machine_lacks_is_told_once(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        spec(tmp_path / "specs", name)
    line = f"mount -t tmpfs tmpfs /usr/include/bpf; {EBPFGEN} build specs"
    done = run("unshare", "--mount", "--propagation", "private", "bash", "-c", line, cwd=tmp_path)
    one_message(done, MACHINE, "apt install libbpf-dev", "not built: specs/a.yaml, specs/b.yaml, specs/c.yaml", lines=2)
