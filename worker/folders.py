"""Where ComfyUI keeps its files, and how a name becomes a path in one of its folders."""

import shutil
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wire import names
from wire.files import Folder
from wire.names import NameRefused


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
        """*owner* is the user that ComfyUI runs as, when it is not the worker's."""
        for folder in (self.root("input"), self.root("output"), self.root("temp"), self.user):
            folder.mkdir(parents=True, exist_ok=True)
            if owner is not None:
                with suppress(LookupError):  # the start of ComfyUI reports that the user does not exist
                    shutil.chown(folder, owner)


def confined(root: Path, subfolder: str, filename: str) -> Path:
    """The real path of a file that somebody asks for; raises NameRefused when its name or a link leads out."""
    names.confined(subfolder, filename)
    return inside(root, subfolder, filename)


def inside(root: Path, subfolder: str, filename: str) -> Path:
    """The real path of a file that ComfyUI has named, whatever its name; raises NameRefused when it is elsewhere."""
    base = root.resolve()
    try:
        path = base.joinpath(subfolder, filename).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise NameRefused(f"{subfolder!r} / {filename!r} is not a file name: {error}") from error
    if not path.is_relative_to(base) or path == base:
        raise NameRefused(f"{subfolder!r} / {filename!r} leads out of its folder")
    return path
