"""Files for a test."""

from collections.abc import Iterable
from pathlib import Path


def fill(folder: Path, names: Iterable[str]) -> None:
    """Write a file of each name, with the name as its content, into *folder* and its subfolders."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
