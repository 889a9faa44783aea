"""Looks for the paths in a prompt's texts on this machine. Nothing is read: only whether it exists, and what is in a
folder. Blocking.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from engine.prompt.path_texts import OPTIONS_MAX, PathText, PathUse
from engine.prompt.paths import NOTHING, LocalPath, PathKind
from wire.file_inputs import split_annotation
from wire.files import Folder
from wire.limits import MIB
from wire.names import NameRefused, confined_path

FOLDER_FILES_MAX = 1_000
FOLDER_BYTES_MAX = 4096 * MIB
"""what a worker keeps of input files, unless INPUT_CACHE_MAX_BYTES says otherwise"""
_LOOKED_AT_MAX = 20_000
"""entries of a folder and of the folders in it, hidden ones included"""
_DO = "choose a smaller folder, or copy it to the endpoint's network volume and write its path on the worker there"


class _Root(NamedTuple):
    """A name of one of ComfyUI's folders; *place* is the one by which ComfyUI knows it."""

    name: Path
    folder: Folder
    place: Path


class _Inside(NamedTuple):
    place: Path
    folder: Folder
    path: str


class LocalPaths:
    """*places* are where ComfyUI's folders are or may be. *bases* are the folders that a relative path may start from;
    empty when ComfyUI is not on this machine, and then nothing is looked for.
    """

    def __init__(self, places: Mapping[Folder, Sequence[Path]], bases: Sequence[Path]) -> None:
        self._places, self._bases = places, bases
        self._roots = [
            _Root(name, folder, place)
            for folder, some in places.items()
            for place in some
            for name in dict.fromkeys((Path(os.path.normpath(place)), _real(place)))
        ]

    @property
    def bases(self) -> Sequence[Path]:
        """The folders that a relative path may start from."""
        return self._bases

    def find(self, texts: Iterable[PathText]) -> list[tuple[PathText, LocalPath]]:
        """What *texts* name, but for choices between other things than folders. Equal texts are looked for once."""
        known: dict[tuple[str, bool], LocalPath] = {}
        folders: dict[tuple[str, ...], bool] = {}
        found = list[tuple[PathText, LocalPath]]()
        for text in texts:
            is_choice = text.use is PathUse.CHOICE
            if is_choice and text.options not in folders:
                folders[text.options] = self._are_folders(text.options)
            if is_choice and not folders[text.options]:
                continue
            key = (text.path, is_choice)
            if key not in known:
                known[key] = self._choice(text.path) if is_choice else self._find(text.path)
            found.append((text, known[key]))
        return found

    def _choice(self, text: str) -> LocalPath:
        path, folder = split_annotation(text)
        for place in self._places[folder]:
            inside = _confined(place, folder, path)
            if inside is not None and _kind(str(place / path)) is PathKind.FOLDER:
                return _listed(inside)
        return NOTHING

    def _are_folders(self, options: tuple[str, ...]) -> bool:
        """Whether all that a node offers are folders of the input folder."""
        places = self._places["input"] if self._bases else ()
        return bool(places) and all(
            any(_kind(f"{place}/{name}") is PathKind.FOLDER for place in places) for name in options[:OPTIONS_MAX]
        )

    def _find(self, text: str) -> LocalPath:
        is_whole = text.startswith(("/", "~", "file:")) or os.path.isabs(text)  # noqa: PTH117
        for path in self._candidates(text):
            kind = _kind(path) if self._bases else PathKind.UNSEEN
            if kind is PathKind.NOTHING and not is_whole:
                continue
            if (inside := self._inside(Path(path))) is not None:
                return _listed(inside) if kind is PathKind.FOLDER else LocalPath(kind, inside.folder, inside.path)
            if kind in (PathKind.FILE, PathKind.FOLDER):
                return LocalPath(kind)
        return NOTHING if self._bases else _named(text)

    def _candidates(self, text: str) -> Iterator[str]:
        """Where the path may lead. A relative one starts from the folder of ComfyUI's process, or the one above.

        Texts and not Paths: there may be thousands, and a Path takes ten times as long.
        """
        path = os.path.expanduser(text.removeprefix("file://"))  # noqa: PTH111
        if os.path.isabs(path):  # noqa: PTH117
            yield path
            return
        yield from (f"{base}/{path}" for base in self._bases)
        first = path.removeprefix("./").partition("/")[0]
        yield from (f"{base.parent}/{path}" for base in self._bases if base.name == first)

    def _inside(self, path: Path) -> _Inside | None:
        """Where in ComfyUI's folders *path* is, by its name alone: what a link leads to is checked when it is sent."""
        plain = Path(os.path.normpath(path))
        for name, folder, place in self._roots:
            if plain.is_relative_to(name):
                return _confined(place, folder, plain.relative_to(name).as_posix())
        return None


