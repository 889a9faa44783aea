"""The custom node packs that are there, with their versions and commits. Files are read, no program is run."""

import re
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wire.catalog import Pack

COMMIT = ".commit"
"""the file in which the image's build leaves the commit of a pack, instead of all of its ``.git``"""
_PACKS_MAX = 1_000
_FILE_MAX = 256 * 1024
_TEXT_MAX = 300
_HEX = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BRANCH = re.compile(r"ref: (refs/[\w./-]{1,200})")


def packs_in(folders: Iterable[Path]) -> tuple[Pack, ...]:
    """The packs of ComfyUI's ``custom_nodes`` *folders*, by name; of two with one name the first counts."""
    found = dict[str, Path]()
    for folder in folders:
        for path in _candidates(folder):
            found.setdefault(path.name, path)
    return tuple(_pack(found[name]) for name in sorted(found)[:_PACKS_MAX])


def _candidates(folder: Path) -> Iterator[Path]:
    """Source: ComfyUI 0.33.0, nodes.py ``init_external_custom_nodes``: what it loads, but single files."""
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    yield from (path for path in entries if path.is_dir() and not _is_skipped(path.name))


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name.endswith(".disabled") or name == "__pycache__" or len(name) > _TEXT_MAX


def _pack(path: Path) -> Pack:
    return Pack(name=path.name, version=_version(path), commit=_commit(path))


def _version(pack: Path) -> str:
    """Of the ``pyproject.toml``, which every pack of Comfy's registry has, also as ComfyUI-Manager installs it."""
    try:
        project: Any = tomllib.loads(_text(pack / "pyproject.toml")).get("project")
    except (tomllib.TOMLDecodeError, RecursionError):
        return ""
    version = project.get("version") if isinstance(project, dict) else None
    return version[:_TEXT_MAX] if isinstance(version, str) else ""


def _commit(pack: Path) -> str:
    head = _text(pack / ".git" / "HEAD").strip()
    branch = _BRANCH.fullmatch(head)
    found = head or _text(pack / COMMIT).strip()
    if branch is not None and ".." not in branch[1]:
        found = _text(pack / ".git" / branch[1]).strip() or _packed(pack / ".git" / "packed-refs", branch[1])
    return found if _HEX.fullmatch(found) else ""


def _packed(packed_refs: Path, branch: str) -> str:
    """Source: git, "gitrepository-layout": lines of a commit and a reference."""
    lines = (line.split(" ") for line in _text(packed_refs).splitlines())
    return next((words[0] for words in lines if words[1:] == [branch]), "")


def _text(path: Path) -> str:
    """Empty for a file that is not there, cannot be read, or is too long."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            content = file.read(_FILE_MAX + 1)
    except OSError:
        return ""
    return content.decode(errors="replace") if len(content) <= _FILE_MAX else ""
