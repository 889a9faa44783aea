"""Puts a finished file into a local folder: whole or not at all, under a free name, never over another file.

A file takes its name by a hard link to our own part file, so that nothing of ours is ever in the person's folder. Where
that cannot be it is copied beside its place first; what a killed program leaves of that, :func:`sweep` removes.
"""

import errno
import logging
import os
import shutil
import stat
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from engine.files.subfolders import usable_folder
from engine.model.naming import local_names
from storage.atomic import is_part, part_beside, sync_file, sync_folder
from storage.disk import DiskUnavailable, is_passing, unavailable, writing
from wire.names import plain_name

logger = logging.getLogger(__name__)

_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
_NO_LINKS_ON_WINDOWS = frozenset({1, 17, 50, 1142})
"""invalid function, not the same device, not supported, too many links"""
_COPIES_MAX = 3
"""a copy that another program has swept away is made again"""


def place_all(
    sources: Sequence[tuple[str, Path]],
    root: Path,
    subfolder: str,
    known: Collection[tuple[str, str]] = (),
    shared: Mapping[tuple[str, int], int] | None = None,
) -> list[tuple[str, str]]:
    """Put each *(name, part)* into *subfolder* of *root* under a free name like *name*; the subfolder and name of each.

    A file that cannot have its name here gets a plain one, and one that does not fit into its subfolder goes to *root*:
    only the disk itself keeps a file from being stored. When this returns all are on the disk. A part may then be the
    stored file itself: remove it, but never write it. *known* are the places of other results: a part that has a name
    here which is not among them was placed before the program was killed, and keeps that name. *shared* numbers go on
    to be shared: see local_names.
    Raises DiskUnavailable, FileNotFoundError for a missing part.
    """
    parts = [part for _, part in sources]
    for part in parts:
        _sync(part)
    placer = _Placer(parts, {root / place / name for place, name in known}, shared or {})
    folder = usable_folder(root, subfolder)
    for place, rename in ((folder, str), (folder, plain_name), (root, plain_name)):
        names = {index: _not_a_copy(rename(name)) for index, (name, _) in enumerate(sources)}
        placer.place(place, {index: name for index, name in names.items() if index not in placer.placed})
    if len(placer.placed) < len(sources):
        raise DiskUnavailable(f"cannot write into {root}: it accepts no name")
    for place in {path.parent for path in placer.placed.values()}:
        with writing(place):
            sync_folder(place)
    return [_relative(placer.placed[index], root) for index in range(len(sources))]


def sweep(folder: Path) -> int:
    """Remove the copies that a killed program has left in *folder* and below it, and nothing else; how many."""
    named = (Path(parent, name) for parent, _, names in os.walk(folder) for name in names if is_part(name))
    found = [path for path in named if not path.is_symlink()]
    for path in found:
        with suppress(OSError):
            path.unlink()
    return len(found)


def _not_a_copy(name: str) -> str:
    """A result must not have a name that is swept away."""
    return f"_{name}" if is_part(name) else name


class _Placer:
    """Gives names to *parts*; :attr:`placed` has the path of each one, by its index."""

    def __init__(self, parts: Sequence[Path], known: Collection[Path], shared: Mapping[tuple[str, int], int]) -> None:
        self.placed: dict[int, Path] = {}
        self._parts = parts
        self._known, self._shared = known, shared

    def place(self, folder: Path, names: Mapping[int, str]) -> None:
        """Give as many of the parts *names* as possible a name like this in *folder*. Raises DiskUnavailable."""
        waiting, refused = dict(names), set[str]()
        while waiting:
            with writing(folder):
                taken = {entry.name for entry in folder.iterdir()} | refused
            chosen = local_names(waiting.values(), taken, self._shared)
            for index, name in zip(list(waiting), chosen, strict=True):
                try:
                    self.placed[index] = self._take_name(self._parts[index], folder / name)
                except FileExistsError:  # another program was faster, or the disk treats A as a: count again
                    refused.add(name)
                    break
                except OSError as error:
                    if is_passing(error):
                        raise unavailable(folder / name, error) from error
                    logger.warning("%s cannot be stored under this name: %s", folder / name, error.strerror)
                del waiting[index]

    def _take_name(self, part: Path, target: Path) -> Path:
        if part.stat().st_nlink == 1:
            _link_or_copy(part, target)
            return target
        others = {*self._known, *self.placed.values()}
        for path in target.parent.iterdir():
            if path not in others and not path.is_symlink() and path.samefile(part):
                return path
        _copy(part, target)  # two results must never be one file: whoever edits one would change the other
        return target


def _link_or_copy(part: Path, target: Path) -> None:
    try:
        linked = _share(part, target.parent)
        if linked:
            os.link(part, target)
    except OSError as error:
        if not _has_no_links(error):
            raise
        linked = False
    if not linked:
        _copy(part, target)


def _share(part: Path, folder: Path) -> bool:
    """Give *part*, which was ours alone, the rights of a file that this user saves in *folder*, as ComfyUI does. False
    when they are not known: a copy has them by itself.
    """
    try:
        mode = _usual_mode(part)
    except OSError:
        return False
    with suppress(OSError):  # a disk without rights
        part.chmod(mode)
    facts = folder.stat()
    if facts.st_mode & stat.S_ISGID and os.name != "nt":  # a folder that several people share
        with suppress(OSError):
            os.chown(part, -1, facts.st_gid)
    return True


def _usual_mode(part: Path) -> int:
    """The mode of a file that is made without thinking of one. To ask for the umask itself is to change it."""
    example = part_beside(part)
    try:
        example.touch()
        return stat.S_IMODE(example.stat().st_mode)
    finally:
        example.unlink(missing_ok=True)


def _has_no_links(error: OSError) -> bool:
    return error.errno in _NO_LINKS or getattr(error, "winerror", None) in _NO_LINKS_ON_WINDOWS


def _copy(part: Path, target: Path) -> None:
    for attempt in range(1, _COPIES_MAX + 1):
        copy = part_beside(target)
        try:
            shutil.copyfile(part, copy)
            sync_file(copy)
            _rename(copy, target)
        except FileNotFoundError:
            if attempt == _COPIES_MAX or not target.parent.is_dir():
                raise
        else:
            return
        finally:
            with suppress(OSError):
                copy.unlink(missing_ok=True)


def _rename(copy: Path, target: Path) -> None:
    """Raises FileExistsError when *target* is taken."""
    try:
        os.link(copy, target)
    except OSError as error:
        if not _has_no_links(error):
            raise
        _rename_without_links(copy, target)


def _rename_without_links(copy: Path, target: Path) -> None:
    if os.name == "nt":
        copy.rename(target)  # never over another file
        return
    target.open("xb").close()
    try:
        copy.replace(target)
    except OSError:
        target.unlink(missing_ok=True)
        raise


def _sync(part: Path) -> None:
    try:
        sync_file(part)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unavailable(part, error) from error


def _relative(path: Path, root: Path) -> tuple[str, str]:
    subfolder = path.parent.relative_to(root).as_posix()
    return ("" if subfolder == "." else subfolder), path.name
