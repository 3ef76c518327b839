"""What QEMU boots: the kernel itself, unpacked from its boot image, and a small first file system that mounts the host's.

Receives an unpacked kernel; leaves ``vmlinux`` and ``initrd`` beside it, made anew when this folder's init script changes.
"""

from __future__ import annotations

import hashlib
import lzma
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from .packages import Files, LabError

INIT = Path(__file__).with_name("init.sh")
MODULES = ("virtio_pci", "virtio_mmio", "9pnet_virtio", "9p", "overlay")


class Image(NamedTuple):
    vmlinux: Path
    initrd: Path


def image(files: Files) -> Image:
    """Makes what is missing. Both lie beside the unpacked packages."""
    made = hashlib.sha256(INIT.read_bytes() + Path(__file__).read_bytes()).hexdigest()[:12]
    place = files.root.parent
    vmlinux, initrd = place / "vmlinux", place / f"initrd-{made}"
    if not vmlinux.exists():
        _write(vmlinux, _payload(files.vmlinuz))
    if not initrd.exists():
        for old in place.glob("initrd-*"):
            old.unlink()
        with tempfile.TemporaryDirectory() as folder:
            _write(initrd, _archive(files, Path(folder)))
    return Image(vmlinux, initrd)


def _payload(vmlinuz: Path) -> bytes:
    """The kernel as an ELF file: QEMU starts it seconds faster than one that must unpack itself. Where it is: the header that
    Linux's Documentation/arch/x86/boot.rst describes; the last four bytes of the payload are its unpacked size."""
    data = vmlinuz.read_bytes()
    start = (data[0x1F1] + 1) * 512 + int.from_bytes(data[0x248:0x24C], "little")
    packed = data[start : start + int.from_bytes(data[0x24C:0x250], "little") - 4]
    if packed.startswith(b"\xfd7zXZ\0"):
        kernel = lzma.decompress(packed)
    elif packed.startswith(b"\x28\xb5\x2f\xfd"):
        kernel = subprocess.run(["zstd", "-dc"], input=packed, capture_output=True, check=True).stdout
    else:
        raise LabError(f"{vmlinuz}: packed in a way that the lab does not know ({packed[:6].hex()})")
    if not kernel.startswith(b"\x7fELF"):
        raise LabError(f"{vmlinuz}: what is packed in it is not an ELF file")
    return kernel


def _archive(files: Files, tree: Path) -> bytes:
    (tree / "bin").mkdir()
    busybox = shutil.which("busybox", path="/bin:/usr/bin")
    assert busybox, "busybox-static is not installed"
    shutil.copy(busybox, tree / "bin/busybox")
    shutil.copy(INIT, tree / "init")
    (tree / "init").chmod(0o755)
    (tree / "modules").mkdir()
    for number, module in enumerate(_modules(files)):
        target = tree / "modules" / f"{number:02}-{module.name.split('.')[0]}.ko"
        target.write_bytes(lzma.decompress(module.read_bytes()) if module.suffix == ".xz" else module.read_bytes())
        subprocess.run(["strip", "--strip-debug", str(target)], check=True)
    names = "\n".join(str(path.relative_to(tree)) for path in sorted(tree.rglob("*"))).encode()
    packer = ["cpio", "--quiet", "--owner=+0:+0", "-o", "-H", "newc"]
    return subprocess.run(packer, cwd=tree, input=names, capture_output=True, check=True).stdout


def _modules(files: Files) -> list[Path]:
    """In the order in which they must be loaded."""
    found: dict[Path, None] = {}
    for module in MODULES:
        command = ["modprobe", "-d", str(files.root), "-S", files.release, "--show-depends", module]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise LabError(f"kernel {files.release} has no module {module}: {done.stderr.strip()}")
        words = [line.split() for line in done.stdout.splitlines()]
        found.update((Path(word[1]), None) for word in words if word[0] == "insmod")
    return list(found)


def _write(path: Path, data: bytes) -> None:
    """All of it or nothing."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.rename(path)
