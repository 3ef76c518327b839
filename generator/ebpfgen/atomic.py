"""Files and folders appear whole or not at all.

Receives where something shall stand, and its content or what makes it; leaves that, or what was there before. What a killed
process left half-made is told by a lock, which ends with its process, and removed by the next one.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from .problems import MachineError

_AT_FDCWD = -100  # include/uapi/linux/fcntl.h
_RENAME_EXCHANGE = 2  # include/uapi/linux/fs.h


def beside_of(path: Path) -> Path:
    """A name in the folder of ``path`` that nobody else uses: not another process, not another thread."""
    return path.with_name(f".{path.name}.{os.urandom(4).hex()}")


def write_beside(path: Path, data: bytes) -> None:
    """Writes ``data`` beside ``path``, then renames. Raises OSError, with nothing changed."""
    beside = beside_of(path)
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def create(path: Path, data: bytes) -> None:
    """Makes ``path``, which is not there yet. Raises OSError, FileExistsError where it is, with nothing changed."""
    file = path.open("xb")
    try:
        with file:
            file.write(data)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """An empty folder to make ``target`` in; whatever is in it at the end is removed. Those of killed processes go first."""
    target.parent.mkdir(parents=True, exist_ok=True)
    for left in target.parent.glob(f".{target.name}.*"):
        with _locked(left) as ours:
            if ours:
                _remove(left)
    while True:
        folder = beside_of(target)
        folder.mkdir()
        with _locked(folder) as ours:
            if not ours:  # taken for a killed process's, between the making and the locking
                continue
            try:
                yield folder
            finally:
                _remove(folder)
            return


def put_in_place(folder: Path, target: Path, its_files: Collection[str]) -> None:
    """``folder`` becomes ``target`` in one step; what was there is then in ``folder``. Raises MachineError when something else
    than an earlier ``target``, which holds ``its_files`` only, is in the way."""
    way_out = "move it, or name another place (--out DIR)"
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise MachineError(f"{target}: is in the way of a folder of this name; {way_out}")
    if strange := sorted(p.name for p in target.glob("*") if p.name not in (*its_files, "__pycache__")):
        raise MachineError(f"{target}: holds {strange[0]}, which is no part of an artefact; {way_out}")
    try:
        folder.rename(target)  # there is none, or an empty one
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        _exchange(folder, target)


def _exchange(one: Path, other: Path) -> None:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return
    number = ctypes.get_errno()
    if number not in (errno.EINVAL, errno.ENOSYS):
        raise OSError(number, os.strerror(number), str(other))
    spare = beside_of(other)  # a file system that can't: two steps, with nothing in place between them
    other.rename(spare)
    one.rename(other)
    spare.rename(one)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Whether the lock of ``folder`` is ours while inside, and the folder still there."""
    with contextlib.ExitStack() as stack:
        try:
            fd = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW)
            stack.callback(os.close, fd)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours = folder.exists()
        except OSError:
            ours = False
        yield ours


def _remove(path: Path) -> None:
    if path.is_dir():
        for file in path.iterdir():
            with contextlib.suppress(OSError):  # a folder, for example
                file.unlink()
        with contextlib.suppress(OSError):
            path.rmdir()
            return
        import shutil  # brings three libraries for archives

        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
