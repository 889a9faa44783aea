"""The names of what is in ComfyUI's input, output and temp folders now."""

import os
from collections.abc import Iterator
from pathlib import Path

from wire.files import Folder
from worker.catalog.definitions import JobFiles
from worker.folders import Folders

_FOLDERS: tuple[Folder, ...] = ("input", "output", "temp")
_NAMES_MAX = 50_000


def job_files(folders: Folders) -> JobFiles:
    """Names as nodes offer them: relative, and also with the folder behind (``a.png [output]``)."""
    files, subfolders = set[str](), set[str]()
    for folder in _FOLDERS:
        for name, is_folder in _names(folders.root(folder)):
            (subfolders if is_folder else files).update((name, f"{name} [{folder}]"))
            if len(files) + len(subfolders) > _NAMES_MAX:
                break
    return JobFiles(frozenset(files), frozenset(subfolders))


def _names(root: Path) -> Iterator[tuple[str, bool]]:
    for parent, subfolders, files in os.walk(root):
        below = Path(parent).relative_to(root)
        yield from ((str(below / name), True) for name in subfolders)
        yield from ((str(below / name), False) for name in files)
