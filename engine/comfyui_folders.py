"""Which folders of this machine the local ComfyUI uses, and whether a file in them is a link that leads out.

ComfyUI says where its folders are, but it may run in a container or behind a tunnel, where the same path means another
folder. So a folder counts only when ComfyUI serves a file from it with the size and the time of change that the file
has here. Names alone prove less, and ComfyUI has changed their form before: ``/internal/files`` answers ``a.png`` in
0.8.0 and ``a.png [output]`` in 0.33.0.
"""

import asyncio
import logging
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from engine.local_paths import LocalPaths
from engine.model.input_file import Presence
from wire.files import FOLDERS, Folder

logger = logging.getLogger(__name__)

_COMPARED = 5
"""files that are compared before a folder is given up: some of them may be written at this moment"""
_CLOCK_S = 1.0
"""Last-Modified has whole seconds, rounded up or down"""


class ServedFile(NamedTuple):
    """What ComfyUI says about a file that it serves."""

    size: int
    changed_s: float


class FileServer(Protocol):
    """The questions that are put to ComfyUI."""

    async def named_folders(self) -> "NamedFolders": ...
    async def served(self, subfolder: str, filename: str, folder: Folder) -> ServedFile | None: ...
    async def listed(self, folder: Folder) -> int: ...


class Whereabouts(Enum):
    """Where a folder of ComfyUI is."""

    HERE = auto()
    ELSEWHERE = auto()
    """on another machine or in a container: nothing that ComfyUI names exists here"""
    UNKNOWN = auto()


@dataclass(frozen=True, slots=True)
class NamedFolders:
    """Where ComfyUI may keep its files, by its own account: several places for each folder, the likely one first."""

    places: Mapping[Folder, tuple[Path, ...]]
    programs: tuple[Path, ...]
    """folders that hold ComfyUI's own program or its custom nodes"""

    def is_elsewhere(self, folder: Folder) -> bool:
        """Whether none of it exists on this machine."""
        return bool(self.programs) and not any(path.exists() for path in (*self.places[folder], *self.programs))


def named_folders(folder_paths: Mapping[str, Any], argv: Any) -> NamedFolders:
    """What ``/internal/folder_paths`` and the ``argv`` of ``/system_stats`` say; what has another shape says nothing.

    Source: ComfyUI 0.3.64, 0.8.0 and 0.33.0, folder_paths.py and main.py: each folder is below the base unless an
    argument moves it; ``checkpoints`` ends with one of the output folder; ``temp`` is added to a moved temp folder.
    """
    words = _texts(argv)
    programs = _unique([*_arguments(words, "--base-directory"), *_parents(folder_paths.get("custom_nodes"))])
    outputs = [*_parents(folder_paths.get("checkpoints"))[-1:], *_arguments(words, "--output-directory")]
    bases = (*programs, *(path.parent for path in outputs))
    moved: dict[Folder, list[Path]] = {
        "input": _arguments(words, "--input-directory"),
        "output": outputs,
        "temp": [path / "temp" for path in _arguments(words, "--temp-directory")],
    }
    places = {folder: _unique(_absolute([*paths, Path(folder)], bases)) for folder, paths in moved.items()}
    return NamedFolders(places, programs)


def _absolute(paths: Iterable[Path], bases: Sequence[Path]) -> Iterator[Path]:
    """A relative path may be below any of *bases*: which folder ComfyUI was started in is not known."""
    for path in paths:
        yield from (candidate for base in (*bases, Path()) if (candidate := base / path).is_absolute())


def _arguments(words: Sequence[str], name: str) -> list[Path]:
    """The values of an option, written as ``--name value`` or ``--name=value``."""
    spaced = [value for option, value in pairwise(words) if option == name]
    joined = [word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}=")]
    return [Path(value) for value in (*spaced, *joined)]


def _parents(paths: Any) -> list[Path]:
    return [Path(path).parent for path in _texts(paths)]


def _texts(value: Any) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _unique(paths: Iterable[Path]) -> tuple[Path, ...]:
    return tuple(dict.fromkeys(paths))


