"""Descriptors: whoever opens connections and says nothing stops nobody else, and fills no log.

Promise: the limit is what the machine allows; a header must be whole in 30 s, an idle connection that has asked before
and a websocket may stay; running out is said once.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import aiohttp
import pytest

from proxy.addons.connections import FIRST_S
from proxy.addons.http1 import HEADER_S
from tests.support.measured import needs_proc
from tests.support.measured_proxy import MeasuredProxy, measured_proxy
from tests.support.raw_http import RawClient, raw_client
from tests.support.until import until

pytestmark = [needs_proc, pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limit")]


@asynccontextmanager
async def proxy_with(home: Path, soft: int, hard: int) -> AsyncIterator[tuple[MeasuredProxy, Path]]:
    """The proxy, and its log."""
    log = home / "log"
    async with measured_proxy(home / "home", limit=(soft, hard), log=log) as proxy:
        yield proxy, log


def limit_of(proxy: MeasuredProxy) -> int:
    limits = Path(f"/proc/{proxy.running.process.pid}/limits").read_text()
    return int(next(line for line in limits.splitlines() if line.startswith("Max open files")).split()[3])


async def is_answered(proxy: MeasuredProxy) -> bool:
    try:
        async with raw_client(proxy.url) as client:
            await client.send(proxy.head("GET /queue"))
            async with asyncio.timeout(5):
                return (await client.answer())[0] == 200
    except (OSError, TimeoutError):
        return False


async def test_the_limit_is_what_the_machine_allows(tmp_path: Path) -> None:
    async with proxy_with(tmp_path, 256, 2048) as (proxy, _):
        assert limit_of(proxy) == 2048


async def test_a_thousand_half_requests_stop_nobody_and_fill_no_log(tmp_path: Path) -> None:
    async with proxy_with(tmp_path, 1024, 1024) as (proxy, log), AsyncExitStack() as exits:
        mine = await exits.enter_async_context(raw_client(proxy.url))
        await mine.send(proxy.head("GET /queue"))
        assert (await mine.answer())[0] == 200
        for _ in range(1100):
            half = await exits.enter_async_context(raw_client(proxy.url))
            await half.send(b"GET /queue HTTP/1.1\r\nHost:")
        await mine.send(proxy.head("GET /queue"))

        assert (await mine.answer())[0] == 200
        assert await is_answered(proxy)
    assert log.stat().st_size < 10_000


async def open_page(session: aiohttp.ClientSession, url: str, exits: AsyncExitStack) -> None:
    with suppress(aiohttp.ClientError, TimeoutError):
        async with asyncio.timeout(8):
            socket = await session.ws_connect(url)
        exits.push_async_callback(socket.close)


async def test_websockets_that_use_up_all_descriptors_fill_no_log(tmp_path: Path) -> None:
    async with proxy_with(tmp_path, 120, 120) as (proxy, log), aiohttp.ClientSession() as session:
        async with AsyncExitStack() as exits:
            pages = [f"{proxy.url}/ws?clientId={number}" for number in range(38)]
            await asyncio.gather(*(open_page(session, page, exits) for page in pages))

        assert await until(lambda: is_answered(proxy), 30)
    assert log.stat().st_size < 20_000


async def drip(client: RawClient, text: bytes) -> None:
    for sign in text:
        await client.send(bytes([sign]))
        await asyncio.sleep(0.5)


async def test_half_a_header_is_given_half_a_minute_and_everything_else_its_time(tmp_path: Path) -> None:
    async with proxy_with(tmp_path, 1024, 4096) as (proxy, _), AsyncExitStack() as exits:

        async def opened() -> RawClient:
            return await exits.enter_async_context(raw_client(proxy.url))

        session = await exits.enter_async_context(aiohttp.ClientSession())
        page = await session.ws_connect(f"{proxy.url}/ws?clientId=idle")
        await page.receive_json()
        silent, half, dripping = await opened(), await opened(), await opened()
        idle, waiting, uploading, again = await opened(), await opened(), await opened(), await opened()
        await half.send(b"GET /queue HTTP/1.1\r\n")
        for client in (idle, again):
            await client.send(proxy.head("GET /queue"))
            assert (await client.answer())[0] == 200
        await again.send(b"GET /queue HTTP/1.1\r\n")
        await waiting.send(proxy.head("GET /view?hold"))
        await uploading.send(proxy.head("POST /upload/image", "Content-Length: 100"), b"x")
        dripped = asyncio.create_task(drip(dripping, b"GET /queue HTTP/1.1\r\nX-Long: " + b"x" * 60))
        await asyncio.sleep(max(FIRST_S, HEADER_S) + 4)

        closed = [await client.is_closed(1) for client in (silent, half, dripping, again)]
        proxy.comfyui.release()
        await uploading.send(b"x" * 99)
        answers = [(await client.answer())[0] for client in (waiting, uploading)]
        await idle.send(proxy.head("GET /queue"))
        answers.append((await idle.answer())[0])
        dripped.cancel()

        assert closed == [True] * 4
        assert answers == [200] * 3
        assert not page.closed
        await page.close()
