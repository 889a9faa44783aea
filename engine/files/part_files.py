"""Part files, in which results grow until they are whole. Only this user can read them."""

import logging
import shutil
from pathlib import Path

from storage.atomic import atomic
from storage.digest import sha256_of
from storage.disk import require_room, writing
from storage.private import private_file, private_folder
from wire.errors import WireError
from wire.files import FileRef, Inline, encode_bytes

logger = logging.getLogger(__name__)

_BASE64_PIECE = 3 * 64 * 1024
"""bytes: base64 of pieces is that of the whole when their sizes are multiples of three"""


class FileDamaged(Exception):
    """A result did not arrive whole: it has to be fetched again."""


def append(path: Path, offset: int, content: bytes, size: int) -> None:
    """Bytes behind a gap, or that make the file longer than *size*, are left out, which shows when the file is required
    whole. Raises DiskUnavailable.
    """
    if offset + len(content) > size:
        logger.warning("%s: bytes behind its end of %d bytes are not kept", path.name, size)
        return
    with writing(path):
        private_folder(path.parent)
        require_room(path.parent, len(content))
        if path.exists() and path.stat().st_nlink > 1:
            return  # it is stored already, and the person's file must not be written
        with private_file(path).open("r+b") as part:
            end = part.seek(0, 2)
            if offset > end:
                logger.warning("%s: bytes %d to %d are missing", path.name, end, offset)
                return
            part.seek(offset)
            part.write(content)


def write(path: Path, content: bytes) -> None:
    """The whole file at once. Raises DiskUnavailable."""
    with writing(path):
        private_folder(path.parent)
        with atomic(path) as part:
            private_file(part).write_bytes(content)


def content_of(inline: Inline) -> bytes:
    """Raises FileDamaged."""
    try:
        return inline.content()
    except WireError as error:
        raise FileDamaged(str(error)) from error


def base64_of(path: Path) -> str:
    """The content as base64, made piece by piece: a picture must not be in memory twice more. Raises OSError."""
    with path.open("rb") as file:
        return "".join(encode_bytes(piece) for piece in iter(lambda: file.read(_BASE64_PIECE), b""))


def size_of(path: Path) -> int:
    """Bytes that are there; 0 without a file."""
    return path.stat().st_size if path.exists() else 0


def holds(path: Path, sha256: str) -> bool:
    """Whether the file is there with this content."""
    return path.is_file() and sha256_of(path) == sha256


def require_whole(path: Path, file: FileRef) -> None:
    """Raises FileDamaged when the part is not what *file* announced; what is wrong rather than short is removed."""
    size = size_of(path)
    if size < file.size or not path.exists():
        raise FileDamaged(f"{file.filename[:200]}: {size} of {file.size} bytes arrived")
    if size > file.size or sha256_of(path) != file.sha256:
        path.unlink()
        raise FileDamaged(f"{file.filename[:200]}: arrived with another content than the worker sent")


def sweep_parts(parts: Path, active: frozenset[str]) -> None:
    """Remove the folders of jobs that are not *active*."""
    for folder in parts.iterdir() if parts.is_dir() else ():
        if folder.name not in active:
            shutil.rmtree(folder, ignore_errors=True)
