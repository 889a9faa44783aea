"""Data files of custom node packs, compared with the worker's own."""

import hashlib
from pathlib import Path

import pytest

from tests.support.names import REFUSED
from wire.events import PackFilesDiffer
from wire.packs import PackFile
from worker.files.pack_files import PackComparison


def file(path: str, content: bytes = b"red") -> PackFile:
    return PackFile(path=path, sha256=hashlib.sha256(content).hexdigest())


@pytest.fixture
def comparison(tmp_path: Path) -> PackComparison:
    folder = tmp_path / "custom_nodes" / "pack"
    folder.mkdir(parents=True)
    (folder / "a.txt").write_bytes(b"red")
    (tmp_path / "secret.txt").write_bytes(b"secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    return PackComparison(tmp_path / "custom_nodes")


async def test_files_that_are_missing_or_differ_are_named(comparison: PackComparison) -> None:
    files = [file("pack/a.txt"), file("pack/a.txt", b"blue"), file("pack/b.txt")]

    assert await comparison.differing(files) == PackFilesDiffer(files=("pack/a.txt", "pack/b.txt"))


async def test_equal_files_and_packs_that_are_not_here_are_not_named(comparison: PackComparison) -> None:
    assert await comparison.differing([file("pack/a.txt"), file("missing/a.txt")]) is None


NAMES = [path for path in REFUSED if len(path) <= 200 and path.encode(errors="replace").decode() == path]


@pytest.mark.parametrize("path", [*NAMES, "pack/link.txt"], ids=ascii)
async def test_a_name_that_leads_out_is_never_compared(comparison: PackComparison, path: str) -> None:
    assert await comparison.differing([PackFile(path=path, sha256="0" * 64)]) is None
