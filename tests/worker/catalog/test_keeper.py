"""A worker that cannot say what it has runs its jobs all the same, and says so once."""

import asyncio
import logging
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.until import until
from wire.catalog import decode_catalog
from worker.catalog.keeper import CatalogKeeper, CatalogUnavailable
from worker.folders import Folders
from worker.redact import Redact

SECRET = "a-secret-of-the-worker"
ANSWERS: dict[str, object] = {
    "/system_stats": {"system": {"comfyui_version": "1"}},
    "/models": [],
    "/internal/folder_paths": {},
    "/object_info": {"A": {"description": f"made with {SECRET}"}},
}


class Told:
    """A ComfyUI that answers *answers*, its nodes as soon as it may, and counts how often it was asked for those."""

    def __init__(self, answers: dict[str, object]) -> None:
        self.answers, self.asked = answers, 0
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    async def answer(self, request: web.Request) -> web.Response:
        if request.path == "/object_info":
            self.asked += 1
            await self.may_answer.wait()
        if request.path not in self.answers:
            return web.Response(status=500, text="broken")
        return web.json_response(self.answers[request.path])

    def server(self) -> TestServer:
        app = web.Application()
        app.router.add_get("/{path:.*}", self.answer)
        return TestServer(app)


def keeper(url: str, data: Path, lives: list[int] | None = None) -> CatalogKeeper:
    lives = lives or [0]
    models = data / "models"
    return CatalogKeeper(
        url, lambda: lives[0], Folders(data), models, (models,), Redact(frozenset({SECRET}), shapes=False)
    )


async def test_it_is_gathered_once_for_each_start_and_each_change(tmp_path: Path) -> None:
    told, lives = Told(ANSWERS), [0]
    (tmp_path / "models").mkdir()
    async with told.server() as server:
        kept = keeper(str(server.make_url("")).rstrip("/"), tmp_path, lives)
        first = await kept.gathered()
        assert (await kept.gathered(), told.asked) == (first, 1)
        (tmp_path / "models" / "vae").mkdir()
        await kept.gathered()
        assert told.asked == 2
        lives[0] += 1
        await kept.gathered()
        assert told.asked == 3
        again = await kept.gathered()

    assert (again, told.asked) == (first, 3)


async def test_no_secret_of_the_worker_is_in_it(tmp_path: Path) -> None:
    async with Told(ANSWERS).server() as server:
        known = await keeper(str(server.make_url("")).rstrip("/"), tmp_path).gathered()

    assert decode_catalog(known.packed, known.sha256).nodes["A"] == {"description": "made with [secret]"}


@pytest.mark.parametrize("broken", [{}, {**ANSWERS, "/models": "no list"}, {**ANSWERS, "/object_info": "no object"}])
async def test_a_comfyui_that_answers_otherwise_is_said_once(
    tmp_path: Path, broken: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    async with Told(broken).server() as server:
        kept = keeper(str(server.make_url("")).rstrip("/"), tmp_path)
        with caplog.at_level(logging.INFO, "worker.catalog.keeper"):
            for _ in range(3):
                try:
                    await kept.gathered()
                except CatalogUnavailable as error:
                    assert "cannot say what it has" in str(error)

    assert len([record for record in caplog.records if record.levelno >= logging.INFO]) == 1


async def test_without_a_comfyui_nothing_is_known(tmp_path: Path) -> None:
    kept = keeper("http://127.0.0.1:9", tmp_path)

    with pytest.raises(CatalogUnavailable):
        await kept.gathered()
    assert kept.known is None


async def test_what_may_not_hold_any_more_is_not_told(tmp_path: Path) -> None:
    told = Told(dict(ANSWERS))
    (tmp_path / "models").mkdir()
    async with told.server() as server:
        kept = keeper(str(server.make_url("")).rstrip("/"), tmp_path)
        first = await kept.gathered()
        kept.look()
        assert kept.known is None
        assert await kept.gathered() == first == kept.known
        del told.answers["/object_info"]
        (tmp_path / "models" / "vae").mkdir()
        with pytest.raises(CatalogUnavailable):
            await kept.gathered()

    assert kept.known is None


async def test_looking_again_sees_what_came_during_a_look(tmp_path: Path) -> None:
    told = Told(dict(ANSWERS))
    (tmp_path / "models").mkdir()
    async with told.server() as server:
        kept = keeper(str(server.make_url("")).rstrip("/"), tmp_path)
        told.may_answer.clear()
        kept.look()
        await until(lambda: _is(told.asked == 1))
        (tmp_path / "models" / "vae").mkdir()
        looking = asyncio.create_task(kept.look_again(60))
        told.may_answer.set()
        await looking

    assert told.asked == 2
    assert kept.known is not None


async def test_looking_again_takes_its_time_and_no_more(tmp_path: Path) -> None:
    told = Told(dict(ANSWERS))
    async with told.server() as server:
        kept = keeper(str(server.make_url("")).rstrip("/"), tmp_path)
        told.may_answer.clear()
        await kept.look_again(0.05)
        assert kept.known is None
        told.may_answer.set()

        assert await kept.gathered() == kept.known


async def _is(fact: bool) -> bool:
    return fact
