"""The lab's kernels: which there are, and their packages, fetched once and unpacked.

Receives kernels.toml and a folder for what may be kept between runs; returns folders with a kernel's boot image and modules. The
machine's own sources of packages stay untouched. Never boots anything.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

DATA = Path(__file__).with_name("kernels.toml")
IMAGE = re.compile(r"linux-image-(\d+\.\d+\.\d+(?:-\d+|\+deb\d+)-amd64)")
ATTEMPTS = 3  # a mirror may change while it is being read
PARTS = ("image", "base", "binary", "modules")  # packages of one kernel: all in the first, or spread over all four


class LabError(Exception):
    """What keeps the lab from running a kernel, in one line."""


class Kernel(NamedTuple):
    """One entry of kernels.toml."""

    name: str
    archive: str
    suite: str


class Skip(NamedTuple):
    """A reason (the beginning of one) for which tests may be skipped, on kernels older than ``before``; on all when empty."""

    reason: str
    before: str = ""

    def allows(self, kernel: str, why: str) -> bool:
        return why.startswith(self.reason) and (not self.before or _as_numbers(kernel) < _as_numbers(self.before))


class Known(NamedTuple):
    """A test that must fail on kernels from ``since`` on, and why it does."""

    test: str
    since: str
    why: str

    def means(self, kernel: str, test: str) -> bool:
        return test == self.test and _as_numbers(kernel) >= _as_numbers(self.since)


class Lab(NamedTuple):
    """kernels.toml."""

    mirror: str
    keyring: Path
    time_limit: float
    kernels: tuple[Kernel, ...]
    tests: tuple[str, ...]
    skips: tuple[Skip, ...]
    known: tuple[Known, ...]

    def choose(self, names: list[str]) -> list[Kernel]:
        """The kernels of these names, in the file's order; all when there are none."""
        known = [kernel.name for kernel in self.kernels]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise LabError(f"no kernel {', '.join(unknown)} in {DATA.name}; there are {', '.join(known)}")
        return [kernel for kernel in self.kernels if not names or kernel.name in names]


class Files(NamedTuple):
    """An unpacked kernel: ``root`` has lib/modules/RELEASE, with depmod's indices."""

    release: str
    vmlinuz: Path
    root: Path


def read_lab() -> Lab:
    data: dict[str, Any] = tomllib.loads(DATA.read_text())
    kernels = tuple(Kernel(**kernel) for kernel in data["kernel"])
    skips = tuple(Skip(**skip) for skip in data["skip"])
    known = tuple(Known(**each) for each in data.get("known", ()))
    return Lab(data["mirror"], Path(data["keyring"]), data["time_limit"], kernels, tuple(data["tests"]), skips, known)


def cache_folder() -> Path:
    """Beside the generator's own cache; it may be removed at any time."""
    base = os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()
    return Path(base, "ebpfgen-kernels")


def files(lab: Lab, kernel: Kernel, cache: Path, say: Callable[[str], None]) -> Files:
    """Fetches and unpacks the kernel's packages, unless the cache has them. What is fetched by half is never left there."""
    place = cache / kernel.name
    if not place.exists():
        say(f"fetching {kernel.name} from {kernel.suite}")
        for attempt in range(1, ATTEMPTS + 1):
            try:
                _fresh(lab, kernel, place, say)
                break
            except LabError as error:
                if attempt == ATTEMPTS:
                    raise LabError(f"kernel {kernel.name} can't be fetched from {lab.mirror}: {error}") from None
                say(f"{error}; fetching {kernel.name} again")
    (release,) = [path.name for path in (place / "root/lib/modules").iterdir()]
    places = (place / "root/boot" / f"vmlinuz-{release}", place / "root/lib/modules" / release / "vmlinuz")
    vmlinuz = next((path for path in places if path.exists()), None)
    if vmlinuz is None:
        raise LabError(f"the packages of kernel {release} have no boot image, neither {places[0]} nor {places[1]}")
    return Files(release, vmlinuz, place / "root")


def _fresh(lab: Lab, kernel: Kernel, place: Path, say: Callable[[str], None]) -> None:
    fresh = place.with_name(f".{kernel.name}-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _unpack(_fetch(lab, kernel, fresh, say), fresh)
        fresh.rename(place)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _fetch(lab: Lab, kernel: Kernel, folder: Path, say: Callable[[str], None]) -> list[Path]:
    """Downloads the packages of the kernel that :func:`newest` chooses."""
    apt = _apt(lab, kernel, folder)
    _run([*apt("apt-get"), "-q", "update"], folder)
    version = newest(_run([*apt("apt-cache"), "pkgnames", "linux-image-"], folder).split(), kernel.name)
    if version is None:
        raise LabError(f"{kernel.suite} has neither a kernel {kernel.name} nor a newer one; change {DATA.name}")
    if not version.startswith(f"{kernel.name}."):
        say(f"{kernel.suite} has moved on from {kernel.name}: taking {version}")
    wanted = [f"linux-{part}-{version}" for part in PARTS]
    offered = _run([*apt("apt-cache"), "pkgnames", "linux-"], folder).split()
    _run([*apt("apt-get"), "-q", "download", *(name for name in wanted if name in offered)], folder)
    return sorted(folder.glob("*.deb"))


def newest(packages: Sequence[str], series: str) -> str | None:
    """The newest version of that series among the names of packages; of the newest series, where only newer ones are left."""
    versions = [found[1] for found in map(IMAGE.fullmatch, packages) if found]
    same = [version for version in versions if version.startswith(f"{series}.")]
    newer = [version for version in versions if _as_numbers(version) > _as_numbers(series)]
    return max(same or newer, key=_as_numbers, default=None)


def _as_numbers(name: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", name)]


def _apt(lab: Lab, kernel: Kernel, folder: Path) -> Any:
    """A function from an apt tool to its command line, with sources, lists and downloads below ``folder`` only."""
    (folder / "apt/lists/partial").mkdir(parents=True)
    (folder / "apt/cache/archives/partial").mkdir(parents=True)
    sources = folder / "apt/sources.list"
    sources.write_text(f"deb [arch=amd64 signed-by={lab.keyring}] {lab.mirror}{kernel.archive} {kernel.suite} main\n")
    settings = {
        "Dir::Etc::sourcelist": sources,
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::State::lists": folder / "apt/lists",
        "Dir::Cache": folder / "apt/cache",
        "APT::Update::Error-Mode": "any",  # else a list that can't be had is only a warning
        "Acquire::Retries": 3,
        "Acquire::http::Timeout": 30,
        "APT::Sandbox::User": "",  # another user could not write below our own folder
    }
    return lambda tool: [tool, *(f"-o{name}={value}" for name, value in settings.items())]


def _unpack(packages: list[Path], folder: Path) -> None:
    root = folder / "root"
    for package in packages:
        _run(["dpkg-deb", "-x", str(package), str(root)], folder)
        package.unlink()
    shutil.rmtree(folder / "apt")
    if not (root / "lib").exists():  # since Debian 13 all is below usr
        (root / "lib").symlink_to("usr/lib")
    (release,) = [path.name for path in (root / "lib/modules").iterdir()]
    _run(["depmod", "-b", str(root), release], folder)


def _run(command: list[str], folder: Path) -> str:
    """The command's output. apt and dpkg are told to speak plainly, whatever the user's language."""
    done = subprocess.run(command, cwd=folder, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no words").splitlines()[-1]
        raise LabError(f"{command[0]}: {last}")
    return done.stdout
