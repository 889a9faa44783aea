#!/usr/bin/env python3
"""Unpack an archive made by sync-models.py into the workers' models folder. Needs only Python.

Nothing is unpacked unless the whole archive is what its manifest says: each name leads below the target, each file has
its size. Each file's SHA-256 is checked before it takes its name, and the archive is deleted only when all are there.
Run it again after it was interrupted: what is there already is not written twice.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import re
import shutil
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TARGET = Path("/runpod-volume/comfyui/models/")
ARCHIVE = Path("models.zip")
MANIFEST = "MANIFEST.json"
THIS = "extract-models.py"
PREFIX = "models/"
FILES_MAX = 100_000
MANIFEST_MAX = 32 * 1024 * 1024
DIRECTORY_MAX = 64 * 1024 * 1024
NAME_MAX, PATH_MAX = 240, 2000
_PIECE = 4 * 1024 * 1024
_BROKEN = (zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, EOFError, ValueError, OverflowError, RuntimeError)
"""what Python raises for an archive that is damaged, or of a kind that it cannot read"""


class Refused(Exception):
    """The archive is not what it should be, or cannot be unpacked here."""


class PiecewiseFile(io.BufferedReader):
    """A file that is read in pieces: Python reads the list of its files in one, however large that is."""

    def read(self, size: int | None = -1) -> bytes:
        if size is not None and size > DIRECTORY_MAX:
            raise Refused(f"the archive's list of files has {size} bytes, more than {DIRECTORY_MAX}")
        return super().read(size)


def main() -> int:
    parser = argparse.ArgumentParser(prog=THIS, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--archive", type=Path, default=ARCHIVE, help="[models.zip here]")
    parser.add_argument("--target", type=Path, default=TARGET, help="the workers' models folder [%(default)s]")
    parser.add_argument("--keep", action="store_true", help="do not delete the archive afterwards")
    parser.add_argument("--overwrite", action="store_true", help="replace larger files, and files of other programs")
    chosen = parser.parse_args()
    try:
        count = extract(chosen.archive, chosen.target, overwrite=chosen.overwrite)
        if not chosen.keep:
            chosen.archive.unlink()
    except (Refused, OSError) as error:
        print(f"{THIS}: {one_line(str(error))}", file=sys.stderr)
        print(f"{chosen.archive} was kept; no unchecked file was put in place", file=sys.stderr)
        return 1
    deleted = "" if chosen.keep else "; the archive was deleted"
    print(f"{count} files are in {chosen.target}{deleted}")
    return 0


def extract(archive: Path, target: Path, overwrite: bool = False) -> int:
    """Unpack all; how many files are there now. Raises Refused, also when files were left alone."""
    if not archive.is_file():
        raise Refused(f"{archive}: no such file; check that the transfer is complete and went into this folder")
    with opened(archive) as source:
        files = checked_files(source)
        target.mkdir(parents=True, exist_ok=True)
        missing = [name for name in sorted(files) if not is_there(target / name, files[name])]
        held = {} if overwrite else objections(target, files, missing)
        missing = [name for name in missing if name not in held]
        need = sum(files[name]["size"] for name in missing)
        free = shutil.disk_usage(str(target)).free
        if need > free:
            raise Refused(f"{target} has {free / 1e9:.1f} GB free, but the models need {need / 1e9:.1f} GB")
        for number, name in enumerate(missing, 1):
            size = files[name]["size"] / 1e9
            print(f"{number}/{len(missing)} {name} ({size:.2f} GB)", flush=True)
            put(source, name, files[name], target)
    note(target, {name: content for name, content in files.items() if name not in held})
    if held:
        raise Refused(
            "; ".join(f"{name} was left alone: {why}" for name, why in held.items()) + "; --overwrite replaces"
        )
    return len(files)


def objections(target: Path, files: dict[str, Any], names: list[str]) -> dict[str, str]:
    """Why a file that is there stays: it is larger, or sync-models.py has not put it there as it is now."""
    known, held = noted(target), {}
    for name in names:
        there = target / name
        size = there.stat().st_size if there.is_file() else 0
        if size > files[name]["size"]:
            held[name] = f"the file there is larger, {size} bytes"
        elif size and known.get(name, {}).get("size") != size:
            held[name] = "another program has put a file there"
    return held


@contextmanager
def opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever is wrong with it while it is read is Refused."""
    try:
        with PiecewiseFile(io.FileIO(str(archive))) as file, zipfile.ZipFile(file) as source:
            yield source
    except _BROKEN as error:
        raise Refused(f"{archive} cannot be read: {error or type(error).__name__}") from error


def one_line(text: str) -> str:
    """*text*, which may repeat a name of the archive, as one line."""
    line = "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
    return line if len(line) <= 500 else line[:500] + "…"


