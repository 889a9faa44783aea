"""The SHA-256 by which a file is known."""

import hashlib
from collections.abc import Callable
from pathlib import Path

_PIECE = 1024 * 1024


def sha256_of(path: Path, advance: Callable[[int], None] = lambda _: None) -> str:
    """In hexadecimal digits, of a file of any size; *advance* is told how many bytes were read. Blocking."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            advance(len(piece))
    return digest.hexdigest()
