"""Letter boxes on a real S3 server, which stands for a bucket and for a network volume."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from engine.files.letter_boxes import LetterBoxes
from storage.objects import ObjectStore, S3Location
from storage.s3 import Bucket
from tests.support.ports import free_port
from tests.support.until import until
from wire.files import Url, Volume
from wire.ids import PromptId
from wire.letters import LETTERS_MAX, Letter, box_of, decode_letters

JOB, OTHER = PromptId("7b2c1d0e-0000-4000-8000-00000000000a"), PromptId("7b2c1d0e-0000-4000-8000-00000000000b")


def letter(number: int) -> Letter:
    return Letter.of(id=f"{number:032x}", run="r", path="/x", content_type="", body=b"%d" % number)


@pytest.fixture
def bucket(volume: S3Location) -> Bucket:
    return Bucket(volume, tries=1)


class Desk:
    def __init__(self, store: ObjectStore | None, home: Path, *, signed: bool = False) -> None:
        self.said: list[str] = []
        self.notes = home / "letters"
        self.boxes = LetterBoxes(
            store,
            signed=signed,
            notes=self.notes,
            report=lambda summary, detail: self.said.append(f"{summary}: {detail}"),
        )

    @asynccontextmanager
    async def working(self, *active: str) -> AsyncIterator[None]:
        task = asyncio.create_task(self.boxes.run(frozenset(active)))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def noted(self) -> list[str]:
        return sorted(path.read_text() for path in self.notes.glob("*"))


async def key_of(desk: Desk, prompt_id: PromptId = JOB) -> str:
    place = await desk.boxes.place(prompt_id)
    assert isinstance(place, Volume)
    return place.path


def numbers(bucket: Bucket, key: str) -> list[int]:
    return [int(letter.content()) for letter in decode_letters(b"".join(bucket.read(key)))]


async def arrived(bucket: Bucket, key: str, last: int) -> list[int]:
    async def there() -> bool:
        return bucket.size(key) is not None and numbers(bucket, key)[-1:] == [last]

    await until(there, 10)
    return numbers(bucket, key)


async def gone(desk: Desk, bucket: Bucket, key: str) -> None:
    """The box, and then its note."""

    async def is_gone() -> bool:
        return bucket.size(key) is None and not (desk.notes / key.rpartition("/")[2]).exists()

    await until(is_gone, 10)


async def test_letters_are_in_the_box_in_order(bucket: Bucket, tmp_path: Path) -> None:
    desk = Desk(bucket, tmp_path)
    key = await key_of(desk)
    async with desk.working():
        desk.boxes.post(JOB, letter(1))
        assert await arrived(bucket, key, 1) == [1]
        for number in (2, 3):
            desk.boxes.post(JOB, letter(number))
        assert await arrived(bucket, key, 3) == [1, 2, 3]
        desk.boxes.close(JOB)
        await gone(desk, bucket, key)

    assert desk.said == []
    assert desk.noted() == []


async def test_the_worker_reads_it_by_a_signed_address_without_a_key(bucket: Bucket, tmp_path: Path) -> None:
    desk = Desk(bucket, tmp_path, signed=True)
    place = await desk.boxes.place(JOB)
    assert isinstance(place, Url)
    async with desk.working(), aiohttp.ClientSession() as http:
        async with http.get(place.url) as empty:
            assert empty.status == 404
        desk.boxes.post(JOB, letter(1))

        async def content() -> bytes:
            async with http.get(place.url) as answer:
                return await answer.read() if answer.status == 200 else b""

        (found,) = decode_letters(await until(content, 10))
        async with http.get(place.url, headers={"If-None-Match": answer_tag(bucket, place)}) as same:
            assert same.status == 304
        desk.boxes.close(JOB)
        await gone(desk, bucket, key_in(place))

    assert found == letter(1)


def key_in(place: Url) -> str:
    return "comfy-runpod/letters/" + place.url.partition("comfy-runpod/letters/")[2].partition("?")[0]


def answer_tag(bucket: Bucket, place: Url) -> str:
    return bucket.facts(key_in(place))[1]


async def test_a_name_is_the_same_after_a_restart_and_known_to_nobody_without_the_key(
    bucket: Bucket, tmp_path: Path
) -> None:
    foreign = Bucket(replace(bucket.place, secret_key=SecretStr("another")), tries=1)
    key = await key_of(Desk(bucket, tmp_path))

    assert key == await key_of(Desk(bucket, tmp_path))
    assert len({key, await key_of(Desk(bucket, tmp_path), OTHER), await key_of(Desk(foreign, tmp_path))}) == 3
    assert JOB not in key
    assert box_of({"kind": "volume", "path": key}) == Volume(path=key)


async def test_a_box_stays_bounded(bucket: Bucket, tmp_path: Path) -> None:
    desk = Desk(bucket, tmp_path)
    key = await key_of(desk)
    async with desk.working():
        for number in range(LETTERS_MAX + 20):
            desk.boxes.post(JOB, letter(number))
        found = await arrived(bucket, key, LETTERS_MAX + 19)
        desk.boxes.close(JOB)
        await gone(desk, bucket, key)

    assert found == list(range(20, LETTERS_MAX + 20))


async def test_what_a_killed_proxy_left_goes_at_the_next_start_unless_its_job_goes_on(
    bucket: Bucket, tmp_path: Path
) -> None:
    killed = Desk(bucket, tmp_path)
    keys = [await key_of(killed, job) for job in (JOB, OTHER)]
    async with killed.working():
        for job, key in zip((JOB, OTHER), keys, strict=True):
            killed.boxes.post(job, letter(1))
            await arrived(bucket, key, 1)
    assert killed.noted() == [JOB, OTHER]
    started = Desk(bucket, tmp_path)
    async with started.working(OTHER):
        await gone(started, bucket, keys[0])
        assert bucket.size(keys[1]) is not None
        started.boxes.close(OTHER)  # nobody has answered since
        await gone(started, bucket, keys[1])

    assert started.noted() == []


async def test_a_job_without_letters_asks_nothing_of_the_storage(tmp_path: Path) -> None:
    nowhere = S3Location(f"http://127.0.0.1:{free_port()}", "b", "r", SecretStr("k"), SecretStr("s"))
    desk = Desk(Bucket(nowhere, tries=1), tmp_path)
    async with desk.working():
        desk.boxes.close(JOB)
        desk.boxes.post(OTHER, letter(1))

        async def has_tried_the_other() -> bool:
            return bool(desk.said)

        await until(has_tried_the_other, 10)

    assert len(desk.said) == 1
    assert desk.said[0].startswith("Your answer is not at RunPod yet")


async def test_without_a_storage_there_are_no_boxes(tmp_path: Path) -> None:
    desk = Desk(None, tmp_path)
    async with desk.working():
        desk.boxes.post(JOB, letter(1))
        desk.boxes.close(JOB)

    assert not desk.boxes.usable
    assert await desk.boxes.place(JOB) is None
    assert not desk.notes.exists()