def _kind(path: str) -> PathKind:
    """A link counts as what it leads to; what may not be looked at counts as nothing."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116  see _candidates
    except (OSError, ValueError):  # ValueError: a NUL byte
        return PathKind.NOTHING
    return PathKind.FOLDER if stat.S_ISDIR(mode) else PathKind.FILE


def _confined(place: Path, folder: Folder, path: str) -> _Inside | None:
    try:
        return _Inside(place, folder, "" if path == "." else confined_path(path))
    except NameRefused:
        return None


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return path


def _named(text: str) -> LocalPath:
    """Without a look: a file that the first part of the path places into one of ComfyUI's folders."""
    first, _, rest = text.removeprefix("./").partition("/")
    folders: dict[str, Folder] = {"input": "input", "output": "output", "temp": "temp"}
    if first not in folders or not rest or rest.endswith("/"):
        return NOTHING
    try:
        return LocalPath(PathKind.UNSEEN, folders[first], confined_path(rest))
    except NameRefused:
        return NOTHING


def _listed(inside: _Inside) -> LocalPath:
    """A folder with the files in it and in its folders. Hidden ones are left out: ComfyUI does not hand them out."""
    files, size, problem = list[str](), 0, ""
    real_place = _real(inside.place)
    for looked_at, (path, facts) in enumerate(_walk(str(inside.place / inside.path)), 1):
        if facts is not None:
            problem = _not_sendable(path, inside, real_place)
            files.append(path.relative_to(inside.place).as_posix())
            size += facts.st_size
        if len(files) > FOLDER_FILES_MAX or size > FOLDER_BYTES_MAX or looked_at > _LOOKED_AT_MAX:
            problem = _too_many(size)
        if problem:
            return LocalPath(PathKind.FOLDER, inside.folder, inside.path, (), problem)
    return LocalPath(PathKind.FOLDER, inside.folder, inside.path, tuple(sorted(files)))


def _not_sendable(path: Path, inside: _Inside, real_place: Path) -> str:
    """Why a file of a folder cannot be sent; empty when it can."""
    if not _real(path).is_relative_to(real_place):
        return f"{path.name[:200]!a} in it is a link to a file outside ComfyUI's {inside.folder} folder"
    if _confined(inside.place, inside.folder, path.relative_to(inside.place).as_posix()) is None:
        return f"the name of {path.name[:200]!a} in it cannot be sent: rename the file"
    return ""


def _too_many(size: int) -> str:
    limits = f"{FOLDER_FILES_MAX:,} files or {FOLDER_BYTES_MAX // MIB:,} MiB"
    return f"the folder has more than {limits} ({size // MIB:,} MiB were counted), which is too much to send; {_DO}"


def _walk(folder: str) -> Iterator[tuple[Path, os.stat_result | None]]:
    """Every entry, with what is known of it if it is a file to be sent. Links to folders are not followed."""
    waiting = [folder]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as found:
                entries = sorted(islice(found, _LOOKED_AT_MAX + 1), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            path, hidden = Path(entry.path), entry.name.startswith(".")
            if hidden:
                yield path, None
            elif entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
                yield path, None
            else:
                yield path, _facts(entry)


def _facts(entry: "os.DirEntry[str]") -> os.stat_result | None:
    try:
        return entry.stat() if entry.is_file() else None
    except OSError:
        return None
