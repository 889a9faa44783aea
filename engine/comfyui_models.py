"""What the local ComfyUI answers about its models: where they lie, and how large they are.

Source: ComfyUI 0.3.64, 0.8.0 and 0.33.0, app/model_manager.py. What has another shape says nothing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wire.names import NameRefused, confined_path


def model_folders(listed: Sequence[Any]) -> dict[str, tuple[Path, ...]]:
    """``/experiment/models``: kind -> the folders that are absolute."""
    found: dict[str, tuple[Path, ...]] = {}
    for item in listed:
        match item:
            case {"name": str() as kind, "folders": list() as folders}:
                paths = (Path(folder) for folder in folders if isinstance(folder, str))
                found[kind] = tuple(path for path in paths if path.is_absolute())
    return found


def model_sizes(listed: Sequence[Any]) -> dict[str, int | None]:
    """``/experiment/models/{kind}``: path below the kind, with ``/`` -> bytes, None where it does not tell them."""
    found: dict[str, int | None] = {}
    for item in listed:
        match item:
            case {"name": str() as name}:
                size = item.get("size")
                found[name.replace("\\", "/")] = size if isinstance(size, int) else None
    return found


def file_of(name: str, size: int | None, folders: Sequence[Path]) -> Path | None:
    """The file of a listed model on this machine; None when it is not here, or is another one. It touches the disk.

    ComfyUI may run in a container that uses the path of a folder that exists here too: then the size differs.
    Links are followed, as ComfyUI does.
    """
    for folder in folders:
        path = folder / name
        try:
            found = path.stat().st_size if path.is_file() else None
        except OSError:
            continue
        if found is not None and size in (None, found):
            return path
    return None


def is_listed(name: str, listed: Mapping[str, int | None]) -> bool:
    """Whether *name*, which comes from a page, names a model and nothing else."""
    try:
        return confined_path(name) in listed
    except NameRefused:
        return False
