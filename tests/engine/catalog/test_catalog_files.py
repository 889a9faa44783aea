"""Catalogs on the disk: what was kept is there after a restart, and what cannot be used is not."""

import json
import logging
import os
from pathlib import Path

import pytest

from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import KnownCatalog
from wire.catalog import Catalog, encode_catalog
from wire.limits import CATALOG_PACKED_MAX

CATALOG = Catalog(comfyui="0.33.0", nodes={"A": {}}, models={"vae": {"a.pt": 1}})
PACKED, SHA256 = encode_catalog(CATALOG)


def known(endpoint_id: str = "ep", confirmed_ms: int = 5) -> KnownCatalog:
    return KnownCatalog(endpoint_id, CATALOG, SHA256, confirmed_ms)


def image(folder: Path, changed_s: int, packed: bytes = PACKED, sha256: str = SHA256) -> None:
    path = folder / "ep.image"
    path.write_bytes(sha256.encode() + b"\n" + packed)
    os.utime(path, (changed_s, changed_s))


def test_what_was_kept_is_there_again_and_nobody_else_can_read_it(tmp_path: Path) -> None:
    folder = tmp_path / "catalogs"
    CatalogFiles(folder).save(known(), PACKED)

    assert CatalogFiles(folder).load("ep") == [known()]
    assert CatalogFiles(folder).load("other") == []
    assert [path.name for path in folder.iterdir()] == ["ep.catalog"]
    assert os.name == "nt" or (folder / "ep.catalog").stat().st_mode & 0o077 == 0


def test_a_confirmation_changes_the_time_only(tmp_path: Path) -> None:
    files = CatalogFiles(tmp_path)
    files.save(known(), PACKED)
    files.confirm(known(confirmed_ms=9))

    assert files.load("ep") == [known(confirmed_ms=9)]


def test_an_image_that_was_deployed_since_counts_more(tmp_path: Path) -> None:
    files = CatalogFiles(tmp_path)
    files.save(known(confirmed_ms=5_000), PACKED)
    image(tmp_path, 4)
    older = [found.source for found in files.load("ep")]
    image(tmp_path, 6)
    newer = [(found.source, found.confirmed_ms) for found in files.load("ep")]

    assert older == ["worker"]
    assert newer == [("worker", 5_000), ("image", 6_000)]
    assert files.image_changed_ms("ep") == 6_000
    assert files.image_changed_ms("none") == 0


def head(**more: object) -> bytes:
    return json.dumps({"format": 1, "sha256": SHA256, "confirmed_ms": 5, **more}).encode() + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        head(),
        head() + PACKED[:-9],
        head() + b"rubbish",
        head(format=2) + PACKED,
        head(sha256="b" * 64) + PACKED,
        head(confirmed_ms="now") + PACKED,
        b"[]\n" + PACKED,
        b"x" * 2_000 + b"\n" + PACKED,
        head() + b"x" * (CATALOG_PACKED_MAX + 1),
    ],
    ids=["empty", "a line", "no catalog", "cut", "rubbish", "newer", "another", "odd", "a list", "long", "huge"],
)
def test_a_file_that_cannot_be_used_is_one_line_of_the_log(
    content: bytes, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ep.catalog").write_bytes(content)
    image(tmp_path, 6, content)
    with caplog.at_level(logging.WARNING):
        found = CatalogFiles(tmp_path).load("ep")

    assert found == []
    assert len(caplog.records) == 2


@pytest.mark.parametrize("endpoint_id", ["../ep", "a/b", "", "a.b", "C:ep", "x" * 101, "e\n"])
def test_an_id_that_must_not_name_a_file_names_none(endpoint_id: str, tmp_path: Path) -> None:
    files = CatalogFiles(tmp_path / "catalogs")
    files.save(known(endpoint_id), PACKED)

    assert list(tmp_path.rglob("*.catalog")) == []
    assert files.load(endpoint_id) == []
    assert files.image_changed_ms(endpoint_id) == 0
