"""Puts a finished file into a local folder: whole or not at all, under a free name, never over another file."""

import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from engine.model.safe_path import NameRefused

_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


class StorageFailed(Exception):
    """The disk is full or may not be written; the text names the path. Nothing is lost: try again later."""


def inside(root: Path, subfolder: str) -> Path:
    """``root/subfolder``, created; raises NameRefused when a symlink leads out of *root*."""
    folder = root / subfolder
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageFailed(f"cannot make {folder}: {error.strerror}") from error
    if not folder.resolve().is_relative_to(root.resolve()):
        raise NameRefused(f"{subfolder!r} leads out of {root}")
    return folder


def place_all(
    sources: Iterable[tuple[str, Path]],
    folder: Path,
    choose: Callable[[list[str], set[str]], dict[str, str]],
) -> dict[str, str]:
    """Copy each *(name, source)* into *folder* under the name that *choose(names, taken)* gives it.

    Returns worker's name -> local name. Raises StorageFailed.
    """
    waiting = dict(sources)
    placed: dict[str, str] = {}
    refused: set[str] = set()
    """names that only seemed free, such as those that differ in case on a disk that does not tell case"""
    staged = {name: _beside(source, folder) for name, source in waiting.items()}
    try:
        while staged:
            chosen = choose(list(staged), {entry.name for entry in folder.iterdir()} | refused)
            for name in list(staged):
                if not _take_name(staged[name], folder / chosen[name]):
                    refused.add(chosen[name])
                    break  # somebody was faster: count again
                placed[name] = chosen[name]
                staged.pop(name).unlink(missing_ok=True)
    finally:
        for rest in staged.values():
            rest.unlink(missing_ok=True)
    return placed


def _beside(source: Path, folder: Path) -> Path:
    """A copy in the same folder, so that it can take its name in one step."""
    copy = folder / f".{uuid.uuid4().hex}.part"
    try:
        shutil.copyfile(source, copy)
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise StorageFailed(f"cannot write into {folder}: {error.strerror}") from error
    return copy


def _take_name(copy: Path, target: Path) -> bool:
    """Give *copy* the name *target* unless that is taken."""
    try:
        os.link(copy, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise StorageFailed(f"cannot write {target}: {error.strerror}") from error
        return _take_name_without_links(copy, target)
    return True


def _take_name_without_links(copy: Path, target: Path) -> bool:
    try:
        target.open("xb").close()
    except FileExistsError:
        return False
    copy.replace(target)
    return True
