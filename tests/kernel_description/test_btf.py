"""BTF against what bpftool says of the same bytes, and against bytes made by hand."""

from __future__ import annotations

import json
import random
import shutil
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ebpfgen.btf import Array, Btf, BtfError, Enum, Float, FuncProto, Fwd, Int, Member, Ptr, Struct, Void
from ebpfgen.btf_index import Index
from ebpfgen.kernel_description import Description
from kernel_description.making import Maker
from properties import examples

VMLINUX = Path("/sys/kernel/btf/vmlinux")


def bpftool() -> str:
    found = shutil.which("bpftool") or shutil.which("/usr/sbin/bpftool")
    if found is None:
        pytest.skip("needs bpftool")
    return found


@pytest.fixture(scope="module")
def dumped() -> dict[int, dict[str, Any]]:
    """Every type of the running kernel as bpftool reads it, by id."""
    if not VMLINUX.exists():
        pytest.skip("the running kernel has no BTF")
    out = subprocess.run([bpftool(), "-j", "btf", "dump", "file", VMLINUX], check=True, capture_output=True).stdout
    return {item["id"]: item for item in json.loads(out)["types"]}


def value_of(constant: dict[str, Any], enum: dict[str, Any]) -> int:
    """bpftool's JSON extends the sign of values that its own plain listing prints without one."""
    value = int(constant["val"])
    return value if enum["kind"] == "ENUM64" or enum["encoding"] == "SIGNED" else value & 0xFFFFFFFF


def sample(dumped: dict[int, dict[str, Any]], *kinds: str, most: int = 400) -> list[dict[str, Any]]:
    """Types of those kinds, the same ones for the same kernel."""
    found = [item for item in dumped.values() if item["kind"] in kinds]
    return random.Random(1).sample(found, min(most, len(found)))