def checked_files(source: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest, when the archive holds exactly what it says. Raises Refused."""
    if len(source.infolist()) > FILES_MAX:
        raise Refused(f"the archive has more than {FILES_MAX} files")
    if len(set(source.namelist())) != len(source.namelist()):
        raise Refused("the archive has a file twice")
    for info in source.infolist():
        check_kind(info)
    members = [info for info in source.infolist() if info.filename not in (MANIFEST, THIS)]
    for info in members:
        check_name(info.filename)
    names = [info.filename[len(PREFIX) :] for info in members]
    files = read_manifest(source)
    if set(files) != set(names):
        raise Refused(f"the archive and its manifest differ: {sorted(set(files) ^ set(names))[:3]}")
    for info in members:
        if info.file_size != files[info.filename[len(PREFIX) :]]["size"]:
            raise Refused(f"{info.filename} does not have the size that the manifest says")
    return files


def read_manifest(source: zipfile.ZipFile) -> dict[str, Any]:
    """Size and SHA-256 of each file, by its name. Raises Refused."""
    try:
        if source.getinfo(MANIFEST).file_size > MANIFEST_MAX:
            raise Refused(f"the archive's manifest has more than {MANIFEST_MAX} bytes")
        manifest = json.loads(source.read(MANIFEST).decode("utf-8"), object_pairs_hook=without_doubles)
        return {name: checked_content(item["size"], item["sha256"]) for name, item in manifest["files"].items()}
    except (KeyError, TypeError, AttributeError, *_BROKEN) as error:
        raise Refused(f"the archive has no readable manifest: {type(error).__name__} {error}") from error


def without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("it says something twice")
    return dict(pairs)


def checked_content(size: Any, sha256: Any) -> dict[str, Any]:
    if type(size) is not int or not 0 <= size < 2**63 or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError("a file has no size, or no SHA-256")
    return {"size": size, "sha256": sha256}


def check_name(name: str) -> None:
    """Raises Refused for a name that leads out of the target, and for one that no disk takes."""
    if not name.startswith(PREFIX) or leads_out(name[len(PREFIX) :]):
        raise Refused(f"the archive names a file outside the models folder: {name[:200]!r}")
    if len(name) > PATH_MAX or any(len(part.encode()) > NAME_MAX for part in name.split("/")):
        raise Refused(f"the archive names a file with too long a name: {name[:200]!r}")


def check_kind(info: zipfile.ZipInfo) -> None:
    """Raises Refused for anything but a plain file that is stored or deflated."""
    plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
    if info.flag_bits & 1 or not plain:
        raise Refused(f"the archive holds something that is not a plain file: {info.filename[:200]!r}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Refused(f"the archive holds a file that is packed in an unknown way: {info.filename[:200]!r}")


def leads_out(name: str) -> bool:
    """Whether *name* is not a path inside a folder. The rule of comfy-runpod's wire/names.py, which is not here."""
    odd = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]|^[A-Za-z]:")
    return any(part.strip() in ("", ".", "..") or odd.search(part) for part in re.split(r"[/\\]", name))


def is_there(path: Path, wanted: dict[str, Any]) -> bool:
    """Whether the file is there, whole, from a run before this one."""
    if path.is_symlink() or not path.is_file() or path.stat().st_size != wanted["size"]:
        return False
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for piece in iter(lambda: file.read(_PIECE), b""):
            digest.update(piece)
    return bool(digest.hexdigest() == wanted["sha256"])


def put(source: zipfile.ZipFile, name: str, wanted: dict[str, Any], target: Path) -> None:
    """Write one file beside its place, check it, and give it its name in one step."""
    path = target / name
    root = os.path.realpath(str(target))
    if os.path.commonpath([root, os.path.realpath(str(path.parent))]) != root:
        raise Refused(f"{name}: a link leads out of {target}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name("." + path.name + ".part")
    digest = hashlib.sha256()
    try:
        with source.open(PREFIX + name) as member, part.open("wb") as file:
            for piece in iter(lambda: member.read(_PIECE), b""):
                digest.update(piece)
                file.write(piece)
            written = file.tell()
            file.flush()
            os.fsync(file.fileno())
        if written != wanted["size"]:
            raise Refused(f"{name} is damaged: it ends before its size; send the archive again")
        if digest.hexdigest() != wanted["sha256"]:
            raise Refused(f"{name} is damaged: its SHA-256 differs from the manifest; send the archive again")
        part.replace(path)
    finally:
        if part.exists():
            part.unlink()


def noted_in(target: Path) -> Path:
    return target.parent / "models-manifest.json"


def noted(target: Path) -> dict[str, Any]:
    """What the manifest beside the models folder says of each file; nothing when there is none that can be read."""
    try:
        with noted_in(target).open(encoding="utf-8") as file:
            files = json.loads(file.read(MANIFEST_MAX))["files"]
        return {name: item for name, item in files.items() if isinstance(item, dict)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def note(target: Path, files: dict[str, Any]) -> None:
    """Tell sync-models.py what is there now: the manifest beside the models folder."""
    path, known = noted_in(target), noted(target)
    part = path.with_name("." + path.name + ".part")
    part.write_text(json.dumps({"version": 1, "files": {**known, **files}}, indent=1), encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
