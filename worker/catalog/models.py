"""The model files on this worker's disks: their sizes, which of them the volume has, and whether something changed."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wire.names import NameRefused, confined_path

_FOLDERS_MAX = 20_000

Marks = frozenset[tuple[str, int]]


class ModelFiles(NamedTuple):
    """By kind."""

    models: dict[str, dict[str, int]]
    """name -> bytes"""
    on_volume: dict[str, tuple[str, ...]]


def model_files(
    names: Mapping[str, Sequence[str]], folders: Mapping[str, Sequence[str]], models_dir: Path
) -> ModelFiles:
    """What ComfyUI lists by its *names*, looked for in its *folders* in its order; the volume's are in *models_dir*.

    A kind without models is there, and empty. A file that is gone meanwhile is left out, and so is an invalid name.
    """
    volume = Path(os.path.abspath(models_dir))  # noqa: PTH100  as ComfyUI does: links stay
    found = {kind: dict(_found(listed, folders.get(kind, ()))) for kind, listed in names.items()}
    return ModelFiles(
        {kind: {name: size for name, (_, size) in files.items()} for kind, files in found.items()},
        {
            kind: there
            for kind, files in found.items()
            if (there := tuple(name for name, (path, _) in files.items() if path.is_relative_to(volume)))
        },
    )


def _found(listed: Sequence[str], folders: Sequence[str]) -> Iterator[tuple[str, tuple[Path, int]]]:
    for name in listed:
        try:
            candidates = [Path(folder, confined_path(name)) for folder in folders]
        except NameRefused:
            continue
        found = ((path, size) for path in candidates if (size := _size(path)) is not None)
        if (first := next(found, None)) is not None:
            yield name, first


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def marks(roots: Iterable[Path]) -> Marks:
    """Other ones when a file or a folder below one of *roots* has come, gone or got another name.

    Links are followed, as ComfyUI does; a folder that is met again is not.
    """
    seen, found = set[tuple[int, int]](), set[tuple[str, int]]()
    waiting = [str(root) for root in roots]
    while waiting and len(found) < _FOLDERS_MAX:
        folder = waiting.pop()
        try:
            facts = os.stat(folder)  # noqa: PTH116  a network volume is slow: as few calls as can be
            with os.scandir(folder) as entries:
                subfolders = [entry.path for entry in entries if entry.name[0] != "." and entry.is_dir()]
        except OSError:
            continue
        if (facts.st_dev, facts.st_ino) not in seen:
            seen.add((facts.st_dev, facts.st_ino))
            found.add((folder, facts.st_mtime_ns))
            waiting += subfolders
    return frozenset(found)
