"""ComfyUI's folders: names, annotations, and the counter rule.

Source: ComfyUI folder_paths.py ``annotated_filepath``, ``get_save_image_path``.
"""

import os
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sandbox.comfyui.models import ModelFolders

_ANNOTATIONS = {" [output]": "output", " [input]": "input", " [temp]": "temp"}


class OutsideFolder(ValueError):
    """A name that leads out of its folder."""


@dataclass(frozen=True, slots=True)
class ComfyFolders:
    input: Path
    output: Path
    temp: Path
    user: Path
    models: ModelFolders = field(default_factory=ModelFolders, kw_only=True)

    def create(self) -> None:
        for folder in (self.input, self.output, self.temp, self.user):
            folder.mkdir(parents=True, exist_ok=True)

    def of(self, kind: str) -> Path:
        """Raises KeyError."""
        return {"input": self.input, "output": self.output, "temp": self.temp}[kind]

    def within(self, kind: str, subfolder: str, filename: str) -> Path:
        """Follows links, as ComfyUI does. Raises OutsideFolder, KeyError."""
        root = self.of(kind).absolute()
        path = Path(os.path.normpath(root / subfolder / filename))
        if not path.is_relative_to(root):
            raise OutsideFolder(f"{subfolder}/{filename}")
        return path

    def annotated(self, name: str) -> Path:
        """The file that a loader's value names; the folder is input unless it says otherwise."""
        for ending, kind in _ANNOTATIONS.items():
            if name.endswith(ending):
                return self.of(kind) / name.removesuffix(ending)
        return self.input / name


@dataclass(slots=True)
class SavePath:
    """Where the next files of one saver go."""

    folder: Path
    prefix: str
    subfolder: str
    counter: int

    def next(self, extension: str, batch: int = 0) -> Path:
        name = self.prefix.replace("%batch_num%", str(batch))
        path = self.folder / f"{name}_{self.counter:05}_{extension}"
        self.counter += 1
        return path


def save_path(root: Path, filename_prefix: str, width: int, height: int, now: datetime) -> SavePath:
    """One more than the highest number that the prefix has in its folder. Raises OutsideFolder."""
    prefix = _with_tokens(filename_prefix, width, height, now)
    subfolder, _, name = prefix.rstrip("/").rpartition("/")
    folder = (root / subfolder).resolve()
    if not folder.is_relative_to(root.resolve()):
        raise OutsideFolder("Saving image outside the output folder is not allowed.")
    folder.mkdir(parents=True, exist_ok=True)
    pattern = re.compile(re.escape(name) + r"_(\d+)_")
    taken = [int(match[1]) for path in folder.iterdir() if (match := pattern.match(path.name))]
    return SavePath(folder, name, subfolder, max(taken, default=0) + 1)


def _with_tokens(prefix: str, width: int, height: int, now: datetime) -> str:
    tokens = {
        "width": str(width),
        "height": str(height),
        "year": str(now.year),
        **{name: f"{getattr(now, name):02}" for name in ("month", "day", "hour", "minute", "second")},
    }
    for token, value in tokens.items():
        prefix = prefix.replace(f"%{token}%", value)
    return prefix
