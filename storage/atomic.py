"""A file that is there whole or not at all, and that is still there after the power failed."""

import errno
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PART = re.compile(r"\.(comfy-runpod-)?[0-9a-f]{32}\.part")
_CANNOT_SYNC = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


@contextmanager
def atomic(path: Path, *, part: Path | None = None, durable: bool = False) -> Iterator[Path]:
    """A path in the same folder, to be written in the block; the file then takes the name *path*, over an older file.

    When the block fails *path* stays as it was. A *durable* file is on the disk when the block has ended. *part* is for
    the file's only writer: the next one overwrites what a killed one has left there.
    """
    part = part or part_beside(path)
    try:
        yield part
        if durable:
            sync_file(part)
        part.replace(path)
        if durable:
            sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def part_beside(path: Path) -> Path:
    """An unused hidden name in the same folder; :func:`is_part` knows it again."""
    return path.with_name(f".comfy-runpod-{uuid.uuid4().hex}.part")


def is_part(name: str) -> bool:
    """Whether a file of this name is one that was not finished, by this version or an earlier one."""
    return _PART.fullmatch(name) is not None


def sync_file(path: Path) -> None:
    """When this returns the bytes of *path* are on the disk."""
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """When this returns the names in the folder *path* are on the disk; Windows and some network disks cannot do it."""
    if os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _CANNOT_SYNC:
            raise
    finally:
        os.close(descriptor)