def test_as_many_types_as_bpftool_finds(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    assert len(host.btf) == max(dumped) + 1


def test_structs_are_as_bpftool_reads_them(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    for item in sample(dumped, "STRUCT", "UNION"):
        struct_ = host.btf.resolve(item["id"])
        name = "" if item["name"] == "(anon)" else item["name"]
        assert struct_ == Struct(item["id"], name, item["kind"] == "UNION", item["size"])
        members = [
            Member("" if m["name"] == "(anon)" else m["name"], m["type_id"], m["bits_offset"], m.get("bitfield_size", 0))
            for m in item["members"]
        ]
        assert list(host.btf.members(struct_)) == members


def test_the_sample_has_bit_fields(dumped: dict[int, dict[str, Any]]) -> None:
    members = [member for item in sample(dumped, "STRUCT") for member in item["members"]]
    assert any(member.get("bitfield_size") for member in members)


def test_enums_are_as_bpftool_reads_them(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    for item in sample(dumped, "ENUM", "ENUM64"):
        enum = host.btf.resolve(item["id"])
        assert isinstance(enum, Enum)
        assert (enum.size, enum.signed) == (item["size"], item["encoding"] == "SIGNED")
        assert list(enum.values) == [(v["name"], value_of(v, item)) for v in item["values"]]


def test_numbers_are_as_bpftool_reads_them(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    for item in sample(dumped, "INT"):
        found = host.btf.resolve(item["id"])
        assert isinstance(found, Int)
        signed, truth = item["encoding"] == "SIGNED", item["encoding"] == "BOOL"
        assert (found.name, found.size, found.signed, found.bool) == (item["name"], item["size"], signed, truth)


def test_functions_are_as_bpftool_reads_them(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    for item in sample(dumped, "FUNC"):
        proto = dumped[item["type_id"]]
        params = [("" if p["name"] == "(anon)" else p["name"], p["type_id"]) for p in proto["params"]]
        if params and params[-1] == ("", 0):
            params[-1] = ("...", 0)
        assert host.btf.resolve(item["id"]) == FuncProto(tuple(params), proto["ret_type_id"])


def test_a_name_finds_the_first_type_that_has_it(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    first: dict[tuple[str, bool], int] = {}
    for item in dumped.values():
        if item["kind"] in ("STRUCT", "UNION", "FUNC") and item["name"] != "(anon)":
            first.setdefault((item["name"], item["kind"] == "FUNC"), item["id"])
    for name, function in random.Random(2).sample(sorted(first), 300):
        found = host.btf.find_function(name) if function else host.btf.find(name, Struct)
        assert found == first[name, function]


def test_a_constant_is_found_with_its_enum(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    for item in sample(dumped, "ENUM", "ENUM64", most=100):
        for value in item["values"]:
            assert (value_of(value, item), item["id"]) in [(v, e.id) for v, e in host.btf.find_constants(value["name"])]


def test_names_are_all_there(host: Description, dumped: dict[int, dict[str, Any]]) -> None:
    structs = {i["name"] for i in dumped.values() if i["kind"] in ("STRUCT", "UNION") and i["name"] != "(anon)"}
    constants = {v["name"] for i in dumped.values() if i["kind"].startswith("ENUM") for v in i["values"]}
    assert host.btf.struct_names() == sorted(structs)
    assert set(host.btf.constant_names()) == constants


# --- made by hand -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def make() -> Maker:
    return Maker()


def test_without_types_there_is_void(make: Maker) -> None:
    btf = Btf(make.blob())
    assert len(btf) == 1
    assert btf.resolve(0) == Void()
    assert btf.find("anything") is None
    assert btf.struct_names() == []


def test_each_kind(make: Maker) -> None:
    number = make.number("int", 4, encoding=1)
    truth, letter = make.number("_Bool", 1, encoding=4), make.number("char", 1)
    floating, later = make.real("double", 8), make.fwd("later", union=True)
    vector, pointer = make.array(number, 3, number), make.ptr(later)
    alias = make.const(make.volatile(make.typedef("alias", make.typedef("inner", number))))
    btf = Btf(make.blob())
    assert btf.resolve(number) == Int("int", 4, True)
    assert btf.resolve(truth) == Int("_Bool", 1, False, bool=True)
    assert btf.resolve(letter) == Int("char", 1, False, char=True)
    assert btf.resolve(floating) == Float("double", 8)
    assert btf.resolve(later) == Fwd("later", True)
    assert btf.resolve(vector) == Array(number, 3)
    assert btf.resolve(pointer) == Ptr(later)
    assert btf.resolve(alias) == Int("int", 4, True)


def test_members_of_anonymous_members_are_found_with_their_offset(make: Maker) -> None:
    number = make.number("int", 4)
    innermost = make.struct("", 8, ("deep", number, 32))
    union = make.struct("", 8, ("high", number, 0), ("", innermost, 0), union=True)
    outer = make.struct("outer", 16, ("first", number, 0), ("", union, 64), ("last", number, 32))
    btf = Btf(make.blob())
    struct_ = btf.resolve(outer)
    assert isinstance(struct_, Struct)
    assert [m.name for m in btf.members(struct_)] == ["first", "", "last"]
    assert btf.member_names(struct_) == ["first", "high", "deep", "last"]
    assert btf.member(struct_, "deep") == Member("deep", number, 96, 0)
    assert btf.member(struct_, "absent") is None


def test_bit_fields_with_the_flag(make: Maker) -> None:
    number = make.number("unsigned int", 4)
    made = make.struct("flags", 4, ("a", number, 3 << 24 | 0), ("b", number, 5 << 24 | 3), ("c", number, 8), flag=True)
    btf = Btf(make.blob())
    struct_ = btf.resolve(made)
    assert isinstance(struct_, Struct)
    assert [(m.bit_offset, m.bit_size) for m in btf.members(struct_)] == [(0, 3), (3, 5), (8, 0)]


def test_bit_fields_by_their_number_type_as_before_the_flag(make: Maker) -> None:
    three, shifted, whole = (
        make.number("unsigned int", 4, bits=3),
        make.number("unsigned int", 4, bits=5, shift=3),
        make.number("int", 4),
    )
    made = make.struct("flags", 8, ("a", three, 0), ("b", shifted, 0), ("c", whole, 32))
    btf = Btf(make.blob())
    struct_ = btf.resolve(made)
    assert isinstance(struct_, Struct)
    assert [(m.bit_offset, m.bit_size) for m in btf.members(struct_)] == [(0, 3), (3, 5), (32, 0)]


def test_signs_of_enums(make: Maker) -> None:
    signed = make.enum("signed", ("MINUS", -1), ("BIG", 0x7FFFFFFF), signed=True)
    unsigned = make.enum("unsigned", ("HIGH", 1 << 31))
    wide = make.enum64("wide", ("TOP", 1 << 63), ("LOW", 5))
    deep = make.enum64("deep", ("BELOW", -(1 << 40)), signed=True)
    btf = Btf(make.blob())
    values = {e.name: e.values for i in (signed, unsigned, wide, deep) if isinstance(e := btf.resolve(i), Enum)}
    assert values["signed"] == (("MINUS", -1), ("BIG", 0x7FFFFFFF))
    assert values["unsigned"] == (("HIGH", 1 << 31),)
    assert values["wide"] == (("TOP", 1 << 63), ("LOW", 5))
    assert values["deep"] == (("BELOW", -(1 << 40)),)


def test_enums_of_a_kernel_that_marks_no_sign_have_one_where_a_value_is_just_below_zero(make: Maker) -> None:
    signed = make.enum("old", ("MINUS", -1), ("ONE", 1))
    unsigned = make.enum("flags", ("HIGHEST", 1 << 31), ("INODE", 0xEFFFFFFF))
    btf = Btf(make.blob())
    values = {e.name: (e.signed, e.values) for i in (signed, unsigned) if isinstance(e := btf.resolve(i), Enum)}
    assert values["old"] == (True, (("MINUS", -1), ("ONE", 1)))
    assert values["flags"] == (False, (("HIGHEST", 1 << 31), ("INODE", 0xEFFFFFFF)))


def test_a_constant_of_several_enums_is_found_in_each(make: Maker) -> None:
    first, second = make.enum("first", ("SAME", 1)), make.enum("second", ("SAME", 2), ("OTHER", 3))
    found = Btf(make.blob()).find_constants("SAME")
    assert [(value, enum.id) for value, enum in found] == [(1, first), (2, second)]


def test_declarations_read_as_c(make: Maker) -> None:
    number, letter = make.number("int", 4), make.number("char", 1)
    sock, nameless = make.struct("sock", 8), make.struct("", 8)
    pointer = make.ptr(make.const(sock))
    method = make.ptr(make.proto(number, ("sk", pointer), ("", number)))
    cases = {
        number: "int x",
        pointer: "const struct sock *x",
        make.const(make.ptr(letter)): "char *const x",
        make.array(letter, 16, number): "char x[16]",
        make.ptr(make.array(letter, 16, number)): "char (*x)[16]",
        make.array(make.array(number, 3, number), 2, number): "int x[2][3]",
        make.array(make.ptr(letter), 4, number): "char *x[4]",
        method: "int (*x)(const struct sock *sk, int)",
        make.array(method, 2, number): "int (*x[2])(const struct sock *sk, int)",
        make.ptr(make.proto(method)): "int (*(*x)(void))(const struct sock *sk, int)",
        make.ptr(make.proto(0, ("format", make.ptr(letter)), ("", 0))): "void (*x)(char *format, ...)",
        make.ptr(0): "void *x",
        nameless: "struct {...} x",
        make.typedef("u32", number): "u32 x",
        make.enum("state", ("A", 0)): "enum state x",
        make.fwd("later"): "struct later x",
        make.fwd("either", union=True): "union either x",
    }
    btf = Btf(make.blob())
    assert {type_id: btf.declaration(type_id, "x") for type_id in cases} == cases
    assert [btf.c_name(i) for i in (pointer, method)] == ["const struct sock *", "int (*)(const struct sock *sk, int)"]


def test_a_name_may_be_the_end_of_another(make: Maker) -> None:
    """Names may share their bytes; a search for a NUL before the name would miss this one."""
    make.struct("task_struct", 4)
    made = make.struct("other", 8)
    data = bytearray(make.blob())
    second_type = 24 + 12
    struct.pack_into("=I", data, second_type, 1 + len("task_"))  # its name: the end of the first's
    assert Btf(bytes(data)).find("struct", Struct) == made


def test_a_kept_index_gives_the_same_answers(make: Maker) -> None:
    number = make.number("int", 4)
    made = make.struct("thing", 8, ("x", number, 0))
    make.enum("e", ("A", 1))
    data = make.blob()
    kept = Index.from_bytes(Btf(data).index.to_bytes())
    assert kept is not None
    again = Btf(data, kept)
    assert again.find("thing", Struct) == made
    assert again.constant_names() == ["A"]


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b + b"x", lambda b: b"", lambda b: b[:40] + b"\xff" + b[41:]])
def test_a_damaged_index_is_no_index(make: Maker, damage: Any) -> None:
    make.number("int", 4)
    make.struct("thing", 8)
    assert Index.from_bytes(damage(Btf(make.blob()).index.to_bytes())) is None


# --- malformed ----------------------------------------------------------------------------------------------------------------


def header(**changed: int) -> bytes:
    fields = {"magic": 0xEB9F, "version": 1, "flags": 0, "header": 24, "types": 0, "size": 0, "names": 0, "length": 1} | changed
    return struct.pack("=HBBIIIII", *fields.values())


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "too few"),
        (b"\x7fELF" + bytes(40), "no BTF"),
        (header(magic=0x9FEB) + b"\0", "endian"),
        (header(version=2) + b"\0", "version 2"),
        (header(length=100) + b"\0", "cut short"),
        (header(size=1 << 31) + b"\0", "cut short"),
        (header(length=0) + b"\0", "begin and end with a NUL"),
        (header(length=3) + b"\0ab", "begin and end with a NUL"),
        (header(size=12, names=12) + struct.pack("=III", 0, 31 << 24, 0) + b"\0", "kind 31"),
        (header(size=12, names=12) + struct.pack("=III", 9, 2 << 24, 0) + b"\0", "outside the names"),
        (header(size=12, names=12) + struct.pack("=III", 0, 4 << 24 | 5, 0) + b"\0", "cut short"),
        (header(size=8, names=8) + bytes(8) + b"\0", "cut short"),
    ],
)
def test_bytes_that_are_no_btf_are_told(data: bytes, words: str) -> None:
    with pytest.raises(BtfError, match=words):
        Btf(data)


def test_types_that_go_round_in_a_circle_are_told(make: Maker) -> None:
    make.typedef("a", 2)
    make.typedef("b", 1)
    with pytest.raises(BtfError, match="circle"):
        Btf(make.blob()).resolve(1)


def test_a_declaration_without_end_is_told(make: Maker) -> None:
    make.ptr(1)
    with pytest.raises(BtfError, match="without end"):
        Btf(make.blob()).c_name(1)


def test_a_struct_inside_itself_has_its_members_once(make: Maker) -> None:
    made = make.struct("", 8, ("x", 0, 0), ("", 1, 0))
    btf = Btf(make.blob())
    struct_ = btf.resolve(made)
    assert isinstance(struct_, Struct)
    assert btf.member_names(struct_) == ["x"]


def test_a_type_that_is_not_there_is_told(make: Maker) -> None:
    made = make.typedef("a", 77)
    with pytest.raises(BtfError, match="no type 77"):
        Btf(make.blob()).resolve(made)


def everything(btf: Btf) -> None:
    """Asks for all there is."""
    for type_id in range(len(btf)):
        try:
            found = btf.resolve(type_id)
            if isinstance(found, Struct):
                btf.member_names(found)
            btf.c_name(type_id)
        except BtfError:
            continue
    for names in (btf.struct_names, btf.constant_names):
        for name in names():
            btf.find(name, Struct, Enum)
            btf.find_constants(name)


def sound() -> bytes:
    make = Maker()
    number, letter = make.number("int", 4, encoding=1), make.number("char", 1)
    inner = make.struct("", 8, ("x", number, 0), ("y", make.ptr(letter), 32))
    make.struct("outer", 24, ("name", make.array(letter, 8, number), 0), ("", inner, 64), ("f", number, 3 << 24 | 128), flag=True)
    make.enum("e", ("A", 1), ("B", -1), signed=True)
    make.enum64("w", ("C", 1 << 40))
    make.function("call", make.proto(number, ("n", make.typedef("t", make.const(number))), ("", 0)))
    make.real("float", 4)
    make.fwd("later")
    return make.blob()


def test_the_sound_bytes_are_sound() -> None:
    btf = Btf(sound())
    everything(btf)
    assert btf.struct_names() == ["outer"]


@examples(400)
@given(st.lists(st.tuples(st.integers(0, len(sound()) - 1), st.integers(0, 255)), min_size=1, max_size=6), st.integers(0, 400))
def test_altered_bytes_raise_nothing_but_btf_error(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(sound())
    for at, value in changes:
        data[at] = value
    with suppress(BtfError):
        everything(Btf(bytes(data[: len(data) - cut] if cut < 100 else data)))


@examples(200)
@given(st.binary(max_size=200), st.integers(0, 1000), st.integers(0, 1000))
def test_any_bytes_behind_a_header_raise_nothing_but_btf_error(body: bytes, size: int, length: int) -> None:
    with suppress(BtfError):
        everything(Btf(header(size=size, names=size, length=length) + body))
