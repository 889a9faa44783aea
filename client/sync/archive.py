"""All models in one zip file, for a transfer by hand: stored, since weights do not compress, with a manifest inside."""

import hashlib
import shutil
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

from client.sync import extract_models
from client.sync.manifest import Content, Manifest, encode_manifest
from client.sync.models import Model, is_unchanged
from storage.atomic import atomic

_PIECE = 4 * 1024 * 1024
_OVERHEAD = 1024 * 1024
_OLDEST = (1980, 1, 1, 0, 0, 0)
"""zip knows no earlier time"""


class ArchiveFailed(Exception):
    """The archive could not be written; the text says why."""


def write_archive(
    models: Sequence[Model], path: Path, begin: Callable[[Model], None], advance: Callable[[int], None]
) -> Manifest:
    """Write the archive to *path*, whole or not at all; what is in it. Raises ArchiveFailed."""
    _require_room(path.absolute().parent, sum(model.size for model in models) + _OVERHEAD)
    try:
        part = path.with_name(f".{path.name}.part")
        with atomic(path, part=part), zipfile.ZipFile(part, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            manifest = {model.name: _added(archive, model, begin, advance) for model in models}
            archive.writestr(extract_models.MANIFEST, encode_manifest(manifest))
            archive.writestr(extract_models.THIS, extraction_script())
    except OSError as error:
        raise ArchiveFailed(f"{error.filename or path}: {error.strerror or error}") from error
    return manifest


def _require_room(folder: Path, need: int) -> None:
    free = shutil.disk_usage(folder).free
    if need > free:
        raise ArchiveFailed(f"{folder} has {free / 1e9:.1f} GB free, but the archive needs {need / 1e9:.1f} GB")


def _added(
    archive: zipfile.ZipFile, model: Model, begin: Callable[[Model], None], advance: Callable[[int], None]
) -> Content:
    begin(model)
    digest = hashlib.sha256()
    info = zipfile.ZipInfo(extract_models.PREFIX + model.name, _zip_time(model))
    info.external_attr = 0o100644 << 16
    with model.path.open("rb") as file, archive.open(info, "w", force_zip64=True) as member:
        while piece := file.read(_PIECE):
            digest.update(piece)
            member.write(piece)
            advance(len(piece))
    if not is_unchanged(model):
        raise ArchiveFailed(f"{model.path} changed while it was read; run the command again")
    return Content(model.size, digest.hexdigest())


def _zip_time(model: Model) -> tuple[int, int, int, int, int, int]:
    year, month, day, hour, minute, second, *_ = time.localtime(model.modified_ns / 1e9)
    return max((year, month, day, hour, minute, second), _OLDEST)


def extraction_script() -> str:
    """The text of extract-models.py, which runs on the other side without anything of this project."""
    return Path(extract_models.__file__).read_text(encoding="utf-8")
