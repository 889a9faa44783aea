"""Where letters arrive: a file on a volume, and an object behind a signed address."""

import hashlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.served import served
from wire.files import Url, Volume
from wire.letters import BOX_MAX, box_key
from worker.files.letter_box import BoxUnreadable, LetterSources

NAME = "0f" * 32
PLACE = Volume(path=box_key(NAME))


def boxes(volume: Path | None = None, bucket: str | None = None, **more: bool) -> LetterSources:
    return LetterSources(volume, bucket, allow_private=more.get("allow_private", False), max_age_s=60)


async def test_a_box_on_the_volume_has_news_once(tmp_path: Path) -> None:
    file = tmp_path / box_key(NAME)
    async with boxes(tmp_path).opened(PLACE) as box:
        assert box is not None
        assert file.read_bytes() == b""  # it is there before the first letter
        told = [await box.news()]
        for content in (b"one", b"one", b"two"):
            file.write_bytes(content)
            told.append(await box.news())

    assert told == [None, b"one", None, b"two"]
    assert not file.exists()


async def test_a_letter_that_was_faster_than_the_worker_stays(tmp_path: Path) -> None:
    (tmp_path / box_key(NAME)).parent.mkdir(parents=True)
    (tmp_path / box_key(NAME)).write_bytes(b"one")
    async with boxes(tmp_path).opened(PLACE) as box:
        assert box is not None

        assert await box.news() == b"one"


async def test_a_box_that_is_just_being_replaced_has_no_news(tmp_path: Path) -> None:
    async with boxes(tmp_path).opened(PLACE) as box:
        assert box is not None
        (tmp_path / box_key(NAME)).unlink()

        assert await box.news() is None


async def test_a_box_without_end_is_not_read(tmp_path: Path) -> None:
    async with boxes(tmp_path).opened(PLACE) as box:
        assert box is not None
        os.truncate(tmp_path / box_key(NAME), BOX_MAX + 1)

        with pytest.raises(BoxUnreadable):
            await box.news()


async def test_a_link_on_the_volume_is_not_followed_out_of_it(tmp_path: Path) -> None:
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    (volume / box_key(NAME)).parent.mkdir(parents=True)
    outside.write_bytes(b"secret")
    (volume / box_key(NAME)).symlink_to(outside)
    async with boxes(volume).opened(PLACE) as box:
        assert box is None

    assert outside.read_bytes() == b"secret"


@pytest.mark.parametrize("place", [None, PLACE])
async def test_without_a_place_or_a_volume_there_is_no_box(place: Volume | None) -> None:
    async with boxes().opened(place) as box:
        assert box is None


async def test_a_volume_that_cannot_be_written_costs_no_job(tmp_path: Path) -> None:
    (tmp_path / "comfy-runpod").write_text("a file where a folder should be")
    async with boxes(tmp_path).opened(PLACE) as box:
        assert box is None


async def test_what_a_killed_worker_left_goes_after_a_while(tmp_path: Path) -> None:
    old, young = tmp_path / box_key("aa" * 32), tmp_path / box_key("bb" * 32)
    old.parent.mkdir(parents=True)
    for path, age_s in ((old, 100), (young, 5)):
        path.touch()
        os.utime(path, (time.time() - age_s,) * 2)
    async with boxes(tmp_path).opened(PLACE):
        assert [old.exists(), young.exists()] == [False, True]


# -- a bucket


@dataclass
class Bucket:
    """Answers as S3 does: 404 or 403 without an object, 304 for one that is known."""

    url: str = ""
    content: bytes | None = None
    without: int = 404
    asked: list[str] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.path_qs)
        if self.content is None:
            return web.Response(status=self.without)
        etag = hashlib.sha256(self.content).hexdigest()
        if request.headers.get("If-None-Match") == f'"{etag}"':
            return web.Response(status=304)
        return web.Response(body=self.content, headers={"ETag": f'"{etag}"'})


@pytest.fixture
async def bucket() -> AsyncIterator[Bucket]:
    told = Bucket()
    app = web.Application()
    app.router.add_get("/{path:.*}", told.serve)
    async with served(app) as url:
        told.url = url
        yield told


@pytest.mark.parametrize("without", [404, 403])
async def test_a_box_in_a_bucket_has_news_once(bucket: Bucket, without: int) -> None:
    bucket.without = without
    async with boxes(bucket=bucket.url).opened(Url(url=f"{bucket.url}/x?X-Amz-Signature=ss")) as box:
        assert box is not None
        told = [await box.news()]
        for content in (b"one", b"one", b"two"):
            bucket.content = content
            told.append(await box.news())

    assert told == [None, b"one", None, b"two"]
    assert set(bucket.asked) == {"/x?X-Amz-Signature=ss"}


@pytest.mark.parametrize("without", [500, 503, 429, 302])
async def test_a_bucket_that_does_not_answer_as_it_should_is_asked_again_later(bucket: Bucket, without: int) -> None:
    bucket.without = without
    async with boxes(bucket=bucket.url).opened(Url(url=f"{bucket.url}/x")) as box:
        assert box is not None

        with pytest.raises(BoxUnreadable, match=str(without)):
            await box.news()


async def test_an_object_without_end_is_not_read(bucket: Bucket) -> None:
    bucket.content = bytes(BOX_MAX + 1)
    async with boxes(bucket=bucket.url).opened(Url(url=f"{bucket.url}/x")) as box:
        assert box is not None

        with pytest.raises(BoxUnreadable, match="more than"):
            await box.news()


@pytest.mark.parametrize("url", ["{}/x", "https://127.0.0.1/x", "https://169.254.169.254/latest", "file:///etc/passwd"])
async def test_a_private_address_that_is_not_the_workers_bucket_is_not_asked(bucket: Bucket, url: str) -> None:
    async with boxes().opened(Url(url=url.format(bucket.url))) as box:
        assert box is not None
        with pytest.raises(BoxUnreadable):
            await box.news()

    assert bucket.asked == []
