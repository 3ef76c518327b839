"""Types of modules behind those of the kernel: put together by hand, and as the lab's kernels have them."""

from __future__ import annotations

import struct

import pytest

from ebpfgen.btf import Btf, Enum, FuncProto, Int, Struct
from ebpfgen.btf_index import BtfError
from ebpfgen.btf_merge import merge
from kernel_description.making import Maker


def kernel() -> tuple[Maker, int]:
    make = Maker()
    number = make.number("int", 4, encoding=1)
    make.struct("task_struct", 8, ("pid", number, 0))
    return make, number


def module(base: Maker, number: int, name: str) -> bytes:
    """Of each kind that refers to types or names in a way of its own."""
    make = Maker(base)
    task = 2
    vector = make.array(make.ptr(task), 4, number)
    make.struct(f"{name}_info", 40, ("count", number, 0), ("tasks", vector, 64))
    make.enum(f"{name}_state", (f"{name.upper()}_ON", 1))
    make.enum64(f"{name}_mask", (f"{name.upper()}_HIGH", 1 << 40))
    make.function(f"{name}_open", make.proto(number, ("info", make.const(make.ptr(vector + 1)))))
    return make.blob()


def test_types_of_modules_are_found_as_the_kernel_s_are() -> None:
    base, number = kernel()
    blob, begins = merge(base.blob(), [("one", module(base, number, "one")), ("two", module(base, number, "two"))])
    btf = Btf(blob)
    assert begins == (("one", 3), ("two", 3 + (len(btf) - 3) // 2))
    for name in ("one", "two"):
        info = btf.resolve(btf.find(f"{name}_info", Struct) or 0)
        assert isinstance(info, Struct)
        count, tasks = btf.members(info)
        assert (count.name, btf.c_name(count.type_id)) == ("count", "int")
        assert btf.declaration(tasks.type_id, tasks.name) == "struct task_struct *tasks[4]"
        opened = btf.resolve(btf.find_function(f"{name}_open") or 0)
        assert isinstance(opened, FuncProto)
        assert [(p, btf.c_name(t)) for p, t in opened.params] == [("info", f"struct {name}_info *const")]
        assert isinstance(btf.resolve(opened.result), Int)
        assert [(v, e.name) for v, e in btf.find_constants(f"{name.upper()}_HIGH")] == [(1 << 40, f"{name}_mask")]
        state = btf.resolve(btf.find(f"{name}_state", Enum) or 0)
        assert isinstance(state, Enum) and state.values == ((f"{name.upper()}_ON", 1),)


def test_without_modules_the_types_stay_as_they_are() -> None:
    base, _ = kernel()
    assert merge(base.blob(), []) == (base.blob(), ())


def test_a_module_of_another_kernel_is_told() -> None:
    base, number = kernel()
    larger = Maker()
    for i in range(40):
        larger.number(f"a number with a long name, the {i}th", 4)
    with pytest.raises(BtfError, match="in module odd"):
        merge(base.blob(), [("odd", module(larger, number, "odd"))])


@pytest.mark.parametrize("damage", [b"", b"no BTF", struct.pack("=HBBIIIII", 0xEB9F, 1, 0, 24, 0, 12, 12, 4)])
def test_a_module_that_is_no_btf_is_told(damage: bytes) -> None:
    base, _ = kernel()
    with pytest.raises(BtfError, match="BTF"):
        merge(base.blob(), [("broken", damage)])
