"""Letters out of a box, to a ComfyUI that says what it got."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from tests.support.served import served
from tests.support.until import until
from wire.letters import Letter, encode_letters
from worker.comfyui.client import ComfyClient
from worker.comfyui.letter_carrier import LetterCarrier
from worker.files.letter_box import BoxUnreadable

RUN = "this run"


def letter(number: int, *, run: str = RUN, path: str = "/chooser/answer?x=%20y", body: bytes = b"") -> Letter:
    return Letter.of(id=f"{number:032x}", run=run, path=path, content_type="text/x; a=b", body=body or b"%d" % number)


@dataclass
class Box:
    """Has news as told: each of *contents* once."""

    contents: asyncio.Queue[bytes | Exception] = field(default_factory=asyncio.Queue)

    async def news(self) -> bytes | None:
        if self.contents.empty():
            return None
        found = self.contents.get_nowait()
        if isinstance(found, Exception):
            raise found
        return found

    def put(self, *letters: Letter) -> None:
        self.contents.put_nowait(encode_letters(letters))


@dataclass
class Comfy:
    url: str = ""
    got: list[tuple[str, str | None, bytes]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    status: int = 200

    async def serve(self, request: web.Request) -> web.Response:
        self.got.append((request.raw_path, request.headers.get("Content-Type"), await request.read()))
        self.heads.append(dict(request.headers))
        return web.Response(status=self.status, headers={"Location": "/prompt"})


@pytest.fixture
async def comfy() -> AsyncIterator[Comfy]:
    told = Comfy()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", told.serve)
    async with served(app) as url:
        told.url = url
        yield told


async def carried(box: Box, comfy: Comfy, count: int) -> list[bytes]:
    """The bodies that ComfyUI got, once there are *count*, and the box has been looked into once more."""

    async def enough() -> bool:
        return len(comfy.got) >= count and box.contents.empty()

    async with aiohttp.ClientSession() as http:
        carrier = LetterCarrier(box, ComfyClient(comfy.url, http), RUN, pace_s=0.01)
        async with carrier.carrying():
            await until(enough, 10)
            box.put(letter(99))
            count += 1
            await until(enough, 10)
    return [body for _, _, body in comfy.got[:-1]]


async def test_a_letter_arrives_as_the_page_sent_it_and_nothing_else_with_it(comfy: Comfy) -> None:
    box = Box()
    box.put(letter(1, body=b"\x00\xff"))
    await carried(box, comfy, 1)

    assert comfy.got[0] == ("/chooser/answer?x=%20y", "text/x; a=b", b"\x00\xff")
    assert not {"Cookie", "Authorization", "Origin", "Referer"} & set(comfy.heads[0])


async def test_letters_arrive_in_order_and_each_once(comfy: Comfy) -> None:
    box = Box()
    box.put(letter(1), letter(2))
    box.put(letter(1), letter(2), letter(3))

    assert await carried(box, comfy, 3) == [b"1", b"2", b"3"]


async def test_a_letter_for_another_run_answers_another_question(comfy: Comfy) -> None:
    box = Box()
    box.put(letter(1, run="the run that was lost"), letter(2))

    assert await carried(box, comfy, 1) == [b"2"]


@pytest.mark.parametrize("trouble", [BoxUnreadable("busy"), ValueError("a bug")])
async def test_a_box_that_cannot_be_read_is_read_later(comfy: Comfy, trouble: Exception) -> None:
    box = Box()
    box.contents.put_nowait(trouble)
    box.contents.put_nowait(b'{"letters": [{"id"')
    box.put(letter(1))

    assert await carried(box, comfy, 1) == [b"1"]


@pytest.mark.parametrize("status", [302, 400, 404, 500])
async def test_what_comfyui_answers_stops_no_later_letter(comfy: Comfy, status: int) -> None:
    comfy.status = status
    box = Box()
    box.put(letter(1), letter(2))

    assert await carried(box, comfy, 2) == [b"1", b"2"]


async def test_a_letter_without_a_type_has_none_on_its_way() -> None:
    told = Comfy()
    app = web.Application()
    app.router.add_post("/x", told.serve)
    async with served(app) as url, aiohttp.ClientSession() as http:
        await ComfyClient(url, http).deliver("/x", "", b"y")

    assert told.got == [("/x", None, b"y")]
