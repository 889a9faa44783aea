"""Files and folders that only this user can read, from their first byte: prompts and results are nobody else's.

A folder is enough to keep other users out; a file is narrow as well, because it may be moved. On Windows a folder of
the person's profile is private already, and a result that is linked out of it would keep rights of ours.
"""

import os
import stat
from contextlib import suppress
from pathlib import Path

_FOLDER = 0o777 if os.name == "nt" else 0o700
_FILE = 0o600
_OTHERS = 0o077


def private_folder(path: Path) -> Path:
    """*path*, made with what is missing above it; one that is there stays as it is."""
    if not path.is_dir():
        private_folder(path.parent)
        path.mkdir(_FOLDER, exist_ok=True)
    return path


def private_file(path: Path) -> Path:
    """*path*, made empty, to be opened and written by whoever asked for it; one that is there keeps its content."""
    path.touch(_FILE)
    return path


def narrow(folder: Path) -> bool:
    """Keep other users out of a folder that is there already; False when they can still look into it.

    A folder that is meant for several users, or in which this user's home is, is left alone.
    """
    mode = folder.stat().st_mode
    if os.name == "nt" or not mode & _OTHERS:
        return True
    if not (mode & stat.S_ISVTX or _holds_home(folder)):
        with suppress(OSError):  # another user's, or of a disk without rights
            folder.chmod(stat.S_IMODE(mode) & ~_OTHERS)
    return not folder.stat().st_mode & _OTHERS


def _holds_home(folder: Path) -> bool:
    try:
        return Path.home().is_relative_to(folder.resolve())
    except RuntimeError:  # a user without a home
        return False


def is_open_to_others(path: Path) -> bool:
    """Whether other users of this machine may read the file *path*; False on Windows, where its mode does not tell."""
    return os.name != "nt" and bool(path.stat().st_mode & _OTHERS)
