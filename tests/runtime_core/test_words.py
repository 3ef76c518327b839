"""Words become values; names become places. Nothing here needs a kernel that traces."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ebpfrun import config, door, symbols, values
from ebpfrun.errors import MachineError, UsageError
from ebpfrun.manifest import read
from ebpfrun.options import parse, target
from ebpfrun.tracer import Tracer

from .conftest import one


@pytest.mark.parametrize(
    ("text", "type", "value"),
    [
        ("42", "u32", 42), ("0x2a", "u8", 42), ("-1", "i8", -1), ("255", "u8", 255),
        ("18446744073709551615", "u64", (1 << 64) - 1),
        ("10ms", "duration", 10**7), ("1.5s", "duration", 1_500_000_000), ("0", "duration", 0), ("2m", "duration", 120 * 10**9),
        ("4KiB", "bytes", 4096), ("17", "bytes", 17), ("1.5MiB", "bytes", 3 << 19), ("2kB", "bytes", 2000),
        ("443", "port", 443), ("root", "uid", 0), ("1000", "uid", 1000),
    ],
)  # fmt: skip
def test_numbers(text: str, type: str, value: int) -> None:
    assert values.number(text, type) == value


@pytest.mark.parametrize(
    ("text", "type", "said"),
    [
        ("256", "u8", "between 0 and 255"), ("-1", "u64", "between 0"), ("-129", "i8", "between -128 and 127"),
        ("1e3", "u32", "whole"),
        ("", "u32", "whole"), ("10", "duration", "10ms"), ("10 parsecs", "duration", "10ms"), ("1ms1", "duration", "10ms"),
        ("x", "bytes", "4KiB"), ("65536", "port", "65535"), ("no-such-user", "uid", "no user"), ("٣", "bytes", "4KiB"),
    ],
)  # fmt: skip
def test_numbers_that_are_none(text: str, type: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        values.number(text, type)


def test_limits_of_the_spec_are_kept() -> None:
    assert values.number("99", "u32", 1, 99) == 99
    with pytest.raises(ValueError, match="100 is not between 1 and 99"):
        values.number("100", "u32", 1, 99)


def test_the_tracer_is_found_among_the_options() -> None:
    assert target(["--duration", "3", "net", "--failed"])[:2] == ("net", None)
    assert target(["-c", "ls -l", "net", "--build", "out"])[:2] == ("net", "out")
    assert target(["net", "--sink", "jsonl"]).rest == ["--sink", "jsonl"]
    with pytest.raises(UsageError, match="what shall be run"):
        target(["--duration", "3"])


@pytest.mark.parametrize(
    ("value", "type", "text"),
    [
        (10_000_000, "duration", "10ms"), (1_500, "duration", "1500ns"), (7_200_000_000_000, "duration", "7200s"), (0, "duration", "0"),
        (4096, "bytes", "4KiB"), (4097, "bytes", "4097"), (1 << 20, "bytes", "1MiB"), (4096, "u32", "4096"), ("4096", "string(8)", "4096"),
    ],
)  # fmt: skip
def test_defaults_are_spelled_as_they_are_given(value: object, type: str, text: str) -> None:
    assert values.spelled(value, type) == text
    if type in ("duration", "bytes"):
        assert values.number(text, type) == value


def test_every_option_arrives(artefact: Callable[..., Path]) -> None:
    manifest = read(str(artefact(one("on_getppid"))))
    words = "x --duration 2m --interval 500ms --count 3 --sink jsonl --sink csv:f --pid 1 --uid root"
    more = "--first 9 --silent --ring 8KiB -q -c"
    options = parse(target([*words.split(), *more.split(), "ls -l"]), manifest)
    assert options.duration == 120
    assert options.interval == 0.5
    assert (options.most, options.sinks, options.ring) == (3, ["jsonl", "csv:f"], 8192)
    assert options.filters == {"pid": 1, "uid": 0}
    assert options.params == {"first": 9, "silent": True}
    assert (options.command, options.quiet, options.verbose) == ("ls -l", True, False)
    assert parse(target(["x", "--no-silent"]), manifest).params == {"silent": False}


def test_the_config_block_byte_by_byte(artefact: Callable[..., Path]) -> None:
    manifest = read(str(artefact(one("on_getppid"))))
    block = config.pack(manifest, {"word": "abc", "silent": True}, {"pid": 0x01020304, "uid": 7})
    assert block[0:4] == (1 | 4).to_bytes(4, "little")
    assert block[4:8] == b"\x04\x03\x02\x01"
    assert block[12:16] == b"\x07\0\0\0"
    assert block[48:53] == b"\x07\0\0\0\x01"  # the default of first
    assert block[53:] == b"abc".ljust(11, b"\0")


@pytest.mark.parametrize(
    ("params", "filters", "says"),
    [
        ({"frist": 1}, {}, "getppid has no parameter frist; did you mean first?"),
        ({"first": "9"}, {}, "parameter first: expected a whole number, not '9'"),
        ({"first": True}, {}, "parameter first: expected a whole number, not True"),
        ({"first": -1}, {}, "parameter first: -1 is not between 1 and 1000"),
        ({"silent": "no"}, {}, "parameter silent: expected True or False, not 'no'"),
        ({"word": 5}, {}, "parameter word: expected text, not 5"),
        ({}, {"pidd": 1}, "there is no filter pidd; did you mean pid?"),
        ({}, {"user": 1}, "there is no filter user; there are pid tid uid comm cgroup"),
        ({}, {"pid": "1"}, "filter pid: expected a whole number, not '1'"),
        ({}, {"pid": -1}, "filter pid: -1 is not between 0 and 4294967295"),
    ],
)
def test_values_of_another_type_are_refused(
    artefact: Callable[..., Path], params: dict[str, Any], filters: dict[str, Any], says: str
) -> None:
    """A command line's are what they should be; those of a Python program are looked at too."""
    with pytest.raises(UsageError) as caught:
        config.pack(read(str(artefact(one("on_getppid")))), params, filters)
    assert str(caught.value) == says


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"ring": 3}, "ring: expected bytes, a power of two from 4KiB to 1GiB, not 3"),
        ({"ring": "4KiB"}, "ring: expected bytes, a power of two from 4KiB to 1GiB, not '4KiB'"),
        ({"latency": -1}, "latency: expected seconds, at most 1, not -1"),
        ({"latency": 5}, "latency: expected seconds, at most 1, not 5"),
        ({"latency": True}, "latency: expected seconds, at most 1, not True"),
        ({"order": "100ms"}, "order: expected seconds, at most 10, not '100ms'"),
    ],
)
def test_sizes_and_times_that_can_not_be(artefact: Callable[..., Path], words: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        Tracer(str(artefact(one("on_getppid"))), **words)
    assert str(caught.value) == says


def test_a_cgroup_is_its_inode_and_depth(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.setattr(config, "_cgroup_mounts", lambda: [str(tmp_path)])
    monkeypatch.setattr(config, "_ROOT_CGROUP", tmp_path.stat().st_ino)
    assert config.cgroup(str(below)) == (below.stat().st_ino, 2)
    assert config.cgroup(str(tmp_path)) == (tmp_path.stat().st_ino, 0)
    with pytest.raises(UsageError, match="No such file"):
        config.cgroup(str(tmp_path / "none"))
    with pytest.raises(UsageError, match="not a folder of cgroup v2"):
        config.cgroup("/proc")
    monkeypatch.setattr(config, "_ROOT_CGROUP", 0)
    with pytest.raises(MachineError, match="shows a part of the hierarchy"):
        config.cgroup(str(below))


def test_a_symbols_offset_is_where_nm_says() -> None:
    libc = symbols.binary_path("libc.so.6")
    listed = subprocess.run(["nm", "-D", "--defined-only", libc], capture_output=True, text=True).stdout
    address = next(int(line.split()[0], 16) for line in listed.splitlines() if re.search(r" [TW] malloc@@", line))
    headers = subprocess.run(["readelf", "-lW", libc], capture_output=True, text=True).stdout
    loads = [[int(f, 16) for f in line.split()[1:6]] for line in headers.splitlines() if line.split()[:1] == ["LOAD"]]
    expected = next(address - start + offset for offset, start, _, _, size in loads if start <= address < start + size)
    assert symbols.symbol_offset(libc, "malloc") == expected


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"\x7fELF\x02" + bytes(59), b"#!/bin/sh\n", b"\x7fELF\x02" + b"\xff" * 200])
def test_files_that_are_no_elf_files(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(symbols.SymbolError):
        symbols.symbol_offset(str(path), "main")


def test_a_missing_libbpf_is_said_with_its_package() -> None:
    class Ffi:
        def dlopen(self, path: str) -> Any:
            raise OSError(f"cannot load library '{path}': libbpf.so.1: cannot open shared object file: No such file or directory")

    with pytest.raises(MachineError, match="apt install libbpf1"):
        door._library(Ffi(), "net.so")
