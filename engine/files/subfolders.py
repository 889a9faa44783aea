"""The folder that a result goes into: the one that it names, or the nearest that can be."""

import logging
from collections.abc import Iterator
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
        if not folder.is_dir():
            folder.mkdir()
            sync_folder(folder.parent)
        return folder.resolve().is_relative_to(root.resolve())
    except OSError as error:
        if is_passing(error):
            raise unavailable(folder, error) from error
        return False
