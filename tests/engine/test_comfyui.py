import asyncio
from collections.abc import Mapping

import aiohttp
import pytest
from aiohttp import web

from engine.comfyui import ComfyUI, ComfyUIRejected, comfyui_answers
from engine.errors import CannotStart
from tests.support.ports import free_port
from tests.support.served import served
from tests.support.system_stats import serving


async def test_a_comfyui_is_recognised() -> None:
    async with serving(200) as url:
        assert await comfyui_answers(url)


async def test_nobody_at_the_address_is_no_error() -> None:
    assert not await comfyui_answers(f"http://127.0.0.1:{free_port()}")


async def test_another_program_at_the_address_is_said() -> None:
    async with serving(404) as url:
        with pytest.raises(CannotStart, match=rf"^COMFYUI_URL={url}: .*404"):
            await comfyui_answers(url)


async def test_a_program_that_does_not_speak_http_is_said() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH\r\n")
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        with pytest.raises(CannotStart, match="not a ComfyUI"):
            await comfyui_answers(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")


async def models(answers: Mapping[str, object], kind: str, status: int = 404) -> dict[str, int | None]:
    """What a ComfyUI has that gives these *answers*, and *status* for any other path."""

    async def answer(request: web.Request) -> web.Response:
        found = answers.get(request.raw_path)
        return web.Response(status=status) if found is None else web.json_response(found)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with served(app) as url, aiohttp.ClientSession() as session:
        return await ComfyUI(url, session).models(kind)


async def test_models_are_listed_with_their_sizes() -> None:
    listed = [{"name": "a.pt", "size": 5, "pathIndex": 0}, {"name": "b.pt"}, {"odd": 1}, 7]

    assert await models({"/experiment/models/vae": listed}, "vae") == {"a.pt": 5, "b.pt": None}


async def test_without_that_list_their_names_are_known_and_of_an_unknown_kind_there_are_none() -> None:
    assert await models({"/models/vae": ["a.pt"]}, "vae") == {"a.pt": None}
    assert await models({"/models/vae": ["a.pt"]}, "../vae") == {}


async def test_a_comfyui_that_fails_at_its_models_is_not_one_without_models() -> None:
    with pytest.raises(ComfyUIRejected):
        await models({}, "vae", status=500)
