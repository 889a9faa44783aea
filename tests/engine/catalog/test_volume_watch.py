"""The volume's models are known without asking a worker, whatever the storage does."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial

import pytest

from engine.catalog.catalogs import Catalogs
from engine.catalog.volume_watch import ListedVolume, VolumeWatch
from storage.objects import S3Location, StorageRefused
from storage.s3 import Bucket
from tests.support.until import until
from wire.errors import Unavailable


class Pages:
    """A storage that answers one thing after the other, the last one for ever."""

    def __init__(self, *answers: Mapping[str, int] | Exception) -> None:
        self._answers = list(answers)
        self.asked = 0

    def pages(self, prefix: str) -> Iterator[Mapping[str, int]]:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        yield {f"{prefix}{name}": size for name, size in answer.items()}


@asynccontextmanager
async def watching(
    volume: ListedVolume | None, is_used: Callable[[], bool] = lambda: True, every_s: float = 60.0
) -> AsyncIterator[tuple[Catalogs, VolumeWatch]]:
    catalogs = Catalogs(("ep",), lambda: 7)
    watch = VolumeWatch(volume, catalogs, is_used)
    task = asyncio.create_task(watch.run(every_s, 0.0))
    try:
        yield catalogs, watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _was_asked(pages: Pages, times: int) -> bool:
    return pages.asked == times


async def models(catalogs: Catalogs, expected: Mapping[str, Mapping[str, int]]) -> None:
    async def there() -> bool:
        return (known := catalogs.current()) is not None and known.catalog.models == expected

    await until(there)


async def test_the_models_of_a_real_storage_are_known_without_a_worker(volume: S3Location) -> None:
    bucket = Bucket(volume, tries=2)
    for name in ("checkpoints/sdxl/a.safetensors", "clip/b.safetensors", "checkpoints/readme.md"):
        bucket.put(f"comfyui/models/{name}", b"12345")
    async with watching(bucket) as (catalogs, watch):
        await models(catalogs, {"checkpoints": {"sdxl/a.safetensors": 5}, "text_encoders": {"b.safetensors": 5}})
        bucket.delete("comfyui/models/clip/b.safetensors")
        watch.look()
        await models(catalogs, {"checkpoints": {"sdxl/a.safetensors": 5}})

    known = catalogs.current()
    assert known is not None
    assert (known.source, known.sha256, known.confirmed_ms) == ("volume", "", 7)


async def test_trouble_is_said_once_and_what_was_known_stays(caplog: pytest.LogCaptureFixture) -> None:
    broken = Unavailable("502")
    pages = Pages({"vae/a.pt": 1}, broken, broken, StorageRefused("the key"), {"vae/b.pt": 2})
    with caplog.at_level(logging.WARNING):
        async with watching(pages) as (catalogs, watch):
            await models(catalogs, {"vae": {"a.pt": 1}})
            for asked in (2, 3, 4):
                watch.look()
                await until(partial(_was_asked, pages, asked))
                await models(catalogs, {"vae": {"a.pt": 1}})
            watch.look()
            await models(catalogs, {"vae": {"b.pt": 2}})

    assert [record.getMessage().rpartition(": ")[2] for record in caplog.records] == ["502", "the key"]


async def test_a_listing_that_is_too_long_says_nothing_about_the_volume() -> None:
    pages = Pages({"vae/a.pt": 1}, {f"vae/{number}.pt": 1 for number in range(20_001)})
    async with watching(pages) as (catalogs, watch):
        await models(catalogs, {"vae": {"a.pt": 1}})
        watch.look()

        async def asked_again() -> bool:
            return pages.asked == 2

        await until(asked_again)
        await models(catalogs, {"vae": {"a.pt": 1}})


async def test_nobody_is_asked_while_nobody_would_notice() -> None:
    pages, used = Pages({}), [False]
    looks = 0

    def is_used() -> bool:
        nonlocal looks
        looks += 1
        return used[0]

    async with watching(pages, is_used, every_s=0.01):

        async def looked() -> bool:
            return looks >= 3

        await until(looked)
        asked_unused = pages.asked
        used[0] = True

        async def asked() -> bool:
            return pages.asked > 1

        await until(asked)

    assert asked_unused == 1


async def test_without_a_volume_nothing_is_known() -> None:
    async with watching(None) as (catalogs, watch):
        watch.look()
        await asyncio.sleep(0)

    assert catalogs.current() is None
