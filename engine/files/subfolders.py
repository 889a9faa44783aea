"""The folder that a result goes into: the one that it names, or the nearest that can be."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from storage.atomic import sync_folder
from storage.disk import is_passing, unavailable
from wire.names import plain_name

logger = logging.getLogger(__name__)

_SIBLINGS = 9


def usable_folder(root: Path, subfolder: str) -> Path:
    """``root/subfolder``, created. Where a part of it cannot be a folder a similar name is used: ``clips (1)``.

    A part cannot be a folder when it is a file, a link out of *root*, or too long. Raises DiskUnavailable.
    """
    folder = root
    _make(root)
    for part in filter(None, subfolder.split("/")):
        found = next((name for name in _similar(part) if _is_usable(folder / name, root)), None)
        if found != part:
            logger.warning("%s cannot be a folder; results go to %s", folder / part, folder / (found or ""))
        if found is None:
            break  # the path is too long for any name
        folder /= found
    return folder


def inside_subfolder(roots: Iterable[Path], subfolder: str) -> str:
    """*subfolder* for one who makes it without looking, as ComfyUI's upload does, which follows links to anywhere.

    *roots* are where its folder may be on this machine. A part that is a link out of one, or a file, gets a similar
    name, as in :func:`usable_folder`. Nothing is made.
    """
    chosen, places = "", tuple(roots)
    for part in filter(None, subfolder.split("/")):
        below = ((f"{chosen}/{name}" if chosen else name) for name in _similar(part))
        found = next((path for path in below if all(_leads_inside(root / path, root) for root in places)), None)
        if found is None:
            break
        chosen = found
    return chosen


def _leads_inside(folder: Path, root: Path) -> bool:
    try:
        return _can_be_inside(folder, root)
    except OSError:
        return False


def _make(root: Path) -> None:
    try:
        root.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unavailable(root, error) from error


def _similar(part: str) -> Iterator[str]:
    for name in (part, plain_name(part)):
        yield name
        yield from (f"{name} ({number})" for number in range(1, _SIBLINGS + 1))


def _is_usable(folder: Path, root: Path) -> bool:
    """Whether it is a folder inside *root*, made if need be. Raises DiskUnavailable."""
    try:
        if not _can_be_inside(folder, root):
            return False
        if not folder.is_dir():
            folder.mkdir()
            sync_folder(folder.parent)
        return _can_be_inside(folder, root)  # somebody may have put a link there meanwhile
    except OSError as error:
        if is_passing(error):
            raise unavailable(folder, error) from error
        return False


def _can_be_inside(folder: Path, root: Path) -> bool:
    """Whether *folder* is a folder inside *root*, or can be made there. Nothing is made. Raises OSError."""
    try:
        inside = folder.resolve().is_relative_to(root.resolve())
    except RuntimeError:  # links that go round in a circle
        return False
    return inside and (folder.is_dir() or not (folder.exists() or folder.is_symlink()))
