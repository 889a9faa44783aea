"""A file is known by its content."""

import hashlib
from pathlib import Path

import pytest

from storage.digest import sha256_of


@pytest.mark.parametrize("size", [0, 1, 1024 * 1024, 3 * 1024 * 1024 + 1])
def test_the_digest_is_that_of_the_whole_file_and_every_byte_is_reported(tmp_path: Path, size: int) -> None:
    content = bytes(range(251)) * (size // 251 + 1)
    path, read = tmp_path / "x", list[int]()
    path.write_bytes(content[:size])

    assert sha256_of(path, read.append) == hashlib.sha256(content[:size]).hexdigest()
    assert sum(read) == size
    assert sha256_of(path) == sha256_of(path, read.append)
