"""Files for a test."""

import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def fill(folder: Path, names: Iterable[str]) -> None:
    """Write a file of each name, with the name as its content, into *folder* and its subfolders."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """What this process makes in the block lacks the rights in *mask*; 0 withholds nothing."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    """The rights of a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


def files_with(folder: Path, *texts: bytes) -> list[Path]:
    """The files in *folder* that contain one of *texts*. A running program may remove some while they are read."""
    found: list[Path] = []
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            if path.is_file() and any(text in path.read_bytes() for text in texts):
                found.append(path)
    return found
