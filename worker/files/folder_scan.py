"""What is in ComfyUI's output and input folders before and after a prompt, so that no file is missed that a node writes
without announcing it: KJNodes' SaveImageKJ, text savers, the frames beside a film. Blocking, within bounds.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wire.files import Folder
from wire.outputs import OutputFile
from worker.folders import Folders

ENTRIES_MAX = 200_000
TIME_MAX_S = 3.0
"""of one look: the GPU is paid meanwhile"""

_SCANNED: tuple[Folder, ...] = ("output", "input")
_UNFINISHED = (".part", ".tmp", ".crdownload", ".lock")
"""endings of files that a program has not finished"""


class ScanTooLong(Exception):
    """There is too much to compare."""


class Stamp(NamedTuple):
    """What changes when a file is written, or another one takes its name."""

    size: int
    modified_ns: int
    inode: int

    @classmethod
    def of(cls, facts: os.stat_result) -> "Stamp":
        return cls(facts.st_size, facts.st_mtime_ns, facts.st_ino)


@dataclass(slots=True)
class _Bounds:
    clock: Callable[[], float]
    until: float
    left: int

    def spend(self) -> None:
        self.left -= 1
        if self.left < 0 or self.clock() > self.until:
            raise ScanTooLong(f"ComfyUI's output and input folders have too many files, or take over {TIME_MAX_S:g} s")


Scan = Mapping[OutputFile, Stamp]


def scan(folders: Folders, clock: Callable[[], float], entries: int = ENTRIES_MAX) -> Scan:
    """Every visible file in both folders; links are neither files nor followed. Raises ScanTooLong.

    *clock* counts seconds. No more than *entries* are looked at.
    """
    bounds = _Bounds(clock, clock() + TIME_MAX_S, entries)
    return {
        OutputFile(folder, *_split(path, root)): stamp
        for folder in _SCANNED
        for root in (str(folders.root(folder).resolve()),)
        for path, stamp in _files(root, bounds)
    }


def changed(before: Scan, after: Scan, known: Mapping[Path, Stamp | None], folders: Folders) -> list[OutputFile]:
    """The files that are new or different *after*, in the order of their names.

    Files that are *known* by their real path are left out, unless they are not what they were then; None is for always.
    """
    roots = {folder: folders.root(folder).resolve() for folder in _SCANNED}

    def is_known(file: OutputFile, stamp: Stamp) -> bool:
        path = roots[file.folder] / file.subfolder / file.filename
        return path in known and known[path] in (stamp, None)

    found = [file for file, stamp in after.items() if before.get(file) != stamp and not is_known(file, stamp)]
    return sorted(found, key=lambda file: (file.folder != "output", file.key))


def _files(root: str, bounds: _Bounds) -> Iterator[tuple[str, Stamp]]:
    waiting = [root]
    while waiting:
        for entry in _entries(waiting.pop()):
            bounds.spend()
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif (stamp := _stamp(entry)) is not None:
                yield entry.path, stamp


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with suppress(OSError), os.scandir(folder) as entries:  # it may be gone, or closed to us
        yield from entries


def _stamp(entry: os.DirEntry[str]) -> Stamp | None:
    """None when it is not a finished file, or gone."""
    if entry.name.lower().endswith(_UNFINISHED) or not entry.is_file(follow_symlinks=False):
        return None
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:
        return None
    return Stamp.of(facts)


def _split(path: str, root: str) -> tuple[str, str]:
    folder, name = os.path.split(path)
    subfolder = os.path.relpath(folder, root)
    return "" if subfolder == os.curdir else subfolder, name
