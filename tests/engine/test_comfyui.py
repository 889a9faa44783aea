import asyncio

import pytest

from engine.comfyui import comfyui_answers
from engine.errors import CannotStart
from tests.support.ports import free_port
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
