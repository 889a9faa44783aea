"""What workers tell comes in whole, is kept over a restart, and never costs a job."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import Catalogs
from engine.catalog.intake import CatalogIntake, NoCatalogs
from tests.support.until import until
from wire.catalog import Catalog, encode_catalog
from wire.events import CatalogPiece, CatalogTold
from wire.files import encode_bytes
from worker.catalog.packed import pack

CATALOG = Catalog(comfyui="0.33.0", nodes={"A": {}})


def told(packed: bytes, sha256: str, size: int = 30) -> Sequence[CatalogTold | CatalogPiece]:
    parts = [packed[start : start + size] for start in range(0, len(packed), size)]
    count = len(parts)
    pieces = (
        CatalogPiece(sha256=sha256, number=number, count=count, data=encode_bytes(part))
        for number, part in enumerate(parts)
    )
    return [CatalogTold(sha256=sha256), *pieces]


@asynccontextmanager
async def intake(home: Path, now_ms: int = 1_000) -> AsyncIterator[tuple[Catalogs, CatalogIntake]]:
    catalogs = Catalogs(("ep", "ep2"), lambda: now_ms)
    taken = CatalogIntake(catalogs, CatalogFiles(home))
    task = asyncio.create_task(taken.run())
    try:
        yield catalogs, taken
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def known(catalogs: Catalogs, sha256: str, endpoint_id: str = "ep") -> None:
    async def there() -> bool:
        return (found := catalogs.of(endpoint_id)) is not None and found.sha256 == sha256

    await until(there)


async def test_a_catalog_is_there_after_a_restart_and_the_worker_is_told_so(tmp_path: Path) -> None:
    packed, sha256 = encode_catalog(CATALOG)
    async with intake(tmp_path) as (catalogs, first):
        before = first.has("ep")
        for event in told(packed, sha256):
            first.hear("ep", "job", event)
        await known(catalogs, sha256)

        async def saved() -> bool:
            return (tmp_path / "ep.catalog").is_file()

        await until(saved)
    async with intake(tmp_path) as (catalogs, second):
        await known(catalogs, sha256)
        has = (second.has("ep"), second.has("ep2"))

    assert (before, *has) == ("", sha256, "")
    assert (current := catalogs.current()) is not None
    assert (current.catalog, current.confirmed_ms, current.source) == (CATALOG, 1_000, "worker")


async def test_a_worker_that_says_that_nothing_changed_confirms(tmp_path: Path) -> None:
    packed, sha256 = encode_catalog(CATALOG)
    async with intake(tmp_path) as (catalogs, first):
        for event in told(packed, sha256):
            first.hear("ep", "job", event)
        await known(catalogs, sha256)
    async with intake(tmp_path, now_ms=3_600_000) as (catalogs, second):
        await known(catalogs, sha256)
        second.hear("ep", "job 2", CatalogTold(sha256="f" * 64))
        unchanged = (catalogs.of("ep") or catalogs.of("")).confirmed_ms  # type: ignore[union-attr]
        second.hear("ep", "job 3", CatalogTold(sha256=sha256))

        async def kept() -> bool:
            found = await asyncio.to_thread(CatalogFiles(tmp_path).load, "ep")
            return bool(found) and found[0].confirmed_ms == 3_600_000

        await until(kept)

    assert unchanged == 1_000


async def test_rubbish_is_not_used_and_the_next_catalog_is(tmp_path: Path) -> None:
    packed, sha256 = encode_catalog(CATALOG)
    async with intake(tmp_path) as (catalogs, taken):
        for job, wrong in enumerate((os.urandom(90), packed[:-5], encode_catalog(Catalog())[0])):
            for event in told(wrong, sha256):
                taken.hear("ep", f"job {job}", event)
        for event in told(packed, sha256)[:-1]:
            taken.hear("ep", "an unfinished one", event)
        for event in told(packed, sha256):
            taken.hear("ep2", "a good one", event)
        await known(catalogs, sha256, "ep2")

    assert catalogs.of("ep") is None


async def test_the_catalog_of_a_deployed_image_is_taken_until_a_worker_tells_its_own(tmp_path: Path) -> None:
    packed, sha256 = encode_catalog(CATALOG)
    (tmp_path / "ep.image").write_bytes(sha256.encode() + b"\n" + packed)
    newer = encode_catalog(Catalog(comfyui="0.34.0"))
    async with intake(tmp_path) as (catalogs, taken):
        await known(catalogs, sha256)
        of_image, has = catalogs.current(), taken.has("ep")
        for event in told(*newer):
            taken.hear("ep", "job", event)
        await known(catalogs, newer[1])

    assert of_image is not None
    assert (of_image.source, has) == ("image", "")
    assert (catalogs.current() or of_image).source == "worker"


def test_whoever_has_no_page_does_not_ask() -> None:
    nobody = NoCatalogs()
    nobody.hear("ep", "job", CatalogTold(sha256="a" * 64))

    assert nobody.has("ep") is None


async def test_what_a_worker_of_this_version_sends_and_leaves_in_its_image_is_read(tmp_path: Path) -> None:
    packed = pack(Catalog(nodes={"A": {"description": os.urandom(600_000).hex()}}))
    (tmp_path / "ep2.image").write_bytes(packed.file())
    async with intake(tmp_path) as (catalogs, taken):
        events = list(packed.told(taken.has("ep")))
        for event in events:
            taken.hear("ep", "job", event)
        await known(catalogs, packed.sha256)
        await known(catalogs, packed.sha256, "ep2")
        again = list(packed.told(taken.has("ep")))

    assert len(events) > 2
    assert again == [CatalogTold(sha256=packed.sha256)]
