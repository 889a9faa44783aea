"""Local names of result files: ComfyUI's counter rule, applied to the local folder.

Source: ComfyUI folder_paths.py ``get_save_image_path``: the next number is one more than the highest among the files
that begin with ``<prefix>_<digits>_``, whatever their extension.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath
from typing import Any

from wire.outputs import ItemKey, item_key, local_path, path_keys, side_files

_COUNTED = re.compile(r"(?P<prefix>.+)_(?P<counter>\d+)_(?P<rest>.*)", re.DOTALL)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ABSOLUTE = re.compile(r"/|[A-Za-z]:[/\\]")
_NOWHERE = object()
_FOLDERS = ("output", "temp", "input")
_PATH_MAX, _DEPTH_MAX = 4_096, 32
"""characters and folders of a path that is looked at"""
_COUNTED_SHORT = re.compile(r"(?P<prefix>.+)_(?P<counter>\d{5})(?P<rest>[.-].*)", re.DOTALL)  # as VideoHelperSuite does


@dataclass(frozen=True, slots=True)
class CountedName:
    """A name with a counter: ``<prefix>_<counter><rest>``."""

    prefix: str
    counter: int
    rest: str

    def with_counter(self, counter: int) -> str:
        return f"{self.prefix}_{counter:05}{self.rest}"


def parse(filename: str) -> CountedName | None:
    """The counter in *filename*; None when it has none."""
    if match := _COUNTED.fullmatch(filename):
        return CountedName(match["prefix"], int(match["counter"]), f"_{match['rest']}")
    if match := _COUNTED_SHORT.fullmatch(filename):
        return CountedName(match["prefix"], int(match["counter"]), match["rest"])
    return None


def next_counter(prefix: str, taken: Collection[str]) -> int:
    """One more than the highest number that *prefix* has among the names *taken*."""
    start = f"{prefix}_"
    highest = 0
    for name in taken:
        if name.startswith(start) and (digits := re.match(r"\d+(?=[_.-])", name[len(start) :])):
            highest = max(highest, int(digits[0]))
    return highest + 1


def local_names(
    filenames: Iterable[str], taken: Collection[str], shared: Mapping[tuple[str, int], int] | None = None
) -> list[str]:
    """A free local name for each of *filenames*, which one node wrote into one folder.

    Numbers go on where the folder's end; files that share a number (a video and its sound) keep sharing one, also with
    the files that were stored before (*shared*, see :func:`shared_numbers`). A name without a number is kept, or gets
    ``" (1)"``, ``" (2)"``… as ComfyUI's upload does.
    """
    names: list[str] = []
    counters = dict(shared or {})
    used = set(taken)
    for filename in filenames:
        numbered = parse(filename)
        if numbered is None:
            names.append(_suffixed(filename, used))
        else:
            key = (numbered.prefix, numbered.counter)
            if key not in counters or numbered.with_counter(counters[key]) in used:
                counters[key] = next_counter(numbered.prefix, used)
            names.append(numbered.with_counter(counters[key]))
        used.add(names[-1])
    return names


def shared_numbers(names: Mapping[ItemKey, ItemKey], folder: str, subfolder: str) -> dict[tuple[str, int], int]:
    """The local number of each prefix and worker's number among the stored files *names* in one folder."""
    numbers: dict[tuple[str, int], int] = {}
    for (_, _, worker_name), (stored_in, place, local_name) in names.items():
        worker, local = parse(worker_name), parse(local_name)
        if (stored_in, place) == (folder, subfolder) and worker is not None and local is not None:
            numbers[local.prefix, worker.counter] = local.counter
    return numbers


def _suffixed(filename: str, used: Collection[str]) -> str:
    stem, dot, extension = filename.rpartition(".")
    if not stem:
        stem, dot, extension = filename, "", ""
    candidate, number = filename, 0
    while candidate in used:
        number += 1
        candidate = f"{stem} ({number}){dot}{extension}"
    return candidate


