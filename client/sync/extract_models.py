#!/usr/bin/env python3
"""Unpack an archive made by sync-models.py into the workers' models folder. Needs only Python.

Nothing is unpacked unless the whole archive is what its manifest says: each name leads below the target, each file has
its size. Each file's SHA-256 is checked before it takes its name, and the archive is deleted only when all are there.
Run it again after it was interrupted: what is there already is not written twice.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import stat
import sys
import zipfile
from pathlib import Path
from typing import Any

TARGET = Path("/runpod-volume/comfyui/models/")
ARCHIVE = Path("models.zip")
MANIFEST = "MANIFEST.json"
THIS = "extract-models.py"
PREFIX = "models/"
_PIECE = 4 * 1024 * 1024


class Refused(Exception):
    """The archive is not what it should be, or cannot be unpacked here."""


def main() -> int:
    parser = argparse.ArgumentParser(prog=THIS, description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--archive", type=Path, default=ARCHIVE, help="[models.zip here]")
    parser.add_argument("--target", type=Path, default=TARGET, help="the workers' models folder [%(default)s]")
    parser.add_argument("--keep", action="store_true", help="do not delete the archive afterwards")
    chosen = parser.parse_args()
    try:
        count = extract(chosen.archive, chosen.target)
        if not chosen.keep:
            chosen.archive.unlink()
    except (Refused, OSError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        print(f"{THIS}: {error}", file=sys.stderr)
        print(f"{chosen.archive} was kept; no unchecked file was put in place", file=sys.stderr)
        return 1
    deleted = "" if chosen.keep else "; the archive was deleted"
    print(f"{count} files are in {chosen.target}{deleted}")
    return 0


def extract(archive: Path, target: Path) -> int:
    """Unpack all; how many files are there now. Raises Refused."""
    if not archive.is_file():
        raise Refused(f"{archive}: no such file; check that the transfer is complete and went into this folder")
    with zipfile.ZipFile(archive) as source:
        files = checked_files(source)
        target.mkdir(parents=True, exist_ok=True)
        missing = [name for name in sorted(files) if not is_there(target / name, files[name])]
        need = sum(files[name]["size"] for name in missing)
        free = shutil.disk_usage(str(target)).free
        if need > free:
            raise Refused(f"{target} has {free / 1e9:.1f} GB free, but the models need {need / 1e9:.1f} GB")
        for number, name in enumerate(missing, 1):
            size = files[name]["size"] / 1e9
            print(f"{number}/{len(missing)} {name} ({size:.2f} GB)", flush=True)
            put(source, name, files[name], target)
    note(target, files)
    return len(files)


def checked_files(source: zipfile.ZipFile) -> dict[str, Any]:
    """The manifest, when the archive holds exactly what it says. Raises Refused."""
    members = [info for info in source.infolist() if info.filename not in (MANIFEST, THIS)]
    for info in members:
        check_member(info)
    names = [info.filename[len(PREFIX) :] for info in members]
    if len(set(names)) != len(names):
        raise Refused("the archive has a file twice")
    try:
        manifest = json.loads(source.read(MANIFEST).decode("utf-8"))
        files = {str(name): {"size": int(item["size"]), "sha256": str(item["sha256"])}
                 for name, item in manifest["files"].items()}  # fmt: skip
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise Refused(f"the archive has no readable manifest: {error}") from error
    if set(files) != set(names):
        raise Refused(f"the archive and its manifest differ: {sorted(set(files) ^ set(names))[:3]}")
    for info in members:
        if info.file_size != files[info.filename[len(PREFIX) :]]["size"]:
            raise Refused(f"{info.filename} does not have the size that the manifest says")
    return files


def check_member(info: zipfile.ZipInfo) -> None:
    """Raises Refused for a name that leads out of the target, and for anything but a plain file."""
    name = info.filename
    if not name.startswith(PREFIX) or leads_out(name[len(PREFIX) :]):
        raise Refused(f"the archive names a file outside the models folder: {name!r}")
    plain = stat.S_IFMT(info.external_attr >> 16) in (0, stat.S_IFREG)
    if info.flag_bits & 1 or not plain:
        raise Refused(f"the archive holds something that is not a plain file: {name!r}")


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
            file.flush()
            os.fsync(file.fileno())
        if digest.hexdigest() != wanted["sha256"]:
            raise Refused(f"{name} is damaged: its SHA-256 differs from the manifest; send the archive again")
        part.replace(path)
    finally:
        if part.exists():
            part.unlink()


def note(target: Path, files: dict[str, Any]) -> None:
    """Tell sync-models.py what is there now: the manifest beside the models folder."""
    path = target.parent / "models-manifest.json"
    try:
        known = json.loads(path.read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    part = path.with_name("." + path.name + ".part")
    part.write_text(json.dumps({"version": 1, "files": {**known, **files}}, indent=1), encoding="utf-8")
    part.replace(path)


if __name__ == "__main__":
    sys.exit(main())
