"""Jobs bring the catalog of their endpoint with them; whatever a worker sends as one, the paid results arrive."""

import asyncio
import hashlib
import os
import zlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from engine.catalog.catalog_files import CatalogFiles
from engine.catalog.catalogs import Catalogs
from engine.catalog.intake import CatalogIntake
from engine.model.states import JobState
from tests.support.bombs import gzipped
from tests.support.engine import Engine, engine
from tests.support.runpod import CONTENT, RunPod, Script, Told, endpoint_of, pictures, serving
from tests.support.until import until
from wire.catalog import Catalog, encode_catalog
from wire.events import CatalogPiece, CatalogTold
from wire.files import encode_bytes
from wire.job import JobRequest
from wire.limits import MIB

CATALOG = Catalog(comfyui="0.33.0", nodes={"A": {"description": "x" * 500}})
PACKED, SHA256 = encode_catalog(CATALOG)
RESULTS = pictures(streamed=True)


def pieces(packed: bytes, sha256: str, size: int = 40) -> list[Told]:
    parts = [packed[start : start + size] for start in range(0, len(packed), size)]
    return [
        CatalogPiece(sha256=sha256, number=number, count=len(parts), data=encode_bytes(part))
        for number, part in enumerate(parts)
    ]


def telling(*more: Told) -> Script:
    """A worker that tells *more* after its results, and before its last event."""

    def play(request: JobRequest) -> Sequence[Told]:
        *results, end = RESULTS(request)
        return [*results, *more, end]

    return play


def as_asked(request: JobRequest) -> Sequence[Told]:
    """As a worker of this project does it."""
    news = [] if request.catalog in (None, SHA256) else pieces(PACKED, SHA256)
    return telling(CatalogTold(sha256=SHA256), *news)(request)


@asynccontextmanager
async def running(home: Path, script: Script) -> AsyncIterator[tuple[Engine, Catalogs, RunPod]]:
    catalogs = Catalogs(("ep",), lambda: 5)
    intake = CatalogIntake(catalogs, CatalogFiles(home / "catalogs"))
    task = asyncio.create_task(intake.run())
    try:
        async with (
            serving(RunPod(script)) as runpod,
            endpoint_of(runpod) as endpoint,
            engine(home, [endpoint], catalogs=intake) as one,
        ):
            yield one, catalogs, runpod
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def intake_of(one: Engine) -> CatalogIntake:
    assert isinstance(one.services.catalogs, CatalogIntake)
    return one.services.catalogs


async def known(catalogs: Catalogs, endpoint_id: str = "ep") -> Catalog:
    async def there() -> Catalog | None:
        found = catalogs.of(endpoint_id)
        return None if found is None else found.catalog

    found = await until(there)
    assert found is not None
    return found


async def test_a_job_brings_the_catalog_which_survives_a_restart_and_does_not_travel_again(tmp_path: Path) -> None:
    async with running(tmp_path, as_asked) as (one, catalogs, runpod):
        first = await one.ended(one.submit())
        told = await known(catalogs)
        asked = [job.request.catalog for job in runpod.jobs.values()]

        async def kept() -> bool:
            return (tmp_path / "catalogs" / "ep.catalog").is_file()

        await until(kept)
    async with running(tmp_path, as_asked) as (one, catalogs, runpod):
        again = await known(catalogs)
        second = await one.ended(one.submit())
        asked += [job.request.catalog for job in runpod.jobs.values()]

    assert (told, again) == (CATALOG, CATALOG)
    assert (first.state, second.state) == (JobState.COMPLETED, JobState.COMPLETED)
    assert asked == ["", SHA256]


BOMB = zlib.compress(b'{"comfyui": "' + b" " * (65 * MIB) + b'"}', 9)
DEEP = b'{"nodes": {"A": {"input": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}}"
MANY = b'{"nodes": {"A": {"input": [' + b"0," * 2_100_000 + b"0]}}}"


def unreadable(raw: bytes) -> list[Told]:
    return pieces(zlib.compress(raw), hashlib.sha256(raw).hexdigest(), 400_000)


@pytest.mark.parametrize(
    "told",
    [
        pieces(os.urandom(200), SHA256),
        pieces(PACKED[:-9], SHA256),
        pieces(PACKED, "f" * 64),
        list(reversed(pieces(PACKED, SHA256))),
        pieces(PACKED, SHA256)[:-1],
        [CatalogPiece(sha256=SHA256, number=0, count=1, data="not base64!")],
        [{"kind": "catalog_piece", "sha256": "odd", "number": -1, "count": 10**9, "data": 5}],
        pieces(BOMB, "e" * 64, 400_000),
        pieces(gzipped(b"{", b" ", 65 * MIB, b"}"), "e" * 64, 400_000),
        unreadable(DEEP),
        unreadable(MANY),
        unreadable(b"[]"),
        unreadable(b'{"nodes": {"A": 5}}'),
    ],
    ids=[
        *("rubbish", "cut", "another content", "backwards", "without its end", "not base64", "odd members", "a bomb"),
        *("gzip", "deep", "many values", "a list", "odd nodes"),
    ],
)
async def test_whatever_is_sent_as_a_catalog_the_results_arrive(tmp_path: Path, told: list[Told]) -> None:
    async with running(tmp_path, telling(CatalogTold(sha256=SHA256), *told)) as (one, catalogs, runpod):
        job = await one.ended(one.submit(), timeout_s=120)
        again = await one.ended(one.submit(), timeout_s=120)
        for piece in pieces(PACKED, SHA256):
            assert isinstance(piece, CatalogPiece)
            intake_of(one).hear("other", "a later one", piece)
        await known(catalogs, "other")

    assert (job.state, job.error) == (JobState.COMPLETED, None)
    assert again.state is JobState.COMPLETED
    assert set(one.saved().values()) == set(CONTENT.values())
    assert catalogs.of("ep") is None
    assert len(runpod.jobs) == 2


async def test_a_catalog_whose_events_repeat_after_a_lost_answer_is_taken_once(tmp_path: Path) -> None:
    twice = telling(CatalogTold(sha256=SHA256), *pieces(PACKED, SHA256)[:2], *pieces(PACKED, SHA256))
    async with running(tmp_path, twice) as (one, catalogs, _):
        job = await one.ended(one.submit())
        found = await known(catalogs)

    assert (job.state, found) == (JobState.COMPLETED, CATALOG)


def test_the_bomb_is_one() -> None:
    assert len(BOMB) < MIB // 4
