"""The one check of a name that comes from a prompt, a worker or an archive: data until it has passed here."""

import posixpath
import unicodedata


class NameRefused(ValueError):
    """The name leads out of its folder, or is none."""


def confined(subfolder: str, filename: str) -> str:
    """``subfolder/filename`` as a normal relative path with ``/``; raises NameRefused.

    Refused: absolute paths, drives, ``..``, backslashes, control characters, empty and dot names.
    """
    if not filename or "/" in filename:
        raise NameRefused(f"{filename!r} is no file name")
    return confined_path(posixpath.join(subfolder, filename) if subfolder else filename)


def confined_path(path: str) -> str:
    """The same for a whole relative path."""
    parts = path.split("/")
    if path.startswith("/") or any(_leads_out(part) for part in parts):
        raise NameRefused(f"{path[:200]!r} is not a path inside ComfyUI's folders")
    return path


def _leads_out(part: str) -> bool:
    strange = any(character in "\\:" or unicodedata.category(character) in ("Cc", "Cs") for character in part)
    return strange or part.strip() in ("", ".", "..")
