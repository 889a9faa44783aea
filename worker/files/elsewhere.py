"""Files that a prompt writes outside ComfyUI's folders, such as WAS Node Suite's "Image Save" with an absolute
``output_path``: they are gone with the worker, so the person is told. Nothing of them is read or sent. Blocking.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from wire.file_inputs import texts
from wire.files import Folder
from wire.names import leads_out
from worker.folders import Folders

TEXTS_MAX = 200
"""texts of one prompt that are looked at"""
ENTRIES_MAX = 5_000
"""entries of one folder that are looked at"""
PLACES_MAX = 10
_TEXT_MAX = 1_000
"""characters: a longer text is not a path that somebody typed"""
_TICK_NS = 20_000_000
"""the time of a file may lag behind the clock by so much: the kernel's own clock goes in ticks"""
_OWN: tuple[Folder, ...] = ("output", "input", "temp")
_SYSTEM = ("/proc", "/sys", "/dev")
"""the system's own files, which change all the time"""


def written_elsewhere(
    workflow: Mapping[str, Any], folders: Folders, since_ns: int, volume: Path | None = None
) -> tuple[str, ...]:
    """The texts of *workflow* that name a file or a folder outside ComfyUI's folders with something that is newer than
    *since_ns*, nanoseconds since the epoch; what is on the *volume* stays, and is not among them.
    """
    own = (*map(folders.root, _OWN), folders.user)
    kept = [*(folder.resolve() for folder in own), *map(Path, _SYSTEM)]
    if volume is not None:
        kept.append(volume.resolve())
    named = islice(_short_texts(workflow), TEXTS_MAX)
    return tuple(islice((text for text in named if _was_written(text, folders, kept, since_ns - _TICK_NS)), PLACES_MAX))


def _short_texts(workflow: Mapping[str, Any]) -> Iterator[str]:
    """Each text that is short enough for a path, once; the ones that lead out of ComfyUI's folders come first."""
    nodes = (node for node in workflow.values() if isinstance(node, dict) and isinstance(node.get("inputs"), dict))
    named = (text for node in nodes for value in node["inputs"].values() for text in texts(value))
    short = [text for text in dict.fromkeys(named) if text and len(text) <= _TEXT_MAX]
    yield from sorted(short, key=leads_out, reverse=True)


def _was_written(text: str, folders: Folders, kept: Sequence[Path], since_ns: int) -> bool:
    """A path that is relative begins where ComfyUI runs or, for nodes that save, at its output folder."""
    with suppress(OSError, ValueError, RuntimeError):
        paths = dict.fromkeys((base / text).resolve() for base in (folders.root("output"), folders.data))
        elsewhere = (path for path in paths if not any(path.is_relative_to(place) for place in kept))
        return any(_has_newer(path, since_ns) for path in elsewhere if leads_out(text) or path.is_dir())
    return False


def _has_newer(path: Path, since_ns: int) -> bool:
    """A folder with a newer file, not looked into deeply; a newer file; or the beginning of newer files' names."""
    if path.is_dir():
        return _holds_newer(path, "", since_ns)
    if path.is_file():
        return path.stat().st_mtime_ns >= since_ns
    return path.parent != Path(path.anchor) and path.parent.is_dir() and _holds_newer(path.parent, path.name, since_ns)


def _holds_newer(folder: Path, prefix: str, since_ns: int) -> bool:
    with os.scandir(folder) as entries:
        return any(
            _is_newer(entry, since_ns) for entry in islice(entries, ENTRIES_MAX) if entry.name.startswith(prefix)
        )


def _is_newer(entry: os.DirEntry[str], since_ns: int) -> bool:
    return entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_mtime_ns >= since_ns