class ComfyUIFolders:
    """The folders of one ComfyUI. A folder that was recognised is remembered until :meth:`forget`."""

    def __init__(self, server: FileServer, *, elsewhere: bool) -> None:
        self._server = server
        self._elsewhere = elsewhere
        self._named: NamedFolders | None = None
        self._known: dict[Folder, Path] = {}
        self._reported = set[Folder]()

    def forget(self) -> None:
        """ComfyUI was restarted, perhaps with other folders."""
        self._named = None
        self._known.clear()
        self._reported.clear()

    async def find(self, folder: Folder) -> tuple[Whereabouts, Path | None]:
        """Where *folder* is, and its path when it is here."""
        if folder not in self._known:
            whereabouts, path = await self._recognised(folder)
            self._report(folder, whereabouts, path)
            if path is None:
                return whereabouts, None
            self._known[folder] = path
        return Whereabouts.HERE, self._known[folder]

    async def places(self, folder: Folder) -> tuple[Path, ...]:
        """Where *folder* is on this machine, or may be; empty when it is elsewhere."""
        whereabouts, path = await self.find(folder)
        if path is not None:
            return (path,)
        if whereabouts is Whereabouts.ELSEWHERE:
            return ()
        return (await self._named_folders()).places[folder]

    async def local_paths(self) -> LocalPaths:
        """Looks for paths on this machine, if at least one of the folders was recognised here."""
        known = {folder: path for folder in FOLDERS if (path := (await self.find(folder))[1]) is not None}
        named = await self._named_folders()
        places = {folder: (known[folder],) if folder in known else named.places[folder] for folder in FOLDERS}
        return LocalPaths(places, named.programs if known else ())

    async def presence(self, path: str, folder: Folder, served: ServedFile) -> Presence:
        """Whether *path* of *folder*, which ComfyUI serves, may be sent.

        ComfyUI elsewhere decides by itself what it serves: a link there leads to files of that machine or container,
        which anybody sees who may open its page. Here a link would lead to any file of this person.
        """
        if self._elsewhere:
            return Presence.THERE
        named = await self._named_folders()
        found = await asyncio.to_thread(_presence, named.places[folder], path, served)
        if found is Presence.UNVERIFIED and await asyncio.to_thread(named.is_elsewhere, folder):
            return Presence.THERE
        return found

    async def _named_folders(self) -> NamedFolders:
        if self._named is None:
            self._named = await self._server.named_folders()
        return self._named

    async def _recognised(self, folder: Folder) -> tuple[Whereabouts, Path | None]:
        if self._elsewhere:
            return Whereabouts.ELSEWHERE, None
        named = await self._named_folders()
        for root in named.places[folder]:
            if await asyncio.to_thread(root.is_dir) and await self._is_theirs(root, folder):
                return Whereabouts.HERE, root
        elsewhere = await asyncio.to_thread(named.is_elsewhere, folder)
        return (Whereabouts.ELSEWHERE if elsewhere else Whereabouts.UNKNOWN), None

    async def _is_theirs(self, root: Path, folder: Folder) -> bool:
        """Whether ComfyUI serves the files of *root*. Without a file to compare, the number of files decides."""
        files, count = await asyncio.to_thread(_sample, root)
        for path in files:
            subfolder, filename = path.parent.relative_to(root).as_posix(), path.name
            served = await self._server.served("" if subfolder == "." else subfolder, filename, folder)
            if served is not None and await asyncio.to_thread(_is_same, path, served):
                return True
        return not files and await self._server.listed(folder) == count

    def _report(self, folder: Folder, whereabouts: Whereabouts, path: Path | None) -> None:
        if folder in self._reported:
            return
        self._reported.add(folder)
        match whereabouts:
            case Whereabouts.HERE:
                logger.info("ComfyUI's %s folder is %s", folder, path)
            case Whereabouts.ELSEWHERE:
                logger.info("ComfyUI's %s folder is not on this machine; files go through ComfyUI", folder)
            case Whereabouts.UNKNOWN:
                logger.warning("ComfyUI's %s folder was not recognised; scripts/doctor.py says what to do", folder)


def _presence(roots: Iterable[Path], path: str, served: ServedFile) -> Presence:
    for root in roots:
        if _is_same(root / path, served):
            inside = (root / path).resolve().is_relative_to(root.resolve())
            return Presence.THERE if inside else Presence.LINKED_OUT
    return Presence.UNVERIFIED


def _is_same(path: Path, served: ServedFile) -> bool:
    try:
        found = path.stat()
    except OSError:
        return False
    return found.st_size == served.size and abs(found.st_mtime - served.changed_s) <= _CLOCK_S


def _sample(root: Path) -> tuple[list[Path], int]:
    """Some files that say something about *root*, the newest first, and how many files a listing of it shows."""
    top = [path for path in root.iterdir() if path.is_file() and not path.name.startswith(".")]
    telling = sorted(filter(_tells, top), key=lambda path: -path.stat().st_mtime)
    return list(islice(telling, _COMPARED)) or list(islice(_below(root), _COMPARED)), len(top)


def _below(root: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(root):
        yield from filter(_tells, (Path(folder) / name for name in names))


def _tells(path: Path) -> bool:
    """Empty files are alike everywhere; a name with two dots in a row is one that ComfyUI does not serve."""
    try:
        return path.stat().st_size > 0 and ".." not in path.name and not path.name.startswith(".")
    except OSError:
        return False
