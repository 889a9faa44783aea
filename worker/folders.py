"""Where ComfyUI keeps its files, and the one function through which every name from outside becomes a path."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from wire.files import Folder


class UnsafeName(Exception):
    """A file name that leads out of its folder, or that no file can have."""


@dataclass(frozen=True, slots=True)
class Folders:
    """ComfyUI's folders below *data*."""

    data: Path

    @property
    def user(self) -> Path:
        return self.data / "user"

    def root(self, folder: Folder) -> Path:
        """``temp`` is where ComfyUI puts it for ``--temp-directory data`` (main.py adds the last part)."""
        return self.data / folder

    def create(self, owner: str | None = None) -> None:
        """*owner* is the user that ComfyUI runs as, when that is another one."""
        for folder in (self.root("input"), self.root("output"), self.root("temp"), self.user):
            folder.mkdir(parents=True, exist_ok=True)
            if owner is not None:
                with suppress(LookupError):  # who starts ComfyUI says that there is no such user
                    shutil.chown(folder, owner)


def confined(root: Path, subfolder: str, filename: str) -> Path:
    """The real path of *filename* in *subfolder* of *root*; raises UnsafeName when it is not below *root*."""
    parts = [part for part in subfolder.split("/") if part not in ("", ".")]
    if subfolder.startswith("/") or filename in ("", ".", "..") or "/" in filename:
        raise UnsafeName(f"{subfolder!r} / {filename!r} is no name of a file")
    if any(not _plain(part) for part in (*parts, filename)):
        raise UnsafeName(f"{subfolder!r} / {filename!r} leads out of its folder")
    base = root.resolve()
    try:
        path = base.joinpath(*parts, filename).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise UnsafeName(f"{subfolder!r} / {filename!r} is no name of a file: {error}") from error
    if not path.is_relative_to(base) or path == base:
        raise UnsafeName(f"{subfolder!r} / {filename!r} is a link out of its folder")
    return path


def _plain(part: str) -> bool:
    return part != ".." and not PureWindowsPath(part).drive and not any(c == "\\" or ord(c) < 32 for c in part)
