"""One guest: boots an image in QEMU, runs a command over the host's file system, and ends it in time.

Receives an image, the command's text and a folder for results; returns how it ended. One processor, by emulation: it works
everywhere, and QEMU 7.2 with two lets kernels that patch their own text (as tracing does) crash.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from .image import Image
from .packages import Files, LabError

QEMU = ("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64")  # it ends with the lab, whatever ends that
_LEFT = (33, 0)  # QEMU's status when the guest left by the port for that, or by its power: all that lockdown lets it do


class Ended(NamedTuple):
    """``status`` is the command's; None when the guest hung or died, and ``why`` says which."""

    status: int | None
    why: str


def run(image: Image, files: Files, command: str, share: Path, limit: float | None) -> Ended:
    """Runs ``command`` (for bash) in a guest; without ``limit`` on this terminal, else the console goes to ``share``/console."""
    (share / "command").write_text(command)
    (share / "status").unlink(missing_ok=True)
    arguments = _arguments(image, files, share)
    if limit is None:
        return _ended(share, subprocess.run(arguments).returncode)
    with (share / "console").open("wb") as console:
        try:
            done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=console, stderr=console, timeout=limit)
        except subprocess.TimeoutExpired:  # QEMU has been ended
            return Ended(None, f"hung: ended after {limit:.0f} s")
    return _ended(share, done.returncode)


def _ended(share: Path, returned: int) -> Ended:
    status = share / "status"
    if returned in _LEFT and status.exists():  # the last thing that a guest writes
        return Ended(int(status.read_text()), "")
    console = share / "console"
    said = console.read_text(errors="replace").split("\n") if console.exists() else []
    words = [line.strip() for line in said if line.strip()]
    telling = [line for line in words if re.search(r"Kernel panic|BUG:|Oops|^lab:", line)] or words[-1:]
    return Ended(None, f"died: QEMU ended with {returned}; on the console: {' / '.join(telling[:3]) or 'nothing'}")


def _arguments(image: Image, files: Files, share: Path) -> list[str]:
    khz = _khz()
    append = (
        # The clock's frequency is told, not measured: measuring under emulation sometimes never ends.
        f"tsc_early_khz={khz} tsc=reliable lpj={khz * 4} no_timer_check "
        "console=ttyS0 panic=-1 quiet loglevel=3 mitigations=off nokaslr cryptomgr.notests init_on_alloc=0 lsm=lockdown,bpf audit=0 "
        f"random.trust_cpu=1 rcupdate.rcu_expedited=1 8250.nr_uarts=1 lab.modules={files.root}/lib/modules/{files.release}"
    )
    return [
        *QEMU,
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-M", "microvm", "-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "1", "-m", "2G"),
        *("-kernel", str(image.vmlinux), "-initrd", str(image.initrd), "-append", append),
        *("-chardev", "stdio,id=c,signal=off", "-serial", "chardev:c", "-device", "isa-debug-exit,iobase=0x501,iosize=2"),
        *("-global", "virtio-mmio.force-legacy=false"),
        *_folder("root", Path("/"), ",readonly=on,multidevs=remap"),
        *_folder("share", share, ""),
    ]


def _folder(tag: str, path: Path, more: str) -> list[str]:
    backend = f"local,id={tag},path={path},security_model=none{more}"
    return ["-fsdev", backend, "-device", f"virtio-9p-device,fsdev={tag},mount_tag={tag}"]


def _khz() -> int:
    found = re.search(r"^cpu MHz\s*: ([\d.]+)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    if not found:
        raise LabError("/proc/cpuinfo does not tell the processor's frequency")
    return round(float(found[1]) * 1000)
