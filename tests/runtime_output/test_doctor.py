"""What the doctor says against what can be seen otherwise."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ebpfrun import cli, doctor
from ebpfrun.doctor import btf_ids
from ebpfrun.doctor.check import BUILD, RUN, Check
from ebpfrun.errors import MachineError
from ebpfrun.report import put

LAB = os.environ.get("EBPFGEN_LAB", "")  # the series of a guest of the kernel lab
BPFTOOL = shutil.which("bpftool", path=f"{os.environ.get('PATH')}:/usr/sbin") or "bpftool"


@pytest.fixture(scope="module")
def checks() -> dict[str, Check]:
    return {check.name: check for check in doctor.examine()}


@pytest.fixture(scope="module")
def features() -> str:
    """What bpftool's own probes say."""
    done = subprocess.run([BPFTOOL, "feature", "probe", "kernel"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_kernel_facts(checks: dict[str, Check]) -> None:
    assert checks["release"].detail.startswith(Path("/proc/sys/kernel/osrelease").read_text().strip())
    assert checks["BTF"].state == ("ok" if Path("/sys/kernel/btf/vmlinux").exists() else "no")
    for name in ("kptr_restrict", "perf_event_paranoid", "unprivileged_bpf_disabled"):
        assert checks[name].detail.split()[0] == Path(f"/proc/sys/kernel/{name}").read_text().strip()


@pytest.mark.root
def test_the_ring_buffer_is_as_bpftool_sees_it(checks: dict[str, Check], features: str) -> None:
    assert (checks["ring buffer"].state == "ok") == ("eBPF map_type ringbuf is available" in features)


@pytest.mark.root
@pytest.mark.parametrize(
    ("kind", "type"),
    [("tracepoint", "tracepoint"), ("raw_tracepoint", "raw_tracepoint"), ("uprobe", "kprobe"), ("profile", "perf_event")],
)
def test_what_attaches_can_be_loaded(kind: str, type: str, checks: dict[str, Check], features: str) -> None:
    assert checks[kind].state == "ok"
    assert f"eBPF program_type {type} is available" in features


@pytest.mark.root
def test_kprobes_are_there_exactly_where_perf_has_the_device(checks: dict[str, Check]) -> None:
    there = Path("/sys/bus/event_source/devices/kprobe").is_dir()
    for kind in ("kprobe", "kretprobe"):
        assert (checks[kind].state == "ok") == there
        if not there:
            assert "CONFIG_KPROBES" in checks[kind].detail
            assert "tracepoint" in checks[kind].remedy


@pytest.mark.root
@pytest.mark.kernel
def test_trampolines_as_libbpf_finds_them(checks: dict[str, Check], tmp_path: Path) -> None:
    """The same question put by clang's object, bpftool and libbpf: load and attach an fentry program."""
    clang = shutil.which("clang-19") or shutil.which("clang") or "clang"
    source = tmp_path / "try.bpf.c"
    source.write_text(
        '#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC("fentry/vfs_statfs") int f(void *c) { return 0; }\n'
        'char _license[] SEC("license") = "GPL";\n'
    )
    include = f"-I/usr/include/{os.uname().machine}-linux-gnu"
    subprocess.run([clang, "-target", "bpf", "-O2", "-g", include, "-c", source, "-o", tmp_path / "try.o"], check=True)
    pin = Path(f"/sys/fs/bpf/doctor-test-{os.getpid()}")
    loaded = subprocess.run([BPFTOOL, "prog", "load", tmp_path / "try.o", pin], capture_output=True, text=True)
    pin.unlink(missing_ok=True)
    if loaded.returncode:
        assert checks["fentry"].state == "no"
        assert "trampolines" in checks["fentry"].detail
        assert "ulimit" not in checks["fentry"].detail + checks["fentry"].remedy
    else:
        assert checks["fentry"].state == "ok"


@pytest.mark.root
def test_nothing_stays_behind(checks: dict[str, Check]) -> None:
    def programs() -> set[int]:
        listed = subprocess.run([BPFTOOL, "-j", "prog", "list"], capture_output=True, text=True, check=True)
        return {program["id"] for program in json.loads(listed.stdout) if own(program)}

    def own(program: dict[str, Any]) -> bool:
        return any(holder["pid"] == os.getpid() for holder in program.get("pids", ()))

    mounts = Path("/proc/self/mountinfo").read_text()
    before = programs()
    doctor.examine()
    assert programs() == before
    assert Path("/proc/self/mountinfo").read_text() == mounts


def test_btf_ids_are_bpftools(tmp_path: Path) -> None:
    btf = Path("/sys/kernel/btf/vmlinux")
    wanted = [(btf_ids.FUNC, "vfs_statfs"), (btf_ids.TYPEDEF, "btf_trace_sched_process_exit"), (btf_ids.FUNC, "no_such_function")]
    found = btf_ids.find(btf.read_bytes(), wanted)
    dump = subprocess.run([BPFTOOL, "btf", "dump", "file", btf], capture_output=True, text=True, check=True).stdout
    assert found == {
        name: int(match[1])
        for kind, name in (("FUNC", "vfs_statfs"), ("TYPEDEF", "btf_trace_sched_process_exit"))
        if (match := re.search(rf"^\[(\d+)\] {kind} '{name}'", dump, re.M))
    }
    for bad in (b"", b"no BTF at all, but long enough to hold a header"):
        with pytest.raises(ValueError, match="BTF"):
            btf_ids.find(bad, wanted)


def test_versions_are_the_tools_own(checks: dict[str, Check]) -> None:
    for name, option in (("clang", "--version"), ("bpftool", "version")):
        path = checks[name].detail.partition("(")[2].rstrip(")")
        said = subprocess.run([path, option], capture_output=True, text=True, check=True).stdout
        assert checks[name].detail.split()[0] in said
    header = Path("/usr/include/bpf/libbpf_version.h").read_text()
    major, minor = (re.search(rf"LIBBPF_{part}_VERSION (\d+)", header) for part in ("MAJOR", "MINOR"))
    assert major
    assert minor
    assert checks["libbpf"].detail == f"libbpf.so.1, {major[1]}.{minor[1]}"


def test_json_and_text_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    status = cli.main(["doctor", "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    assert cli.main(["doctor"]) == status
    text = capsys.readouterr().out
    assert (status == 0) == report["ok"] == (report["can_run"] and report["can_build"])
    assert ("Specs can be built and run here." in text) == report["ok"]
    for check in report["checks"]:
        assert re.search(rf"^  {check['state']} +{re.escape(check['name'])}( |$)", text, re.M)
        assert check["detail"] in text


def run_doctor(*prefix: str, **environment: str) -> tuple[int, dict[str, Any]]:
    command = [*prefix, sys.executable, "-m", "ebpfrun.cli", "doctor", "--format", "json"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.stderr == ""
    return done.returncode, json.loads(done.stdout)


@pytest.mark.root
def test_without_privileges() -> None:
    status, report = run_doctor("setpriv", "--bounding-set=-all", "--inh-caps=-all")
    checks = {check["name"]: check for check in report["checks"]}
    assert (status, report["ok"], report["can_run"]) == (3, False, False)
    assert [checks[name]["state"] for name in ("CAP_BPF", "CAP_PERFMON", "ring buffer", "tp_btf", "profile")] == ["no"] * 5
    assert checks["tp_btf"]["detail"] == "EPERM: this process lacks CAP_BPF, CAP_PERFMON"
    assert "AmbientCapabilities=CAP_BPF CAP_PERFMON" in checks["how to grant"]["remedy"]


@pytest.mark.root
def test_with_just_the_privileges_that_it_names() -> None:
    keep = "+bpf,+perfmon"
    status, report = run_doctor("setpriv", f"--bounding-set=-all,{keep}", f"--inh-caps=-all,{keep}", f"--ambient-caps={keep}")
    states = {check["name"]: check["state"] for check in report["checks"]}
    assert (status, report["can_run"]) == (0, True)
    assert {states[kind] for kind in ("tracepoint", "raw_tracepoint", "tp_btf", "profile", "software")} == {"ok"}


def test_without_clang(tmp_path: Path) -> None:
    _, report = run_doctor(PATH=str(tmp_path), CLANG="", PYTHONPATH=os.pathsep.join(sys.path))
    checks = {check["name"]: check for check in report["checks"]}
    assert checks["clang"]["state"] == "no"
    assert "apt install clang" in checks["clang"]["remedy"]
    assert report["can_build"] is False


def test_without_a_linker(tmp_path: Path) -> None:
    from ebpfgen import identity

    clang, bpftool = identity.tools()
    assert clang and bpftool
    for tool in (clang, bpftool):
        (tmp_path / Path(tool).name).symlink_to(tool)
    _, report = run_doctor(PATH=str(tmp_path), CLANG="", PYTHONPATH=os.pathsep.join(sys.path))
    checks = {check["name"]: check for check in report["checks"]}
    assert (checks["clang"]["state"], checks["headers"]["state"], checks["libbpf to link"]["state"]) == ("ok", "ok", "no")
    assert checks["libbpf to link"]["remedy"] == "on Debian: apt install binutils"


def test_a_clang_that_does_nothing(tmp_path: Path) -> None:
    _, report = run_doctor(CLANG="/bin/false")
    checks = {check["name"]: check for check in report["checks"]}
    assert [checks[name]["state"] for name in ("clang", "headers", "libbpf to link")] == ["no"] * 3


def test_the_verdict() -> None:
    good, bad = Check("g", "BTF", "ok", "", needed=RUN), Check("g", "clang", "no", "", "install it", BUILD)
    assert doctor.as_text([good])[-1] == "Specs can be built and run here."
    lines = doctor.as_text([good, bad])
    assert lines[-1] == "Specs can't be built here, for want of: clang."
    assert lines[2].split() == ["no", "clang"]
    assert lines[3].strip() == "→ install it"


def put_into(fd: int, monkeypatch: pytest.MonkeyPatch) -> None:
    with os.fdopen(fd, "w") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        put("anything")


def test_a_report_survives_a_reader_that_left(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    put_into(writing, monkeypatch)


def test_a_report_that_finds_no_room_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MachineError, match="standard output: No space left"):
        put_into(os.open("/dev/full", os.O_WRONLY), monkeypatch)


def test_every_kind_of_attach_point_is_tried(checks: dict[str, Check]) -> None:
    spec = Path(__file__).parents[2] / "docs" / "spec.md"
    section = spec.read_text(encoding="utf-8").partition("## Attach points\n")[2].partition("\n## ")[0]
    kinds = set(re.findall(r"^\| `(\w+):[^|]*\|", section, re.M))
    assert {"usdt", "iter", "lsm", "hardware"} < kinds <= checks.keys()


@pytest.mark.root
@pytest.mark.kernel
def test_kinds_that_kernels_without_hooks_have(checks: dict[str, Check]) -> None:
    """Iterators since 5.8; cookies and what needs them where the helper is; counters where perf has a processor's device."""
    cookies = b"\0BPF_FUNC_get_attach_cookie\0" in Path("/sys/kernel/btf/vmlinux").read_bytes()
    assert checks["iter"].state == "ok", checks["iter"].detail
    assert (checks["usdt"].state == "ok") == cookies, checks["usdt"].detail
    assert checks["uprobe, many at once"].state == "ok" or not LAB or LAB in ("5.10", "6.1")
    devices = Path("/sys/bus/event_source/devices")
    counters = any((devices / name).exists() for name in ("cpu", "cpu_core", "armv8_pmuv3_0"))
    assert (checks["hardware"].state == "ok") == counters
    if not counters:
        assert "virtual machines often have no counters" in checks["hardware"].detail


@pytest.mark.root
@pytest.mark.kernel
@pytest.mark.skipif(not Path("/sys/bus/event_source/devices/kprobe").exists(), reason="the kernel has no kprobes (CONFIG_KPROBES)")
def test_kinds_that_hook_functions(checks: dict[str, Check]) -> None:
    for kind in ("kprobe", "kretprobe", "fentry", "fexit", "lsm"):
        assert checks[kind].state == "ok", checks[kind].detail
    assert (checks["kprobe, many at once"].state == "ok") == (LAB not in ("5.10", "6.1")), checks["kprobe, many at once"].detail