def localised(
    output: Mapping[str, Any], names: Mapping[ItemKey, ItemKey], output_folder: PurePath | None = None
) -> dict[str, Any]:
    """An ``executed`` output, or one node's history output, with local names in every file item.

    *output_folder* is where the local output folder is, for items that say where their file is.
    """
    return {key: _localised(value, key, names, output_folder) for key, value in output.items()}


def _localised(value: Any, key: str, names: Mapping[ItemKey, ItemKey], root: PurePath | None) -> Any:
    if isinstance(value, list):
        return [_localised(item, key, names, root) if isinstance(item, dict | list | str) else item for item in value]
    if isinstance(value, dict):
        return _renamed(value, names, root) if "filename" in value else localised(value, names, root)
    known = [names[path] for path in path_keys(key, value) if path in names]
    if known:
        return local_path(value, known[0])
    at = _stored_at(value, names) if isinstance(value, str) and _ABSOLUTE.match(value) else None
    return value if at is None else _whole_path(at, root)


def _stored_at(path: str, names: Mapping[ItemKey, ItemKey]) -> ItemKey | None:
    """The local file of an absolute *path* into one of ComfyUI's folders on the worker, as WAS Node Suite's
    ``Image Save`` puts into ``files``.
    """
    *folders, filename = _parts(path) if len(path) <= _PATH_MAX else [path]
    for at, folder in enumerate(folders[:_DEPTH_MAX]):
        key = (folder, "/".join(folders[at + 1 :]), filename)
        if folder in _FOLDERS and key in names:
            return names[key]
    return None


def _whole_path(local: ItemKey, root: PurePath | None) -> str:
    """Where a stored file is; within its folder when that is not known."""
    folder, subfolder, filename = local
    return str((root if root is not None and folder == "output" else PurePosixPath()) / subfolder / filename)


def _renamed(item: dict[str, Any], names: Mapping[ItemKey, ItemKey], root: PurePath | None) -> dict[str, Any]:
    local = names.get(item_key(item))
    if local is None:
        return item
    folder, subfolder, filename = local
    beside = {name: names[key] for name, key in side_files(item) if key in names}
    files = {str(item["filename"]): local, **{item[name]: stored for name, stored in beside.items()}}
    renamed = {**item, **{name: stored[2] for name, stored in beside.items()}}
    renamed |= {name: _path_here(item[name], files, root) for name in item if _is_worker_path(name, item[name], files)}
    renamed |= {"filename": filename, "subfolder": subfolder, "type": folder}
    return {name: value for name, value in renamed.items() if value is not _NOWHERE and not _is_asset_id(name, value)}


def _is_worker_path(name: str, value: Any, files: Collection[str]) -> bool:
    """Whether it is where one of these files is on the worker, such as VideoHelperSuite's ``fullpath``."""
    if not isinstance(value, str) or not _ABSOLUTE.match(value):
        return False
    return name == "fullpath" or _parts(value)[-1] in files


def _path_here(path: str, files: Mapping[str, ItemKey], root: PurePath | None) -> Any:
    """Where the file of the worker's *path* is on this machine; what is not known means nothing here, and goes."""
    local = files.get(_parts(path)[-1])
    return _NOWHERE if root is None or local is None or local[0] != "output" else _whole_path(local, root)


def _parts(path: str) -> list[str]:
    return re.split(r"[/\\]", path)


def _is_asset_id(name: str, value: Any) -> bool:
    """Whether the worker's list of assets has the file by this name: the local one does not, or has another file.

    Source: ComfyUI 0.33.0, comfy_execution/asset_enrichment.py.
    """
    return name in ("id", "preview_id") and isinstance(value, str) and _UUID.fullmatch(value) is not None


def without(output: Mapping[str, Any], gone: Collection[ItemKey]) -> dict[str, Any]:
    """*output* without the file items that are *gone*; lists stay, if need be empty, as frontends want them."""
    return {key: _without(value, gone) for key, value in output.items()}


def _without(value: Any, gone: Collection[ItemKey]) -> Any:
    if isinstance(value, dict) and "filename" not in value:
        return without(value, gone)
    if not isinstance(value, list):
        return value
    return [item for item in value if not (isinstance(item, dict) and "filename" in item and item_key(item) in gone)]
